"""`check_prior` over right and wrong implementations of video noise."""

import math
from pathlib import Path
from typing import Any

import implementations as made
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import pyoco_eval
from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.noise_check.check import check_prior
from pyoco_eval.noise_check.sources import Shape
from pyoco_eval.noise_check.verdict import FALSE_ALARMS

RIGHT = [
    (made.mixed_right(1), "mixed:alpha=1"),
    (made.mixed_right(0.3), "mixed:alpha=0.3"),
    (made.progressive_right(2), "progressive:alpha=2"),
    (made.cholesky_right(1), "progressive:alpha=1"),
    (made.blend_right(0.25), "mixed:alpha=3"),
    (made.mixed_right(0), "independent"),
    (made.repeated, "mixed:alpha=inf"),
]
WRONG = [
    (made.mixed_std(1), "mixed:alpha=1", "std-for-variance"),
    (made.mixed_std(2), "mixed:alpha=2", "std-for-variance"),
    (made.mixed_std(0.5), None, "std-for-variance"),
    (made.progressive_std(2), "progressive:alpha=2", "std-for-variance"),
    (made.progressive_own_std(2), "progressive:alpha=2", "std-for-variance"),
    (made.progressive_own_std(1), None, "std-for-variance"),
    (made.mixed_rho(0.5), "mixed:alpha=0.5", "alpha-for-correlation"),
    (made.progressive_rho(0.5), "progressive:alpha=0.5", "alpha-for-correlation"),
    (made.progressive_right(2 / math.sqrt(5)), "progressive:alpha=2", "alpha-for-correlation"),
    (made.mixed_right(0.5), "mixed:alpha=1", "alpha-for-correlation"),
    (made.repeated, None, "frozen"),
    (made.repeated, "mixed:alpha=1", "frozen"),
    (made.mean_of(4), None, "not-renormalised"),
    (made.mean_of(3), "independent", "not-renormalised"),
    (made.moving_mean(4), None, "not-renormalised"),
    (made.added(1), None, "not-renormalised"),
    (made.enlarged, None, "not-renormalised"),
    (made.between_keys, None, "not-renormalised"),
    (made.scaled(0.9), None, "wrong-variance"),
    (made.scaled(1.3), "independent", "wrong-variance"),
    (made.progressive_right(1), "progressive:alpha=2", "other-prior"),
    (made.progressive_right(2), "mixed:alpha=1", "other-prior"),
    (made.mixed_right(0), "progressive:alpha=2", "other-prior"),
    (made.same_rows, None, "other-prior"),
    (made.same_channels, None, "other-prior"),
    (made.shifted, None, "other-prior"),
    (made.uniform, None, "other-prior"),
    (made.blurred, None, "other-prior"),
]


@pytest.mark.parametrize(("target", "against"), RIGHT)
def test_right_implementations_pass(target: Any, against: str) -> None:
    for seed in range(3):
        found = check_prior(target, against=against, seed=seed)
        assert found.right, found.verdict
        assert found.diagnosis == "right"
        if target is not made.repeated:
            assert check_prior(target, seed=seed).right


@pytest.mark.parametrize(("target", "against", "slug"), WRONG)
def test_wrong_ones_get_their_name(target: Any, against: str | None, slug: str) -> None:
    for seed in range(3):
        found = check_prior(target, against=against, seed=seed)
        assert found.diagnosis == slug, found.verdict
        assert not found.right


@pytest.mark.parametrize("spec", ["independent", "mixed:alpha=1", "progressive:alpha=2"])
@pytest.mark.parametrize("shape", [Shape(1), Shape(2, 3, 8, 6), Shape(76, 4, 8, 40)])
def test_own_priors_of_any_shape(spec: str, shape: Shape) -> None:
    found = check_prior(spec, against=spec, shape=shape)
    assert found.right, found.verdict
    assert len(found.measurement.variance) == shape.num_frames


@pytest.mark.parametrize("slug", ["std-for-variance", "frozen", "not-renormalised"])
def test_few_values_are_enough_for_large_slips(slug: str) -> None:
    target = {
        "std-for-variance": made.mixed_std(1),
        "frozen": made.repeated,
        "not-renormalised": made.mean_of(4),
    }[slug]
    assert check_prior(target, shape=Shape(4, 3, 8, 8)).diagnosis == slug


def test_what_is_measured() -> None:
    found = check_prior(made.progressive_own_std(2), against="progressive:alpha=2")
    variance = [1.0]
    for _ in range(15):
        variance.append(0.8 * variance[-1] + 0.04)  # ρ² v + s⁴
    np.testing.assert_allclose(found.measurement.variance, variance, rtol=0.03)
    assert "0.228 in the last" in found.verdict or "0.22" in found.verdict, found.verdict
    right = check_prior("mixed:alpha=1")
    assert right.nearest["mixed"] == pytest.approx(1, abs=0.03)
    frozen = check_prior(made.repeated)
    assert frozen.to_dict()["nearest"] == {"mixed": "inf", "progressive": "inf"}


def test_false_alarms_are_as_rare_as_stated() -> None:
    # 400 checks at 1 in 1,000: more than 4 would be chance once in 2,000.
    shape, alarms = Shape(8, 2, 8, 8), 0
    for seed in range(200):
        for spec in ("mixed:alpha=1", "progressive:alpha=2"):
            alarms += not check_prior(spec, against=spec, shape=shape, seed=seed).right
    assert FALSE_ALARMS == 1e-3
    assert alarms <= 4


def test_files(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(2, 6, 4, 16, 16, generator=generator)
    np.save(tmp_path / "a.npy", noise.numpy())
    np.savez(tmp_path / "b.npz", noise=noise.numpy(), other=np.zeros(3))
    save_file({"latents": noise.half().transpose(1, 2).contiguous()}, tmp_path / "c.safetensors")
    assert check_prior(str(tmp_path / "a.npy")).right
    assert check_prior(str(tmp_path / "b.npz"), key="noise").right
    other = check_prior(str(tmp_path / "c.safetensors"), layout="bcthw")
    assert len(other.measurement.variance) == 6
    assert other.right
    assert check_prior(noise[0]).measurement.num_samples == 1
    with pytest.raises(UsageError, match="holds noise, other"):
        check_prior(str(tmp_path / "b.npz"))
    with pytest.raises(UsageError, match=r"shape \(3,\)"):
        check_prior(str(tmp_path / "b.npz"), key="other")
    with pytest.raises(MissingError):
        check_prior(str(tmp_path / "d.npy"))
    (tmp_path / "e.npz").write_bytes(b"PK but no archive")
    with pytest.raises(PyocoEvalError, match=r"e\.npz"):
        check_prior(str(tmp_path / "e.npz"))
    np.save(tmp_path / "f.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(PyocoEvalError, match=r"f\.npy"):
        check_prior(str(tmp_path / "f.npy"))


def test_functions_that_cannot_be_checked() -> None:
    with pytest.raises(PyocoEvalError, match="returns shape"):
        check_prior(made.one_frame_more)
    with pytest.raises(PyocoEvalError, match="ZeroDivisionError"):
        check_prior(lambda shape, generator: 1 / 0)
    with pytest.raises(PyocoEvalError, match="int64"):
        check_prior(lambda shape, generator: torch.zeros(shape, dtype=torch.int64))
    with pytest.raises(PyocoEvalError, match="infinite or no"):
        check_prior(lambda shape, generator: torch.full(shape, math.nan))
    with pytest.raises(UsageError, match="tell nothing"):
        check_prior(torch.randn(1, 3, 1, 2, 2))
    with pytest.raises(UsageError, match="write python:module:function"):
        check_prior("nonsense")


def test_a_function_without_its_generator_is_said_to_be_so() -> None:
    torch.manual_seed(3)
    found = check_prior(lambda shape, generator: torch.randn(shape))
    assert found.right, found.verdict
    assert "no seed repeats it" in found.notes[0]


def test_a_frozen_prior_needs_unit_variance_too() -> None:
    found = check_prior(lambda s, g: 2 * made.repeated(s, g), against="mixed:alpha=inf")
    assert found.diagnosis == "wrong-variance", found.verdict
    found = check_prior(lambda s, g: 2 * made.repeated(s, g))
    assert found.diagnosis == "frozen"
    assert "variance is 4" in found.verdict


def test_it_is_offered_at_the_top() -> None:
    assert pyoco_eval.check_prior is check_prior
