"""TF32 is what the config says, and what it was before once the run has ended."""

import pytest
import torch

from pyoco_eval.features.exact_inference import exact_inference
from pyoco_eval.training.config import HardwareConfig
from pyoco_eval.training.engine import Engine


def settings() -> tuple[str, str]:
    return (
        torch.backends.cuda.matmul.fp32_precision,
        torch.backends.cudnn.conv.fp32_precision,  # type: ignore[attr-defined]
    )


@pytest.mark.parametrize(("tf32", "named"), [(False, "ieee"), (True, "tf32")])
def test_a_run_sets_tf32_and_leaves_it_as_it_was(tf32: bool, named: str) -> None:
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    engine = Engine(HardwareConfig(device="cpu", tf32=tf32))
    assert settings() == (named, named) or not tf32
    assert "tf32" not in settings() or tf32
    with exact_inference():
        assert settings()[0] == "ieee"
    assert ("tf32" in settings()) == tf32
    engine.end()
    assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == before
