"""The machine of these tests, and why they cannot run where they cannot."""

from collections.abc import Iterator

import cuda_engine
import pytest
from fake_device import Machine, fake_cuda

_HINDRANCE = cuda_engine.hindrance()


@pytest.fixture
def cuda() -> Iterator[Machine]:
    """A CUDA device that is not there."""
    if _HINDRANCE:
        pytest.skip(_HINDRANCE)
    with fake_cuda() as machine:
        yield machine
