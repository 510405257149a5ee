"""The one contract between networks and everything that uses them: D(x, sigma, cond) -> denoised.

Axes: B batch, T frames, C channels, H, W, L text tokens, E width of an embedding.

References:
    Karras et al., Elucidating the Design Space of Diffusion-Based Generative Models (2022), §2.
    Ge et al., Preserve Your Own Correlation (2023), §3.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

import torch

LABELS: Final = "labels"
"""Stands for the class labels among the names of text encoders."""


@dataclass(frozen=True)
class TextEmbedding:
    """What one text encoder says of B texts.

    Attributes:
        tokens: float (B, L, E).
        mask: bool (B, L), true where a token counts. A text without any is a dropped text: the
            network puts its own learned embedding in its place.
    """

    tokens: torch.Tensor
    mask: torch.Tensor

    def dropped(self, drop: torch.Tensor) -> "TextEmbedding":
        """Without the texts where `drop`, bool (B,), is true."""
        return replace(self, mask=self.mask & ~drop[:, None])

    def followed_by(self, other: "TextEmbedding") -> "TextEmbedding":
        """These texts, then others of as many tokens."""
        return TextEmbedding(
            torch.cat([self.tokens, other.tokens]), torch.cat([self.mask, other.mask])
        )


@dataclass(frozen=True)
class KnownFrames:
    """Frames that are given, for temporal interpolation and prediction.

    Attributes:
        frames: (B, T, C, H, W) in [-1, 1]; what stands in unknown frames is not looked at.
        mask: bool (B, T), true where the frame is known.
    """

    frames: torch.Tensor
    mask: torch.Tensor


@dataclass(frozen=True)
class LowResolution:
    """The same videos at a lower resolution, for spatial super-resolution.

    Attributes:
        frames: (B, T, C, h, w) about [-1, 1], with the noise of the augmentation already in them.
        augmentation: (B,), share of noise in the frames, 0 to below 1: `augmented` says of what.
    """

    frames: torch.Tensor
    augmentation: torch.Tensor

    def followed_by(self, other: "LowResolution") -> "LowResolution":
        """These videos, then others of the same shape."""
        return LowResolution(
            torch.cat([self.frames, other.frames]),
            torch.cat([self.augmentation, other.augmentation]),
        )


@dataclass(frozen=True)
class Conditioning:
    """What is known of the B samples of a batch. The default is nothing: unconditional.

    Attributes:
        text: name of a text encoder -> its embedding of the B texts.
        labels: class numbers, int64 (B,); -1 for none.
        known: frames that are given. Guidance keeps them: only texts and labels are dropped.
        low: the videos at a lower resolution; kept likewise.
    """

    text: Mapping[str, TextEmbedding] = field(default_factory=dict)
    labels: torch.Tensor | None = None
    known: KnownFrames | None = None
    low: LowResolution | None = None

    def unconditional(self) -> "Conditioning":
        """The same batch with every text and label dropped, for classifier-free guidance.

        Whatever else is known stays known.
        """
        return self.dropped(dict.fromkeys((*self.text, LABELS), torch.tensor([True])))

    def dropped(self, drops: Mapping[str, torch.Tensor]) -> "Conditioning":
        """Without what `drops` marks by name, bool (B,) or (1,); all else is kept.

        Args:
            drops: name of a text encoder, or `LABELS` -> where it is dropped; on any device, and
                names this conditioning does not have change nothing.
        """
        text = {
            name: embedding.dropped(drops[name].to(embedding.mask.device))
            if name in drops
            else embedding
            for name, embedding in self.text.items()
        }
        labels = self.labels
        if labels is not None and LABELS in drops:
            labels = torch.where(drops[LABELS].to(labels.device), -1, labels)
        return replace(self, text=text, labels=labels)

    def followed_by(self, other: "Conditioning") -> "Conditioning":
        """The rows of this batch, then those of another with the same parts and shapes."""
        text = {
            name: embedding.followed_by(other.text[name]) for name, embedding in self.text.items()
        }
        labels, known = self.labels, self.known
        if labels is not None and other.labels is not None:
            labels = torch.cat([labels, other.labels])
        if known is not None and other.known is not None:
            known = KnownFrames(
                torch.cat([known.frames, other.known.frames]),
                torch.cat([known.mask, other.known.mask]),
            )
        low = self.low
        if low is not None and other.low is not None:
            low = low.followed_by(other.low)
        return replace(self, text=text, labels=labels, known=known, low=low)

    def rows(self, chosen: torch.Tensor) -> "Conditioning":
        """Of some samples of the batch, by their numbers, int64 (R,)."""
        return self._changed(lambda tensor: tensor[chosen])

    def to(self, device: torch.device | str) -> "Conditioning":
        """On `device`."""
        return self._changed(lambda tensor: tensor.to(device))

    def _changed(self, change: Callable[[torch.Tensor], torch.Tensor]) -> "Conditioning":
        """With every tensor changed; each has the samples first."""
        known, low = self.known, self.low
        return Conditioning(
            {
                name: TextEmbedding(change(embedding.tokens), change(embedding.mask))
                for name, embedding in self.text.items()
            },
            None if self.labels is None else change(self.labels),
            None if known is None else KnownFrames(change(known.frames), change(known.mask)),
            None if low is None else LowResolution(change(low.frames), change(low.augmentation)),
        )


class Denoiser(Protocol):
    """Estimates the clean videos behind noisy ones.

    Networks that predict noise or velocity are adapted into this contract in
    `diffusion.precondition` and nowhere else.
    """

    def __call__(
        self, x: torch.Tensor, sigma: torch.Tensor, cond: Conditioning | None = None
    ) -> torch.Tensor:
        """Noisy videos x (B, T, C, H, W) at noise levels sigma (B,) to clean ones of x's shape.

        `x` is the clean video in [-1, 1] plus noise of standard deviation sigma.
        """
        ...
