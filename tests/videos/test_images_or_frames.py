"""Which pictures are images by themselves and which are frames of videos: the stated rule."""

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from encoded_clips import encode
from PIL import Image

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.listing.pictures import PictureRule
from pyoco_eval.videos.source import VideoSource, open_source

OF_IMAGES = PictureRule("auto", "pictures")
OF_CLIPS = PictureRule("auto", "clips")
STATED_IMAGES = PictureRule("images", "pictures")
STATED_FRAMES = PictureRule("frames", "pictures")
RNG = np.random.default_rng(0)


def picture(width: int = 6, height: int = 5) -> Image.Image:
    return Image.fromarray(RNG.integers(0, 256, (height, width, 3), np.uint8))


def save(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(4 + number % 3).save(path)
    return root


def opened(place: object, rule: PictureRule = OF_IMAGES) -> VideoSource:
    return open_source(place, rule=rule)


def classes(root: Path, folders: int = 3, pictures: int = 4, suffix: str = ".png") -> Path:
    return save(root, *(f"c{f}/{p:04d}{suffix}" for f in range(folders) for p in range(pictures)))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".JPEG", ".webp", ".bmp", ".tif", ".ppm"])
def test_class_folders_are_images_for_metrics_of_images(tmp_path, suffix):
    source = opened(classes(tmp_path, suffix=suffix))
    assert source.images
    assert len(source) == 12
    assert source[0].id == f"c0/0000{suffix}"
    assert {video.count_frames() for video in source} == {1}
    assert "12 pictures in 3 folders are taken as images" in source.decision.note
    assert "--pictures frames" in source.decision.note
    assert source.decision.label() == "images"


def test_the_same_folder_holds_videos_for_metrics_of_clips(tmp_path):
    source = opened(classes(tmp_path), OF_CLIPS)
    assert not source.images
    assert [video.id for video in source] == ["c0", "c1", "c2"]
    assert source.decision.label() == "frames"
    assert not source.decision.note, "the metric decides, so that there is nothing to explain"


def test_a_flat_folder_of_many_kinds_and_sizes(tmp_path):
    names = ["a.png", "B.JPG", "c.webp", "0001.bmp", "10.tiff", "9.jpeg", "x_mask.png", "x.png"]
    source = opened(save(tmp_path, *names))
    assert [video.id for video in source] == sorted(names)
    assert len({video.read([0]).shape for video in source}) == 3


@pytest.mark.parametrize(
    "names",
    [
        ("v1/frame_0001.png", "v1/frame_0002.png", "v2/frame_0001.png"),
        ("video_01/0001.png", "video_01/0002.png", "video_02/0001.png"),
        ("clip7/1.jpg", "clip8/1.jpg"),
        ("v_Biking_g01_c02/0001.jpg", "v_Biking_g01_c03/0001.jpg"),
        ("x.mp4/0001.png", "y.mp4/0001.png"),
        ("frames/a/0001.png", "frames/b/0001.png"),
    ],
)
def test_names_that_say_frames(tmp_path, names):
    source = opened(save(tmp_path, *names))
    assert not source.images
    assert len(source) == len({name.rpartition("/")[0] for name in names})
    assert "taken as frames" in source.decision.note
    assert "--pictures images" in source.decision.note
    assert opened(tmp_path, STATED_IMAGES).images
    assert len(opened(tmp_path, STATED_IMAGES)) == len(names)


def test_what_could_be_either_names_both_options(tmp_path):
    flat = save(tmp_path / "flat", "frame_1.png", "frame_2.png")
    some = save(tmp_path / "some", "clip1/1.png", "clip2/1.png", "cats/1.png")
    beside = save(tmp_path / "beside", "1.png", "2.png")
    encode(beside / "a.mp4", num_frames=2)
    for place, said in ((flat, "called frames"), (some, "2 of 3 folders"), (beside, "1 video")):
        with pytest.raises(UsageError, match=rf"{said}.*--pictures images .*--pictures frames"):
            opened(place)
        assert opened(place, STATED_IMAGES).images
        assert not opened(place, STATED_FRAMES).images
    assert opened(beside, STATED_IMAGES).left.label() == "1.mp4"
    assert opened(beside, STATED_FRAMES).left.label() == "2.png"


def test_thumbnails_of_videos_are_no_images(tmp_path):
    encode(tmp_path / "a.mp4", num_frames=2)
    encode(tmp_path / "b.mp4", num_frames=2)
    save(tmp_path, "a.jpg", "b.jpg")
    for rule in (OF_IMAGES, OF_CLIPS, STATED_FRAMES):
        source = opened(tmp_path, rule)
        assert [video.id for video in source] == ["a.mp4", "b.mp4"]
        assert "2 .jpg (thumbnails of videos)" in (source.left.sentence() or "")
    assert len(opened(tmp_path, STATED_IMAGES)) == 2
    assert opened(tmp_path, STATED_IMAGES).left.label() == "2.mp4"


@pytest.mark.parametrize("name", ["samples.png", "cover.jpg", "contact-sheet.png", "Preview.PNG"])
def test_a_sheet_beside_videos_is_no_image(tmp_path, name):
    """`pyoco-eval sample` leaves samples.png beside its videos."""
    encode(tmp_path / "000000.mp4", num_frames=2)
    encode(tmp_path / "000001.mp4", num_frames=2)
    save(tmp_path, name)
    for rule in (OF_IMAGES, OF_CLIPS, STATED_FRAMES):
        source = opened(tmp_path, rule)
        assert [video.id for video in source] == ["000000.mp4", "000001.mp4"]
        assert "(covers)" in (source.left.sentence() or "")
    assert [video.id for video in opened(tmp_path, STATED_IMAGES)] == [name]


def test_a_single_picture_and_a_list_of_paths(tmp_path):
    save(tmp_path, "a/1.png", "b/2.jpg")
    assert len(opened(tmp_path / "a" / "1.png")) == 1
    with pytest.raises(UsageError, match="one picture, no video"):
        opened(tmp_path / "a" / "1.png", OF_CLIPS)
    paths = [tmp_path / "b" / "2.jpg", str(tmp_path / "a" / "1.png")]
    assert [video.id for video in opened(paths)] == ["a/1.png", "b/2.jpg"]
    with pytest.raises(UsageError, match=r"item 0: .*is one picture, no video"):
        opened(paths, OF_CLIPS)
    with pytest.raises(UsageError, match=r"item 1: .*gone\.png: no such file"):
        opened([paths[0], tmp_path / "gone.png"])


def test_a_text_file_of_paths(tmp_path):
    save(tmp_path, "a/1.png", "b/with blank 2.jpg", "c/3.png")
    (tmp_path / "list.txt").write_text("c/3.png 17\n\nb/with blank 2.jpg\n")
    source = opened(tmp_path / "list.txt")
    assert [(v.id, v.label) for v in source] == [("b/with blank 2.jpg", None), ("c/3.png", "17")]
    assert source.images
    (tmp_path / "bad.txt").write_text("c/3.png\nnowhere.png\n")
    with pytest.raises(UsageError, match=r"line 2: nowhere\.png: no such file"):
        opened(tmp_path / "bad.txt")


def test_a_shard_of_images(tmp_path):
    with tarfile.open(tmp_path / "s.tar", "w") as archive:
        for number in range(3):
            buffer = io.BytesIO()
            picture().save(buffer, "PNG")
            for suffix, data in (("png", buffer.getvalue()), ("cls", b"7")):
                member = tarfile.TarInfo(f"x/{number:03d}.{suffix}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    source = opened(tmp_path)
    assert source.images
    assert (source[0].id, source[0].label) == ("s.tar#x/000", "7")
    assert len(source) == 3
    (broken,) = opened(tmp_path, OF_CLIPS)
    assert "looked for videos" in broken.reader.reason


def test_an_array_of_four_axes(tmp_path):
    array = RNG.integers(0, 256, (7, 6, 5, 3), np.uint8)
    np.savez(tmp_path / "samples.npz", array, np.arange(7))
    np.savez(tmp_path / "reference.npz", arr_0=array, mu=np.zeros(4), sigma=np.eye(4))
    np.savez_compressed(tmp_path / "packed.npz", arr_0=array)
    np.save(tmp_path / "first.npy", array.transpose(0, 3, 1, 2))
    for name in ("samples.npz", "reference.npz", "packed.npz", "first.npy"):
        source = opened(tmp_path / name)
        assert source.images
        assert [video.id for video in source] == [f"{name}#{number}" for number in range(7)]
        assert np.array_equal(np.stack([video.read([0])[0] for video in source]), array)
        assert "7 images" in source.decision.note
        assert len(opened(tmp_path / name, OF_CLIPS)) == 1
        assert len(opened(tmp_path / name, STATED_FRAMES)) == 1
    assert len(opened(array)) == 7
    with pytest.raises(UsageError, match=r"4 arrays of four axes.*--pictures images"):
        opened(tmp_path)
    assert len(opened(tmp_path, STATED_IMAGES)) == 28
    assert len(opened(tmp_path, STATED_FRAMES)) == 4


def test_npy_files_of_one_picture_each(tmp_path):
    for number in range(3):
        np.save(tmp_path / f"{number}.npy", RNG.integers(0, 256, (4 + number, 5, 3), np.uint8))
    source = opened(tmp_path)
    assert source.images
    assert [video.read([0]).shape for video in source] == [(1, 4 + n, 5, 3) for n in range(3)]
    with pytest.raises(Exception, match=r"one picture \(H, W, 3\)"):
        opened(tmp_path, OF_CLIPS)[0].read([0])


def test_lists_in_memory():
    pil = [picture(), picture(9, 4), picture()]
    source = opened(pil)
    assert source.images
    assert [v.read([0]).shape[1:] for v in source] == [(5, 6, 3), (4, 9, 3), (5, 6, 3)]
    (video,) = opened([pil[0], pil[2]], OF_CLIPS)
    assert np.array_equal(video.read([0, 1])[1], np.asarray(pil[2]))
    arrays = [np.asarray(image) for image in pil]
    assert [v.read([0]).shape[1:] for v in opened(arrays)] == [image.shape for image in arrays]
    assert "3 pictures of the list" in opened(arrays).decision.note
    with pytest.raises(UsageError, match="differ in shape"):
        opened(arrays, OF_CLIPS)
    videos = opened([[pil[0], pil[2]], [pil[0]]], OF_CLIPS)
    assert [video.count_frames() for video in videos] == [2, 1]
    clips = [RNG.integers(0, 256, (3, 4, 5, 3), np.uint8)] * 2
    assert len(opened(clips)) == 2, "a list of arrays of four axes is a list of videos"
    assert "--pictures images" in opened(clips).decision.note
    assert len(opened(clips, STATED_IMAGES)) == 6


def test_gif_files_are_images_where_they_hold_one(tmp_path):
    picture().save(tmp_path / "a.gif")
    picture().save(tmp_path / "b.png")
    assert len(opened(tmp_path)) == 2
    picture().save(tmp_path / "c.gif", save_all=True, append_images=[picture()], duration=40)
    with pytest.raises(UsageError, match="2 pictures and 1 video"):
        opened(tmp_path)
    assert opened(tmp_path, STATED_IMAGES).left.label() == "1.gif"


def test_images_are_no_choice_for_metrics_of_clips():
    with pytest.raises(UsageError, match="--pictures images: a metric of clips is asked for"):
        PictureRule("images", "clips")
    with pytest.raises(UsageError, match="choose one of auto, images, frames"):
        PictureRule("pictures")  # type: ignore[arg-type]
