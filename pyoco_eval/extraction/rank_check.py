"""Whether the processes that score together hold what they should: one set, or parts of one.

A set in a place is shared among them, so all must see the same one. Of videos in memory each brings
its own, so no video may come twice. Either mistake would be a wrong number without a word.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from pyoco_eval.errors import UsageError, VideoError
from pyoco_eval.peers import Processes
from pyoco_eval.videos.source import VideoSource
from pyoco_eval.videos.video import Video

_NUM_EXAMPLES: Final = 3


def require_same_call(facts: Mapping[str, object], group: Processes) -> None:
    """Refuse on all processes unless each states the same facts.

    Args:
        facts: plain data by name, about the call that all of them make.

    Raises:
        UsageError: naming what differs, and where.
    """
    _agree(facts, group, _differing)


def require_own_videos(source: VideoSource, group: Processes, workers: int) -> None:
    """Refuse on all processes if a video in the memory of one is in that of another as well.

    Args:
        source: the videos in the memory of this process.
        workers: threads that hash them.

    Raises:
        UsageError: saying how many there are, and how each can hold its own.
    """
    if group.size == 1:
        return
    with ThreadPoolExecutor(workers) as pool:
        digests = list(pool.map(_digest, (source[index] for index in range(len(source)))))
    _agree({"name": source.name, "digests": digests}, group, _held_twice)


def require_one_place(source: VideoSource, group: Processes) -> None:
    """Refuse on all processes unless each sees the same videos in its place.

    Names, their number and the content of the first and the last are compared: not all contents,
    since every process would then read the whole set.

    Raises:
        UsageError: naming the places.
    """
    if group.size == 1:
        return
    ids = hashlib.sha256("\n".join(video.id for video in source).encode(errors="surrogateescape"))
    ends = [_digest(source[index]) for index in {0, len(source) - 1}] if len(source) else []
    facts = {"name": source.name, "seen": [len(source), ids.hexdigest(), sorted(ends)]}
    _agree(facts, group, _other_place)


def _agree(facts: Mapping[str, object], group: Processes, judge: Any) -> None:
    """Process 0 judges what all of them state; every one hears, and raises, the same."""
    if group.size == 1:
        return
    stated = group.gather(json.dumps(facts).encode())
    complaint = None
    if stated is not None:
        complaint = judge([json.loads(text) for text in stated]).encode()
    heard = group.broadcast(complaint).decode()
    if heard:
        raise UsageError(heard)


def _differing(stated: Sequence[Mapping[str, Any]]) -> str:
    for rank, facts in enumerate(stated):
        for name, value in facts.items():
            if value != stated[0].get(name):
                return (
                    f"group: process {rank} was called with {name} {json.dumps(value)}, process 0 "
                    f"with {json.dumps(stated[0].get(name))}; all of a group make the same call"
                )
    return ""


def _held_twice(stated: Sequence[Mapping[str, Any]]) -> str:
    owners: dict[str, set[int]] = {}
    for rank, facts in enumerate(stated):
        for digest in facts["digests"]:
            owners.setdefault(digest, set()).add(rank)
    owners.pop("", None)
    shared = {digest: ranks for digest, ranks in owners.items() if len(ranks) > 1}
    if not shared:
        return ""
    whole = all(facts["digests"] == stated[0]["digests"] for facts in stated)
    if whole:
        found = f"all {len(stated)} processes hold the same {len(stated[0]['digests'])} videos"
    else:
        ranks = sorted(set().union(*shared.values()))
        named = ", ".join(map(str, ranks[:_NUM_EXAMPLES])) + (", …" * (len(ranks) > _NUM_EXAMPLES))
        found = f"{len(shared)} videos are in the memory of several processes ({named})"
    return (
        f"group: {stated[0]['name']}: {found}, and would count once for each. Give every process "
        "its own part, as videos[rank::world_size], without the samples that a sampler repeats to "
        "fill up; or the path of a file, which they share; or call without group= on one process"
    )


def _other_place(stated: Sequence[Mapping[str, Any]]) -> str:
    for rank, facts in enumerate(stated):
        if facts["seen"] != stated[0]["seen"]:
            return (
                f"group: process {rank} sees {facts['seen'][0]} videos in {facts['name']}, process "
                f"0 sees {stated[0]['seen'][0]} in {stated[0]['name']}, and they are not the same; "
                "processes share the videos of one place, so give all of them the same. If each "
                "wrote a folder of its own, give the folder that holds these folders"
            )
    return ""


def _digest(video: Video) -> str:
    """Empty for a video that cannot be read, of which the pass will tell."""
    try:
        return video.digest()
    except VideoError:
        return ""
