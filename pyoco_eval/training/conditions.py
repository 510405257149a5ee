"""From captions and labels to what the network is told, with parts of it dropped at random.

Axes: B videos, N pictures that go with each.

Reference: Ge et al., Preserve Your Own Correlation (2023), §4: each text embedding is dropped
independently at random, as in eDiff-I.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from pyoco_eval.diffusion.denoiser import Conditioning, TextEmbedding
from pyoco_eval.models.text.encoder import TextEncoder
from pyoco_eval.seeding import numpy_generator
from pyoco_eval.training.config import ConditionConfig
from pyoco_eval.training.samples import Batch


@dataclass(frozen=True)
class Conditioner:
    """Makes the conditioning of batches.

    Attributes:
        config: which parts there are, and how often they are dropped.
        encoders: one for each of `config.encoders`.
        seed: of the run.
    """

    config: ConditionConfig
    encoders: tuple[TextEncoder, ...]
    seed: int

    def videos(self, batch: Batch) -> Conditioning:
        """Of the B videos, or of the pictures where those are the samples."""
        names = [f"{number}" for number in batch.numbers]
        return self._dropped(self.describe(batch.captions, batch.labels), names)

    def images(self, batch: Batch) -> Conditioning:
        """Of the B * N pictures that go with the videos."""
        per_video = len(batch.image_captions) // len(batch.numbers)
        names = [f"{number}/{place}" for number in batch.numbers for place in range(per_video)]
        return self._dropped(self.describe(batch.image_captions, batch.image_labels), names)

    def describe(self, captions: Sequence[str], labels: torch.Tensor) -> Conditioning:
        """All that is known, nothing dropped; labels int64 (B,)."""
        text = {encoder.name: _plain(encoder.encode(captions)) for encoder in self.encoders}
        return Conditioning(text, labels if self.config.labels else None)

    def _dropped(self, cond: Conditioning, names: Sequence[str]) -> Conditioning:
        drops = {
            name: self._drawn(f"text/{name}", names, self.config.text_dropout) for name in cond.text
        }
        cond = cond.dropped(drops)
        if cond.labels is None:
            return cond
        drop = self._drawn("label", names, self.config.label_dropout)
        return Conditioning(cond.text, torch.where(drop, -1, cond.labels))

    def _drawn(self, what: str, names: Sequence[str], probability: float) -> torch.Tensor:
        """bool (B,): which of the samples lose `what`; each draw is the sample's own."""
        return torch.tensor(
            [numpy_generator(self.seed, "drop", what, n).random() < probability for n in names]
        )


def _plain(embedding: TextEmbedding) -> TextEmbedding:
    """Encoders work in inference mode, whose tensors no gradient may pass."""
    return TextEmbedding(embedding.tokens.clone(), embedding.mask.clone())
