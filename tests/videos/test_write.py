"""Written videos read back as what was written."""

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from pyoco_eval.errors import UsageError
from pyoco_eval.shapes.corruptions import Corruption, corrupt_clip
from pyoco_eval.shapes.dataset import MovingShapes
from pyoco_eval.videos.write import write_video


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    moving = MovingShapes("test")[0].frames
    return np.concatenate([moving, moving[-1:], moving[-1:]])  # ends in a standstill


def decode(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])


def test_mp4_keeps_count_rate_and_nearly_the_pixels(tmp_path: Path, frames: np.ndarray) -> None:
    write_video(tmp_path / "clip.mp4", frames, fps=12.5)
    decoded = decode(tmp_path / "clip.mp4")
    assert decoded.shape == frames.shape
    assert np.abs(decoded.astype(int) - frames).mean() < 4
    with av.open(str(tmp_path / "clip.mp4")) as container:
        assert container.streams.video[0].average_rate == 12.5


def test_gif_keeps_frames_that_repeat(tmp_path: Path, frames: np.ndarray) -> None:
    write_video(tmp_path / "clip.gif", frames, fps=8)
    with Image.open(tmp_path / "clip.gif", formats=["GIF"]) as image:
        assert image.n_frames == len(frames)
        durations, shown = [], []
        for number in range(image.n_frames):
            image.seek(number)
            durations.append(image.info["duration"])
            shown.append(np.asarray(image.convert("RGB")))
    assert sum(durations) == pytest.approx(1000 * len(frames) / 8, abs=10)
    assert np.abs(np.stack(shown).astype(int) - frames).mean() < 2
    assert len(decode(tmp_path / "clip.gif")) == len(frames)


def test_npz_is_exact(tmp_path: Path, frames: np.ndarray) -> None:
    write_video(tmp_path / "clip.npz", frames, fps=24)
    with np.load(tmp_path / "clip.npz", allow_pickle=False) as stored:
        assert np.array_equal(stored["frames"], frames)
        assert stored["fps"] == 24


def test_a_folder_of_png_is_exact(tmp_path: Path, frames: np.ndarray) -> None:
    write_video(tmp_path / "clip", frames)
    files = sorted((tmp_path / "clip").iterdir())
    assert files[0].name == "000000.png"
    assert np.array_equal(
        np.stack([np.asarray(Image.open(file, formats=["PNG"])) for file in files]), frames
    )


@pytest.mark.parametrize("suffix", [".mp4", ".gif", ".npz", ""])
def test_an_earlier_video_is_replaced_and_nothing_else_left(
    tmp_path: Path, frames: np.ndarray, suffix: str
) -> None:
    path = tmp_path / "new" / f"clip{suffix}"
    write_video(path, frames[:9])
    write_video(path, frames[:3])
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    if path.is_dir():
        assert len(list(path.iterdir())) == 3
    elif suffix == ".npz":
        assert len(np.load(path)["frames"]) == 3
    else:
        assert len(decode(path)) == 3


def test_a_failed_write_leaves_the_earlier_file(tmp_path: Path, frames: np.ndarray) -> None:
    path = tmp_path / "clip.mp4"
    write_video(path, frames)
    before = path.read_bytes()
    with pytest.raises(UsageError, match="even sides, not 63 x 64"):
        write_video(path, frames[:, :, :63])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "fps", "message"),
    [
        ("clip.avi", (2, 8, 8, 3), np.uint8, 8, "use .mp4, .gif, .npz or no suffix"),
        ("clip.gif", (2, 8, 8, 3), np.float32, 8, "uint8 frames"),
        ("clip.gif", (2, 8, 8), np.uint8, 8, "uint8 frames"),
        ("clip.gif", (0, 8, 8, 3), np.uint8, 8, "uint8 frames"),
        ("clip.gif", (2, 8, 8, 3), np.uint8, 0, "fps must be positive"),
    ],
)
def test_what_cannot_be_written_is_refused(
    tmp_path: Path, name: str, shape: tuple, dtype: type, fps: float, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        write_video(tmp_path / name, np.zeros(shape, dtype), fps)
    assert not list(tmp_path.iterdir())


def test_the_same_frames_give_the_same_mp4_whatever_else_is_in_memory(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    corruptions = [Corruption("noise", 2), Corruption("freeze", 3)]
    frames = corrupt_clip(MovingShapes("val"), 1, *corruptions).frames
    written, clutter = set(), []
    for _ in range(25):
        clutter = [*clutter[-10:], rng.bytes(int(rng.integers(200_000)))]
        write_video(tmp_path / "v.mp4", frames)
        written.add((tmp_path / "v.mp4").read_bytes())
    assert len(written) == 1
