"""Classifier-free guidance. Texts and labels are dropped, all else that is known is kept.

Axes: B batch, T frames, C channels, H, W.

    D(x; c) = D(x; nothing) + guidance_scale (D(x; c) - D(x; nothing))

so that a scale of 1 is no guidance, and 0 no conditioning.

References:
    Ho and Salimans, Classifier-Free Diffusion Guidance (2022), Eq. 6, whose w is our scale - 1.
    Ge et al., Preserve Your Own Correlation (2023), §4. What a network must have seen dropped in
    training for this is drawn by `pyoco_eval.training.conditions`.
"""

from dataclasses import dataclass

import torch

from pyoco_eval.diffusion.denoiser import Conditioning, Denoiser
from pyoco_eval.errors import UsageError


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
        both = cond.followed_by(cond.unconditional())
        denoised = self.denoiser(torch.cat([x, x]), torch.cat([sigma, sigma]), both)
        conditional, unconditional = denoised.chunk(2)
        return torch.lerp(unconditional, conditional, self.guidance_scale)
