"""Resizing on a device gives what the CPU route gives: the same code runs on CPU tensors here."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from pyoco_eval.errors import UsageError
from pyoco_eval.videos import resize_device
from pyoco_eval.videos.resize import FITS, IN_NETWORK, KERNELS, ResizeRule, resize_frames
from pyoco_eval.videos.resize_device import TOLERANCE, resize_on_device, same_on_device
from pyoco_eval.videos.resize_pil import resize_in_uint8

SHAPES = [(64, 64), (37, 53), (240, 320), (256, 256), (300, 100), (32, 31)]
PILLOW_WHOLE = ("pil-bicubic", "pil-bilinear", "pil-lanczos")
LAST_PLACE = 2e-5  # of float32 at 255: a Pillow with fused multiply-add may round the other way
TALL = (60, 20)
CLOSE = {"pil-bicubic-float": LAST_PLACE, "tf1-bilinear": 0.0, **dict.fromkeys(PILLOW_WHOLE, 0.0)}


def both(frames: np.ndarray, rule: ResizeRule) -> tuple[torch.Tensor, torch.Tensor]:
    return resize_on_device(torch.from_numpy(frames), rule), resize_frames(frames, rule)


def random_frames(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_kernel_equals_the_cpu_route(kernel: str, shape: tuple[int, int]) -> None:
    frames = random_frames(3, *shape, 3)
    for size, fit in ((224, "squash"), (299, "crop"), (32, "crop-ceil")):
        found, expected = both(frames, ResizeRule(size, kernel, fit))  # type: ignore[arg-type]
        assert found.dtype == torch.float32
        assert found.is_contiguous()
        tolerance = CLOSE.get(kernel, TOLERANCE)
        torch.testing.assert_close(found, expected, rtol=0, atol=tolerance)


@settings(max_examples=60, deadline=None)
@given(
    kernel=st.sampled_from(KERNELS),
    fit=st.sampled_from(FITS),
    shape=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    size=st.tuples(st.integers(1, 50), st.integers(1, 50)),
    seed=st.integers(0, 99),
)
def test_any_size_to_any_size(
    kernel: str, fit: str, shape: tuple[int, int], size: tuple[int, int], seed: int
) -> None:
    rule = ResizeRule(size, kernel, fit)  # type: ignore[arg-type]
    found, expected = both(random_frames(1, *shape, 3, seed=seed), rule)
    torch.testing.assert_close(found, expected, rtol=0, atol=CLOSE.get(kernel, TOLERANCE))


@pytest.mark.parametrize("quantise", ["round", "truncate"])
@pytest.mark.parametrize("kernel", ["tf1-bilinear", *PILLOW_WHOLE])
def test_whole_numbers_are_the_same_ones(kernel: str, quantise: str) -> None:
    rule = ResizeRule(48, kernel, "crop", quantise)  # type: ignore[arg-type]
    found, expected = both(random_frames(2, 70, 90, 3), rule)
    assert torch.equal(found, expected)


def test_a_rule_that_rounds_what_is_only_close_stays_on_the_cpu() -> None:
    refused = [
        ResizeRule(8, "bilinear", quantise="round"),
        ResizeRule(8, "bilinear-antialias", quantise="truncate"),
        ResizeRule(8, "tf1-bilinear", quantise="truncate-unit"),
        ResizeRule(8, IN_NETWORK),
    ]
    for rule in refused:
        assert not same_on_device(rule, 9, 9)
        with pytest.raises(UsageError, match=rule.spec()):
            resize_on_device(torch.zeros(1, 9, 9, 3, dtype=torch.uint8), rule)
    assert same_on_device(ResizeRule(8, "bilinear"), 9, 9)


def test_a_pillow_of_other_digits_keeps_its_work(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = ResizeRule(21, "pil-bicubic")
    plain = resize_in_uint8

    def brighter(*of: object) -> np.ndarray:
        return plain(*of) // 2  # type: ignore[arg-type]

    assert same_on_device(rule, *TALL)
    resize_device._passes.cache_clear()
    monkeypatch.setattr(resize_device, "resize_in_uint8", brighter)
    assert not same_on_device(rule, *TALL)
    resize_device._passes.cache_clear()


def test_either_order_of_passes_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow 13 takes the rows of tall frames first, earlier ones the columns."""
    for axes in ((3, 2), (2, 3)):

        def in_order(noise: np.ndarray, height: int, width: int, _: object) -> np.ndarray:
            planes = torch.from_numpy(noise).permute(0, 3, 1, 2)
            found = resize_device._as_pillow(planes, axes, (height, width), "pil-bicubic")  # noqa: B023
            return found.permute(0, 2, 3, 1).to(torch.uint8).numpy()

        resize_device._passes.cache_clear()
        monkeypatch.setattr(resize_device, "resize_in_uint8", in_order)
        assert resize_device._passes("pil-bicubic", TALL, (23, 21)) == axes
    resize_device._passes.cache_clear()


@pytest.mark.parametrize(
    "frames", [torch.zeros(1, 9, 9, 3), torch.zeros(9, 9, 3, dtype=torch.uint8)]
)
def test_frames_of_another_kind_are_refused(frames: torch.Tensor) -> None:
    with pytest.raises(UsageError, match="expected uint8"):
        resize_on_device(frames, ResizeRule(8, "bilinear"))


@pytest.mark.parametrize("kernel", ["tf1-bilinear", "pil-bicubic"])
def test_big_frames_are_resized_a_few_at_a_time(
    kernel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames, rule = random_frames(5, 40, 30, 3), ResizeRule(16, kernel)
    whole, expected = both(frames, rule)
    monkeypatch.setattr(resize_device, "_PART_ELEMENTS", 2 * 3 * 40 * 30)
    assert torch.equal(both(frames, rule)[0], whole)
    assert torch.equal(whole, expected)


def test_steps_on_a_device_need_no_kernel_that_contracts_sums() -> None:
    """What makes equality here equality on a GPU: products, sums, selections, roundings alone."""
    seen: set[str] = set()
    frames = torch.from_numpy(random_frames(1, 30, 40, 3))

    for kernel in KERNELS:  # whatever is asked or cached once
        resize_on_device(frames, ResizeRule(16, kernel))

    class Record(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            seen.add(func.name().partition("::")[2].partition(".")[0])
            return func(*args, **(kwargs or {}))

    with Record():  # type: ignore[no-untyped-call]
        for kernel in KERNELS:
            resize_on_device(frames, ResizeRule(16, kernel))
    arithmetic = {"mul", "mul_", "add_", "sub_", "add", "sub", "__rshift__", "clamp", "clamp_"}
    moves = {
        "permute", "clone", "empty", "slice", "select", "index_select", "gather", "expand",
        "view", "unsqueeze", "unbind", "copy_", "_to_copy", "cat", "alias", "arange", "detach",
        "lift_fresh", "floor", "_unsafe_view",
    }  # fmt: skip
    assert seen <= arithmetic | moves, seen - arithmetic - moves
