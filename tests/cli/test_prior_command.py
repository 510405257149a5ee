"""`pyoco-eval prior check` as users type it."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from pyoco_eval.cli.main import cli

MODULE = '''
"""Noise of a training script."""
import torch

def right(shape, generator):
    own = torch.randn(shape, generator=generator)
    shared = torch.randn((shape[0], 1, *shape[2:]), generator=generator)
    return (own + shared) / 2 ** 0.5

def wrong(shape, generator):
    own = torch.randn(shape, generator=generator)
    shared = torch.randn((shape[0], 1, *shape[2:]), generator=generator)
    return own / 2 + shared / 2

def frozen(shape, generator):
    return torch.randn((shape[0], 1, *shape[2:]), generator=generator).expand(shape)

def other(size):
    return size
'''
SLUGS = (
    "right", "std-for-variance", "alpha-for-correlation", "frozen", "not-renormalised",
    "wrong-variance", "other-prior",
)  # fmt: skip


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    name = f"noise_of_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    return f"python:{name}"


def call(*words: object) -> Result:
    return CliRunner().invoke(cli, ["prior", "check", *(str(word) for word in words)])


@pytest.mark.parametrize(
    ("name", "slug", "status"),
    [("right", "right", 0), ("wrong", "std-for-variance", 1), ("frozen", "frozen", 1)],
)
def test_the_json_contract(module: str, name: str, slug: str, status: int) -> None:
    found = call(f"{module}:{name}", "--against", "mixed:alpha=1", "--json", "--num-frames", 6)
    assert found.exit_code == status, found.output

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    told = json.loads(found.output, parse_constant=refuse)
    assert told["right"] is (status == 0)
    assert told["diagnosis"] == slug
    assert slug in SLUGS
    assert told["verdict"].endswith(".")
    assert len(told["variance"]) == 6
    assert set(told["nearest"]) == {"mixed", "progressive"}
    if name == "right":
        assert told["nearest"]["mixed"] == pytest.approx(1, abs=0.05)


def test_what_is_written(module: str, tmp_path: Path) -> None:
    found = call(f"{module}:wrong", "--out", "found")
    assert found.exit_code == 1
    assert "0.5" in found.output
    assert "nearest priors: mixed alpha 1" in found.output
    record = json.loads((tmp_path / "found" / "check.json").read_text())
    assert record["diagnosis"] == "std-for-variance"
    for theme in ("light", "dark"):
        assert (tmp_path / "found" / f"check-{theme}.png").read_bytes()[:4] == b"\x89PNG"


def test_targets_that_are_not_there(module: str) -> None:
    for target, message in (
        (f"{module}:none", "has no function none"),
        (f"{module}:other", "called with (shape, generator)"),
        ("python:no_such_module_here:f", "cannot be imported"),
        ("mixed:alpha=-1", "alpha -1"),
        ("noise.npy", "no such file"),
    ):
        found = call(target)
        assert message in str(found.exception), target


def test_a_tensor_of_few_samples(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).standard_normal((4, 4, 32, 32)) * math.sqrt(2)
    np.save(tmp_path / "noise.npy", noise)
    found = call(tmp_path / "noise.npy", "--json")
    assert json.loads(found.output)["diagnosis"] == "wrong-variance"
    assert found.exit_code == 1
