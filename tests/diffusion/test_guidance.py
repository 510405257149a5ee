"""Classifier-free guidance, and dropping in training."""

import math

import pytest
import torch

from pyoco_eval.diffusion.denoiser import Conditioning, TextEmbedding
from pyoco_eval.diffusion.guidance import GuidedDenoiser, draw_drops, drop_at_random
from pyoco_eval.errors import UsageError
from pyoco_eval.seeding import torch_generator

B = 3
SIGMA = torch.full((B,), 2.0)


def conditioning() -> Conditioning:
    mask = torch.ones(B, 5, dtype=torch.bool)
    mask[1, 3:] = False
    text = {
        name: TextEmbedding(torch.arange(B * 5 * 2).view(B, 5, 2).float() + shift, mask)
        for name, shift in (("t5", 0.0), ("clip", 7.0))
    }
    return Conditioning(text, torch.tensor([4, 5, 6]))


def video() -> torch.Tensor:
    return torch.linspace(-1, 1, B * 2 * 12).view(B, 2, 3, 2, 2).double()


def denoiser(
    x: torch.Tensor, sigma: torch.Tensor, cond: Conditioning | None = None
) -> torch.Tensor:
    """x plus what the texts and labels that count add up to."""
    assert cond is not None
    assert cond.labels is not None
    total = cond.labels.clamp(min=0).double()
    for embedding in cond.text.values():
        total = total + (embedding.tokens * embedding.mask[..., None]).sum(dim=(1, 2))
    return x / sigma.view(-1, 1, 1, 1, 1) + total.view(-1, 1, 1, 1, 1)


@pytest.mark.parametrize("scale", [0, 0.5, 1, 3, 7.5])
def test_guidance_extrapolates_from_nothing(scale: float) -> None:
    cond, x = conditioning(), video()
    with_, without = denoiser(x, SIGMA, cond), denoiser(x, SIGMA, cond.unconditional())
    assert (with_ - without).abs().min() > 1
    found = GuidedDenoiser(denoiser, scale)(x, SIGMA, cond)
    assert torch.allclose(found, without + scale * (with_ - without), rtol=1e-12)


def test_guidance_is_one_call_and_none_costs_nothing() -> None:
    rows: list[int] = []

    def counted(x: torch.Tensor, sigma: torch.Tensor, cond: Conditioning | None) -> torch.Tensor:
        assert len(sigma) == len(x)
        rows.append(len(x))
        return denoiser(x, sigma, cond)

    for scale in (1, 2):
        GuidedDenoiser(counted, scale)(video(), SIGMA, conditioning())
    assert rows == [B, 2 * B]


def test_guidance_without_conditioning() -> None:
    for cond in (None, Conditioning()):
        with pytest.raises(UsageError, match="no text or label to guide by"):
            GuidedDenoiser(denoiser, 2)(video(), SIGMA, cond)
    texts_only = Conditioning(conditioning().text)
    found = GuidedDenoiser(lambda x, s, c: x + 0 * len(c.text), 2)(video(), SIGMA, texts_only)
    assert torch.equal(found, video())


def test_each_embedding_is_dropped_independently() -> None:
    """Rates within 5 standard errors, and no correlation between the two."""
    n = 4000
    drops = draw_drops({"t5": 0.1, "clip": 0.3}, [torch_generator("drop", i) for i in range(n)])
    for name, p in (("t5", 0.1), ("clip", 0.3)):
        rate = float(drops[name].double().mean())
        assert rate == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / n))
    both = float((drops["t5"] & drops["clip"]).double().mean())
    assert both == pytest.approx(0.03, abs=5 * math.sqrt(0.03 * 0.97 / n))


def test_certain_and_impossible_drops() -> None:
    generators = [torch_generator(i) for i in range(50)]
    drops = draw_drops({"a": 0.0, "b": 1.0}, generators)
    assert not drops["a"].any()
    assert drops["b"].all()
    with pytest.raises(UsageError, match=r"dropped with probability 1\.5"):
        draw_drops({"a": 1.5}, generators)


def test_drops_depend_on_their_sample_and_name_alone() -> None:
    some = {"t5": 0.5, "clip": 0.5}
    whole = draw_drops(some, [torch_generator(i) for i in range(8)])
    alone = draw_drops(some, [torch_generator(5)])
    changed = draw_drops({**some, "t5": 0.9}, [torch_generator(i) for i in range(8)])
    assert torch.equal(whole["t5"][5:6], alone["t5"])
    assert torch.equal(whole["clip"], changed["clip"])


def test_conditioning_is_dropped_where_drawn() -> None:
    probabilities = {"t5": 0.5, "clip": 0.5, "labels": 0.5, "absent": 0.5}
    seeds = [f"seed{i}" for i in range(B)]
    drops = draw_drops(probabilities, [torch_generator(s) for s in seeds])
    cond = drop_at_random(conditioning(), probabilities, [torch_generator(s) for s in seeds])
    for name, before in conditioning().text.items():
        expected = before.mask & ~drops[name][:, None]
        assert torch.equal(cond.text[name].mask, expected)
    assert cond.labels is not None
    assert torch.equal(cond.labels == -1, drops["labels"])
    assert 0 < sum(int(d.sum()) for d in drops.values()) < 4 * B
