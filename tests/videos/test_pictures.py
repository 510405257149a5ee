"""GIF, WebP and folders of frames."""

import struct
import warnings
import zlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from encoded_clips import number_of, numbered_frame
from PIL import Image, ImageOps

from pyoco_eval.errors import VideoError
from pyoco_eval.videos.source import open_source
from pyoco_eval.videos.video import EndOfVideoError


def animate(path: Path, images: list[Image.Image], **options: object) -> Path:
    images[0].save(path, save_all=True, append_images=images[1:], **options)
    return path


def numbered(count: int) -> list[Image.Image]:
    return [Image.fromarray(numbered_frame(number)) for number in range(count)]


def test_webp_animation(tmp_path):
    path = animate(tmp_path / "a.webp", numbered(8), lossless=True, duration=[100, 70] * 4)
    (video,) = open_source(path)
    assert video.count_frames() == 8
    assert np.array_equal(video.read([6, 1]), np.stack([numbered_frame(6), numbered_frame(1)]))
    facts = video.probe()
    assert facts.frame_rate == Fraction(8000, 680)
    assert facts.variable_delays
    assert (facts.width, facts.height, facts.codec) == (128, 64, "webp")


def test_gif_with_equal_delays(tmp_path):
    path = animate(tmp_path / "a.gif", numbered(5), duration=40)
    (video,) = open_source(path)
    assert [number_of(frame) for frame in video.read(range(5))] == list(range(5))
    assert video.probe().frame_rate == 25
    assert not video.probe().variable_delays
    with pytest.raises(EndOfVideoError, match="has 5 frames"):
        video.read([5])


def test_long_shown_gif_pictures_stay_one_frame_each(tmp_path):
    """A GIF is not expanded to its clock's ticks: 3 pictures of 2 s are 3 frames."""
    path = animate(tmp_path / "slow.gif", numbered(3), duration=2000)
    assert open_source(path)[0].count_frames() == 3


def test_gif_disposal_and_transparency(tmp_path):
    """Small pictures over a first one: kept, cleared to white, or put back as it was."""
    base = Image.new("P", (20, 10), 1)
    base.putpalette([255, 255, 255, 200, 0, 0, 0, 0, 200] + [0] * 759)
    spot = Image.new("P", (20, 10), 0)
    spot.putpalette(base.getpalette())
    spot.paste(2, (0, 0, 5, 10))
    shown = {}
    for disposal in (1, 2, 3):
        path = tmp_path / f"disposal{disposal}.gif"
        animate(
            path,
            [base, spot, spot.transpose(Image.Transpose.FLIP_LEFT_RIGHT)],
            disposal=[1, disposal, 1],
            transparency=0,
            duration=100,
            optimize=False,
        )
        (video,) = open_source(path)
        shown[disposal] = video.read(range(video.count_frames()))
        assert shown[disposal].shape == (3, 10, 20, 3)
        assert tuple(shown[disposal][1][5, 2]) == (0, 0, 200)
        assert tuple(shown[disposal][1][5, 10]) == (200, 0, 0)
        assert tuple(shown[disposal][2][5, 18]) == (0, 0, 200)
    assert tuple(shown[1][2][5, 2]) == (0, 0, 200)
    assert tuple(shown[2][2][5, 2]) == (255, 255, 255)
    assert tuple(shown[3][2][5, 2]) == (200, 0, 0)


def test_still_picture_is_a_video_of_one_frame(tmp_path):
    Image.fromarray(numbered_frame(3)).save(tmp_path / "one.gif")
    (video,) = open_source(tmp_path)
    assert video.count_frames() == 1
    assert video.probe().frame_rate is None


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_truncated_animation(tmp_path, suffix):
    rng = np.random.default_rng(0)
    noise = [Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)) for _ in range(6)]
    whole = animate(tmp_path / f"whole{suffix}", noise, duration=40)
    content = whole.read_bytes()
    (tmp_path / "cut").mkdir()
    for share in (0.05, 0.3, 0.6, 0.9, 0.999):
        path = tmp_path / "cut" / f"{share}{suffix}"
        path.write_bytes(content[: int(len(content) * share)])
        (video,) = open_source(path)
        with pytest.raises(VideoError, match=r"cut off|cannot be opened"):
            video.count_frames()


def test_text_named_gif(tmp_path):
    (tmp_path / "a.gif").write_text("no picture")
    (tmp_path / "b.webp").write_bytes(b"")
    source = open_source(tmp_path)
    with pytest.raises(VideoError, match=r"a\.gif: cannot be opened"):
        source[0].count_frames()
    with pytest.raises(VideoError, match=r"b\.webp: is empty"):
        source[1].probe()


def save_frames(folder: Path, count: int, pattern: str = "frame{}.png") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(numbered(count)):
        image.save(folder / pattern.format(number))


def test_frame_folder_is_one_video_in_natural_order(tmp_path):
    save_frames(tmp_path / "clips" / "b", 12)
    save_frames(tmp_path / "clips" / "a", 3, "{:04d}.png")
    source = open_source(tmp_path / "clips")
    assert [video.id for video in source] == ["a", "b"]
    assert [number_of(f) for f in source[1].read(range(12))] == list(range(12))
    assert source[1].count_frames() == 12
    facts = source[1].probe()
    assert (facts.width, facts.height, facts.codec, facts.container) == (128, 64, "png", "folder")
    assert facts.frame_rate is None
    with pytest.raises(EndOfVideoError, match="has 12 frames"):
        source[1].read([12])
    assert source.decoder_label().startswith("pillow-")


def test_a_folder_given_itself_may_hold_frames(tmp_path):
    save_frames(tmp_path / "walk", 2)
    (video,) = open_source(tmp_path / "walk")
    assert video.id == "walk"
    assert video.count_frames() == 2


def test_images_beside_videos_are_not_frames(tmp_path):
    animate(tmp_path / "a.gif", numbered(2))
    Image.fromarray(numbered_frame(0)).save(tmp_path / "preview.png")
    source = open_source(tmp_path)
    assert [video.id for video in source] == ["a.gif"]
    assert source.ignored == 1


def see_through_palette() -> Image.Image:
    image = Image.new("RGB", (5, 4), (9, 8, 7)).quantize(4)
    image.info["transparency"] = bytes([0] * 4)
    return image


@pytest.mark.parametrize(
    ("image", "exact", "peer"),
    [
        (Image.fromarray(np.full((4, 5), 0x1234, np.uint16)), (0x12, 0x12, 0x12), (255, 255, 255)),
        (Image.new("RGBA", (5, 4), (10, 20, 30, 255)), (10, 20, 30), (10, 20, 30)),
        (Image.new("RGBA", (5, 4), (10, 20, 30, 0)), (255, 255, 255), (10, 20, 30)),
        (Image.new("RGBA", (5, 4), (0, 0, 0, 51)), (204, 204, 204), (0, 0, 0)),
        (Image.new("L", (5, 4), 77), (77, 77, 77), (77, 77, 77)),
        (Image.new("LA", (5, 4), (77, 255)), (77, 77, 77), (77, 77, 77)),
        (Image.new("LA", (5, 4), (77, 0)), (255, 255, 255), (77, 77, 77)),
        (Image.new("1", (5, 4), 1), (255, 255, 255), (255, 255, 255)),
        (Image.new("RGB", (5, 4), (9, 8, 7)).quantize(4), (9, 8, 7), (9, 8, 7)),
        (see_through_palette(), (255, 255, 255), (9, 8, 7)),
    ],
    ids=[
        "16-bit", "opaque", "transparent", "half-transparent", "grey", "grey+alpha",
        "transparent grey", "bilevel", "palette", "transparent palette",
    ],
)  # fmt: skip
def test_every_kind_of_png(tmp_path, image, exact, peer):
    image.save(tmp_path / "0.png")
    (video,) = open_source(tmp_path)
    for rule, expected in (("exact", exact), ("peer", peer)):
        frame = video.reading(rule).read([0])[0]
        assert frame.shape == (4, 5, 3)
        assert (frame == expected).all()
    with warnings.catch_warnings(action="ignore"):  # Pillow tells of a transparency that is lost
        as_tools_read = np.asarray(Image.open(tmp_path / "0.png", formats=["PNG"]).convert("RGB"))
    assert np.array_equal(video.reading("peer").read([0])[0], as_tools_read)


def test_exif_orientation_of_jpg_frames(tmp_path):
    image = Image.fromarray(numbered_frame(0))
    exif = image.getexif()
    exif[0x0112] = 6  # turn a quarter clockwise to show
    image.save(tmp_path / "0.JPG", exif=exif, quality=95)
    frame = open_source(tmp_path)[0].read([0])[0]
    assert frame.shape == (128, 64, 3)
    assert np.abs(frame.astype(int) - np.rot90(numbered_frame(0), -1)).mean() < 5
    as_tools_read = np.asarray(Image.open(tmp_path / "0.JPG", formats=["JPEG"]).convert("RGB"))
    assert np.array_equal(open_source(tmp_path)[0].reading("peer").read([0])[0], as_tools_read)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0" + bytes(20),
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x02\x36\0\0\0\0\0\0\0",  # as text
        b"Exif\0\0MM\0*\xff\xff\xff\xff",
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0\0\0\0\0",  # 99
        b"garbage",
    ],
)
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_unusable_exif_says_nothing(tmp_path, suffix, exif):
    image = Image.fromarray(numbered_frame(5))
    image.save(tmp_path / f"0{suffix}", exif=exif)
    (frame,) = open_source(tmp_path)[0].read([0])
    assert frame.shape == (64, 128, 3)
    assert number_of(frame) == 5


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_as_pillow_does(tmp_path, orientation):
    image = Image.fromarray(numbered_frame(5))
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(tmp_path / "0.png", exif=exif)
    with Image.open(tmp_path / "0.png", formats=["PNG"]) as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored))
    assert np.array_equal(open_source(tmp_path)[0].read([0])[0], expected)


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"tEXt", b"iCCP"])
def test_large_text_in_png_files_is_passed_over(tmp_path, kind, place):
    Image.fromarray(numbered_frame(6)).save(tmp_path / "0.png")
    content = (tmp_path / "0.png").read_bytes()
    text = b"w" * (3 << 20)
    data = {
        b"zTXt": b"key\0\0" + zlib.compress(text),
        b"iTXt": b"key\0\1\0\0\0" + zlib.compress(text),
        b"tEXt": b"key\0" + text,
        b"iCCP": b"key\0\0" + zlib.compress(text),
    }[kind]
    chunk = struct.pack(">I", len(data)) + kind + data
    chunk += struct.pack(">I", zlib.crc32(kind + data))
    middle = 33 if place == "before" else content.rindex(b"IEND") - 4
    (tmp_path / "0.png").write_bytes(content[:middle] + chunk + content[middle:])
    assert np.array_equal(open_source(tmp_path)[0].read([0])[0], numbered_frame(6))
    (tmp_path / "0.png").write_bytes(content[:33] + chunk + content[33:-40])
    with pytest.raises(VideoError, match="damaged or cut off"):
        open_source(tmp_path)[0].read([0])


def test_damaged_and_unequal_frames_name_the_file(tmp_path):
    save_frames(tmp_path / "unequal", 3)
    Image.new("RGB", (10, 10)).save(tmp_path / "unequal" / "frame2.png")
    save_frames(tmp_path / "damaged", 3)
    path = tmp_path / "damaged" / "frame1.png"
    path.write_bytes(path.read_bytes()[:100])
    damaged, unequal = open_source(tmp_path)
    with pytest.raises(VideoError, match=r"unequal: frame2\.png is 10 x 10 pixels"):
        unequal.count_frames()
    with pytest.raises(VideoError, match="frame size changes"):
        unequal.read([0, 2])
    with pytest.raises(VideoError, match=r"damaged: frame1\.png is damaged"):
        damaged.count_frames()
    assert number_of(damaged.read([0])[0]) == 0


def test_pictures_too_large_to_be_real_are_refused(tmp_path):
    """A GIF of 30 bytes that claims 65535 x 65535 pixels is not unpacked."""
    header = b"GIF89a" + b"\xff\xff\xff\xff" + b"\x80\x00\x00" + bytes(6)
    (tmp_path / "a.gif").write_bytes(header + b"\x2c" + bytes(10) + b"\x02\x02\x44\x01\x00;")
    with pytest.raises(VideoError, match=r"a\.gif: claims"):
        open_source(tmp_path)[0].count_frames()
    (tmp_path / "a.gif").unlink()
    Image.new("1", (9000, 9000)).save(tmp_path / "0.png")
    with pytest.raises(VideoError, match="claims frames of 9000 x 9000 pixels"):
        open_source(tmp_path)[0].read([0])


def test_a_frame_that_is_gone_is_named(tmp_path):
    save_frames(tmp_path, 2)
    (tmp_path / "frame1.png").unlink()
    (tmp_path / "frame1.png").symlink_to("nowhere.png")
    with pytest.raises(VideoError, match=r"frame1\.png does not exist any more"):
        open_source(tmp_path)[0].count_frames()
