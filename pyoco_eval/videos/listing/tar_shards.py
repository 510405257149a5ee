"""Tar shards as webdataset writes them: samples of files that share a name.

A sample is all files whose path agrees up to the first dot of the file name. One of them is the
video; `.txt` is its caption, `.cls` its label, and `.json` may hold both.

References:
    webdataset, "The WebDataset Format": files are grouped by their base name.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from pyoco_eval.parsing import parse_json
from pyoco_eval.videos.listing.manifest_rows import texts_of
from pyoco_eval.videos.listing.tar_members import MAX_TEXT, TEXT_SUFFIXES, TarMember, tar_members
from pyoco_eval.videos.readers.base import UnreadableError
from pyoco_eval.videos.readers.choose import (
    ANIMATION_SUFFIXES,
    ARRAY_SUFFIXES,
    FRAME_SUFFIXES,
    VIDEO_SUFFIXES,
)
from pyoco_eval.videos.readers.stored_file import FilePart, StoredFile

VIDEOS = VIDEO_SUFFIXES | ANIMATION_SUFFIXES | ARRAY_SUFFIXES
PICTURES = FRAME_SUFFIXES


@dataclass(frozen=True)
class ShardSample:
    """One video of a shard.

    Attributes:
        key: path up to the first dot of the file name; empty for the shard itself, if damaged.
        file: the video, or something that stands for it where there is a problem.
        caption: None if there is none; so is `label`.
        problem: why the sample cannot be used, None if it can.
    """

    key: str
    file: StoredFile
    caption: str | None = None
    label: str | None = None
    problem: str | None = None


def shard_samples(file: StoredFile, suffixes: AbstractSet[str] = VIDEOS) -> list[ShardSample]:
    """The samples of a tar archive in the order of their first members.

    A damaged archive has one sample more, which tells the damage.

    Args:
        file: the archive.
        suffixes: of what counts as the video of a sample.

    Raises:
        UnreadableError: it is no tar archive, is compressed or holds no video.
    """
    version = file.version()
    members, damage = tar_members(file)
    groups: dict[str, list[tuple[str, TarMember]]] = {}
    for member in members:
        split = _key_and_extension(member.name)
        if split is not None:
            groups.setdefault(split[0], []).append((split[1], member))
    if not any(_has_suffix(ext, suffixes) for group in groups.values() for ext, _ in group):
        if damage is not None:
            raise UnreadableError(f"{damage} within its first sample; copy it again")
        found = "holds no sample" if members else "is an empty archive"
        what = "pictures" if suffixes is PICTURES else "videos, animations and arrays"
        raise UnreadableError(f"{found}; looked for {what}")
    samples = [_sample(key, group, file, version, suffixes) for key, group in groups.items()]
    if damage is not None:
        count = f"{len(samples)} sample" + "s" * (len(samples) != 1)
        samples.append(ShardSample("", file, problem=f"{damage} after {count}; copy it again"))
    return samples


def shard_holds(file: StoredFile, *kinds: AbstractSet[str]) -> tuple[bool, ...]:
    """Whether there are members with a suffix of each of `kinds`.

    Raises:
        UnreadableError: it is no tar archive, or is compressed.
    """
    members, _ = tar_members(file)
    found = [split[1] for member in members if (split := _key_and_extension(member.name))]
    return tuple(any(_has_suffix(extension, kind) for extension in found) for kind in kinds)


def _key_and_extension(name: str) -> tuple[str, str] | None:
    """`a/0001` and `left.mp4` of `./a/0001.left.MP4`; None for files that belong to no sample."""
    parts = [part for part in name.split("/") if part != "."]
    if any(part.startswith(".") and part != ".." for part in parts):
        return None
    stem, dot, extension = parts[-1].partition(".")
    if not dot:
        return None
    return "/".join([*parts[:-1], stem]), extension.lower()


def _has_suffix(extension: str, suffixes: AbstractSet[str]) -> bool:
    return f".{extension}".endswith(tuple(suffixes))


def _sample(
    key: str,
    group: Sequence[tuple[str, TarMember]],
    whole: StoredFile,
    version: object,
    suffixes: AbstractSet[str],
) -> ShardSample:
    videos = [pair for pair in group if _has_suffix(pair[0], suffixes)]
    extension, member = (videos or group)[0]
    name = f"{key.rpartition('/')[2]}.{extension}"
    file = FilePart(whole, name, member.offset, member.size, version)
    try:
        if key.startswith("/") or ".." in key.split("/"):
            raise ValueError("has a name that leads out of the archive")
        _require_one_of_each(group, videos)
        if member.problem is not None:
            raise ValueError(member.problem)
        return ShardSample(key, file, *_texts(group))
    except ValueError as error:
        return ShardSample(key, file, problem=str(error))


def _require_one_of_each(
    group: Sequence[tuple[str, TarMember]], videos: Sequence[tuple[str, TarMember]]
) -> None:
    extensions = [extension for extension, _ in group]
    for extension in extensions:
        if extensions.count(extension) > 1:
            raise ValueError(f"is in the archive {extensions.count(extension)} times")
    if not videos:
        raise ValueError(f"has no video, only {', '.join(extensions)}")
    if len(videos) > 1:
        raise ValueError(
            f"holds {len(videos)} videos ({', '.join(ext for ext, _ in videos)}); names that "
            "differ only behind their first dot are one sample"
        )


def _texts(group: Sequence[tuple[str, TarMember]]) -> tuple[str | None, str | None]:
    """Caption and label; `txt` and `cls` come before what `json` says.

    Raises:
        ValueError: one of them is no text, or no JSON.
    """
    texts = {ext: _text(ext, member) for ext, member in group if f".{ext}" in TEXT_SUFFIXES}
    caption, label = None, None
    if "json" in texts:
        try:
            found = parse_json(texts["json"])
        except (ValueError, RecursionError) as error:
            raise ValueError("its json cannot be read as JSON") from error
        if isinstance(found, dict):
            caption, label = texts_of({key.lower(): value for key, value in found.items()})
    return texts.get("txt", "").strip() or caption, texts.get("cls", "").strip() or label


def _text(extension: str, member: TarMember) -> str:
    if member.problem is not None:
        raise ValueError(f"its {extension} {member.problem}")
    if member.text is None:
        raise ValueError(f"its {extension} has {member.size:,} bytes; {MAX_TEXT:,} are accepted")
    try:
        return member.text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"its {extension} is not UTF-8") from error
