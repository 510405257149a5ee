"""Text embeddings kept on disk, so that training and sampling need no large text encoder.

A folder holds one subfolder per encoder (its spec, its weights, its arithmetic), and in it shards:
safetensors files with the embeddings of some thousand texts, each under the sha256 of its text.
Shards appear whole or not at all, so a killed run goes on where it was, and several processes can
fill one folder. Earlier versions wrote a file for each text; such folders are read, and added to.

Axes: B texts, L tokens, E width of an embedding.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from pyoco_eval.atomic import atomic_path
from pyoco_eval.diffusion.denoiser import TextEmbedding
from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.models.text.encoder import TextEncoder, stack_texts
from pyoco_eval.parsing import parse_json
from pyoco_eval.progress import Progress, Silent

_HEADER: Final = "encoder.json"
_SHARDS: Final = "shards"
_VERSION: Final = 1
_AT_ONCE: Final = 64
_SHARD_TEXTS: Final = 4096
_SHARD_BYTES: Final = 64 * 2**20
_OPEN_SHARDS: Final = 256


def precompute_embeddings(
    texts: Iterable[str], encoder: TextEncoder, folder: Path, progress: Progress | None = None
) -> int:
    """Embed the texts that `folder` does not have yet.

    Args:
        texts: in any order; repetitions cost nothing.
        encoder: its embeddings are stored without loss.
        folder: made if need be; may hold those of other encoders.
        progress: one step per text.

    Returns:
        How many were embedded.

    Raises:
        PyocoEvalError: the folder cannot be written.
    """
    place = folder / _subfolder(encoder)
    with atomic_path(place / _HEADER) as path:
        path.write_text(json.dumps(_header(encoder), indent=2) + "\n", encoding="utf-8")
    there = _index(place)
    missing = [text for text in dict.fromkeys(texts) if not _has(place, there, text)]
    shard: dict[str, torch.Tensor] = {}
    with (progress or Silent()).stage(f"embed {encoder.name}", len(missing), "texts") as stage:
        for start in range(0, len(missing), _AT_ONCE):
            part = missing[start : start + _AT_ONCE]
            embedding = encoder.encode(part)
            for text, tokens, mask in zip(part, embedding.tokens, embedding.mask, strict=True):
                shard[text] = _lossless(tokens[mask].cpu())
                stage.advance()
            size = sum(tokens.nbytes for tokens in shard.values())
            last = start + _AT_ONCE >= len(missing)
            if last or len(shard) >= _SHARD_TEXTS or size >= _SHARD_BYTES:
                _write(place, shard)
                shard = {}
    return len(missing)


class StoredTextEncoder:
    """A `TextEncoder` that reads what `precompute_embeddings` wrote.

    Raises:
        MissingError: the folder has nothing of this encoder.
        UsageError: it has embeddings of several versions of it.
    """

    truncated = 0

    def __init__(self, folder: Path, spec: str) -> None:
        headers = {path.parent: _read_header(path) for path in sorted(folder.glob(f"*/{_HEADER}"))}
        fitting = [place for place, header in headers.items() if header["spec"] == spec]
        if not fitting:
            known = ", ".join(sorted({str(header["spec"]) for header in headers.values()}))
            raise MissingError(
                f"{folder}: no embeddings of text encoder {spec} (there are: {known or 'none'}). "
                f"{_how_to_make(spec, folder)}"
            )
        if len(fitting) > 1:
            places = ", ".join(place.name for place in fitting)
            raise UsageError(
                f"{folder}: embeddings of text encoder {spec} from several weights ({places}); "
                "remove the folder of those that are not meant"
            )
        self._folder = folder
        self._place = fitting[0]
        header = headers[self._place]
        self.name = str(header["name"])
        self.spec = spec
        self.digest = str(header["digest"])
        self.precision = str(header["precision"])
        self.width = int(header["width"])
        self.max_tokens = int(header["max_tokens"])
        self._device = torch.device("cpu")
        self._shards = _index(self._place)
        self._opened = lru_cache(_OPEN_SHARDS)(_open)

    def encode(self, texts: Sequence[str]) -> TextEmbedding:
        """See `TextEncoder.encode`.

        Raises:
            MissingError: texts that were not embedded; the message names the first.
            PyocoEvalError: a damaged file.
        """
        distinct = list(dict.fromkeys(texts))
        missing = [text for text in distinct if not _has(self._place, self._shards, text)]
        if missing:
            raise MissingError(
                f"{self._folder}: {len(missing)} of {len(distinct)} texts have no embedding of "
                f"{self.spec}, the first is {missing[0]!r}. {_how_to_make(self.spec, self._folder)}"
            )
        rows = {text: self._read(text) for text in distinct}
        return stack_texts([rows[text] for text in texts], self.width)

    def to(self, device: torch.device | str) -> Self:
        """Give embeddings on `device` from now on."""
        self._device = torch.device(device)
        return self

    def _read(self, text: str) -> torch.Tensor:
        path = self._shards.get(_key(text))
        try:
            if path is None:
                path = _file(self._place, text)
                tokens: torch.Tensor = load_file(path)["tokens"]
            else:
                tokens = self._opened(path).get_tensor(_key(text))
        except (SafetensorError, OSError, KeyError) as error:
            raise PyocoEvalError(f"{path}: damaged ({error}); delete it and embed again") from error
        if tokens.ndim != 2 or tokens.shape[1] != self.width:
            raise PyocoEvalError(
                f"{path}: holds {tuple(tokens.shape)}, not (L, {self.width}); delete it and embed "
                "again"
            )
        return tokens.float().to(self._device)


def _header(encoder: TextEncoder) -> dict[str, str | int]:
    return {
        "version": _VERSION,
        "name": encoder.name,
        "spec": encoder.spec,
        "digest": encoder.digest,
        "precision": encoder.precision,
        "width": encoder.width,
        "max_tokens": encoder.max_tokens,
    }


def _read_header(path: Path) -> dict[str, str | int]:
    try:
        header = parse_json(path.read_text(encoding="utf-8"))
        if header["version"] == _VERSION and {"spec", "digest", "width"} <= header.keys():
            return dict(header)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PyocoEvalError(f"{path}: cannot be read ({error}); delete its folder") from error
    raise PyocoEvalError(f"{path}: written by another version; delete its folder and embed again")


def _subfolder(encoder: TextEncoder) -> str:
    whole = json.dumps(_header(encoder), sort_keys=True)
    return f"{encoder.name}-{hashlib.sha256(whole.encode()).hexdigest()[:12]}"


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _file(place: Path, text: str) -> Path:
    """Where earlier versions kept it."""
    return place / _key(text)[:2] / f"{_key(text)}.safetensors"


def _has(place: Path, shards: dict[str, Path], text: str) -> bool:
    return _key(text) in shards or _file(place, text).is_file()


def _open(path: Path) -> Any:
    return safe_open(path, framework="pt")


def _index(place: Path) -> dict[str, Path]:
    """The shard of every text, by its sha256; raises PyocoEvalError where one is damaged."""
    found: dict[str, Path] = {}
    for path in sorted((place / _SHARDS).glob("*.safetensors")):
        try:
            found |= dict.fromkeys(_open(path).keys(), path)
        except (SafetensorError, OSError) as error:
            raise PyocoEvalError(f"{path}: damaged ({error}); delete it and embed again") from error
    return found


def _lossless(tokens: torch.Tensor) -> torch.Tensor:
    """In half the bytes if nothing is lost by it."""
    short = tokens.bfloat16()
    return (short if torch.equal(short.float(), tokens) else tokens).contiguous()


def _write(place: Path, shard: dict[str, torch.Tensor]) -> None:
    rows = {_key(text): tokens for text, tokens in shard.items()}
    name = hashlib.sha256("".join(rows).encode()).hexdigest()[:16]
    with atomic_path(place / _SHARDS / f"{name}.safetensors") as temporary:
        save_file(rows, temporary, metadata={_key(text): text for text in shard})


def _how_to_make(spec: str, folder: Path) -> str:
    return f"Make them: pyoco-eval embed-text --encoder {spec} --prompts FILE --out {folder}"
