"""Classifier-free guidance, and the random dropping in training that it needs.

Axes: B batch, T frames, C channels, H, W.

    D(x; c) = D(x; nothing) + guidance_scale (D(x; c) - D(x; nothing))

so that a scale of 1 is no guidance, and 0 no conditioning.

References:
    Ho and Salimans, Classifier-Free Diffusion Guidance (2022), Eq. 6, whose w is our scale - 1.
    Ge et al., Preserve Your Own Correlation (2023), §4; Balaji et al., eDiff-I (2022), §4.1: each
    text embedding is dropped independently of the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from pyoco_eval.diffusion.denoiser import Conditioning, Denoiser, TextEmbedding
from pyoco_eval.errors import UsageError

LABELS = "labels"
"""Stands for the class labels among the names of text encoders."""


@dataclass(frozen=True)
class GuidedDenoiser:
    """A denoiser under guidance. Both estimates come from one call on 2B rows.

    Attributes:
        denoiser: trained with dropped conditioning.
        guidance_scale: 1 for none, which costs no second estimate.
    """

    denoiser: Denoiser
    guidance_scale: float

    def __call__(
        self, x: torch.Tensor, sigma: torch.Tensor, cond: Conditioning | None = None
    ) -> torch.Tensor:
        """As `Denoiser`.

        Raises:
            UsageError: a scale other than 1 without any text or label to guide by.
        """
        if self.guidance_scale == 1:
            return self.denoiser(x, sigma, cond)
        if cond is None or (not cond.text and cond.labels is None):
            raise UsageError(
                f"guidance_scale {self.guidance_scale}: there is no text or label to guide by; "
                "give one, or a scale of 1"
            )
        both = _stacked(cond, cond.unconditional())
        denoised = self.denoiser(torch.cat([x, x]), torch.cat([sigma, sigma]), both)
        conditional, unconditional = denoised.chunk(2)
        return torch.lerp(unconditional, conditional, self.guidance_scale)


def draw_drops(
    probabilities: Mapping[str, float], generators: Sequence[torch.Generator]
) -> dict[str, torch.Tensor]:
    """Which conditioning to drop in training: name -> bool (B,), true with its probability.

    Every name takes one draw from each sample's generator, in alphabetical order, whatever its
    probability; so a change of one probability moves neither the other drops nor what follows.

    Args:
        probabilities: of names of text encoders, and of `labels`.
        generators: one CPU generator per sample.

    Raises:
        UsageError: a probability outside [0, 1].
    """
    for name, probability in probabilities.items():
        if not 0 <= probability <= 1:
            raise UsageError(f"{name} is dropped with probability {probability}: use 0 to 1")
    names = sorted(probabilities)
    draws = torch.stack([torch.rand(len(names), generator=generator) for generator in generators])
    return {name: draws[:, i] < probabilities[name] for i, name in enumerate(names)}


def drop_at_random(
    cond: Conditioning, probabilities: Mapping[str, float], generators: Sequence[torch.Generator]
) -> Conditioning:
    """`cond` of B samples without what `draw_drops` marks; it may lack some of the names.

    Raises:
        UsageError: a probability outside [0, 1].
    """
    drops = draw_drops(probabilities, generators)
    if cond.labels is not None and LABELS in drops:
        dropped = drops[LABELS].to(cond.labels.device)
        cond = replace(cond, labels=cond.labels.masked_fill(dropped, -1))
    marks = {
        name: drops[name].to(embedding.mask.device)
        for name, embedding in cond.text.items()
        if name in drops
    }
    return cond.dropped(marks)


def _stacked(first: Conditioning, second: Conditioning) -> Conditioning:
    """Rows of `first`, then those of `second`, of the same encoders and shapes."""
    text = {
        name: TextEmbedding(
            torch.cat([embedding.tokens, second.text[name].tokens]),
            torch.cat([embedding.mask, second.text[name].mask]),
        )
        for name, embedding in first.text.items()
    }
    if first.labels is None or second.labels is None:
        return Conditioning(text)
    return Conditioning(text, torch.cat([first.labels, second.labels]))
