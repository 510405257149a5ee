"""From files of results and records to files of reports."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pyoco_eval.atomic import atomic_path, check_writable
from pyoco_eval.errors import UsageError
from pyoco_eval.report.gallery.choose_clips import choose_clips
from pyoco_eval.report.gallery.section import (
    DEFAULT_BUDGET,
    Budget,
    Wanted,
    build_halls,
    wanted_of_sheet,
    wanted_of_source,
)
from pyoco_eval.report.grid.sample_folder import SampleFolder, open_sample_folder
from pyoco_eval.report.grid.sections import GridSection, side_by_side, strips_of_arms
from pyoco_eval.report.html import html_report
from pyoco_eval.report.sheet.loading import load_sheets
from pyoco_eval.report.sheet.sheet import Sheet
from pyoco_eval.report.tables import latex_report, markdown_report
from pyoco_eval.statistics.files import FeatureSet
from pyoco_eval.videos.listing.attach import attach_captions
from pyoco_eval.videos.source import open_source
from pyoco_eval.visible import visible

_ROW = re.compile(r"(@\d+)?(:\d+)?$")
"""What a feature row's id has behind the id of its video: number of clip and of frame."""


@dataclass(frozen=True)
class GalleryChoices:
    """Which clips to show of a plain record, from what.

    Attributes:
        samples: videos, for `open_source`; one place for each of several records.
        reference: videos, for `open_source`.
        features, reference_features: files of `pyoco-eval features`.
    """

    samples: tuple[str, ...] = ()
    features: Path | None = None
    reference: str | None = None
    reference_features: Path | None = None
    num: int = 8
    seed: int = 0


def make_report(
    paths: Sequence[Path],
    outs: Sequence[Path],
    gallery: GalleryChoices | None = None,
    *,
    clip_budget: int = DEFAULT_BUDGET,
) -> list[Path]:
    """Write every report asked for; the suffix says what kind.

    Args:
        paths: results of protocol runs, records of scores, or both.
        outs: `.html`, `.md` or `.tex`.
        gallery: clips of plain records: of one a gallery, of several a grid side by side; those of
            results are chosen by the run.
        clip_budget: bytes of all clips of a page, 0 for none.

    Returns:
        `outs`.

    Raises:
        UsageError: another suffix, a file given twice, a gallery without its videos or with
            places for other than every record, samples of records that do not match.
        PyocoEvalError: a file cannot be read, is no result, or cannot be written.
    """
    _check_outs(paths, outs)
    sheets = load_sheets(paths)
    wanted = [wanted_of_sheet(sheet) for sheet in sheets]
    beside: list[SampleFolder] = []
    if gallery is not None and len(gallery.samples) > 1:
        beside = _sample_folders(sheets, gallery)
    elif gallery is not None:
        _add_gallery(sheets, wanted, gallery)
    for out in outs:
        if out.suffix == ".html":
            budget = Budget(clip_budget)
            grids = [_grid(sheet, beside, gallery, budget) for sheet in sheets]
            halls = [build_halls(found, budget) if clip_budget else [] for found in wanted]
            text = html_report(sheets, halls, budget, grids)
        else:
            text = markdown_report(sheets) if out.suffix == ".md" else latex_report(sheets)
        with atomic_path(out) as temporary:
            temporary.write_text(visible(text), encoding="utf-8")
    return list(outs)


def _check_outs(paths: Sequence[Path], outs: Sequence[Path]) -> None:
    for out in outs:
        if out.suffix not in (".html", ".md", ".tex"):
            raise UsageError(f"--out {out}: use .html, .md or .tex")
        if out.resolve() in {path.resolve() for path in paths}:
            raise UsageError(f"--out {out}: is one of the results")
        check_writable(out, "--out")


def _grid(
    sheet: Sheet, beside: Sequence[SampleFolder], choices: GalleryChoices | None, budget: Budget
) -> GridSection | None:
    if not budget.total:
        return None
    if beside and choices is not None:
        return side_by_side(beside, choices.num, budget)
    return strips_of_arms(sheet, budget)


def _sample_folders(sheets: Sequence[Sheet], choices: GalleryChoices) -> list[SampleFolder]:
    """The samples of several records, named as these are."""
    if len(sheets) != 1 or len(sheets[0].records) != len(choices.samples):
        raise UsageError(
            f"--samples: given {len(choices.samples)} times; give it once for each record, in the "
            "order of the records, and no results of a run"
        )
    if choices.features is not None or choices.reference is not None:
        raise UsageError("--features and --reference: belong to one record and its samples")
    return [
        open_sample_folder(sheets[0].name_of(arm), place)
        for arm, place in zip(sheets[0].arms, choices.samples, strict=True)
    ]


def _add_gallery(
    sheets: Sequence[Sheet], wanted: Sequence[dict[str, list[Wanted]]], choices: GalleryChoices
) -> None:
    if not choices.samples:
        raise UsageError("--features: give the videos too, with --samples")
    if len(sheets) != 1 or len(sheets[0].records) != 1:
        raise UsageError(
            "--samples: given once, it shows the videos of one plain record; give one record, or "
            "--samples for each"
        )
    if (choices.features is None) != (choices.reference_features is None):
        raise UsageError("--features and --reference-features: distances need both")
    source = open_source(choices.samples[0])
    manifest = Path(choices.samples[0]) / "manifest.jsonl"
    if manifest.is_file():
        source = attach_captions(source, manifest)
    reference = None if choices.reference is None else open_source(choices.reference)
    if choices.features is not None and choices.reference_features is not None:
        own, other = (FeatureSet.load(p) for p in (choices.features, choices.reference_features))
        _refuse_other_networks(choices, own, other)
        chosen = choose_clips(
            _videos(own.ids, {video.id for video in source}),
            own.features,
            other.features,
            _videos(other.ids, {video.id for video in reference or ()}),
            num=choices.num,
            seed=choices.seed,
        )
    else:
        chosen = choose_clips([video.id for video in source], num=choices.num, seed=choices.seed)
    wanted[0][sheets[0].arms[0].title] = wanted_of_source(chosen, source, reference)


def _videos(row_ids: Sequence[str], known: set[str]) -> list[str]:
    """The video of each row; where the videos are not known, ids are taken as they are."""
    return [row if row in known or not known else _ROW.sub("", row) for row in row_ids]


def _refuse_other_networks(choices: GalleryChoices, own: FeatureSet, other: FeatureSet) -> None:
    networks = [dict(f.header.get("recipe", {})).get("net", "") for f in (own, other)]
    if networks[0] != networks[1]:
        raise UsageError(
            f"{choices.features} and {choices.reference_features}: rows of {networks[0]} and of "
            f"{networks[1]} have no distance; extract both with one network"
        )
