"""A folder of finished videos in place of a generator: which file answers which request.

Files are told by a manifest with captions (`manifest.jsonl`, `.csv`, `.tsv`), by number
(`000012.mp4`, `video_12.mp4`), or by prompt: `a red cat-3.mp4` as VBench names the fourth video of
a prompt, `a-red-cat.mp4`, `a_red_cat/0003.mp4`. The naming that answers most requests counts.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pyoco_eval.errors import MissingError
from pyoco_eval.generation.request import Request
from pyoco_eval.videos.listing.manifest import is_manifest
from pyoco_eval.videos.listing.manifest_rows import listed
from pyoco_eval.videos.listing.numbers import numbers_of, without_suffix
from pyoco_eval.videos.source import VideoSource, open_source
from pyoco_eval.videos.video import Video

MANIFESTS: Final = ("manifest.jsonl", "manifest.csv", "manifest.tsv")

Numbered = tuple[Hashable, int, Video]
"""What a video answers, which one of those it is, and the video."""


class MissingSamplesError(MissingError):
    """Requests that no video of a folder answers.

    Attributes:
        missing: all of them, in order.
    """

    def __init__(self, message: str, missing: Sequence[Request]) -> None:
        self.missing = tuple(missing)
        super().__init__(message)


@dataclass(frozen=True)
class FolderSamples:
    """Videos that answer requests.

    Attributes:
        name: of the folder.
        scheme: `manifest`, `number` or `prompt`: how its files were told.
        videos: one for each request, in their order.
        unused: ids of videos that answer none.
    """

    name: str
    scheme: str
    videos: tuple[Video, ...]
    unused: tuple[str, ...]

    def source(self) -> VideoSource:
        """The videos as a set to score, ordered by id."""
        ordered = sorted(self.videos, key=lambda video: video.id)
        return VideoSource(
            self.name,
            [
                Video(v.id, index, v.path, v.reader, caption=v.caption, label=v.label)
                for index, v in enumerate(ordered)
            ],
        )


def open_folder(place: str | Path, requests: Sequence[Request]) -> FolderSamples:
    """Find the video of every request; nothing is decoded.

    Of several videos of one prompt the first answers the first request with it, and so on.

    Args:
        place: a folder, or a manifest.
        requests: what the videos should be.

    Raises:
        MissingSamplesError: some are not there; the message lists them and says how files were
            told.
        UsageError: there are no videos, or the manifest is malformed or names missing files.
    """
    path = Path(place)
    manifest = manifest_or(path)
    source = open_source(manifest)
    schemes: dict[str, Callable[[], dict[int, Video]]] = {
        "manifest": lambda: _by_caption(source, requests),
        "number": lambda: _by_number(source, requests),
        "prompt": lambda: _by_prompt(source, requests),
    }
    if not is_manifest(manifest):
        del schemes["manifest"]
    found = {name: match() for name, match in schemes.items()}
    scheme = max(found, key=lambda name: len(found[name]))
    answers = found[scheme]
    missing = [request for request in requests if request.index not in answers]
    used = {video.id for video in answers.values()}
    unused = tuple(video.id for video in source if video.id not in used)
    if missing:
        raise MissingSamplesError(_report(path, scheme, answers, missing, unused), missing)
    videos = tuple(
        answers[request.index].described(
            request.prompt, None if request.label is None else str(request.label)
        )
        for request in requests
    )
    return FolderSamples(path.name, scheme, videos, unused)


def manifest_or(place: Path) -> Path:
    """The manifest of a folder that has one, else the place itself."""
    return next((place / name for name in MANIFESTS if (place / name).is_file()), place)


def _by_caption(source: VideoSource, requests: Sequence[Request]) -> dict[int, Video]:
    """Captions of the manifest against prompts, else its labels against labels."""
    by_prompt = any(request.prompt is not None for request in requests)
    numbered = (
        (video.caption if by_prompt else video.label, position, video)
        for position, video in enumerate(source)
    )
    return _in_turn(
        numbered,
        requests,
        lambda request: (
            request.prompt if by_prompt or request.label is None else str(request.label)
        ),
    )


def _by_number(source: VideoSource, requests: Sequence[Request]) -> dict[int, Video]:
    """Numbers at the end of names that are otherwise all the same; they count from 0, or from 1."""
    numbers = numbers_of(video.id for video in source)
    if not numbers:
        return {}
    found = {numbers[video.id]: video for video in source}
    shift = 1 if min(found) == 1 and len(found) >= len(requests) else 0
    wanted = {request.index for request in requests}
    return {n - shift: video for n, video in found.items() if n - shift in wanted}


def _by_prompt(source: VideoSource, requests: Sequence[Request]) -> dict[int, Video]:
    """Names that are prompts as they stand, or as words joined by anything, maybe with a number."""
    prompts = {request.prompt for request in requests if request.prompt is not None}
    as_words: dict[str, set[str]] = defaultdict(set)
    for prompt in prompts:
        as_words[_words(prompt)].add(prompt)
    numbered: list[Numbered] = []
    for video in source:
        name = without_suffix(video.id)
        if (answered := _prompt_of(name, prompts, as_words)) is not None:
            numbered.append((*answered, video))
    return _in_turn(numbered, requests, lambda request: request.prompt)


def _prompt_of(
    name: str, prompts: set[str], as_words: Mapping[str, set[str]]
) -> tuple[str, int] | None:
    """The prompt a name stands for, and its number; None if there is none, or several."""
    head, _, number = name.rpartition("-")
    words = _words(name)
    start, _, last = words.rpartition("-")
    if name in prompts:
        return name, -1
    if head in prompts and number.isdecimal():
        return head, int(number)
    for key, position in ((words, -1), (start, int(last) if last.isdecimal() else None)):
        fitting = as_words.get(key, set())
        if len(fitting) == 1 and position is not None:
            return next(iter(fitting)), position
    return None


def _in_turn(
    numbered: Iterable[Numbered],
    requests: Sequence[Request],
    key_of: Callable[[Request], Hashable],
) -> dict[int, Video]:
    """The n-th request of a key is answered by the n-th video of it."""
    videos: dict[Hashable, list[tuple[int, str, Video]]] = defaultdict(list)
    for key, number, video in numbered:
        videos[key].append((number, video.id, video))
    for of_key in videos.values():
        of_key.sort(key=lambda entry: entry[:2], reverse=True)
    found = {}
    for request in sorted(requests, key=lambda request: request.index):
        if left := videos.get(key_of(request)):
            found[request.index] = left.pop()[2]
    return found


def _words(text: str) -> str:
    """Letters and digits in lower case, joined by hyphens."""
    return "-".join(re.findall(r"\w+", text.lower().replace("_", " ")))


def _report(
    path: Path,
    scheme: str,
    answers: Mapping[int, Video],
    missing: Sequence[Request],
    unused: Sequence[str],
) -> str:
    total = len(answers) + len(missing)
    told = f"told by {scheme}" if answers else "told neither by manifest, number nor prompt"
    lines = [
        f"request {request.index}"
        + (f": {request.prompt}" if request.prompt is not None else "")
        + (f" (label {request.label})" if request.label is not None else "")
        for request in missing
    ]
    report = (
        f"{path}: {len(missing)} of {total} requested videos are not there (files are {told}):"
        f"{listed(lines)}"
    )
    if unused:
        examples = ", ".join(unused[:3])
        report += f"\n{len(unused)} videos answer no request, such as {examples}."
    return (
        f"{report}\nMake the missing ones, rename the files, or list all in {MANIFESTS[0]} with "
        'lines such as {"id": "FILE", "caption": "PROMPT"}.'
    )
