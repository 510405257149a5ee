"""TF32 is what was asked for, whatever the caller has set, and afterwards what it was."""

from collections.abc import Iterator

import pytest
import torch

from pyoco_eval.devices import arithmetic
from pyoco_eval.features.layers.exact_inference import exact_inference
from pyoco_eval.products import Products, products, rounded_products
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


OPERATORS = [(b, o) for b in ("cuda", "mkldnn") for o in ("matmul", "conv", "rnn")]
EVERY = [("generic", "all"), ("cuda", "all"), ("mkldnn", "all"), *OPERATORS]
CALLERS = {
    "nothing": [],
    "convolutions by name": [("cuda", "conv", "ieee")],
    "products by name": [("cuda", "matmul", "tf32")],
    "everything on CUDA": [("cuda", "all", "tf32"), ("cuda", "conv", "none")],
    "everything": [("generic", "all", "tf32")],
    "bfloat16 on the CPU": [("mkldnn", "matmul", "bf16"), ("mkldnn", "conv", "bf16")],
}
"""What a program may have set by PyTorch's newer names, of which the older ones know nothing."""


def effective() -> dict[tuple[str, str], str]:
    return {pair: torch._C._get_fp32_precision_getter(*pair) for pair in EVERY}


@pytest.fixture
def caller(request: pytest.FixtureRequest) -> Iterator[None]:
    before = Products()
    for backend, operator, precision in CALLERS[request.param]:
        torch._C._set_fp32_precision_setter(backend, operator, precision)
    yield
    before.restore()


@pytest.mark.parametrize("caller", CALLERS, indirect=True)
def test_inference_is_exact_whatever_the_caller_has_set(caller: None) -> None:
    before = effective()
    with exact_inference():
        assert {effective()[pair] for pair in OPERATORS} == {"ieee"}
        assert torch.get_float32_matmul_precision() == "highest"  # the older switches agree
        assert not torch.backends.cuda.matmul.allow_tf32
        assert not torch.backends.cudnn.allow_tf32
        assert rounded_products() == ()
    assert effective() == before


@pytest.mark.parametrize("caller", CALLERS, indirect=True)
def test_tf32_is_allowed_on_cuda_alone(caller: None) -> None:
    before = effective()
    with products(tf32=True):
        assert rounded_products() == ("matmul", "conv")
        assert torch.backends.cuda.matmul.allow_tf32
        assert torch.backends.cudnn.allow_tf32
        assert effective()["mkldnn", "matmul"] == "ieee"
    assert effective() == before


def test_operators_that_follow_the_setting_above_them_go_on_doing_so() -> None:
    torch.backends.fp32_precision = "tf32"
    try:
        with exact_inference():
            pass
        torch.backends.fp32_precision = "ieee"
        assert torch.backends.mkldnn.matmul.fp32_precision == "ieee"
    finally:
        torch.backends.fp32_precision = "none"


def test_tf32_is_signed_where_it_is() -> None:
    gpu = torch.device("cuda")
    assert arithmetic("fp32", gpu, tf32=True) == "tf32"
    assert arithmetic("fp32", gpu) == "fp32"
    assert arithmetic("fp32", torch.device("cpu"), tf32=True) == "fp32"
