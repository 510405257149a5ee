"""From captions and labels to what the network is told, with parts of it dropped at random.

Axes: B videos, N pictures that go with each.

Guidance asks a network about samples of which it knows nothing, so some of those it is trained on
must be such. Where parts are dropped one independently of the other, few lose all: with two at 0.1
one sample in a hundred. A drop of all parts together stands beside them.

References:
    Ge et al., Preserve Your Own Correlation (2023), §4: each text embedding is dropped
    independently at random, as in eDiff-I.
    Ho and Salimans, Classifier-Free Diffusion Guidance (2022), §3.2: one drop of everything.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from pyoco_eval.diffusion.denoiser import Conditioning, KnownFrames, TextEmbedding
from pyoco_eval.models.text.encoder import TextEncoder
from pyoco_eval.seeding import numpy_generator
from pyoco_eval.training.config import ConditionConfig
from pyoco_eval.training.data.draws import DropDraws
from pyoco_eval.training.data.latents import pixels
from pyoco_eval.training.data.samples import Batch


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

    def videos(self, batch: Batch, clean: torch.Tensor | None = None) -> Conditioning:
        """Of the B videos, or of the pictures where those are the samples; see `known`."""
        drops = self.drops.videos(batch.numbers) if batch.draws is None else batch.draws.drops
        cond = self.describe(batch.captions, batch.labels).dropped(drops)
        return replace(cond, known=self.known(batch, clean, drawn=True))

    def known(
        self, batch: Batch, clean: torch.Tensor | None = None, *, drawn: bool = False
    ) -> KnownFrames | None:
        """The frames of the videos that are told: every k-th, from the first on.

        Those of pictures that follow a video are never told.

        Args:
            clean: the batch as the network sees it, (B, T + N, C, H, W); by default its pixels.
            drawn: some videos are told random frames instead, see `config.known_random`.
        """
        every = self.config.known_every
        if not every:
            return None
        frames = pixels(batch, "cpu") if clean is None else clean
        per_video = len(batch.image_captions) // len(batch.numbers)
        mask = torch.zeros(frames.shape[:2], dtype=torch.bool, device=frames.device)
        length = frames.shape[1] - per_video
        mask[:, :length:every] = True
        if drawn and self.config.known_random:
            for row, number in enumerate(batch.numbers):
                self._tell_others(mask[row, :length], number)
        return KnownFrames(frames, mask)

    def _tell_others(self, mask: torch.Tensor, number: int) -> None:
        """Change the mask (T,) of a sample to random frames, one at least told and one not."""
        draw = numpy_generator(self.seed, "known", number)
        if draw.random() < self.config.known_random:
            told = draw.permutation(len(mask))[: draw.integers(1, len(mask))]
            mask[:] = False
            mask[torch.from_numpy(told).to(mask.device)] = True

    def images(self, batch: Batch) -> Conditioning:
        """Of the B * N pictures that go with the videos."""
        told = self.describe(batch.image_captions, batch.image_labels)
        if batch.draws is not None:
            return told.dropped(batch.draws.image_drops)
        per_video = len(batch.image_captions) // len(batch.numbers)
        return told.dropped(self.drops.images(batch.numbers, per_video))

    @property
    def drops(self) -> DropDraws:
        """Draws what is dropped."""
        names = tuple(encoder.name for encoder in self.encoders)
        return DropDraws(self.config, names, self.seed)

    def describe(self, captions: Sequence[str], labels: torch.Tensor) -> Conditioning:
        """All that is known, nothing dropped; labels int64 (B,)."""
        text = {encoder.name: _plain(encoder.encode(captions)) for encoder in self.encoders}
        return Conditioning(text, labels if self.config.labels else None)


def unconditional_share(config: ConditionConfig) -> float | None:
    """Share of the samples of which a network is told neither text nor label.

    None where there is nothing to tell in the first place.
    """
    parts = [config.text_dropout] * len(config.encoders)
    parts += [config.label_dropout] * config.labels
    if not parts:
        return None
    return config.all_dropout + (1 - config.all_dropout) * math.prod(parts)


def _plain(embedding: TextEmbedding) -> TextEmbedding:
    """Encoders work in inference mode, whose tensors no gradient may pass."""
    return TextEmbedding(embedding.tokens.clone(), embedding.mask.clone())
