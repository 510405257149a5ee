"""What a file is: by its suffix where that tells, else by its first bytes.

References:
    ISO/IEC 14496-12 (ftyp, brands), ISO/IEC 13818-1 (0x47 each 188 bytes), EBML (RFC 8794), RIFF,
    Ogg (RFC 3533), ASF, FLV, MXF (SMPTE 377), IVF, NUT and YUV4MPEG2: their magic bytes.
    WebP container: bit 1 of the VP8X flags says animation. AVIF: brand `avis` is a sequence.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from pyoco_eval.videos.readers.base import NoVideoError, UnreadableError
from pyoco_eval.videos.readers.choose import (
    ANIMATION_SUFFIXES,
    ARRAY_SUFFIXES,
    FRAME_SUFFIXES,
    SHARD_SUFFIXES,
    VIDEO_SUFFIXES,
)
from pyoco_eval.videos.readers.stored_file import StoredFile

Kind = Literal["video", "animation", "array", "shard", "picture", "compressed", "other"]

FILE_SUFFIXES = VIDEO_SUFFIXES | ANIMATION_SUFFIXES | ARRAY_SUFFIXES | SHARD_SUFFIXES
EITHER_SUFFIXES = ANIMATION_SUFFIXES & FRAME_SUFFIXES
"""Formats of pictures and of animations; the first bytes say which."""

SHARED_SUFFIXES = frozenset({".ts", ".m2t", ".tp", ".asf", ".ogg", ".mod", ".tod"})
"""Of video, and of sound or program text as well."""

_OTHERS: tuple[tuple[str, str], ...] = (
    (
        "text",
        ".txt .json .jsonl .ndjson .csv .tsv .yaml .yml .md .rst .xml .html .htm .srt .vtt .ass "
        ".ssa .lrc .log .ini .cfg .toml .py .ipynb .sh .js .css .tex .pdf .cls .sha256 .md5",
    ),
    ("sound", ".wav .mp3 .m4a .aac .flac .opus .wma .oga .mka .ac3 .aiff .mid"),
    ("archives", ".zip .rar .7z .gz .bz2 .xz .zst .lz4 .tgz .tbz .tbz2 .txz .tzst .z"),
    (
        "unfinished downloads",
        ".part .partial .tmp .temp .crdownload .download .aria2 .filepart .opdownload",
    ),
    (
        "data",
        ".pt .pth .ckpt .safetensors .pkl .pickle .h5 .hdf5 .parquet .arrow .onnx .mat .tfrecord "
        ".tfrecords .mdb .db .sqlite .pyc .lock .idx",
    ),
)
_WHAT = {suffix: what for what, suffixes in _OTHERS for suffix in suffixes.split()}
_COMPRESSED_SHARD = re.compile(r"\.(tar\.(gz|bz2|xz|zst|lz4)|tgz|tbz2?|txz|tzst)$", re.IGNORECASE)

_SYSTEM = frozenset(
    {
        "@eadir",
        "#recycle",
        "__macosx",
        "__pycache__",
        "$recycle.bin",
        "system volume information",
        "lost+found",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
    }
)
_HEAD = 1024
_CONTAINERS = (
    (0, b"\x1a\x45\xdf\xa3"),
    (0, b"FLV\x01"),
    (0, b"OggS"),
    (0, bytes.fromhex("3026b2758e66cf11")),
    (0, b"\x00\x00\x01\xba"),
    (0, b"\x00\x00\x01\xb3"),
    (0, b"\x00\x00\x01\xb0"),
    (0, b"YUV4MPEG2 "),
    (0, bytes.fromhex("060e2b34020501010d0102")),
    (0, b"nut/multimedia container"),
    (0, b"DKIF\x00\x00"),
    (0, b"\x00\x00\x00\x01\x67"),
    (0, b"\x00\x00\x00\x01\x40\x01"),
    (0, b"\x1f\x07\x00"),
    (0, b"\x12\x00\x0a"),
    *((4, box) for box in (b"ftyp", b"moov", b"mdat", b"wide", b"pnot", b"moof")),
)
_STILLS = ((0, b"\x89PNG\r\n\x1a\n"), (0, b"\xff\xd8\xff"))


@dataclass(frozen=True)
class FileKind:
    """What a file is.

    Attributes:
        kind: `other` is what cannot be scored.
        what: of others, in a word: `text`, `sound`, `unknown files`, …
    """

    kind: Kind
    what: str = ""


def kind_of(name: str, file: StoredFile, *, still_gifs: bool = False) -> FileKind:
    """Look at the suffix, and into the file only where the suffix does not tell.

    What may be a video is called one, so that a damaged file fails aloud.

    Args:
        still_gifs: whether a GIF of one picture is a picture, not a video of one frame.

    Raises:
        OSError: it has to be looked into and cannot be read.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in EITHER_SUFFIXES:
        return FileKind("picture" if _is_still(suffix, _head(file)) else "animation")
    if suffix == ".gif" and still_gifs and _is_still_gif(file):
        return FileKind("picture")
    for kind, suffixes in _BY_SUFFIX:
        if suffix in suffixes:
            return FileKind(kind)
    if is_compressed_shard(name):
        return FileKind("compressed", "archives")
    if suffix in _WHAT:
        return FileKind("other", _WHAT[suffix])
    return _by_content(suffix, file)


def is_passed_over(name: str) -> bool:
    """Whether it is hidden, or made by a system for itself, as `@eaDir` and `Thumbs.db` are."""
    return name.startswith(".") or name.lower() in _SYSTEM


def is_compressed_shard(name: str) -> bool:
    """Whether a name is that of a compressed tar archive."""
    return _COMPRESSED_SHARD.search(name) is not None


_BY_SUFFIX: tuple[tuple[Kind, frozenset[str]], ...] = (
    ("video", VIDEO_SUFFIXES - SHARED_SUFFIXES),
    ("animation", ANIMATION_SUFFIXES),
    ("picture", FRAME_SUFFIXES),
    ("array", ARRAY_SUFFIXES),
    ("shard", SHARD_SUFFIXES),
)


def _by_content(suffix: str, file: StoredFile) -> FileKind:
    head = _head(file)
    if suffix in SHARED_SUFFIXES and (not head or b"\0" in head) and not _is_container(head):
        return FileKind("video")
    if _is_container(head):
        return FileKind("other", "sound") if _is_sound(file) else FileKind("video")
    if head.startswith(b"GIF8") or (head[8:12] == b"WEBP" and not _is_still(".webp", head)):
        return FileKind("animation")
    if any(head.startswith(magic) for _, magic in _STILLS) or head[8:12] == b"WEBP":
        return FileKind("picture")
    return FileKind("other", "unknown files" if head else "empty files")


def _head(file: StoredFile) -> bytes:
    try:
        with file.open() as opened:
            return opened.read(_HEAD)
    except (OSError, UnreadableError):
        return b""


def _is_container(head: bytes) -> bool:
    if any(head[place : place + len(magic)] == magic for place, magic in _CONTAINERS):
        return True
    if head.startswith(b"RIFF") and head[8:12] == b"AVI ":
        return True
    return any(
        len(head) > start + 2 * step and all(head[start + n * step] == 0x47 for n in range(3))
        for start, step in ((0, 188), (4, 192))
    )


def _is_sound(file: StoredFile) -> bool:
    """Whether a container has no moving picture in it. Damage is not taken for sound."""
    from pyoco_eval.videos.readers.pyav_reader import PyavReader

    try:
        PyavReader(file).properties()
    except NoVideoError:
        return True
    except (UnreadableError, OSError):
        return False
    return False


def _is_still(suffix: str, head: bytes) -> bool:
    """Whether the first bytes of a WebP or AVIF file are those of one picture."""
    if suffix == ".avif":
        return head[4:8] == b"ftyp" and head[8:12] != b"avis"
    if head[8:12] != b"WEBP":
        return False
    return head[12:16] != b"VP8X" or not head[20:21] or not head[20] & 2


def _is_still_gif(file: StoredFile) -> bool:
    from PIL import Image

    try:
        with file.open() as opened, Image.open(opened, formats=("GIF",)) as image:
            return not getattr(image, "is_animated", False)
    except Exception:  # Pillow raises anything on damaged data; the reader tells it later
        return False
