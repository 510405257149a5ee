"""A folder of moving shapes, among them clips that a filter has to drop."""

import json
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner, Result

from pyoco_eval.cli.filter import command
from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.shapes.corruptions import Corruption, corrupt_clip
from pyoco_eval.shapes.dataset import MovingShapes
from pyoco_eval.videos.write import write_video

NUM_FRAMES = 8
EMBEDDED = ("--profile", "embedded", "--device", "cpu", "--workers", 1, "--frames", 4)
THRESHOLDS = ("--min-clip", 0.7, "--min-aesthetic", 4.5)


@dataclass(frozen=True)
class Planted:
    """A manifest of clips, and which of them are bad in what way."""

    manifest: Path
    good: frozenset[str]
    noisy: frozenset[str]
    wrong: frozenset[str]


def plant(folder: Path, good: int, noisy: int, wrong: int, suffix: str = ".mp4") -> Planted:
    """Clips 0, 1, … of the test split: good ones, then noisy ones, then wrong captions.

    A wrong caption is that of a clip of another shape, colour and background.
    """
    shapes = MovingShapes("test", 64, NUM_FRAMES)
    names: dict[str, set[str]] = {"good": set(), "noisy": set(), "wrong": set()}
    rows = []
    for index in range(good + noisy + wrong):
        clip, kind = shapes[index], "good"
        frames, caption = clip.frames, clip.caption
        if good <= index < good + noisy:
            kind = "noisy"
            frames = corrupt_clip(shapes, index, Corruption("noise", 4)).frames
        elif index >= good + noisy:
            kind, caption = "wrong", _of_another(shapes, index)
        name = f"{index:03d}{suffix}"
        write_video(folder / name, frames, 8)
        rows.append({"file": name, "caption": caption, "label": clip.label})
        names[kind].add(name)
    manifest = folder / "clips.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return Planted(manifest, *(frozenset(found) for found in names.values()))


def _of_another(shapes: MovingShapes, index: int) -> str:
    own = shapes[index].attributes
    for other in range(index + 1, index + 1000):
        clip = shapes[other]
        theirs = clip.attributes
        if (own.shape != theirs.shape and own.colour != theirs.colour
                and own.background != theirs.background):  # fmt: skip
            return clip.caption
    raise AssertionError("no such clip")


def run(*arguments: object) -> Result:
    """The command; its errors are raised."""
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if isinstance(result.exception, PyocoEvalError):
        raise result.exception
    return result


def rows_of(path: Path) -> list[dict[str, object]]:
    """The lines of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
