"""UCF-101 in a user's own copy: class folders, flat folders, other containers, frame folders.

References: Soomro, Zamir and Shah (2012), UCF101, CRCV-TR-12-01; its split lists
(`ucfTrainTestlist`: `classInd.txt`, `trainlist01.txt`, …, `testlist03.txt`).
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from pyoco_eval.datasets.catalogue import known_set
from pyoco_eval.datasets.dataset import (
    Dataset,
    DatasetFinding,
    existing_folder,
    file_digest,
    ordered,
)
from pyoco_eval.datasets.matching import Match, match_names, missing, stem_of, suffix_of
from pyoco_eval.errors import MissingError, PyocoEvalError
from pyoco_eval.videos.source import VideoSource, find_videos
from pyoco_eval.videos.video import Video

LISTS_FOLDER: Final = "ucfTrainTestlist"

PUBLISHED_LISTS: Final[Mapping[str, str]] = {
    "all": "111e60a9952c7097db62c5d9277c33605cea4f9518a817d4f6dfd2f4884d347e",
    "train01": "27e2cd3cd86fb6d30d4394a9577c1a31a9eb1bebf2913e0acf5d28445bafb42a",
    "train02": "6a403aefc156e21a9af4fc78e93ae57b42af00efdec1974f3164372604069c84",
    "train03": "5ed1d2a733a3a244e8f80957b693e20bb2691a42acc4f451ace749e6b71f9adf",
    "test01": "6faa06e25759adfe1a4b32325e7af2cb8166174107cf859c14a4385e6306f144",
    "test02": "30d75ae72bd7d44d867897b59ad143859ecd9556a3a09f3ca44a4d9be6da6c4b",
    "test03": "565ad9a630f50bdf9d526b92fc3d4fe186b2a98d14ebbd45de398291aa7db67f",
}
"""Split -> sha256 over its names `Class/v_Class_g01_c01.avi`, sorted, joined by line feeds."""

NUM_CLASSES: Final = 101
_SIZE = (320, 240)
_STEM = re.compile(r"v_(?P<class>[A-Za-z]+)_g[0-9]{2}_c[0-9]{2}")
_FOLDER_OF = {"HandStandPushups": "HandstandPushups"}
"""The class whose files are spelt otherwise than its folder."""


@dataclass(frozen=True)
class _Lists:
    """What was read of the split lists: published name without suffix, list by list."""

    names: tuple[str, ...]
    everything: tuple[str, ...]
    class_names: tuple[str, ...]
    digests: Mapping[str, str]
    findings: tuple[DatasetFinding, ...]


def open_ucf101(
    root: Path,
    split: str | None = None,
    *,
    split_lists: Path | None = None,
    decoder: str = "pyav",
) -> Dataset:
    """Find one split of UCF-101 under `root`. No video is opened yet.

    Args:
        root: folder of the videos, as distributed (`ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi`)
            or any other arrangement of files or frame folders with the same stems.
        split: `all` (default), `train01`, …, `test03`, or `train+test`, which is `all`.
        split_lists: folder of the split lists; by default looked for inside and beside `root`.
            `all` does not need them.
        decoder: as in `videos.source.open_source`.

    Raises:
        UsageError: no such folder or split, or no video.
        MissingError: the split needs lists and there are none.
        PyocoEvalError: a list that cannot be read as one, or no video of the split is there.
    """
    known = known_set("ucf101", split)
    existing_folder(root, "--data-root")
    source = find_videos(root, decoder=decoder)
    folder = _find_lists(root, split_lists, known.split)
    lists = _from_stems(source) if folder is None else _read_lists(folder, known.split)
    by_stem = {PurePosixPath(name).name: name for name in lists.everything}
    wanted = {PurePosixPath(name).name: name for name in lists.names}
    match = match_names(source, by_stem, wanted, _normal, ".avi")
    chosen = [
        _published(match.videos[stem], name)
        for stem, name in wanted.items()
        if stem in match.videos
    ]
    if not chosen:
        raise PyocoEvalError(
            f"{root}: none of its {len(source):,} videos is one of {known.about}; expected files "
            "like ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi"
        )
    videos = ordered(chosen)
    findings = [*lists.findings, *missing(wanted, match, known.name), *match.findings]
    findings += _misplaced(match, by_stem, lists.class_names)
    place = {name: index for index, name in enumerate(lists.class_names)}
    return Dataset(
        known=known,
        root=root,
        videos=source.subset(known.name, videos),
        labels=tuple(place[str(video.label)] for video in videos),
        class_names=lists.class_names,
        lists=lists.digests,
        size=_SIZE,
        findings=tuple(findings),
    )


def names_digest(names: Iterable[str]) -> str:
    """How the names of a split are identified, as in `PUBLISHED_LISTS`."""
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()


def _find_lists(root: Path, given: Path | None, split: str) -> Path | None:
    if given is not None:
        folders = [existing_folder(given, "--split-lists")]
    else:
        folders = [root, root.resolve().parent]
    places = [place for folder in folders for place in (folder, folder / LISTS_FOLDER)]
    for place in places:
        if (place / "classInd.txt").is_file():
            return place
    if given is not None or split != "all":
        looked = ", ".join(str(place / "classInd.txt") for place in places)
        raise MissingError(
            f"the split lists of UCF-101 are not there (looked for {looked}); unpack "
            f"UCF101TrainTestSplits-RecognitionTask.zip, published with the videos, and name its "
            f"folder with --split-lists {LISTS_FOLDER}"
        )
    return None


def _read_lists(folder: Path, split: str) -> _Lists:
    digests = {}

    def lines(name: str) -> list[list[str]]:
        path = folder / name
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise PyocoEvalError(f"{path}: cannot be read as a split list: {error}") from error
        digests[name] = file_digest(path)
        return [line.split() for line in text.splitlines() if line.strip()]

    classes = lines("classInd.txt")
    if any(len(words) != 2 for words in classes):
        raise PyocoEvalError(f"{folder / 'classInd.txt'}: expected lines like `1 ApplyEyeMakeup`")
    class_names = tuple(words[1] for words in classes)
    parts = {}
    needed = (
        ("train01", "test01") if split == "all" else dict.fromkeys(("train01", "test01", split))
    )
    for part in needed:
        name = f"{part[:-2]}list{part[-2:]}.txt"
        entries = [words[0] for words in lines(name)]
        strange = [
            entry for entry in entries
            if entry.partition("/")[0] not in class_names or not entry.endswith(".avi")
        ]  # fmt: skip
        if strange or not entries:
            shown = strange[0] if strange else "nothing"
            raise PyocoEvalError(
                f"{folder / name}: expected names like ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi "
                f"with a class of classInd.txt, found {shown}"
            )
        parts[part] = entries
    everything = [*parts["train01"], *parts["test01"]]
    names = everything if split == "all" else parts[split]
    findings = []
    if names_digest(names) != PUBLISHED_LISTS[split]:
        published = known_set("ucf101", split).num_videos
        text = (
            f"the lists in {folder} are not the published ones: they name {len(names):,} videos "
            f"for {split}; the published {published:,}"
        )
        findings.append(DatasetFinding("lists", text))
    return _Lists(
        tuple(name.removesuffix(".avi") for name in names),
        tuple(name.removesuffix(".avi") for name in dict.fromkeys([*everything, *names])),
        class_names,
        digests,
        tuple(findings),
    )


def _from_stems(source: VideoSource) -> _Lists:
    """All videos without lists: every stem of the published form; their hash says if it is all."""
    names = []
    for video in source:
        found = _STEM.fullmatch(stem_of(video))
        if found:
            spelt = found["class"]
            names.append(f"{_FOLDER_OF.get(spelt, spelt)}/{stem_of(video)}")
    names = sorted(set(names))
    classes = tuple(sorted({name.partition("/")[0] for name in names}, key=str.casefold))
    findings = []
    if names_digest(f"{name}.avi" for name in names) != PUBLISHED_LISTS["all"]:
        text = (
            f"{len(names):,} videos of {len(classes)} classes are here; the whole has "
            f"{known_set('ucf101').num_videos:,} of {NUM_CLASSES}. With --split-lists the others "
            "are named"
        )
        findings.append(DatasetFinding("missing", text))
    return _Lists(tuple(names), tuple(names), classes, {}, tuple(findings))


def _normal(stem: str) -> str:
    """`HandstandPushups_g01_c01` for `v_HandStandPushups_g01_c01`, all in small letters."""
    return re.sub(r"[^a-z0-9]", "", stem.casefold().removeprefix("v_"))


def _published(video: Video, name: str) -> Video:
    """The video under its published name, with the suffix it has here."""
    return Video(
        name + suffix_of(video),
        0,
        video.path,
        video.reader,
        label=name.partition("/")[0],
    )


def _misplaced(
    match: Match, by_stem: Mapping[str, str], class_names: Sequence[str]
) -> list[DatasetFinding]:
    """Videos in the folder of another class; a folder that is no class says nothing."""
    known = {name.casefold(): name for name in class_names}
    found = []
    for stem, video in match.videos.items():
        own = by_stem[stem].partition("/")[0]
        folder = known.get(PurePosixPath(video.id).parent.name.casefold())
        if folder is not None and folder != own:
            found.append(f"{video.id} (published: {own})")
    if not found:
        return []
    text = f"{len(found):,} videos are in the folder of another class; the lists decide"
    return [DatasetFinding("misplaced", text, tuple(sorted(found)))]
