"""Experts: noise levels against their law, and routing against the single network."""

import math

import pytest
import torch
from scipy import stats
from torch import nn

from pyoco_eval.diffusion.denoiser import Conditioning, KnownFrames, LowResolution, TextEmbedding
from pyoco_eval.diffusion.experts import ExpertDenoiser, ExpertNode, TrainedExpert
from pyoco_eval.diffusion.guidance import GuidedDenoiser
from pyoco_eval.diffusion.loss import EDMLoss
from pyoco_eval.diffusion.samplers.spec import SamplerSpec
from pyoco_eval.errors import UsageError
from pyoco_eval.priors import IndependentPrior, parse_prior
from pyoco_eval.seeding import torch_generator

P_MEAN, P_STD = -1.2, 1.2


@pytest.mark.parametrize(("level", "index"), [(1, 0), (1, 1), (2, 1), (3, 7)])
def test_draws_follow_the_truncated_law(level: int, index: int) -> None:
    node = ExpertNode(level, index)
    loss = EDMLoss(IndependentPrior(), P_MEAN, P_STD, expert=node)
    drawn = loss.draw_sigmas([torch_generator("expert", n) for n in range(4000)]).double()
    low, high = node.interval(P_MEAN, P_STD)
    assert low * (1 - 1e-6) <= float(drawn.min())
    assert float(drawn.max()) <= high * (1 + 1e-6)
    a, b = ((math.log(end) - P_MEAN) / P_STD if 0 < end < math.inf else
            (-math.inf if end == 0 else math.inf) for end in (low, high))  # fmt: skip
    law = stats.truncnorm(a, b, loc=P_MEAN, scale=P_STD)
    assert stats.kstest(drawn.log().numpy(), law.cdf).pvalue > 1e-3
    for share in (0.1, 0.5, 0.9):
        assert math.log(loss.quantile(share)) == pytest.approx(law.ppf(share))


def test_level_one_meets_at_the_median() -> None:
    lower, upper = (ExpertNode(1, i).interval(P_MEAN, P_STD) for i in (0, 1))
    assert lower == (0.0, pytest.approx(math.exp(P_MEAN)))
    assert upper == (pytest.approx(0.301, abs=5e-4), math.inf)
    assert str(TrainedExpert(ExpertNode(1, 1), P_MEAN, P_STD)) == "1/1 (sigma 0.3012 to inf)"


def test_an_experts_draws_are_the_samples_own() -> None:
    loss = EDMLoss(IndependentPrior(), expert=ExpertNode(1, 0))
    many = loss.draw_sigmas([torch_generator("e", n) for n in range(5)])
    assert torch.equal(many[3:4], loss.draw_sigmas([torch_generator("e", 3)]))


class Tagged(nn.Module):
    """A denoiser whose output depends on everything it is told, row by row."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale, dtype=torch.float64))
        self.seen: list[float] = []

    def forward(
        self, x: torch.Tensor, sigma: torch.Tensor, cond: Conditioning | None = None
    ) -> torch.Tensor:
        self.seen += sigma.tolist()
        level = sigma[:, None, None, None, None]
        shown = x / (1 + level**2) * self.scale.to(x)
        if cond is not None:
            for text in cond.text.values():
                shown = (
                    shown
                    + 0.1
                    * (text.tokens * text.mask[..., None])
                    .mean((1, 2))
                    .to(x)[:, None, None, None, None]
                )
            if cond.low is not None:
                shown = shown + cond.low.augmentation.to(x)[:, None, None, None, None]
        return shown


def cond_of(rows: int) -> Conditioning:
    tokens = torch.arange(rows * 6.0).view(rows, 3, 2)
    x = torch.arange(rows * 12.0).view(rows, 1, 3, 2, 2)
    return Conditioning(
        {"t": TextEmbedding(tokens, torch.ones(rows, 3, dtype=torch.bool))},
        torch.arange(rows),
        KnownFrames(x, torch.zeros(rows, 1, dtype=torch.bool)),
        LowResolution(x[..., :1, :1], torch.linspace(0, 0.5, rows)),
    )


SPECS = [
    "deis:order=3,num_steps=12",
    "heun:num_steps=8",
    "stochastic:num_steps=8,S_churn=30,S_min=0,S_max=80",
    "ddim:num_steps=8,eta=1",
]


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("guidance_scale", [1.0, 3.0])
def test_copies_are_the_single_network(spec: str, guidance_scale: float) -> None:
    """Guidance, float64 state, and churn that crosses the bounds."""
    noise = torch.randn(3, 2, 3, 4, 4, generator=torch_generator("x"), dtype=torch.float64)
    routed = ExpertDenoiser([Tagged(0.9) for _ in range(3)], [0.3, 2.0])
    made = [
        SamplerSpec.parse(spec).sample(
            denoiser, noise, cond=cond_of(3), guidance_scale=guidance_scale,
            prior=parse_prior("mixed:alpha=1"),
            generators=[torch_generator("g", n) for n in range(3)],
        )
        for denoiser in (routed, Tagged(0.9))
    ]  # fmt: skip
    assert made[0].dtype == torch.float64
    assert torch.equal(*made)
    for expert, (low, high) in zip(
        routed.experts, [(0, 0.3), (0.3, 2), (2, math.inf)], strict=True
    ):
        assert expert.seen
        assert all(low <= sigma < high for sigma in expert.seen)  # type: ignore[union-attr]


def test_rows_of_several_levels_go_their_own_ways() -> None:
    experts = [Tagged(1.0), Tagged(2.0)]
    routed, sigma = ExpertDenoiser(experts, [0.5]), torch.tensor([0.1, 3.0, 0.5, 0.2])
    x, cond = torch.randn(4, 1, 3, 2, 2), cond_of(4)
    found = GuidedDenoiser(routed, 2.0)(x, sigma, cond)
    for row, number in enumerate((0, 1, 1, 0)):  # a bound belongs to what begins there
        rows = torch.tensor([row])
        alone = GuidedDenoiser(experts[number], 2.0)(x[rows], sigma[rows], cond.rows(rows))
        assert torch.equal(found[rows], alone)


def test_refusals() -> None:
    for level, index in ((1, 2), (-1, 0), (11, 0), (0, 1)):
        with pytest.raises(UsageError, match="levels are 0 to"):
            ExpertNode(level, index)
    with pytest.raises(UsageError, match="do not fit the bounds"):
        ExpertDenoiser([Tagged(1), Tagged(1)], [])
    with pytest.raises(UsageError, match="do not fit the bounds"):
        ExpertDenoiser([Tagged(1)] * 3, [1.0, 1.0])
