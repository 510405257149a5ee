"""`pyoco-eval shapes` writes what the dataset holds."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from pyoco_eval.cli.shapes import command
from pyoco_eval.errors import UsageError
from pyoco_eval.shapes.corruptions import Corruption, corrupt_clip
from pyoco_eval.shapes.dataset import CLASS_NAMES, MovingShapes
from pyoco_eval.videos.source import open_source
from pyoco_eval.videos.write import write_video


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def manifest(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


def test_npz_clips_and_manifest_are_those_of_the_dataset(tmp_path: Path) -> None:
    result = run("--out", tmp_path, "--num", 3, "--start", 5, "--split", "val", "--format", "npz")
    assert result.exit_code == 0
    shapes = MovingShapes("val")
    for index, entry in enumerate(manifest(tmp_path), start=5):
        clip = shapes[index]
        assert entry == {
            "id": f"val-{index:06d}.npz",
            "caption": clip.caption,
            "label": clip.label,
            "class": CLASS_NAMES[clip.label],
        }
        assert np.array_equal(np.load(tmp_path / entry["id"])["frames"], clip.frames)


@pytest.mark.parametrize("file_format", ["mp4", "gif", "npz", "png"])
def test_the_package_reads_what_it_wrote(tmp_path: Path, file_format: str) -> None:
    options = ("--num", 2, "--size", 32, "--num-frames", 6, "--fps", 4)
    run("--out", tmp_path, "--format", file_format, *options)
    source = open_source(tmp_path)
    assert [video.id for video in source] == [entry["id"] for entry in manifest(tmp_path)]
    for video in source:
        assert video.count_frames() == 6
        assert video.read(range(6)).shape == (6, 32, 32, 3)


def test_corruptions_add_up_and_are_recorded(tmp_path: Path) -> None:
    asked = ("noise:2", "freeze:3")
    run("--out", tmp_path, "--num", 1, "--format", "npz", *(f"--corrupt={text}" for text in asked))
    (entry,) = manifest(tmp_path)
    assert entry["corruptions"] == list(asked)
    expected = corrupt_clip(MovingShapes("test"), 0, *map(Corruption.parse, asked))
    assert np.array_equal(np.load(tmp_path / "test-000000.npz")["frames"], expected.frames)


def test_killed_while_it_begins_again_it_still_knows_its_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at the second clip, then between opening a file and writing what belongs there."""

    class Killed(BaseException):
        pass

    write_text = Path.write_text

    def cut_short(path: Path, text: str, **options: str) -> None:
        if "unfinished" in path.name:
            path.open("w").close()
            raise Killed
        write_text(path, text, **options)

    def write_two(path: Path, frames: np.ndarray, fps: float) -> None:
        if path.name.endswith("2.npz"):
            raise Killed
        write_video(path, frames, fps)

    arguments = ("--out", tmp_path, "--num", 3, "--size", 16, "--format", "npz")
    monkeypatch.setattr("pyoco_eval.videos.write.write_video", write_two)
    with pytest.raises(Killed):
        run(*arguments)
    monkeypatch.undo()
    monkeypatch.setattr(Path, "write_text", cut_short)
    for _ in range(2):
        with pytest.raises(Killed):
            run(*arguments)
    monkeypatch.undo()
    assert run(*arguments).exit_code == 0
    assert len(manifest(tmp_path)) == 3
    assert not list(tmp_path.glob(".*.part"))
    assert not (tmp_path / ".unfinished.jsonl").exists()


def test_earlier_clips_are_only_replaced_when_asked(tmp_path: Path) -> None:
    run("--out", tmp_path, "--num", 3, "--size", 16)
    (tmp_path / "notes.txt").write_text("keep me")
    with pytest.raises(UsageError, match="has 3 clips of an earlier run"):
        run("--out", tmp_path, "--num", 1, "--format", "png", "--size", 16)
    run("--out", tmp_path, "--num", 1, "--format", "png", "--size", 16, "--overwrite")
    names = sorted(path.name for path in tmp_path.glob("[!.]*"))
    assert names == ["manifest.jsonl", "notes.txt", "test-000000"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--num", 10_001), "split test has 10000 clips"),
        (("--size", 33), "mp4 needs an even size"),
        (("--corrupt", "noise"), "not KIND:LEVEL"),
        (("--fps", -1), "must be positive"),
    ],
)
def test_wrong_arguments_write_nothing(tmp_path: Path, arguments: tuple, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run("--out", tmp_path / "new", *arguments)
    assert not (tmp_path / "new").exists()


def test_help_shows_examples() -> None:
    assert "--corrupt noise:2" in run("--help").output


def test_only_writes_clips_of_chosen_attributes(tmp_path: Path) -> None:
    choice = ("--only", "size=large", "--only", "background=plain,gradient")
    result = run("--out", tmp_path, "--num", 6, "--size", 16, "--format", "npz", *choice)
    assert result.exit_code == 0
    captions = [str(entry["caption"]) for entry in manifest(tmp_path)]
    assert len(captions) == 6
    assert all(" large " in caption for caption in captions)
    assert all("gradient" in caption or "over plain" in caption for caption in captions)
    with pytest.raises(UsageError, match="--only size: expected ATTRIBUTE=VALUE"):
        run("--out", tmp_path / "other", "--only", "size")
