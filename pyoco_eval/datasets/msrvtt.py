"""The test split of MSR-VTT in a user's own copy, with its captions.

References: Xu et al. (2016), MSR-VTT; its annotation `test_videodatainfo.json` (2,990 videos,
20 captions each). Six of the 59,800 captions are not ASCII; the papers that count 59,794 most
likely left these out.
"""

import hashlib
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pyoco_eval.datasets.catalogue import known_set
from pyoco_eval.datasets.dataset import (
    Dataset,
    DatasetFinding,
    existing_folder,
    file_digest,
    ordered,
)
from pyoco_eval.datasets.matching import match_names, missing, stem_of, suffix_of
from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.parsing import parse_json
from pyoco_eval.videos.source import find_videos
from pyoco_eval.videos.video import Video

ANNOTATIONS: Final = ("test_videodatainfo.json", "test_videodatainfo.json.zip", "MSRVTT_data.json")
ALL_IDS: Final = tuple(f"video{number}" for number in range(10_000))
TEST_IDS: Final = ALL_IDS[7010:]
NUM_CAPTIONS: Final = 59_800

PUBLISHED_CAPTIONS: Final = "d247af8465890ad08b795e9dfad4e1d278ef5f33493ad593d0c4c42937c92ff3"
"""sha256 over the lines `video7010<tab>caption` of all test captions, by video, then sen_id."""

_SIZE = (320, 240)


def open_msrvtt(
    root: Path,
    split: str | None = None,
    *,
    annotations: Path | None = None,
    decoder: str = "pyav",
) -> Dataset:
    """Find the test videos of MSR-VTT under `root`. No video is opened yet.

    Args:
        root: folder that holds `video7010.mp4` to `video9999.mp4`, possibly among others and in
            folders of any name.
        split: `test`, the default.
        annotations: `test_videodatainfo.json`, the zip file it comes in, or a file of the same
            layout with more videos; by default looked for inside and beside `root`. Without it the
            dataset has no captions.
        decoder: as in `videos.source.open_source`.

    Raises:
        UsageError: no such folder, file or split, or no video.
        PyocoEvalError: annotations that cannot be read as such, or no test video is there.
    """
    known = known_set("msrvtt", split)
    existing_folder(root, "--data-root")
    source = find_videos(root, decoder=decoder)
    path = _find_annotations(root, annotations)
    match = match_names(source, ALL_IDS, set(TEST_IDS), _normal, ".mp4")
    found = [name for name in TEST_IDS if name in match.videos]
    if not found:
        raise PyocoEvalError(
            f"{root}: none of its {len(source):,} videos is a test video of MSR-VTT; expected "
            "files like video7010.mp4"
        )
    videos = ordered([_published(match.videos[name], name) for name in found])
    findings = [
        *missing(dict(zip(TEST_IDS, TEST_IDS, strict=True)), match, known.name),
        *match.findings,
    ]
    captions: Mapping[str, tuple[str, ...]] = {}
    if path is not None:
        captions, problems = _read_captions(path)
        findings += problems
    return Dataset(
        known=known,
        root=root,
        videos=source.subset(known.name, videos),
        captions=tuple(captions.get(stem_of(video), ()) for video in videos) if captions else (),
        lists={} if path is None else {path.name: file_digest(path)},
        size=_SIZE,
        findings=tuple(findings),
    )


def _find_annotations(root: Path, given: Path | None) -> Path | None:
    if given is not None:
        if not given.is_file():
            raise UsageError(f"--annotations {given}: no such file")
        return given
    for folder in (root, root.resolve().parent):
        for name in ANNOTATIONS:
            if (folder / name).is_file():
                return folder / name
    return None


def _read_captions(path: Path) -> tuple[dict[str, tuple[str, ...]], list[DatasetFinding]]:
    """Captions of every test video in order of `sen_id`, and what is not as published."""
    try:
        sentences = parse_json(_annotation_text(path))["sentences"]
        entries = sorted(
            (int(entry["sen_id"]), str(entry["video_id"]), str(entry["caption"]))
            for entry in sentences
        )
    except (KeyError, TypeError, ValueError) as error:
        raise PyocoEvalError(
            f"{path}: not an annotation of MSR-VTT ({type(error).__name__}: {error}); expected "
            "JSON with `videos` and `sentences` of `sen_id`, `video_id` and `caption`"
        ) from error
    captions: dict[str, list[str]] = {name: [] for name in TEST_IDS}
    for _, name, caption in entries:
        if name in captions:
            captions[name].append(caption)
    count = sum(map(len, captions.values()))
    if captions_digest(captions) == PUBLISHED_CAPTIONS:
        return {name: tuple(texts) for name, texts in captions.items()}, []
    silent = tuple(name for name, texts in captions.items() if not texts)
    text = (
        f"the captions in {path.name} are not the published ones: {count:,} of the test videos, "
        f"published {NUM_CAPTIONS:,}"
    )
    if silent:
        text += f"; {len(silent):,} videos have none"
    return {name: tuple(texts) for name, texts in captions.items()}, [
        DatasetFinding("lists", text, silent)
    ]


def captions_digest(captions: Mapping[str, Sequence[str]]) -> str:
    """How the captions of the split are identified, as in `PUBLISHED_CAPTIONS`."""
    lines = (f"{name}\t{text}" for name in TEST_IDS for text in captions.get(name, ()))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _annotation_text(path: Path) -> bytes:
    if not zipfile.is_zipfile(path):
        return path.read_bytes()
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".json")]
            if len(names) != 1:
                raise PyocoEvalError(f"{path}: holds {len(names)} JSON files; name the one meant")
            return archive.read(names[0])
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:
        raise PyocoEvalError(f"{path}: cannot be unpacked: {error}") from error


def _normal(stem: str) -> str:
    """`video7010` for `Video7010` and `video07010`."""
    found = re.fullmatch(r"video[ _-]*0*([0-9]+)", stem.casefold())
    return f"video{found[1]}" if found else stem.casefold()


def _published(video: Video, name: str) -> Video:
    return Video(name + suffix_of(video), 0, video.path, video.reader)
