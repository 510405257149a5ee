"""Several denoisers as one: each knows an interval of noise levels.

A binary tree of experts halves the noise levels of training by probability: node i of level l has
those between the quantiles i / 2^l and (i + 1) / 2^l. At level 1 both meet at the median.

Axes: B batch, T frames, C channels, H, W.

Reference: Balaji et al., eDiff-I (2022), §4.1 and Figure 4.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import ClassVar, Final

import torch
from pydantic import ConfigDict
from torch import nn

from pyoco_eval.diffusion.denoiser import Conditioning
from pyoco_eval.errors import UsageError

MAX_LEVEL = 10


@dataclass(frozen=True)
class ExpertNode:
    """A place in the tree of experts.

    Attributes:
        level: 0 for the whole, then 1, 2, ….
        index: 0 to 2^level - 1, from the lowest noise upwards.

    Raises:
        UsageError: there is no such node.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    level: int = 0
    index: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.level <= MAX_LEVEL or not 0 <= self.index < 2**self.level:
            raise UsageError(
                f"expert {self.level}/{self.index}: levels are 0 to {MAX_LEVEL}, and level l has "
                "the nodes 0 to 2^l - 1"
            )

    def shares(self) -> tuple[float, float]:
        """The quantiles of the training distribution it lies between."""
        return self.index / 2**self.level, (self.index + 1) / 2**self.level

    def interval(self, P_mean: float, P_std: float) -> tuple[float, float]:
        """Its noise levels, lower end included, upper end not; 0 and infinity at the ends.

        Args:
            P_mean, P_std: of ln sigma in training.
        """
        law = NormalDist(P_mean, P_std)
        low, high = self.shares()
        return (
            0.0 if low == 0 else math.exp(law.inv_cdf(low)),
            math.inf if high == 1 else math.exp(law.inv_cdf(high)),
        )


WHOLE: Final = ExpertNode()
"""The root of the tree: all noise levels."""


@dataclass(frozen=True)
class TrainedExpert:
    """The noise levels a network was finetuned for.

    Attributes:
        node: in the tree.
        P_mean, P_std: of ln sigma over the whole tree.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    node: ExpertNode
    P_mean: float
    P_std: float

    @property
    def interval(self) -> tuple[float, float]:
        """See `ExpertNode.interval`."""
        return self.node.interval(self.P_mean, self.P_std)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.node.level}/{self.node.index} (sigma {low:.4g} to {high:.4g})"


class ExpertDenoiser(nn.Module):
    """Asks, for every row, the expert of its noise level.

    A row's answer is that of its expert alone, so guidance, churn over a boundary and batches of
    several levels need nothing special.

    Args:
        experts: denoisers, from the lowest noise upwards.
        bounds: where each next one begins, rising: one fewer than there are experts.

    Raises:
        UsageError: other numbers of bounds, or bounds that do not rise.
    """

    def __init__(self, experts: Sequence[nn.Module], bounds: Sequence[float]) -> None:
        super().__init__()
        rising = all(low < high for low, high in pairwise(bounds))
        if len(bounds) != len(experts) - 1 or not rising:
            raise UsageError(f"{len(experts)} experts do not fit the bounds {list(bounds)}")
        self.experts = nn.ModuleList(experts)
        self.bounds = tuple(float(bound) for bound in bounds)

    def forward(
        self, x: torch.Tensor, sigma: torch.Tensor, cond: Conditioning | None = None
    ) -> torch.Tensor:
        """As `Denoiser`: x (B, T, C, H, W) at levels sigma (B,) to clean videos of x's dtype."""
        chosen = [bisect_right(self.bounds, level) for level in sigma.tolist()]
        if len(set(chosen)) == 1:
            alone: torch.Tensor = self.experts[chosen[0]](x, sigma, cond)
            return alone
        denoised = torch.empty_like(x)
        for number in sorted(set(chosen)):
            rows = torch.tensor(
                [row for row, expert in enumerate(chosen) if expert == number], device=x.device
            )
            told = None if cond is None else cond.rows(rows)
            denoised[rows] = self.experts[number](x[rows], sigma[rows], told)
        return denoised
