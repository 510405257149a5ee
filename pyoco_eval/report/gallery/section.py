"""The gallery of a report: chosen clips with what is known of each, within a budget of bytes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.report.gallery.choose_clips import ROLES, Choice, Role
from pyoco_eval.report.gallery.media import Media, embed, open_clip_file
from pyoco_eval.report.sheet.sheet import Sheet
from pyoco_eval.videos.source import VideoSource
from pyoco_eval.videos.video import Video

DEFAULT_BUDGET: Final = 12 << 20
"""Bytes of all clips of a page together."""

HEADINGS: Final[Mapping[Role, tuple[str, str]]] = {
    "nearest": (
        "Nearest to the reference",
        "Very near may mean copied.",
    ),
    "farthest": ("Farthest from the reference", "Unlike everything in the reference."),
    "random": ("Drawn at random", "Not picked by anyone."),
}


@dataclass(frozen=True)
class Exhibit:
    """One clip of the gallery.

    Attributes:
        neighbour: the reference clip nearest to it; None without one.
        problem: why a clip was left out; empty if it was not.
    """

    video: str
    role: Role
    caption: str
    class_name: str
    distance: float | None
    media: Media
    neighbour_id: str = ""
    neighbour: Media | None = None


@dataclass(frozen=True)
class Hall:
    """The exhibits of one row of a sheet, by role, those without clips dropped."""

    title: str
    exhibits: Mapping[Role, tuple[Exhibit, ...]]


@dataclass(frozen=True)
class Wanted:
    """A clip before it is encoded; `open` and `open_neighbour` are called at most once."""

    choice: Choice
    caption: str
    class_name: str
    open: Callable[[], Video]
    open_neighbour: Callable[[], Video] | None = None


@dataclass
class Budget:
    """Bytes left for the clips of a page, and what had to be left out.

    Attributes:
        total: at the beginning.
        left: now.
        left_out: videos that did not fit.
        failed: sentences on clips that could not be read.
    """

    total: int = DEFAULT_BUDGET
    left: int = -1
    left_out: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.left < 0:
            self.left = self.total

    def sentences(self) -> list[str]:
        """What a reader must know of clips that are not there."""
        found = list(self.failed)
        if self.left_out:
            found.append(
                f"{len(self.left_out)} clips of the gallery were left out to keep the page's "
                f"clips below {self.total / (1 << 20):.3g} MiB; --clip-budget gives them more."
            )
        return found


def wanted_of_sheet(sheet: Sheet) -> dict[str, list[Wanted]]:
    """Name of an arm -> its gallery as the run stored it."""
    found: dict[str, list[Wanted]] = {}
    for arm in sheet.arms:
        folder = sheet.folders.get(arm.key, Path())
        for entry in arm.gallery:
            path = folder / entry.file
            found.setdefault(sheet.name_of(arm), []).append(
                Wanted(
                    Choice(entry.video, entry.role, entry.distance, entry.neighbour),
                    entry.caption or "",
                    entry.class_name or "",
                    _opener(path),
                    _opener(folder / entry.neighbour_file) if entry.neighbour_file else None,
                )
            )
    return found


def wanted_of_source(
    choices: Sequence[Choice], source: VideoSource, reference: VideoSource | None = None
) -> list[Wanted]:
    """Chosen clips of a set of videos; neighbours too where the reference is at hand.

    Raises:
        PyocoEvalError: a chosen clip is not in the source.
    """
    videos = {video.id: video for video in source}
    others = {} if reference is None else {video.id: video for video in reference}
    absent = [choice.id for choice in choices if choice.id not in videos]
    if absent:
        raise PyocoEvalError(
            f"{source.name}: has no video {absent[0]!r}, which the features name; give the videos "
            "that the features were made from"
        )
    return [
        Wanted(
            choice,
            videos[choice.id].caption or "",
            _class_name(videos[choice.id].label),
            _given(videos[choice.id]),
            _given(others[choice.neighbour]) if choice.neighbour in others else None,
        )
        for choice in choices
    ]


def build_halls(wanted: Mapping[str, Sequence[Wanted]], budget: Budget) -> list[Hall]:
    """Encode clips until the budget is spent: every row of a sheet has the same share of it.

    What cannot be read is told in `budget`, never raised: a report of finished scores must not
    fail for a picture.
    """
    halls = []
    for position, (title, items) in enumerate(wanted.items()):
        share = budget.left // (len(wanted) - position)
        halls.append(_build_hall(title, items, budget, budget.left - share))
    return halls


def _build_hall(title: str, wanted: Sequence[Wanted], budget: Budget, keep: int) -> Hall:
    """The first clip of every role before the second of any; `keep` bytes are for others."""
    by_role = {role: [item for item in wanted if item.choice.role == role] for role in ROLES}
    rounds = max((len(items) for items in by_role.values()), default=0)
    in_turn = [
        items[number] for number in range(rounds) for items in by_role.values()
        if number < len(items)
    ]  # fmt: skip
    shown: dict[Role, list[Exhibit]] = {role: [] for role in ROLES}
    for position, item in enumerate(in_turn):
        share = max((budget.left - keep) // (len(in_turn) - position), 0)
        media = _media(item.choice.id, item.open, share, budget)
        if media is None:
            continue
        neighbour = None
        if (
            item.open_neighbour is not None
            and item.choice.neighbour
            and item.choice.role == "nearest"
        ):
            neighbour = _media(item.choice.neighbour, item.open_neighbour, share, budget)
        shown[item.choice.role].append(
            Exhibit(
                item.choice.id,
                item.choice.role,
                item.caption,
                item.class_name,
                item.choice.distance,
                media,
                item.choice.neighbour or "",
                neighbour,
            )
        )
    return Hall(title, {role: tuple(found) for role, found in shown.items() if found})


def _media(name: str, open_video: Callable[[], Video], share: int, budget: Budget) -> Media | None:
    try:
        media = embed(open_video(), share)
    except PyocoEvalError as error:
        budget.failed.append(f"A clip of the gallery cannot be shown: {error}")
        return None
    if media is None:
        budget.left_out.append(name)
        return None
    budget.left -= media.num_bytes
    return media


def _class_name(label: str | None) -> str:
    """A bare number says that it is a class."""
    return f"class {label}" if label and label.isdigit() else label or ""


def _opener(path: Path) -> Callable[[], Video]:
    return lambda: open_clip_file(path)


def _given(video: Video) -> Callable[[], Video]:
    return lambda: video
