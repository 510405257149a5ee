"""The datasets that are known by name, and what the literature's names for their parts mean here.

A set is one split of one dataset. Its name is used for reference statistics: `ucf101` is the whole,
`ucf101-train01` the first training list.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pyoco_eval.errors import UsageError


@dataclass(frozen=True)
class KnownSet:
    """One split of a dataset.

    Attributes:
        name: of the set, `ucf101-train01`.
        dataset, split: its parts, `ucf101` and `train01`.
        num_videos: as published.
        about: one line for messages.
    """

    name: str
    dataset: str
    split: str
    num_videos: int
    about: str


_UCF101_LISTS = {
    "train01": 9_537,
    "train02": 9_586,
    "train03": 9_624,
    "test01": 3_783,
    "test02": 3_734,
    "test03": 3_696,
}

_ALL = (
    KnownSet("ucf101", "ucf101", "all", 13_320, "UCF-101, 101 classes, all 13,320 videos"),
    *(
        KnownSet(f"ucf101-{split}", "ucf101", split, count, f"UCF-101, {split}: {count:,} videos")
        for split, count in _UCF101_LISTS.items()
    ),
    KnownSet("msrvtt", "msrvtt", "test", 2_990, "MSR-VTT, 2,990 test videos"),
)

KNOWN_SETS: Final[Mapping[str, KnownSet]] = {known.name: known for known in _ALL}

DATASETS: Final = tuple(dict.fromkeys(known.dataset for known in _ALL))

DEFAULT_SPLIT: Final[Mapping[str, str]] = {"ucf101": "all", "msrvtt": "test"}

SYNONYMS: Final[Mapping[str, str]] = {"train+test": "all"}
"""Every training list and its test list together are all videos, whichever of the three."""


def known_set(dataset: str, split: str | None = None) -> KnownSet:
    """The set that a dataset and a split name.

    Raises:
        UsageError: an unknown dataset or split; the message lists what there is.
    """
    if dataset not in DATASETS:
        raise UsageError(f"unknown dataset {dataset!r}; known: {', '.join(DATASETS)}")
    wanted = DEFAULT_SPLIT[dataset] if split is None else split
    wanted = SYNONYMS.get(wanted, wanted)
    found = [known for known in _ALL if known.dataset == dataset]
    for known in found:
        if known.split == wanted:
            return known
    splits = [known.split for known in found]
    if "all" in splits:
        splits += [word for word, meaning in SYNONYMS.items() if meaning in splits]
    raise UsageError(f"--split {split}: {dataset} has {', '.join(splits)}")
