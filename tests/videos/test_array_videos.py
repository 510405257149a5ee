"""Arrays in memory, in .npy and in .npz files."""

import zipfile

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pyoco_eval.errors import PyocoEvalError, UsageError, VideoError
from pyoco_eval.videos.readers.array_reader import RANGES
from pyoco_eval.videos.source import open_source
from pyoco_eval.videos.video import EndOfVideoError

RNG = np.random.default_rng(0)
CLIPS = RNG.integers(0, 256, (3, 4, 6, 5, 3), dtype=np.uint8)
"""(N, T, H, W, 3)"""


def all_frames(source) -> np.ndarray:
    return np.stack([video.read(range(video.count_frames())) for video in source])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_of_many_videos(tmp_path, save):
    save(tmp_path / "clips.npz", clips=CLIPS, labels=np.arange(3))
    source = open_source(tmp_path)
    assert [video.id for video in source] == ["clips.npz#0", "clips.npz#1", "clips.npz#2"]
    assert np.array_equal(all_frames(source), CLIPS)
    assert np.array_equal(source[2].read([3, 0]), CLIPS[2][[3, 0]])
    facts = source[0].probe()
    assert (facts.width, facts.height, facts.codec, facts.header_frames) == (5, 6, "raw", 4)
    assert source.decoder_label() == "array"
    with pytest.raises(EndOfVideoError, match="it has 4 frames"):
        source[0].read([4])


def test_many_items_stay_in_stored_order(tmp_path):
    np.savez(tmp_path / "a.npz", np.zeros((11, 1, 2, 2, 3), np.uint8))
    ids = [video.id for video in open_source(tmp_path)]
    assert ids == [f"a.npz#{number}" for number in range(11)]


def test_one_video_per_file_keeps_the_name(tmp_path):
    np.save(tmp_path / "one.npy", CLIPS[0])
    np.save(tmp_path / "fortran.npy", np.asfortranarray(CLIPS[1]))
    np.savez(tmp_path / "zipped.npz", CLIPS[2])
    source = open_source(tmp_path)
    assert [video.id for video in source] == ["fortran.npy", "one.npy", "zipped.npz"]
    assert np.array_equal(all_frames(source), CLIPS[[1, 0, 2]])


def test_reading_frames_parses_no_header(tmp_path, monkeypatch):
    """Threads read at once, and CPython 3.11 may fail when two of them parse a literal."""
    np.savez_compressed(tmp_path / "a.npz", np.asfortranarray(CLIPS))
    np.savez_compressed(tmp_path / "b.npz", CLIPS[0].astype(np.float32) / 255)
    source = open_source(tmp_path, value_range="0..1")

    def parsed(*args, **kwargs):
        raise AssertionError("a header was parsed")

    monkeypatch.setattr("ast.literal_eval", parsed)
    assert np.array_equal(all_frames(source), np.concatenate([CLIPS, CLIPS[:1]]))


def test_several_arrays_in_one_file_follow_each_other(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", first=CLIPS[0], rest=CLIPS[1:])
    assert np.array_equal(all_frames(open_source(tmp_path / "a.npz")), CLIPS)


def test_npy_is_mapped_not_loaded(tmp_path):
    """Only asked-for frames are touched: a file of 8 GiB of holes opens and reads at once."""
    path = tmp_path / "huge.npy"
    shape = (2048, 16, 512, 170, 3)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|u1", "fortran_order": False, "shape": shape}
        )
        file.seek(int(np.prod(shape, dtype=np.int64)) - 1, 1)
        file.write(b"\x07")
    source = open_source(path)
    assert len(source) == 2048
    assert source[2047].read([15])[0, -1, -1, -1] == 7


def test_in_memory_arrays():
    source = open_source(CLIPS)
    assert [video.id for video in source] == ["array#0", "array#1", "array#2"]
    assert source.name == "memory"
    assert np.array_equal(all_frames(source), CLIPS)
    assert len(open_source(CLIPS[0])) == 1
    lengths = [v.count_frames() for v in open_source([CLIPS[0], CLIPS[1][:2]])]
    assert lengths == [4, 2]
    assert open_source(source) is source


def test_torch_tensors():
    tensor = torch.from_numpy(CLIPS)
    assert np.array_equal(all_frames(open_source(tensor)), CLIPS)
    assert np.array_equal(all_frames(open_source([tensor[0], tensor[1]])), CLIPS[:2])
    floats = (tensor / 255).requires_grad_()
    assert np.array_equal(all_frames(open_source(floats, value_range="0..1")), CLIPS)
    coarse = torch.ones(1, 2, 2, 3, dtype=torch.bfloat16)
    assert all_frames(open_source(coarse, value_range="0..1")).min() == 255


def test_frames_are_copies():
    array = CLIPS.copy()
    frames = open_source(array)[0].read([0])
    frames[:] = 0
    assert np.array_equal(array, CLIPS)


@given(
    levels=st.lists(st.integers(0, 255), min_size=3, max_size=30),
    value_range=st.sampled_from(sorted(RANGES)),
    quantise=st.sampled_from(["round", "truncate"]),
)
def test_quantising_follows_its_definition(levels, value_range, quantise):
    low, high = RANGES[value_range]
    exact = np.array(levels[: len(levels) // 3 * 3]) / 255 * (high - low) + low
    array = exact.reshape(1, 1, -1, 3)
    (video,) = open_source(array, value_range=value_range, quantise=quantise)
    scaled = (exact - low) * (255 / (high - low))
    wanted = np.rint(scaled) if quantise == "round" else np.floor(scaled)
    assert np.array_equal(video.read([0]).ravel(), wanted)
    if quantise == "round":
        assert np.array_equal(video.read([0]).ravel(), levels[: array.size])


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_range_of_floats_must_be_stated(tmp_path, kind):
    np.savez(tmp_path / "floats.npz", np.zeros((2, 3, 4, 5, 3), kind))
    with pytest.raises(UsageError, match=r"floats\.npz#0: holds float.*--value-range"):
        open_source(tmp_path)
    with pytest.raises(UsageError, match="--value-range"):
        open_source(np.zeros((3, 4, 5, 3), kind))
    assert all_frames(open_source(tmp_path, value_range="-1..1")).max() == 128


@pytest.mark.parametrize(("value", "said"), [(1.01, "values from 0 to 1.01"), (np.nan, "NaN")])
def test_values_outside_the_range_are_refused(value, said):
    array = np.zeros((2, 4, 5, 3), np.float32)
    array[1, 0, 0, 0] = value
    (video,) = open_source(array, value_range="0..1")
    video.read([0])
    with pytest.raises(VideoError, match=f"array#0: holds {said}"):
        video.read([1])


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((3, 3, 8, 9), np.uint8), "TCHW or CTHW; say which with --layout"),
        (np.zeros((7, 3, 3, 8, 9), np.uint8), "NTCHW or NCTHW; say which with --layout"),
        (np.zeros((2, 8, 9, 4), np.uint8), "3 colour channels last"),
        (np.zeros((8, 9), np.uint8), r"expected \(T, H, W, 3\)"),
        (np.zeros((0, 8, 9, 3), np.uint8), "holds no frame"),
        (np.zeros((2, 8, 9, 3), np.int64), "int64"),
        (np.zeros((2, 8, 9, 3), object), "never unpickled"),
    ],
)
def test_unusable_arrays(tmp_path, array, said):
    with pytest.raises(UsageError, match=said):
        open_source(array)
    np.savez(tmp_path / "a.npz", array)
    with pytest.raises(VideoError, match=said if array.ndim > 3 else "holds no array of shape"):
        open_source(tmp_path)[0].count_frames()


def test_object_arrays_are_never_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}] * 2, object), allow_pickle=True)
    np.savez(tmp_path / "b.npz", np.array([None]))
    for video in open_source(tmp_path):
        with pytest.raises(VideoError, match="never unpickled"):
            video.read([0])


def test_damaged_array_files(tmp_path):
    np.save(tmp_path / "cut.npy", CLIPS)
    np.savez_compressed(tmp_path / "cut.npz", CLIPS)
    for path in list(tmp_path.iterdir()):
        path.write_bytes(path.read_bytes()[:-300])
    (tmp_path / "empty.npy").write_bytes(b"")
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "text.npy").write_text("no array")
    (tmp_path / "text.npz").write_text("no archive")
    (tmp_path / "header.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr': '|u1', (" + bytes(200))
    np.savez(tmp_path / "labels.npz", np.arange(4))
    with zipfile.ZipFile(tmp_path / "flipped.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("clips.npy", b"\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'shape'")
    source = open_source(tmp_path)
    assert len(source) == 9
    for video in source:
        for ask in (video.probe, video.count_frames, lambda v=video: v.read([0])):
            with pytest.raises(VideoError):
                ask()


def test_compressed_values_that_are_damaged(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, CLIPS)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(VideoError, match="damaged"):
        open_source(path)[0].read([0])


def test_zip_bombs_are_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("pyoco_eval.videos.readers.array_files._LARGE", 1000)
    np.savez_compressed(tmp_path / "bomb.npz", np.zeros((1, 10, 100, 100, 3), np.uint8))
    (video,) = open_source(tmp_path)
    with pytest.raises(VideoError, match="would grow from"):
        video.read([0])


def test_header_that_promises_too_much(tmp_path):
    path = tmp_path / "a.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|u1", "fortran_order": False, "shape": (10**9, 16, 256, 256, 3)}
        )
        file.write(bytes(1000))
    with pytest.raises(VideoError, match="promises"):
        open_source(path)[0].count_frames()


@pytest.mark.parametrize(
    ("samples", "options", "said"),
    [
        ([], {}, "empty list"),
        (3, {}, "int"),
        (CLIPS, {"value_range": "0..2"}, "--value-range '0..2'"),
        (CLIPS, {"quantise": "floor"}, "--quantise 'floor'"),
        (CLIPS, {"decoder": "opencv"}, "--decoder 'opencv'"),
    ],
)
def test_wrong_usage(samples, options, said):
    with pytest.raises(PyocoEvalError, match=said) as caught:
        open_source(samples, **options)
    assert caught.value.exit_code == 2
