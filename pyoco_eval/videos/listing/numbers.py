"""Videos told by the number at the end of their names: `000012.mp4`, `video_12.mp4`."""

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from pyoco_eval.videos.listing.kinds import FILE_SUFFIXES


def numbers_of(ids: Iterable[str]) -> dict[str, int]:
    """id -> number, if the names are all the same but for different numbers; else empty.

    Args:
        ids: of videos, relative to their folder, with or without suffix.
    """
    found: dict[str, int] = {}
    before = set()
    for video_id in ids:
        match = re.fullmatch(r"(.*?)([0-9]+)", without_suffix(video_id))
        if match is None:
            return {}
        before.add(match[1])
        found[video_id] = int(match[2])
    distinct = len(set(found.values())) == len(found)
    return found if distinct and len(before) <= 1 else {}


def without_suffix(video_id: str) -> str:
    """The id without the suffix of a video, picture or array file, if it has one."""
    suffix = PurePosixPath(video_id).suffix
    return video_id.removesuffix(suffix) if suffix.lower() in FILE_SUFFIXES else video_id
