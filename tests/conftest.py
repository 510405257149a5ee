"""Fixtures shared by all tests, and the cure for torchvision on a CPU-only torch."""

import os
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]


def _declare_torchvision_operators() -> None:
    """Let a CUDA build of torchvision import beside a CPU build of torch.

    Its Python code attaches fake kernels to two operators that only its C++ library declares.
    """
    schema = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        library.define(name + schema)
    _KEPT_ALIVE.append(library)


if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)  # the workers share the cores

_KEPT_ALIVE: list[torch.library.Library] = []
try:
    import torchvision  # noqa: F401
except RuntimeError:
    _declare_torchvision_operators()
except ImportError:
    pass


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real clips and golden outputs, kept outside the repository."""
    folder = Path(os.environ.get("PYOCO_EVAL_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"test data not found: {folder} (set PYOCO_EVAL_TEST_DATA)")
    return folder
