"""Fitted priors: exact curves are recovered, scipy agrees, files hold what was measured."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from noise_maps import draw, measured, progressive

from pyoco_eval.priors import EmpiricalPrior, parse_prior
from pyoco_eval.probe.fit import better_fit, correlation_curve, fit_priors, measured_prior


def test_curves_are_those_of_the_paper() -> None:
    np.testing.assert_allclose(correlation_curve("mixed", 2, 4), [0.8] * 3)
    np.testing.assert_allclose(correlation_curve("progressive", 2, 4), 0.8 ** (np.arange(1, 4) / 2))
    np.testing.assert_array_equal(correlation_curve("mixed", np.inf, 3), 1)
    np.testing.assert_array_equal(correlation_curve("progressive", 0, 3), 0)


@pytest.mark.parametrize("prior", ["mixed", "progressive"])
@pytest.mark.parametrize("alpha", [0.3, 1, 2, 7])
def test_an_exact_curve_gives_its_alpha_back(prior: str, alpha: float) -> None:
    similarity = measured(draw(4, 6, 20))
    curve = correlation_curve(prior, alpha, 6)
    exact = replace(similarity, by_distance=curve, by_distance_resampled=np.stack([curve] * 3))
    best = better_fit(fit_priors(exact))
    assert best.prior == prior
    assert best.alpha == pytest.approx(alpha, rel=1e-3)
    assert best.rmse < 1e-5
    assert best.share_best == 1


def test_the_progressive_fit_is_scipys() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    for seed in range(5):
        similarity = measured(draw(3, 7, 12, progressive(7, 0.5), seed=seed), num_resamples=20)
        distances, pairs = np.arange(1, 7), np.arange(6, 0, -1)

        def error(rho: float, similarity=similarity, distances=distances, pairs=pairs) -> float:
            return float(((rho**distances - similarity.by_distance) ** 2) @ pairs)

        expected = optimize.minimize_scalar(error, bounds=(0, 1), method="bounded",
                                            options={"xatol": 1e-9}).x  # fmt: skip
        alpha = fit_priors(similarity)[1].alpha
        assert alpha / np.sqrt(1 + alpha**2) == pytest.approx(expected, abs=1e-4)


def test_the_true_prior_fits_better_and_its_interval_holds_the_truth() -> None:
    alpha = 1.5
    rho = alpha / np.sqrt(1 + alpha**2)
    found = measured(draw(40, 8, 2000, progressive(8, rho)))
    mixed, own = fit_priors(found)
    assert better_fit((mixed, own)) is own
    assert own.share_best == 1
    assert own.interval[0] < alpha < own.interval[1]
    assert own.spec().startswith("progressive:alpha=1.")


def test_uncorrelated_and_frozen_maps_have_alpha_zero_and_infinity() -> None:
    similarity = measured(draw(4, 5, 20))
    for level, alpha in ((-0.1, 0.0), (1.0, np.inf)):
        flat = np.full(4, level)
        fits = fit_priors(
            replace(similarity, by_distance=flat, by_distance_resampled=np.stack([flat] * 2))
        )
        assert [fit.alpha for fit in fits] == [alpha, alpha]


def test_the_measured_prior_is_what_the_rest_of_the_package_reads(tmp_path: Path) -> None:
    matrix = measured(draw(5, 4, 300, progressive(4, 0.5))).frame_correlation
    measured_prior(matrix, {"videos": "clips", "frames": 4}).save(tmp_path)
    prior = parse_prior(f"empirical:{tmp_path / 'noise-prior.npz'}")
    assert isinstance(prior, EmpiricalPrior)
    np.testing.assert_allclose(prior.frame_covariance(4).numpy(), matrix, atol=1e-9)
    assert prior.projection_distance < 1e-9
    assert prior.header == {"videos": "clips", "frames": 4}


@pytest.mark.parametrize("prior", ["mixed", "progressive"])
def test_curves_are_those_of_the_priors(prior: str) -> None:
    for alpha in (0.0, 0.7, 3.0, np.inf):
        expected = parse_prior(f"{prior}:alpha={alpha}").frame_covariance(5).numpy()[0, 1:]
        np.testing.assert_allclose(correlation_curve(prior, alpha, 5), expected, atol=1e-12)
