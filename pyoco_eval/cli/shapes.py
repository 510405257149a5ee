"""`pyoco-eval shapes`."""

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pyoco_eval.shapes.corruptions import Corruption
    from pyoco_eval.shapes.dataset import MovingShapes, ShapesClip

_SUFFIXES = {"mp4": ".mp4", "gif": ".gif", "npz": ".npz", "png": ""}
_UNFINISHED = ".unfinished.jsonl"
"""What a killed run was asked for, and a line for each clip it has finished."""
_WRITTEN = re.compile(r"(train|val|test)-\d{6}(\.mp4|\.gif|\.npz)?")


@click.command(
    name="shapes",
    short_help="Write clips of the moving-shapes dataset.",
    epilog="""\b
Corruptions, with levels 0 (none) to 4; --corrupt may be given several times:
  noise    Gaussian noise of 5, 10, 20, 40 grey levels
  blur     Gaussian blur of 0.5, 1, 2, 4 pixels
  freeze   the last 25, 50, 75, 100 % of the clip stand still
  shuffle  25, 50, 75, 100 % of the frames out of order
  drop     25, 50, 75, 90 % of the classes missing

\b
Examples:
  pyoco-eval shapes --out shapes/
  pyoco-eval shapes --split val --num 2048 --format npz --out val/
  pyoco-eval shapes --size 128 --num-frames 76 --fps 25 --num 32 --out long/
  pyoco-eval shapes --only texture=plain --only background=plain,gradient --out easy/
  pyoco-eval shapes --corrupt noise:2 --corrupt freeze:3 --out bad/""",
)
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False))
@click.option("--num", type=click.IntRange(1), default=256, show_default=True, help="Clips.")
@click.option(
    "--start", type=click.IntRange(0), default=0, show_default=True, help="Index of the first."
)
@click.option(
    "--split", type=click.Choice(["train", "val", "test"]), default="test", show_default=True
)
@click.option(
    "--size", type=click.IntRange(8), default=64, show_default=True, help="Pixels a side."
)
@click.option("--num-frames", type=click.IntRange(1), default=16, show_default=True)
@click.option("--fps", type=float, default=8, show_default=True, help="Frames per second.")
@click.option(
    "--format",
    type=click.Choice(list(_SUFFIXES)),
    default="mp4",
    show_default=True,
    help="mp4 and gif lose a little; npz and png (a folder per clip) are exact.",
)
@click.option(
    "--corrupt", "corrupted", multiple=True, metavar="KIND:LEVEL", help="Worse on purpose."
)
@click.option(
    "--only",
    multiple=True,
    metavar="ATTRIBUTE=VALUES",
    help="Clips of certain attributes, such as background=plain,gradient; --num and --start then "
    "count these. May be given several times.",
)
@click.option("--overwrite", is_flag=True, help="Replace the clips of an earlier run in --out.")
def command(out: Path, overwrite: bool, **given: Any) -> None:
    """Write labelled, captioned clips of coloured shapes that move over backgrounds.

    The same index always gives the same scene, at any size, length and frame rate. Beside the
    clips, manifest.jsonl has the id, caption, label and class of each.
    """
    from pyoco_eval.atomic import writing
    from pyoco_eval.errors import UsageError
    from pyoco_eval.locks import LOCK, locked
    from pyoco_eval.shapes.corruptions import Corruption
    from pyoco_eval.shapes.dataset import MovingShapes
    from pyoco_eval.version import __version__

    corruptions = [Corruption.parse(text) for text in given["corrupted"]]
    split, size, start, num = (given[name] for name in ("split", "size", "start", "num"))
    shapes = MovingShapes(split, size, given["num_frames"], given["fps"])
    indices = shapes.matching(_chosen(given["only"]))
    if start + num > len(indices):
        such = " such" if given["only"] else ""
        raise UsageError(
            f"--start {start} --num {num}: split {split} has {len(indices)}{such} clips"
        )
    if given["format"] == "mp4" and size % 2:
        raise UsageError(f"--size {size}: mp4 needs an even size; or use --format npz")
    request = {name: given[name] for name in _REQUEST} | {"version": __version__}
    suffix = _SUFFIXES[given["format"]]
    names = {f"{split}-{i:06d}{suffix}": i for i in indices[start : start + num]}
    with locked(out / LOCK, "writes shapes here"), writing(out):
        done = _make_room(out, overwrite, json.dumps(request) + "\n")
        _write_clips(out, shapes, corruptions, names, done)
    # Last of all, after the lock's own files: whoever is killed before this goes on from there.
    (out / _UNFINISHED).unlink(missing_ok=True)


_REQUEST = ("split", "size", "num_frames", "fps", "num", "start", "format", "only", "corrupted")


def _write_clips(
    out: Path,
    shapes: "MovingShapes",
    corruptions: "list[Corruption]",
    names: dict[str, int],
    done: dict[str, str],
) -> None:
    """Clips that are not `done`, each noted in the journal at once; then the manifest of all."""
    from pyoco_eval.atomic import atomic_path
    from pyoco_eval.cli.progress import TerminalProgress
    from pyoco_eval.shapes.corruptions import corrupt_clip
    from pyoco_eval.videos.write import write_video

    with (
        TerminalProgress().stage("shapes", len(names)) as stage,
        (out / _UNFINISHED).open("a", encoding="utf-8") as journal,
    ):
        for name, index in names.items():
            if name not in done:
                clip = corrupt_clip(shapes, index, *corruptions)
                write_video(out / name, clip.frames, shapes.fps)
                done[name] = _manifest_line(name, clip, corruptions)
                journal.write(done[name])
                journal.flush()
            stage.advance()
    with atomic_path(out / "manifest.jsonl") as path:
        path.write_text("".join(done[name] for name in sorted(done)), encoding="utf-8")


def _chosen(choices: tuple[str, ...]) -> dict[str, list[str]]:
    from pyoco_eval.errors import UsageError

    found: dict[str, list[str]] = {}
    for choice in choices:
        name, equals, values = choice.partition("=")
        if not equals:
            raise UsageError(f"--only {choice}: expected ATTRIBUTE=VALUE,VALUE")
        found[name] = values.split(",")
    return found


def _manifest_line(name: str, clip: "ShapesClip", corruptions: "list[Corruption]") -> str:
    from pyoco_eval.shapes.dataset import CLASS_NAMES

    entry: dict[str, object] = {
        "id": name,
        "caption": clip.caption,
        "label": clip.label,
        "class": CLASS_NAMES[clip.label],
    }
    if corruptions:
        entry["corruptions"] = [str(corruption) for corruption in corruptions]
    return json.dumps(entry) + "\n"


def _make_room(out: Path, overwrite: bool, request: str) -> dict[str, str]:
    """Create `out`, or empty it of earlier clips; nothing else in it is touched.

    Returns:
        Name -> line of the manifest, for clips of a killed run of the same request.
    """
    from pyoco_eval.atomic import atomic_path
    from pyoco_eval.errors import UsageError

    for left in out.glob(".writing-*"):
        shutil.rmtree(left)
    earlier = [path for path in out.glob("*") if _WRITTEN.fullmatch(path.name)]
    journal = out / _UNFINISHED
    kept = journal.read_text(encoding="utf-8", errors="replace") if journal.is_file() else ""
    if kept.startswith(request) and not overwrite:
        lines = kept.removeprefix(request).splitlines(keepends=True)
        whole = {json.loads(line)["id"]: line for line in lines if line.endswith("\n")}
        done = {name: line for name, line in whole.items() if (out / name).exists()}
    elif earlier and not overwrite:
        raise UsageError(
            f"--out {out}: has {len(earlier)} clips of an earlier run; choose another folder, "
            "or replace them with --overwrite"
        )
    else:
        done = {}
    for path in earlier:
        if path.name in done:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    (out / "manifest.jsonl").unlink(missing_ok=True)
    with atomic_path(journal, durable=False) as path:  # cut short, it would disown the clips
        path.write_text(request + "".join(done.values()), encoding="utf-8")
    return done
