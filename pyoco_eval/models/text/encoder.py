"""The one contract of text encoders, and what all of them share.

Axes: B texts, L tokens, E width of an embedding.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final, Protocol, Self

import torch

from pyoco_eval.diffusion.denoiser import TextEmbedding
from pyoco_eval.features.layers.exact_inference import exact_inference

_BATCH: Final = 32


class TextEncoder(Protocol):
    """Turns texts into token embeddings.

    Attributes:
        name: key of its embeddings in `Conditioning.text`: `t5`, `clip` or `shapes`.
        spec: what `load_text_encoder` took.
        width: E.
        max_tokens: longest L; what is longer loses its end.
        precision: arithmetic of the network, `float32` or `bfloat16`.
        truncated: texts so far that lost their end.
    """

    name: str
    spec: str
    width: int
    max_tokens: int
    precision: str
    truncated: int

    @property
    def digest(self) -> str:
        """`sha256:<hex>` of the weights and tokenizer."""
        ...

    def encode(self, texts: Sequence[str]) -> TextEmbedding:
        """Embeddings of B texts, padded to the longest of them.

        On a CPU each text is read on its own, so that its numbers do not depend on the others.

        Returns:
            tokens float32 (B, L, E), zero where there is none, and the mask, bool (B, L).
        """
        ...


class TokenEncoder(ABC):
    """A `TextEncoder` made of a tokenizer and a network."""

    name: str

    def __init__(self, spec: str, width: int, max_tokens: int) -> None:
        self.spec = spec
        self.width = width
        self.max_tokens = max_tokens
        self.precision = "float32"
        self.truncated = 0
        self.device = torch.device("cpu")

    @property
    @abstractmethod
    def digest(self) -> str:
        """See `TextEncoder.digest`."""
        ...

    @abstractmethod
    def tokenise(self, text: str) -> list[int]:
        """Token numbers, at least one, with the marks of start and end the network expects."""

    @abstractmethod
    def read(self, numbers: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Token numbers int64 (B, L) and mask bool (B, L) to (B, L, E)."""

    @abstractmethod
    def to(self, device: torch.device | str) -> Self:
        """Compute on `device` from now on."""
        ...

    def encode(self, texts: Sequence[str]) -> TextEmbedding:
        """See `TextEncoder.encode`."""
        distinct = list(dict.fromkeys(texts))
        numbers = {text: self._shortened(self.tokenise(text)) for text in distinct}
        distinct.sort(key=lambda text: len(numbers[text]))
        size = 1 if self.device.type == "cpu" else _BATCH
        rows: dict[str, torch.Tensor] = {}
        for start in range(0, len(distinct), size):
            part = distinct[start : start + size]
            rows |= zip(part, self._read([numbers[text] for text in part]), strict=True)
        return stack_texts([rows[text] for text in texts], self.width)

    def _read(self, numbers: list[list[int]]) -> list[torch.Tensor]:
        lengths = [len(row) for row in numbers]
        padded = torch.zeros(len(numbers), max(lengths), dtype=torch.int64)
        for row, values in zip(padded, numbers, strict=True):
            row[: len(values)] = torch.tensor(values)
        mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
        with exact_inference():
            tokens = self.read(padded.to(self.device), mask.to(self.device)).float()
        return [row[:length] for row, length in zip(tokens, lengths, strict=True)]

    def _shortened(self, numbers: list[int]) -> list[int]:
        """At most `max_tokens`, of which the last stays: it marks the end."""
        if len(numbers) <= self.max_tokens:
            return numbers
        self.truncated += 1
        return [*numbers[: self.max_tokens - 1], numbers[-1]]


def stack_texts(rows: Sequence[torch.Tensor | None], width: int) -> TextEmbedding:
    """One embedding of B texts from those of each.

    Args:
        rows: float32 (L_i, E) of every text; None for a text that is dropped.
        width: E, for when all are dropped.
    """
    found = [row for row in rows if row is not None]
    device = found[0].device if found else torch.device("cpu")
    longest = max([len(row) for row in found], default=1)
    tokens = torch.zeros(len(rows), longest, width, device=device)
    mask = torch.zeros(len(rows), longest, dtype=torch.bool, device=device)
    for number, row in enumerate(rows):
        if row is not None:
            tokens[number, : len(row)] = row
            mask[number, : len(row)] = True
    return TextEmbedding(tokens, mask)
