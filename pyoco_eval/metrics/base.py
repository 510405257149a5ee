"""A score: a number that cannot be separated from its recipe."""

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyoco_eval.metrics.catalogue import display_name
from pyoco_eval.metrics.interval_text import headline_text
from pyoco_eval.metrics.signature import Signature


@dataclass(frozen=True)
class Score:
    """One metric's value with everything needed to repeat it.

    Attributes:
        metric: `fvd`, `is`, `fid`, `clip-fid`, `kvd`, `kid`, `clipsim`, `precision`, `recall`,
            `density`, `coverage`, or a Fréchet distance extrapolated: `fvd-inf`, ….
        value: the score; lower is better for distances, higher for the others.
        signature: its recipe.
        num_samples: feature rows of the generated side (video clips, or frames for FID).
        num_reference: feature rows of the reference side, None for reference-free metrics.
        interval: (low, high) of the score that infinitely many videos would give, at the level
            the signature's `ci` key states. The value of a distance is biased upwards by its finite
            number of videos and may lie above it; `extras` then has `interval_centre`, the value
            less its bias. None if it was not asked for.
        std: standard deviation over the splits (Inception Score of two or more splits).
        extras: further numbers of this metric (`mean_term`, `covariance_term`, `num_videos`, …).
        warnings: sentences a reader of this number must know.
    """

    metric: str
    value: float
    signature: Signature
    num_samples: int
    num_reference: int | None = None
    interval: tuple[float, float] | None = None
    std: float | None = None
    extras: Mapping[str, float | int | str | list[float]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def headline(self) -> str:
        """Name, value and uncertainty: `FVD 355.19, at N → ∞ 341.2 [335.0, 347.7]`."""
        text = f"{display_name(self.metric)} {self.value:.6g}"
        if self.std is not None:
            text += f" ± {self.std:.4g}"
        if self.interval is not None:
            ci = self.signature.get("ci")
            text += headline_text(self.value, self.interval, self.extras, ci)
        return text

    def __str__(self) -> str:
        return f"{self.headline()} | {self.signature}"

    def __float__(self) -> float:
        return float(self.value)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for logs and tables."""
        return {
            "metric": self.metric,
            "value": self.value,
            "std": self.std,
            "interval": None if self.interval is None else list(self.interval),
            "num_samples": self.num_samples,
            "num_reference": self.num_reference,
            "signature": str(self.signature),
            "extras": dict(self.extras),
            "warnings": list(self.warnings),
        }

    def _repr_html_(self) -> str:
        """For notebooks: the number first, its recipe folded below."""
        recipe = html.escape(str(self.signature))
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.warnings)
        return (
            f"<b>{html.escape(self.headline())}</b>{notes}"
            f"<details><summary>recipe</summary><code>{recipe}</code></details>"
        )
