"""What a bundle of weight files says about itself: its first member, `index.json`.

A bundle is a plain tar archive (POSIX ustar): the index, then the files in the order of the index,
all regular, under their names in the manifest. Times, owners and modes are fixed, so the same files
give the same bytes.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.parsing import parse_json
from pyoco_eval.weights.manifest import PublishedFile

FORMAT: Final = "pyoco-eval/weights-bundle/1"
INDEX_NAME: Final = "index.json"
MOST_INDEX_BYTES: Final = 1 << 20
MOST_FILE_BYTES: Final = 4 << 30

_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class BundledFile:
    """One weight file of a bundle.

    Attributes:
        key: of the manifest.
        name: of the member, and of the file in the cache.
        size: in bytes.
        sha256: `sha256:<hex>` of the content.
        published_digest: the hash the manifest pins, None where none was ever published.
        first_use: the digest recorded on the machine that wrote the bundle, if one was.
        licence: as in the manifest.
        source: as in the manifest.
    """

    key: str
    name: str
    size: int
    sha256: str
    published_digest: str | None
    first_use: str | None
    licence: str
    source: str


def index_bytes(files: Sequence[BundledFile]) -> bytes:
    """The index as it stands in the archive."""
    document = {"format": FORMAT, "files": [asdict(file) for file in files]}
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def parse_index(content: bytes, manifest: Mapping[str, PublishedFile]) -> list[BundledFile]:
    """The files of an index, each of which must be one of the manifest.

    Raises:
        PyocoEvalError: not an index of this version, or a file the manifest does not have so.
    """
    try:
        document = parse_json(content)
        if document["format"] != FORMAT:
            raise PyocoEvalError(
                f"{INDEX_NAME} is of the format {str(document['format'])[:80]!r}, not {FORMAT}; "
                "it may be from another version of pyoco-eval"
            )
        files = [_bundled_file(entry) for entry in document["files"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise PyocoEvalError(
            f"{INDEX_NAME} is damaged ({type(error).__name__}: {error})"
        ) from error
    keys = [file.key for file in files]
    if not files or len(set(keys)) != len(keys):
        raise PyocoEvalError(f"{INDEX_NAME} names no file, or one of them twice")
    for file in files:
        _check_against_manifest(file, manifest)
    return files


def _bundled_file(entry: Mapping[str, Any]) -> BundledFile:
    file = BundledFile(**{name: entry[name] for name in BundledFile.__dataclass_fields__})
    texts = (file.key, file.name, file.sha256, file.licence, file.source)
    if not all(isinstance(text, str) for text in texts) or type(file.size) is not int:
        raise TypeError("a field of another type")
    for digest in (file.sha256, file.first_use or file.sha256):
        if _SHA256.fullmatch(digest) is None:
            raise ValueError(f"{digest[:80]!r} is no sha256")
    return file


def _check_against_manifest(file: BundledFile, manifest: Mapping[str, PublishedFile]) -> None:
    entry = manifest.get(file.key)
    if entry is None or entry.name != file.name:
        raise PyocoEvalError(
            f"{INDEX_NAME} names {file.key[:80]!r} as {file.name[:80]!r}, which this version of "
            f"pyoco-eval does not know; known: {', '.join(manifest)}"
        )
    if entry.size not in (None, file.size) or not 0 < file.size <= MOST_FILE_BYTES:
        raise PyocoEvalError(
            f"{INDEX_NAME} gives {file.name} {file.size:,} bytes"
            + (f", and the published file has {entry.size:,}" if entry.size else "")
        )
    if entry.digest not in (None, file.published_digest):
        raise PyocoEvalError(
            f"{INDEX_NAME} pins {file.name} to {str(file.published_digest)[:80]}, "
            f"and the published file is {entry.digest}"
        )
