"""Inversion of Gaussian images, whose noise maps are known exactly."""

import numpy as np
import pytest
import torch
from gaussian_model import exact_noise, gaussian_model, gaussian_videos, variances
from noise_maps import progressive

from pyoco_eval.probe.correlation import frame_cosines
from pyoco_eval.probe.invert import InversionSettings, RoundTrip, invert_frames, round_trip
from pyoco_eval.probe.noise_store import describe_maps


@pytest.mark.parametrize("solver", ["heun", "ddim", "deis"])
def test_noise_of_gaussian_images_is_the_closed_form(solver: str) -> None:
    (frames,) = gaussian_videos(1, 5, progressive(5, 0.6))
    walk = InversionSettings(gaussian_model(), solver, num_steps=400)
    found = invert_frames(frames, walk)
    exact = exact_noise(frames, variances(8))
    assert found.dtype == torch.float64
    error = float((found - exact).norm() / exact.norm())
    assert error < {"heun": 2e-4, "ddim": 0.05, "deis": 1e-4}[solver]


@pytest.mark.parametrize(("solver", "order"), [("heun", 2), ("ddim", 1)])
def test_the_error_falls_with_the_order_of_the_solver(solver: str, order: int) -> None:
    (frames,) = gaussian_videos(1, 2, np.eye(2))
    exact = exact_noise(frames, variances(8))
    errors = [
        float(
            (
                invert_frames(frames, InversionSettings(gaussian_model(), solver, steps)) - exact
            ).norm()
        )
        for steps in (100, 200, 400)
    ]
    slopes = -np.diff(np.log2(errors))
    np.testing.assert_allclose(slopes, order, atol=0.3)


def test_the_correlation_of_frames_comes_back() -> None:
    """The map of every pixel is the pixel times a number, whitened: its frames keep theirs."""
    rho = 0.7
    (frames,) = gaussian_videos(1, 4, progressive(4, rho), size=32)
    model = gaussian_model(32)
    maps = invert_frames(frames, InversionSettings(model, num_steps=100)).numpy()
    exact = exact_noise(frames, variances(32)).numpy()
    np.testing.assert_allclose(frame_cosines(maps), frame_cosines(exact), atol=1e-4)
    np.testing.assert_allclose(frame_cosines(maps), progressive(4, rho), atol=4 / 3072**0.5)
    facts = describe_maps(maps, frames.numpy())
    assert facts["std"] == pytest.approx(1, abs=0.05)
    assert facts["kurtosis"] == pytest.approx(3, abs=0.3)


def test_batches_change_nothing() -> None:
    (frames,) = gaussian_videos(1, 7, np.eye(7))
    maps = [
        invert_frames(frames, InversionSettings(gaussian_model(), "heun", 8, b))
        for b in (1, 3, 7, 100)
    ]
    for other in maps[1:]:
        torch.testing.assert_close(other, maps[0], rtol=1e-12, atol=0)


def test_round_trip_errors_are_those_of_doing_it_by_hand() -> None:
    (frames,) = gaussian_videos(1, 3, np.eye(3))
    walk = InversionSettings(gaussian_model(), "heun", 16, batch_size=2)
    found = round_trip(frames, walk)
    assert found.num_steps == (4, 8, 16, 32)
    noise = {steps: invert_frames(frames, walk, num_steps=steps) for steps in found.num_steps}
    for place, steps in enumerate(found.num_steps):
        sampler = walk.sampler(steps)
        again = sampler.sample(walk.model.denoiser, noise[steps][:, None])[:, 0]
        error = float((again - frames).norm() / frames.norm())
        change = float((noise[steps] - noise[32]).norm() / noise[32].norm())
        mean = float((again - frames).square().mean())
        assert found.relative_error()[place] == pytest.approx(error, rel=1e-6)
        assert found.psnr()[place] == pytest.approx(10 * np.log10(4 / mean), abs=1e-4)
        assert found.relative_change()[place] == pytest.approx(change, abs=1e-9)
    assert np.all(np.diff(found.relative_error()) < 0)
    assert np.all(np.diff(found.psnr()) > 0)


def test_errors_of_several_videos_add_up() -> None:
    videos = gaussian_videos(2, 3, np.eye(3))
    walk = InversionSettings(gaussian_model(), "ddim", 8)
    whole = round_trip(videos.flatten(0, 1), walk)
    added = RoundTrip.total([round_trip(video, walk) for video in videos])
    np.testing.assert_allclose(added.relative_error(), whole.relative_error(), rtol=1e-9)
    np.testing.assert_allclose(added.psnr(), whole.psnr(), rtol=1e-9)
    np.testing.assert_allclose(added.relative_change(), whole.relative_change(), rtol=1e-9)


def test_maps_of_nothing_are_described_without_a_warning() -> None:
    nothing = np.zeros((2, 3, 4, 4))
    facts = describe_maps(nothing, nothing)
    assert (facts["std"], facts["alignment"]) == (0, 0)
