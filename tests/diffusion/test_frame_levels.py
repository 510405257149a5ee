"""Noise levels of every frame: preconditioning, network, loss and sampling."""

import sys
from pathlib import Path

import pytest
import torch

from pyoco_eval.diffusion.loss import EDMLoss
from pyoco_eval.diffusion.precondition import EDMDenoiser
from pyoco_eval.diffusion.samplers.frame_levels import rolling_levels, sample_levels
from pyoco_eval.diffusion.schedules import karras
from pyoco_eval.errors import UsageError
from pyoco_eval.models.presets import PRESETS
from pyoco_eval.models.unet import VideoUNet
from pyoco_eval.priors import ProgressivePrior, parse_prior
from pyoco_eval.seeding import torch_generator

sys.path.append(str(Path(__file__).parents[1] / "models"))
from networks import perturbed, text

T = 4


@pytest.fixture(scope="module")
def network() -> VideoUNet:
    return perturbed(VideoUNet(PRESETS["test"])).double().eval()


def videos(count: int = 2) -> torch.Tensor:
    return torch.randn(count, T, 3, 8, 8, generator=torch.Generator().manual_seed(1)).double()


def test_one_level_told_to_every_frame_changes_rounding_alone(network: VideoUNet) -> None:
    denoiser, x, cond = EDMDenoiser(network), videos(), text(3, 2)
    sigma = torch.tensor([0.3, 2.0]).double()
    whole = denoiser(x, sigma, cond)
    told = denoiser(x, sigma[:, None].expand(-1, T), cond)
    assert torch.allclose(told, whole, rtol=1e-11, atol=1e-12)


def test_a_frame_s_level_is_its_own(network: VideoUNet) -> None:
    image = perturbed(VideoUNet(PRESETS["test"].image())).double().eval()
    denoiser, x = EDMDenoiser(image), videos()
    sigma = torch.tensor([[0.1, 0.5, 1.0, 5.0], [2.0, 0.2, 0.7, 0.1]]).double()
    found = denoiser(x, sigma)
    for row in range(2):
        for frame in range(T):
            alone = denoiser(x[row : row + 1, frame : frame + 1], sigma[row, frame][None])
            assert torch.allclose(found[row, frame], alone[0, 0], rtol=1e-10, atol=1e-12)
    other = sigma.clone()
    other[0, 3] = 0.3
    with torch.no_grad():
        moved = EDMDenoiser(network)(x, other) - EDMDenoiser(network)(x, sigma)
    assert moved[0, 0].abs().max() > 0, "a video network sees the level of other frames"
    assert moved[1].abs().max() == 0


def test_levels_go_with_videos_alone(network: VideoUNet) -> None:
    with pytest.raises(UsageError, match="without images"):
        network(videos(), torch.zeros(2, T).double(), num_images=1)
    with pytest.raises(UsageError, match=r"noise levels \(2, 3\)"):
        network(videos(), torch.zeros(2, 3).double())


def test_the_loss_weighs_every_frame() -> None:
    loss, clean = EDMLoss(ProgressivePrior(2)), videos()
    noise = torch.randn_like(clean)
    sigma = torch.tensor([[0.1, 0.5, 1.0, 5.0], [1.0, 1.0, 1.0, 1.0]]).double()

    def shrink(x: torch.Tensor, sigma: torch.Tensor, cond: object) -> torch.Tensor:
        level = sigma if sigma.ndim == 2 else sigma[:, None].expand(-1, T)
        return x / (1 + level[:, :, None, None, None])

    found = loss.of(sigma, noise, shrink, clean, None)
    assert torch.allclose(found[1:], loss.of(sigma[1:, 0], noise[1:], shrink, clean[1:], None))
    frames = [
        loss.of(sigma[:1, t], noise[:1, [t]], lambda x, s, c: x / (1 + s[0]), clean[:1, [t]], None)
        for t in range(T)
    ]
    assert torch.allclose(found[0], torch.stack(frames).mean())


@pytest.mark.parametrize("spec", ["independent", "progressive:alpha=2"])
@pytest.mark.parametrize("lag", [0, 7])
def test_gaussian_videos_end_with_their_own_covariance(spec: str, lag: int) -> None:
    """E[x0 | x] = Σ (Σ + S R S)⁻¹ x in closed form, whatever the levels of the frames."""
    data = parse_prior("progressive:alpha=1.5").frame_covariance(T) * 0.25
    noise_covariance = parse_prior(spec).frame_covariance(T)

    def ideal(x: torch.Tensor, sigma: torch.Tensor, cond: object) -> torch.Tensor:
        s = torch.diag(sigma[0])
        gain = data @ torch.linalg.inv(data + s @ noise_covariance @ s)
        return torch.einsum("ij,bjchw->bichw", gain, x)

    sigmas = karras(400, sigma_min=0.002, sigma_max=40.0)
    noise = parse_prior(spec).sample((1, 60, 60), T, [torch_generator("levels", 0)])
    levels = rolling_levels(sigmas, T, lag)
    found = sample_levels(ideal, noise, levels)[0].flatten(1)
    # The flow is linear: its matrix, applied to noise of known covariance, gives the end's.
    basis = torch.eye(T, dtype=torch.float64).view(T, T, 1, 1, 1)
    matrix = sample_levels(ideal, basis, levels).flatten(1).T
    assert torch.allclose(matrix @ noise_covariance @ matrix.T, data, atol=6e-3)
    assert torch.allclose(found @ found.T / found.shape[1], data, atol=0.03)


def test_rolling_levels() -> None:
    sigmas = torch.tensor([4.0, 2.0, 1.0, 0.0])
    levels = rolling_levels(sigmas, 3, 1)
    assert levels.tolist() == [
        [4, 4, 4], [2, 4, 4], [1, 2, 4], [0, 1, 2], [0, 0, 1], [0, 0, 0],
    ]  # fmt: skip
    assert torch.equal(rolling_levels(sigmas, 2, 0), sigmas.double()[:, None].expand(-1, 2))
    with pytest.raises(UsageError):
        rolling_levels(sigmas.flip(0), 2, 1)
    with pytest.raises(UsageError, match="falling in every frame"):
        sample_levels(lambda x, s, c: x, videos(), levels)
