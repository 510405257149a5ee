"""`import pyoco_eval`: what it offers, that it is quick, and that its examples hold."""

import ast
import doctest
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import pyoco_eval

FACE = Path(pyoco_eval.__file__)


def test_every_public_name_exists_and_is_documented() -> None:
    for name in pyoco_eval.__all__:
        value = getattr(pyoco_eval, name)
        assert isinstance(value, str) or value.__doc__, name
    assert set(dir(pyoco_eval)) == set(pyoco_eval.__all__)


def test_types_are_imported_from_where_names_come_from() -> None:
    """The imports that type checkers see are those made on first use."""
    seen = {}
    (types,) = (
        node for node in ast.parse(FACE.read_text("utf-8")).body if isinstance(node, ast.If)
    )
    for node in types.body:
        assert isinstance(node, ast.ImportFrom)
        seen |= {alias.name: node.module for alias in node.names}
    assert seen == {name: f"pyoco_eval.{home}" for name, home in pyoco_eval._HOMES.items()}
    assert {*seen, "__version__"} == set(pyoco_eval.__all__)


def test_other_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'fvdd'"):
        pyoco_eval.fvdd  # type: ignore[attr-defined]  # noqa: B018


def test_the_import_alone_loads_almost_nothing() -> None:
    code = (
        "import sys; before = set(sys.modules); import pyoco_eval\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - set(sys.stdlib_module_names)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "['pyoco_eval']"


def test_its_examples_run() -> None:
    found = doctest.testmod(pyoco_eval)
    assert found.attempted >= 5
    assert not found.failed


def test_a_network_trains_a_step_and_samples_with_public_names_alone() -> None:
    torch.manual_seed(0)
    prior = pyoco_eval.parse_prior("mixed:alpha=1")
    config = pyoco_eval.UNetConfig(channels=64, multipliers=(1,), num_blocks=(1,))
    denoiser = pyoco_eval.EDMDenoiser(pyoco_eval.VideoUNet(config))
    generators = [torch.Generator().manual_seed(seed) for seed in (0, 1)]
    clean = torch.zeros(2, 3, 3, 8, 8)
    loss = pyoco_eval.EDMLoss(prior)(denoiser, clean, None, generators).mean()
    loss.backward()
    gradients = [weight.grad for weight in denoiser.parameters() if weight.grad is not None]
    assert any(gradient.any() for gradient in gradients)
    noise = prior.sample((3, 8, 8), 3, generators)
    with torch.no_grad():
        made = pyoco_eval.heun(denoiser, noise, pyoco_eval.karras(4))
    assert made.shape == clean.shape
    assert made.isfinite().all()
