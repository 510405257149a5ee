"""Deciding what counts as one on a side, and warning where groups seem to have been forgotten."""

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from pyoco_eval.extraction.grouping import Grouping, Videos, labels_of
from pyoco_eval.extraction.measured_set import MeasuredSet
from pyoco_eval.metrics.dependence import (
    design_effect,
    intraclass_correlation,
    is_dependent,
    neighbour_correlation,
)

_NUMBER: Final = re.compile(
    r"[-_. ]*(?:clip|part|seg|segment|scene|shot|chunk|seed|sample|take|c|s|p|v)?[-_. ]*[0-9]+$",
    re.IGNORECASE,
)
"""The number at the end of a name, with the word before it that says what it counts."""

_FEWEST_GROUPS: Final = 8
_LARGEST_GROUP: Final = 32
"""Larger groups are classes rather than sources: a fixed list of classes is no random draw."""

_LEAST_NEIGHBOURS: Final = 0.2


def with_grouping(side: MeasuredSet, rule: str | None, argument: str) -> MeasuredSet:
    """The side with its groups decided, and with warnings.

    Args:
        rule: as in `grouping.labels_of`; None finds one.
        argument: the option, for messages.

    Raises:
        UsageError: the rule is unknown, or says nothing of some video.
    """
    if side.features is None:
        return side
    used = [place for place, count in enumerate(side.rows_per_video) if count]
    names = side.video_names()
    captions = side.captions or (None,) * len(names)
    groups = side.groups or (None,) * len(names)
    videos = Videos(
        [names[place] for place in used],
        [captions[place] for place in used],
        [groups[place] for place in used],
    )
    signed, labels = labels_of(rule, videos, argument)
    means = _video_means(side)
    if signed is None:
        found = _forgotten(side.name, videos, means, argument) if rule is None else None
        return replace(side, grouping=Grouping(warnings=(found,) if found else ()))
    whole = list(names)
    for place, label in zip(used, labels, strict=True):
        whole[place] = label
    distinct, numbers = np.unique(np.array(labels, dtype=np.str_), return_inverse=True)
    grouping = Grouping(
        rule=signed,
        labels=tuple(whole),
        count=len(distinct),
        design_effect=design_effect(means, numbers),
    )
    return replace(side, grouping=grouping)


def _video_means(side: MeasuredSet) -> np.ndarray:
    """(V, D) mean row of every video that has rows."""
    assert side.features is not None
    counts = np.array([count for count in side.rows_per_video if count])
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    rows = side.features.features.astype(np.float64)
    return np.asarray(np.add.reduceat(rows, starts, axis=0) / counts[:, None])


def _forgotten(name: str, videos: Videos, means: np.ndarray, argument: str) -> str | None:
    """A warning if videos seem to belong together that count for themselves."""
    for what, labels, remedy in _candidates(videos):
        _, numbers = np.unique(np.array(labels, dtype=np.str_), return_inverse=True)
        if not is_dependent(means, numbers):
            continue
        correlation = intraclass_correlation(means, numbers)
        worth = len(means) / design_effect(means, numbers)
        return (
            f"{name}: {len(means):,} videos look like {numbers.max() + 1:,} groups ({what}), in "
            f"which features correlate with {correlation:.2f}: they are worth about {worth:,.0f} "
            "independent ones, but count for themselves, so that intervals are too narrow and "
            f"limits too high. If they belong together, give {argument} {remedy}; if not, "
            f"{argument} none."
        )
    correlation_of_next = neighbour_correlation(means)
    if correlation_of_next is not None and correlation_of_next > _LEAST_NEIGHBOURS:
        return (
            f"{name}: features of neighbouring videos correlate by {correlation_of_next:.2f} more "
            "than those further apart, as clips of one source do. If they belong together, say "
            f"which with {argument} (see --help); if not, {argument} none."
        )
    return None


def _candidates(videos: Videos) -> Iterator[tuple[str, Sequence[str], str]]:
    """Groupings that names or captions suggest: what they share, labels, the rule to give."""
    captions = [caption for caption in videos.captions if caption]
    if len(captions) == len(videos.names) and _is_plausible(captions):
        yield "of one prompt each", captions, "prompt"
    stems = list(videos.names)
    for depth in (1, 2):
        stems = [_NUMBER.sub("", _without_suffix(stem)) for stem in stems]
        if all(posixpath.basename(stem) for stem in stems) and _is_plausible(stems):
            example = _shared(videos.names, stems)
            pattern = r"[-_. ]?[A-Za-z]*[-_. ]?[0-9]+" * depth
            yield (
                f"names alike but for a number, as {example}",
                stems,
                rf"'regex:^(.+?){pattern}(\.\w+)?$'",
            )
    folders = [posixpath.dirname(name) for name in videos.names]
    if _is_plausible(folders):
        yield "one folder each", folders, "folder"


def _is_plausible(labels: Sequence[str]) -> bool:
    """Whether these could be sources: several groups, of two to a few dozen videos."""
    _, counts = np.unique(np.array(labels, dtype=np.str_), return_counts=True)
    typical = float(np.sum(counts**2) / np.sum(counts))
    return len(counts) >= _FEWEST_GROUPS and 1.5 <= typical <= _LARGEST_GROUP


def _without_suffix(name: str) -> str:
    stem, suffix = posixpath.splitext(name)
    return stem if not suffix[1:].isdecimal() else name


def _shared(names: Sequence[str], stems: Sequence[str]) -> str:
    """Two names with one stem."""
    members = defaultdict(list)
    for name, stem in zip(names, stems, strict=True):
        members[stem].append(name)
    first, second = next(found for found in members.values() if len(found) > 1)[:2]
    return f"{posixpath.basename(first)} and {posixpath.basename(second)}"
