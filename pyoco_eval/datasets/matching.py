"""Which file of a folder is which video of a dataset, whatever the folders and containers are."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from pyoco_eval.datasets.dataset import DatasetFinding
from pyoco_eval.videos.source import VideoSource
from pyoco_eval.videos.video import Video


@dataclass(frozen=True)
class Match:
    """Files under the published names of their videos.

    Attributes:
        videos: published stem -> video, with the file's own id.
        findings: renamed, duplicate and extra files.
    """

    videos: Mapping[str, Video]
    findings: tuple[DatasetFinding, ...]


def stem_of(video: Video) -> str:
    """File name without suffix, or the name of a folder of frames."""
    name = PurePosixPath(video.id).name
    suffix = "" if video.path is None or video.path.is_dir() else video.path.suffix
    return name.removesuffix(suffix) if suffix else name


def suffix_of(video: Video) -> str:
    """`.avi`; empty for a folder of frames."""
    return PurePosixPath(video.id).name.removeprefix(stem_of(video))


def match_names(
    source: VideoSource,
    stems: Iterable[str],
    wanted: Collection[str],
    normal: Callable[[str], str],
    preferred_suffix: str,
) -> Match:
    """Find the videos called `stems`.

    A file of another name is taken for a video if both names are the same under `normal` and no
    file has the exact name. Of several files for one video, the one with the preferred suffix is
    taken, else the first.

    Args:
        stems: published file names without suffix.
        wanted: those of them whose doubles matter.
        normal: brings spellings of one name together.
        preferred_suffix: of the published files.
    """
    published = list(stems)
    exact = set(published)
    by_normal: dict[str, list[str]] = {}
    for stem in published:
        by_normal.setdefault(normal(stem), []).append(stem)
    candidates: dict[str, list[Video]] = {}
    respelt: dict[str, list[Video]] = {}
    extra: list[str] = []
    for video in source:
        stem = stem_of(video)
        meant = by_normal.get(normal(stem), [])
        if stem in exact:
            candidates.setdefault(stem, []).append(video)
        elif len(meant) == 1:
            respelt.setdefault(meant[0], []).append(video)
        else:
            extra.append(video.id)
    renamed = []
    for stem, videos in respelt.items():
        if stem in candidates:
            extra += [video.id for video in videos]
            continue
        candidates[stem] = videos
        renamed += [f"{video.id} (published: {stem})" for video in videos]
    duplicate = []
    chosen: dict[str, Video] = {}
    for stem, videos in candidates.items():
        best = min(videos, key=lambda video: (suffix_of(video) != preferred_suffix, video.id))
        chosen[stem] = best
        if len(videos) > 1 and stem in wanted:
            others = ", ".join(video.id for video in videos if video is not best)
            duplicate.append(f"{best.id} (also {others})")
    findings = []
    if renamed:
        text = f"{len(renamed):,} files have other names and are used under the published ones"
        findings.append(DatasetFinding("renamed", text, tuple(sorted(renamed))))
    if duplicate:
        text = f"{len(duplicate):,} videos are there more than once"
        findings.append(DatasetFinding("duplicate", text, tuple(sorted(duplicate))))
    if extra:
        text = f"{len(extra):,} files are no videos of the dataset and are left out"
        findings.append(DatasetFinding("extra", text, tuple(sorted(extra))))
    return Match(chosen, tuple(findings))


def missing(wanted: Mapping[str, str], match: Match, of: str) -> tuple[DatasetFinding, ...]:
    """What was looked for and not found, if anything; `wanted` are stem -> name to report."""
    absent = tuple(sorted(name for stem, name in wanted.items() if stem not in match.videos))
    if not absent:
        return ()
    return (
        DatasetFinding("missing", f"{len(absent):,} of the {len(wanted):,} videos of {of}", absent),
    )
