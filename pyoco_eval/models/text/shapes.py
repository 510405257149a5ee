"""The embedded encoder of moving-shapes captions: one vector per word.

Axes: L words, E width of an embedding.
"""

from collections.abc import Sequence
from typing import Self

import torch

from pyoco_eval.diffusion.denoiser import TextEmbedding
from pyoco_eval.errors import UsageError
from pyoco_eval.features.tiny.extractor import load_tiny
from pyoco_eval.features.tiny.networks import DIM, MAX_WORDS
from pyoco_eval.models.text.encoder import stack_texts


class ShapesTextEncoder:
    """`shapes`: words of the closed grammar of `videos.captions`; others are errors."""

    name = "shapes"
    spec = "shapes"
    width = DIM
    max_tokens = MAX_WORDS
    precision = "float32"
    truncated = 0

    def __init__(self) -> None:
        self._network = load_tiny("tinyclip")

    @property
    def digest(self) -> str:
        """See `TextEncoder.digest`."""
        return self._network.spec.weights.digest

    def encode(self, texts: Sequence[str]) -> TextEmbedding:
        """See `TextEncoder.encode`.

        Raises:
            UsageError: an unknown word, or none or too many of them.
        """
        rows = {text: self._read(text) for text in dict.fromkeys(texts)}
        return stack_texts([rows[text] for text in texts], self.width)

    def to(self, device: torch.device | str) -> Self:
        """Compute on `device` from now on."""
        self._network.to(torch.device(device))
        return self

    def _read(self, text: str) -> torch.Tensor:
        try:
            tokens, _ = self._network.encode_words([text])
        except UsageError as error:
            raise UsageError(
                f"text encoder shapes: {error}; it reads captions such as "
                "'a small red circle slides left slowly over plain navy'"
            ) from error
        return torch.from_numpy(tokens[0]).to(self._network.device)
