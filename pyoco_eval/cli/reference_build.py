"""`pyoco-eval reference build`: statistics of real videos, made once."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyoco_eval.cli.options import build_options, video_options
from pyoco_eval.cli.scoring import PROFILE, conventions_of, conventions_option, split_names
from pyoco_eval.cli.terminal import say, say_json
from pyoco_eval.metrics.catalogue import METRICS

if TYPE_CHECKING:
    from pyoco_eval.references.build import Built

_COMPARING = [name for name, row in METRICS.own.items() if row.needs_reference]
_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command(
    name="build",
    short_help="Build a reference from real videos.",
    epilog="""\b
Examples:
  pyoco-eval reference build ucf101 --data-root UCF-101/
  pyoco-eval reference build ucf101-train01 --data-root UCF-101/ --metrics fvd --clip random
  pyoco-eval reference build msrvtt --data-root MSRVTT/ --metrics fid,clip-fid --keep-rows
  pyoco-eval reference build mine --samples real/ --pre-resize 128-pilbicubic-crop-round
  torchrun --nproc-per-node 8 -m pyoco_eval reference build ucf101 --data-root UCF-101/

\b
Names of known datasets: ucf101 (all 13,320 videos), ucf101-train01 to -train03,
ucf101-test01 to -test03, msrvtt (the 2,990 test videos).""",
)
@click.argument("name")
@click.option("--samples", metavar="PATH", default=None, help="Videos, under a name of your own.")
@click.option("--data-root", type=_FOLDER, default=None, help="Your copy of the dataset NAME.")
@click.option("--split", default=None, help="Of the dataset: all, train01, …, test03.")
@click.option("--split-lists", type=_FOLDER, default=None, help="Folder of UCF-101's split lists.")
@click.option(
    "--annotations",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="MSR-VTT's test_videodatainfo.json.",
)
@click.option("--allow-incomplete", is_flag=True, help="Build from an incomplete copy too.")
@click.option(
    "--metrics",
    default="fvd,fid,clip-fid",
    show_default=True,
    help=f"To compare under: {', '.join(_COMPARING)}.",
)
@PROFILE
@conventions_option
@click.option("--also-as", default="", metavar="NAMES", help="Further conventions.")
@click.option("--keep-rows", is_flag=True, help="Store rows: for intervals; large for frames.")
@click.option("--force", is_flag=True, help="Build again what is there.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
@video_options
def build_command(
    name: str,
    samples: str | None,
    metrics: str,
    profile: str,
    named: tuple[str, ...],
    also_as: str,
    keep_rows: bool,
    force: bool,
    as_json: bool,
    data_root: Path | None,
    split: str | None,
    split_lists: Path | None,
    annotations: Path | None,
    allow_incomplete: bool,
    **choices: Any,
) -> None:
    """Build reference NAME under the options given, for all metrics in one decoding pass.

    Each network gives one file, found by every score whose recipe is the same. kvd, kid and prdc
    store feature rows, the others mean and covariance unless --keep-rows is given. A build that
    was killed goes on where it stopped; what is there already is not built again.
    """
    from pyoco_eval.cli.progress import TerminalProgress
    from pyoco_eval.processes import processes
    from pyoco_eval.references.build import ReferenceVideos, build_reference

    built = build_reference(
        name,
        ReferenceVideos(samples, data_root, split, split_lists, annotations, allow_incomplete),
        metrics=split_names(metrics),
        profile=profile,
        conventions=conventions_of(named),
        also_as=split_names(also_as),
        keep_rows=keep_rows,
        force=force,
        options=build_options(choices),
        progress=TerminalProgress(),
    )
    if not processes().is_main:
        return
    if as_json:
        say_json([_as_dict(file) for file in built])
        return
    for file in built:
        word = "built" if file.is_new else "already there"
        say(f"{word}: {file.path}\n  {file.header['signature']}")
    for finding in built[0].header.get("dataset", {}).get("findings", []):
        say(f"! {finding['text']}", err=True)


def _as_dict(file: "Built") -> dict[str, Any]:
    header = file.header
    return {
        "path": str(file.path),
        "name": header["name"],
        "num_rows": header["count"],
        "num_videos": header["num_videos"],
        "signature": header["signature"],
        "dataset": header.get("dataset"),
        "is_new": file.is_new,
    }
