"""EDM's loss: its weight, its levels, its noise, and its value for denoisers known in full."""

import math

import pytest
import torch
from scipy import stats

from pyoco_eval.diffusion.denoiser import Conditioning
from pyoco_eval.diffusion.loss import EDMLoss
from pyoco_eval.errors import UsageError
from pyoco_eval.priors import parse_prior
from pyoco_eval.seeding import torch_generator

PRIOR = parse_prior("progressive:alpha=2")


def generators(*names: int) -> list[torch.Generator]:
    return [torch_generator("loss", name) for name in names]


def clean_videos(count: int, num_frames: int = 4, size: int = 4) -> torch.Tensor:
    given = [torch_generator("clean", i) for i in range(count)]
    return 0.5 * parse_prior("mixed:alpha=1").sample((3, size, size), num_frames, given)


def test_a_perfect_denoiser_has_no_loss() -> None:
    clean = clean_videos(2)
    losses = EDMLoss(PRIOR)(lambda x, sigma, cond: clean, clean, None, generators(0, 1))
    assert torch.equal(losses, torch.zeros(2))


def test_weight_of_the_paper() -> None:
    """lambda(1.2) at sigma_data 0.5: (1.44 + 0.25) / 0.36."""
    assert float(EDMLoss(PRIOR).weight(torch.tensor(1.2))) == pytest.approx(1.69 / 0.36)


def test_noise_levels_are_log_normal() -> None:
    sigmas = EDMLoss(PRIOR, P_mean=-1.2, P_std=1.2).draw_sigmas(generators(*range(4000)))
    found = stats.kstest(sigmas.log().numpy(), "norm", (-1.2, 1.2))
    assert found.pvalue > 1e-3


def test_the_noise_is_the_prior_s_at_the_drawn_level() -> None:
    clean, seen = clean_videos(2), {}

    def denoiser(x: torch.Tensor, sigma: torch.Tensor, cond: object) -> torch.Tensor:
        seen["noise"] = (x - clean) / sigma.view(-1, 1, 1, 1, 1)
        seen["sigma"] = sigma
        return x

    losses = EDMLoss(PRIOR)(denoiser, clean, None, generators(0, 1))
    again = generators(0, 1)
    sigma = EDMLoss(PRIOR).draw_sigmas(again)
    noise = PRIOR.sample((3, 4, 4), 4, again)
    assert torch.equal(seen["sigma"], sigma)
    assert torch.allclose(seen["noise"], noise, rtol=0, atol=1e-5)
    weight = (sigma**2 + 0.25) / (sigma * 0.5) ** 2
    expected = weight * sigma**2 * noise.square().mean(dim=(1, 2, 3, 4))
    assert torch.allclose(losses, expected, rtol=1e-4)


def test_the_ideal_denoiser_of_gaussian_data() -> None:
    """Pixels of variance 0.25: D = 0.25 / (0.25 + sigma²) x has the error 0.25 sigma² / (0.25 +
    sigma²), so that every weighted loss has mean 1 at every level.

    A mean of 120,000 products of normals with frame correlation; 1000 videos of 40 pixels are
    independent, each mean of 3 frames: standard deviation below sqrt(2 / 40,000) = 0.007.
    """
    given = [torch_generator("data", i) for i in range(1000)]
    clean = 0.5 * PRIOR.sample((1, 5, 8), 3, given)

    def ideal(x: torch.Tensor, sigma: torch.Tensor, cond: object) -> torch.Tensor:
        return x * (0.25 / (0.25 + sigma**2)).view(-1, 1, 1, 1, 1)

    losses = EDMLoss(PRIOR)(ideal, clean, None, generators(*range(1000)))
    assert float(losses.mean()) == pytest.approx(1, abs=5 * math.sqrt(2 / 40_000))


def test_a_loss_depends_on_its_sample_alone() -> None:
    clean = clean_videos(3)

    def denoiser(x: torch.Tensor, sigma: torch.Tensor, cond: object) -> torch.Tensor:
        return 0.3 * x

    whole = EDMLoss(PRIOR)(denoiser, clean, None, generators(0, 1, 2))
    alone = EDMLoss(PRIOR)(denoiser, clean[1:2], None, generators(1))
    assert torch.allclose(whole[1:2], alone, rtol=1e-6)
    assert len(whole.unique()) == 3


def test_images_have_independent_noise_of_the_same_level() -> None:
    """With alpha = inf the frames of the video share one noise map; the images do not."""
    clean, frozen = clean_videos(2, num_frames=5), parse_prior("progressive:alpha=inf")
    image_cond, cond, seen = Conditioning(), Conditioning(), {}

    def denoiser(x: torch.Tensor, sigma: torch.Tensor, given: object, **options: object) -> object:
        assert given is cond
        assert options == {"num_images": 2, "image_cond": image_cond}
        seen["noise"] = (x - clean) / sigma.view(-1, 1, 1, 1, 1)
        return x

    losses = EDMLoss(frozen)(
        denoiser, clean, cond, generators(0, 1), num_images=2, image_cond=image_cond
    )  # type: ignore[arg-type]
    noise = seen["noise"]
    assert torch.allclose(noise[:, :3], noise[:, :1].expand(-1, 3, -1, -1, -1), atol=1e-4)
    for first, second in ((0, 3), (0, 4), (3, 4)):
        assert (noise[:, first] - noise[:, second]).abs().mean() > 0.5
    assert losses.shape == (2,)


def test_the_video_s_noise_does_not_depend_on_the_images() -> None:
    clean, seen = clean_videos(1, num_frames=5), []

    def denoiser(x: torch.Tensor, sigma: torch.Tensor, cond: object, **options: object) -> object:
        seen.append(x)
        return x

    EDMLoss(PRIOR)(denoiser, clean, None, generators(0), num_images=2)  # type: ignore[arg-type]
    EDMLoss(PRIOR)(denoiser, clean[:, :3], None, generators(0))  # type: ignore[arg-type]
    assert torch.equal(seen[0][:, :3], seen[1])


def test_gradients_reach_the_denoiser() -> None:
    gain = torch.tensor(0.3, requires_grad=True)
    clean = clean_videos(2)
    EDMLoss(PRIOR)(lambda x, s, c: gain * x, clean, None, generators(0, 1)).mean().backward()
    assert gain.grad is not None
    assert float(gain.grad) != 0


def test_unusable_batches() -> None:
    clean, loss = clean_videos(2), EDMLoss(PRIOR)
    with pytest.raises(UsageError, match="2 samples need as many generators, not 1"):
        loss(lambda x, s, c: x, clean, None, generators(0))
    for num_images in (4, 5, -1):
        with pytest.raises(UsageError, match="leave no video"):
            loss(lambda x, s, c: x, clean, None, generators(0, 1), num_images=num_images)
