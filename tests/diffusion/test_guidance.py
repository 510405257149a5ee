"""Classifier-free guidance."""

from dataclasses import fields, replace

import pytest
import torch

from pyoco_eval.diffusion.denoiser import (
    LABELS,
    Conditioning,
    KnownFrames,
    LowResolution,
    TextEmbedding,
)
from pyoco_eval.diffusion.guidance import GuidedDenoiser
from pyoco_eval.errors import UsageError

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


def everything() -> Conditioning:
    known = KnownFrames(video().flip(0), torch.tensor([[True, False]] * B))
    low = LowResolution(video()[..., ::2, ::2], torch.linspace(0, 0.5, B))
    return replace(conditioning(), known=known, low=low)


def _is_nothing(part: object) -> bool:
    return part is None or (isinstance(part, dict) and not part)


def test_guidance_keeps_all_that_is_not_dropped_by_name() -> None:
    """Both halves of the one call see the known frames; a new part of the class is seen to here."""
    calls: list[Conditioning | None] = []

    def seen(x: torch.Tensor, sigma: torch.Tensor, cond: Conditioning | None) -> torch.Tensor:
        calls.append(cond)
        return x

    GuidedDenoiser(seen, 3)(video(), SIGMA, everything())
    (both,) = calls
    assert both is not None
    for field in fields(Conditioning):
        assert not _is_nothing(getattr(both, field.name)), f"{field.name} is lost"
    assert both.known is not None
    assert everything().known is not None
    for half in (slice(B), slice(B, None)):
        assert torch.equal(both.known.frames[half], video().flip(0))
        assert both.known.mask[half].tolist() == [[True, False]] * B
        assert both.low is not None
        assert torch.equal(both.low.augmentation[half], torch.linspace(0, 0.5, B))
        assert torch.equal(both.low.frames[half], video()[..., ::2, ::2])
    assert both.labels is not None
    assert both.labels.tolist() == [4, 5, 6, -1, -1, -1]
    for text in both.text.values():
        assert text.mask[:B].any(1).all()
        assert not text.mask[B:].any()


def test_only_what_is_named_is_dropped() -> None:
    drop = torch.tensor([True, False, True])
    found = everything().dropped({"t5": drop, LABELS: ~drop, "absent": drop})
    assert found.text["t5"].mask.any(1).tolist() == [False, True, False]
    assert torch.equal(found.text["clip"].mask, conditioning().text["clip"].mask)
    assert found.labels is not None
    assert found.labels.tolist() == [4, -1, 6]
    assert found.known is not None
    assert found.low is not None


def test_drops_may_lie_on_another_device() -> None:
    """As in training on a GPU, where draws are made on the CPU: `meta` stands for the GPU."""
    drop = torch.tensor([True, False, True])
    found = everything().to("meta").dropped({"t5": drop, "clip": drop, LABELS: drop})
    assert found.text["t5"].mask.device.type == "meta"
    assert found.labels is not None
    assert found.labels.device.type == "meta"
    assert everything().to("meta").unconditional().text["clip"].mask.device.type == "meta"
