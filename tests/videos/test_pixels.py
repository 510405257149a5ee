"""How stored pixels become RGB, against the tools whose default `peer` is."""

import csv
import importlib.util
import sys
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from encoded_clips import HEIGHT, WIDTH, encode

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.readers.pixels import parse_pixels, rgb_label, rule_of, storages_of
from pyoco_eval.videos.readers.video_pixels import RGBConverter, over_white
from pyoco_eval.videos.source import open_source

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
NUM_FRAMES = 6
TURNED = "decord_video_90.mov"
TEN_BITS = "tc_h264_10bits.mp4"
"""Deeper than 8 bits, tools differ from each other: OpenCV and decord from PyAV and among them."""


def real_clips(folder: Path) -> list[Path]:
    with (folder / "videos.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["open"] == row["decode"] == "ok"]
    return [folder / row["file"] for row in rows if not row["file"].endswith(".gif")]


def as_peer(path: Path) -> np.ndarray:
    (video,) = open_source(path)
    return np.stack([convert() for convert in islice(video.reading("peer").walk(), NUM_FRAMES)])


def by_default_of_pyav(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        decoded = islice(container.decode(video=0), NUM_FRAMES)
        return np.stack([frame.to_ndarray(format="rgb24") for frame in decoded])


def by_decord(path: Path) -> np.ndarray:
    import decord

    decord.logging.set_level(decord.logging.QUIET)
    reader = decord.VideoReader(str(path), num_threads=1)
    return reader.get_batch(range(min(NUM_FRAMES, len(reader)))).asnumpy()


def by_opencv(path: Path) -> np.ndarray:
    import cv2

    capture, frames = cv2.VideoCapture(str(path)), []
    while len(frames) < NUM_FRAMES and (read := capture.read())[0]:
        frames.append(read[1][:, :, ::-1])
    return np.stack(frames)


def test_peer_is_the_default_of_pyav_on_every_real_clip(shared_data):
    clips = real_clips(shared_data / "videos")
    assert len(clips) > 25
    for path in clips:
        if path.name != TURNED:  # which PyAV leaves as it is stored
            assert np.array_equal(as_peer(path), by_default_of_pyav(path)), path.name


@pytest.mark.parametrize(("library", "decode"), [("decord", by_decord), ("cv2", by_opencv)])
def test_peer_is_the_default_of_other_libraries(shared_data, library, decode):
    pytest.importorskip(library)
    clips = [
        path
        for path in real_clips(shared_data / "videos")
        if path.name != TEN_BITS and "av1" not in path.name  # AV1: these builds cannot open it
    ]
    for path in clips:
        ours, theirs = as_peer(path), decode(path)
        assert np.array_equal(ours[: len(theirs)], theirs), path.name


def test_the_two_rules_differ_by_about_a_level(shared_data):
    (video,) = open_source(shared_data / "videos" / "tv_R6llTwEh07w.mp4")
    exact, peer = (video.reading(rule).read([0, 9]).astype(int) for rule in ("exact", "peer"))
    assert 0.5 < (exact != peer).mean() < 0.95
    assert 0.5 < (exact - peer).mean() < 1.5


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p"])
def test_peer_of_a_clip_of_our_own(tmp_path, pixel_format):
    path = encode(tmp_path / "a.mp4", pixel_format=pixel_format)
    assert np.array_equal(as_peer(path), by_default_of_pyav(path))


def test_what_a_processor_changes(tmp_path):
    """`exact` nothing anywhere; `peer` up to three levels, between kernels of two kinds."""
    sys.path.insert(0, str(SCRIPTS))
    spec = importlib.util.spec_from_file_location(
        "measure_conversion", SCRIPTS / "measure_conversion.py"
    )
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    sys.path.remove(str(SCRIPTS))
    frames = script.frames_of(encode(tmp_path / "a.mp4", size=(128, 128)), 4)
    try:
        portable = {rule: script.converted(frames, rule, 0) for rule in ("exact", "peer")}
    except OSError as error:
        pytest.skip(str(error))
    assert np.array_equal(portable["exact"], script.converted(frames, "exact"))
    apart = np.abs(portable["peer"].astype(int) - script.converted(frames, "peer"))
    assert apart.max() <= 3


def test_alpha_of_video_files_follows_the_rule_of_pictures():
    rgba = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    rgba[..., 0], rgba[: HEIGHT // 2, :, 3] = 200, 255
    frame = av.VideoFrame.from_ndarray(rgba, "rgba")
    dropped, shown = RGBConverter("peer")(frame), RGBConverter("exact")(frame)
    assert (dropped == (200, 0, 0)).all()
    assert (shown[: HEIGHT // 2] == (200, 0, 0)).all()
    assert (shown[HEIGHT // 2 :] == 255).all()


def test_alpha_of_a_real_video_file(tmp_path):
    rgba = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    rgba[..., 0], rgba[: HEIGHT // 2, :, 3] = 200, 255
    with av.open(str(tmp_path / "a.mov"), "w") as container:
        stream = container.add_stream("qtrle", 25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "argb"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgba, "rgba")))
        container.mux(stream.encode())
    (video,) = open_source(tmp_path)
    assert (video.reading("peer").read([1])[0] == (200, 0, 0)).all()
    shown = video.reading("exact").read([1])[0]
    assert (shown[: HEIGHT // 2] == (200, 0, 0)).all()
    assert (shown[HEIGHT // 2 :] == 255).all()


def test_blending_is_rounded_to_the_nearest():
    values, alphas = np.meshgrid(np.arange(256), np.arange(256))
    rgba = np.stack([values, values, values, alphas], axis=-1).astype(np.uint8)
    truth = np.floor((values * alphas + 255 * (255 - alphas)) / 255 + 0.5)
    assert np.array_equal(over_white(rgba)[..., 0], truth)


def test_arrays_are_read_as_they_are(tmp_path):
    frames = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    np.save(tmp_path / "a.npy", frames)
    source = open_source(tmp_path)
    for rule in ("exact", "peer"):
        assert np.array_equal(source[0].reading(rule).read([0, 1]), frames)
        assert source.rgb_label(rule) is None


def test_decord_has_one_rule(tmp_path):
    pytest.importorskip("decord")
    path = encode(tmp_path / "a.mp4")
    (video,) = open_source(path, decoder="decord")
    assert np.array_equal(video.reading("peer").read(range(3)), by_decord(path)[:3])
    with pytest.raises(UsageError, match="its own rule, peer"):
        video.reading("exact")


def test_labels():
    assert rgb_label("peer", ["video", "video"]) == "peer-video"
    assert rgb_label("exact", ["video", "stored", "pictures"]) == "exact-pictures+stored+video"
    assert rgb_label("exact", ["stored"]) is None
    assert (rule_of("peer-video"), rule_of("peer"), rule_of(None)) == ("peer", "peer", None)
    assert storages_of("exact-pictures+video") == {"pictures", "video"}
    assert (storages_of(None), storages_of("peer")) == ({"stored"}, frozenset())
    with pytest.raises(UsageError, match="--pixels 'fast': choose one of peer, exact"):
        parse_pixels("fast")
