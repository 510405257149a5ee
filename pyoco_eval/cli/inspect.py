"""`pyoco-eval inspect`: look at a set of videos before any network runs."""

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import click

from pyoco_eval.cli.options import option
from pyoco_eval.cli.terminal import open_console, say_json

if TYPE_CHECKING:
    from pyoco_eval.videos.inspection import Inspection
    from pyoco_eval.videos.listing.pictures import Pictures, Sees
    from pyoco_eval.videos.readers.array_reader import Levels


@click.command(
    name="inspect",
    short_help="Look at a folder of videos before any network runs.",
    epilog="""\b
Examples:
  pyoco-eval inspect generated/
  pyoco-eval inspect generated/ --reference real/
  pyoco-eval inspect samples.npz --value-range -1..1
  pyoco-eval inspect s3://bucket/generated/
  pyoco-eval inspect generated/ --json > inspected.json

\b
The exit code is 0 when the inspection itself worked, even if some files are
broken: these are named in the output, and have an "error" in the JSON.""",
)
@click.argument("path")
@click.option(
    "--reference",
    metavar="PATH",
    help="A second set of videos, to see what differs.",
)
@option("value_range", help="What black and white are in float arrays (.npz, .npy).")
@option("layout", help="Axes of arrays, e.g. BTCHW.")
@option(
    "pictures",
    help="Folders and arrays of pictures: images by themselves, or (auto) frames of videos.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
@click.option("--all", "show_all", is_flag=True, help="List every video, not only the remarkable.")
def command(
    path: str,
    reference: str | None,
    value_range: str | None,
    layout: str | None,
    pictures: str,
    as_json: bool,
    show_all: bool,
) -> None:
    """Decode every video of PATH and say what is there: sizes, true frame counts, frame rates,
    files that cannot be read, duplicates, black or frozen videos, value ranges of arrays.

    PATH is a folder, searched recursively for video files of any kind, npz, npy, tar shards and
    folders of pictures; or one such file, a pattern, a manifest or a URL. Metrics of images alone
    (fid, clip-fid, kid) take folders of pictures as images where their names do not say frames;
    what they do here is said.
    """
    from pyoco_eval.videos.inspection_report import differences, duplicates, findings

    levels = (value_range, layout)
    inspection = _inspect(path, levels, pictures)
    other = None if reference is None else _inspect(reference, levels, pictures)
    if as_json:
        document = _as_document(inspection)
        document["duplicates"] = duplicates(inspection.videos)
        document["findings"] = findings(inspection)
        if other is not None:
            document["reference"] = _as_document(other)
            document["differences"] = differences(inspection, other)
        say_json(document)
        return

    from pyoco_eval.cli.inspect_text import print_inspection, print_sentences

    print_inspection(inspection, show_all=show_all)
    if other is not None:
        print_inspection(other, show_all=show_all)
    print_sentences("Findings", findings(inspection))
    if other is not None:
        print_sentences("Findings in the reference", findings(other))
        print_sentences("Against the reference", differences(inspection, other))


def _inspect(path: str, stated: tuple[str | None, str | None], pictures: str) -> "Inspection":
    from rich.progress import Progress

    from pyoco_eval.videos.inspection import inspect_source
    from pyoco_eval.videos.listing.pictures import PictureRule
    from pyoco_eval.videos.readers.array_reader import Levels
    from pyoco_eval.videos.source import find_videos

    levels = Levels.parse(stated[0], "round", stated[1])
    sees: Sees = "pictures" if pictures == "images" else "clips"
    source = find_videos(path, levels=levels, rule=PictureRule(cast("Pictures", pictures), sees))
    console = open_console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("decoding", total=len(source))
        inspection = inspect_source(source, on_video=lambda: bar.advance(task))
    if source.images or pictures == "frames":
        return inspection
    return replace(inspection, notes=(*inspection.notes, *_for_metrics_of_images(path, levels)))


def _for_metrics_of_images(path: str, levels: "Levels") -> list[str]:
    """What fid and its kin take the pictures of this place for."""
    from pyoco_eval.errors import UsageError
    from pyoco_eval.videos.listing.pictures import PictureRule
    from pyoco_eval.videos.source import find_videos

    try:
        source = find_videos(path, levels=levels, rule=PictureRule("auto", "pictures"))
    except UsageError as error:
        return [f"For metrics of images alone: {error}."]
    return [f"For metrics of images alone: {note}" for note in [source.decision.note] if note]


def _as_document(inspection: "Inspection") -> dict[str, object]:
    """The JSON form: `videos` is a contract, `details` may grow."""
    return {
        "name": inspection.name,
        "videos": [
            {
                "path": video.path,
                "num_frames": video.num_frames,
                "width": video.width,
                "height": video.height,
                "fps": video.fps,
                "error": video.error,
            }
            for video in inspection.videos
        ],
        "details": {video.path: video.details() for video in inspection.videos},
        "ignored_files": inspection.ignored,
        "ignored_kinds": inspection.left,
        "notes": list(inspection.notes),
    }
