"""Every kernel against the tool it is named after, and the text form of a rule."""

import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.resize import FITS, KERNELS, QUANTISE, ResizeRule, resize_frames

GOLDEN_SIZES = [(64, 64), (37, 53), (240, 320), (256, 256), (128, 171), (300, 100)]
WHOLE_KERNELS = ("pil-bicubic", "pil-bilinear", "pil-lanczos")
FLOAT_KERNELS = tuple(kernel for kernel in KERNELS if kernel not in WHOLE_KERNELS)


def random_frames(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def planes(frames: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(frames.astype(np.float32)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("size", [224, 299])
@pytest.mark.parametrize("shape", GOLDEN_SIZES)
def test_tf1_bilinear_equals_tensorflow(
    shape: tuple[int, int], size: int, shared_data: Path
) -> None:
    name = "{}x{}".format(*shape)
    seed = int.from_bytes(hashlib.sha256(f"dev:img{name}".encode()).digest()[:4], "little")
    frames = np.random.RandomState(seed).randint(0, 256, (1, *shape, 3))
    golden = np.load(shared_data / "golden" / "i3d_tf.npz")
    expected = golden[f"resize_{name}" if size == 224 else f"resize299_{name}"]
    for dtype in (np.uint8, np.float32):
        found = resize_frames(frames.astype(dtype), ResizeRule(size, "tf1-bilinear"))
        thinned = found[0].permute(1, 2, 0)[::7, ::5].numpy()
        np.testing.assert_allclose(thinned, expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("shape", [(37, 53), (50, 20), (96, 31), (16, 16)])
def test_tf1_bilinear_equals_its_definition(shape: tuple[int, int]) -> None:
    """Source position i * in/out, per pixel in float64; (96, 31) skips unread rows."""
    frames = random_frames(2, *shape, 3)
    found = resize_frames(frames, ResizeRule(23, "tf1-bilinear")).permute(0, 2, 3, 1).numpy()
    for row, column in np.ndindex(23, 23):
        y, x = row * shape[0] / 23, column * shape[1] / 23
        top, left = math.floor(y), math.floor(x)
        bottom, right = min(top + 1, shape[0] - 1), min(left + 1, shape[1] - 1)
        upper = frames[:, top, left] * (1 - x + left) + frames[:, top, right] * (x - left)
        lower = frames[:, bottom, left] * (1 - x + left) + frames[:, bottom, right] * (x - left)
        expected = upper * (1 - y + top) + lower * (y - top)
        np.testing.assert_allclose(found[:, row, column], expected, atol=2e-3)


@pytest.mark.parametrize("shape", [(37, 53), (240, 320), (64, 64)])
@pytest.mark.parametrize(
    ("kernel", "options"),
    [
        ("bilinear", {"align_corners": False}),
        ("bilinear-antialias", {"align_corners": False, "antialias": True}),
        ("align-corners-bilinear", {"align_corners": True}),
    ],
)
def test_torch_kernels(kernel: str, options: dict[str, bool], shape: tuple[int, int]) -> None:
    frames = random_frames(6, *shape, 3)
    expected = F.interpolate(planes(frames), size=(112, 112), mode="bilinear", **options)
    found = resize_frames(frames, ResizeRule(112, kernel))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


def test_align_corners_keeps_the_corners() -> None:
    frames = random_frames(1, 9, 13, 3)
    found = resize_frames(frames, ResizeRule(112, "align-corners-bilinear"))[0]
    for row, column in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        assert found[:, row, column].tolist() == pytest.approx(frames[0, row, column].tolist())


@pytest.mark.parametrize(
    ("kernel", "resample"),
    [
        ("pil-bicubic", Image.Resampling.BICUBIC),
        ("pil-bilinear", Image.Resampling.BILINEAR),
        ("pil-lanczos", Image.Resampling.LANCZOS),
    ],
)
def test_pillow_kernels_stay_whole(kernel: str, resample: Image.Resampling) -> None:
    frames = random_frames(6, 50, 70, 3)
    found = resize_frames(frames, ResizeRule(32, kernel))
    for image, frame in zip(found, frames, strict=True):
        expected = np.asarray(Image.fromarray(frame).resize((32, 32), resample))
        np.testing.assert_array_equal(image.permute(1, 2, 0).numpy(), expected)


def test_pillow_in_float_equals_clean_fid() -> None:
    resize = pytest.importorskip("cleanfid.resize").make_resizer("PIL", False, "bicubic", (40, 40))
    stripes = np.zeros((2, 50, 70, 3), np.uint8)
    stripes[:, ::6] = 255
    for frames in (random_frames(2, 50, 70, 3), stripes):
        found = resize_frames(frames, ResizeRule(40, "pil-bicubic-float"))
        expected = np.stack([resize(frame) for frame in frames])
        np.testing.assert_allclose(found.permute(0, 2, 3, 1).numpy(), expected, atol=1e-4)
        assert found.min() >= 0
        assert found.max() <= 255


@pytest.mark.parametrize("kernel", KERNELS)
def test_same_size_changes_nothing(kernel: str) -> None:
    frames = random_frames(2, 31, 31, 3)
    found = resize_frames(frames, ResizeRule(31, kernel))
    torch.testing.assert_close(found, planes(frames), rtol=0, atol=0)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("fit", FITS)
def test_result_has_the_promised_form(kernel: str, fit: str) -> None:
    frames = random_frames(2, 41, 30, 3)
    frames.setflags(write=False)
    found = resize_frames(frames[:, ::-1], ResizeRule(24, kernel, fit))  # type: ignore[arg-type]
    assert found.shape == (2, 3, 24, 24)
    assert found.dtype == torch.float32
    assert found.is_contiguous()
    assert found.min() >= 0
    assert found.max() <= 255


@pytest.mark.parametrize("shape", [(240, 320), (320, 241), (33, 47), (64, 64), (111, 333)])
def test_crop_equals_torchvision(shape: tuple[int, int]) -> None:
    transforms = pytest.importorskip("torchvision.transforms")
    frames = random_frames(1, *shape, 3)
    resize = transforms.Resize(32, transforms.InterpolationMode.BICUBIC)
    expected = transforms.CenterCrop(32)(resize(Image.fromarray(frames[0])))
    found = resize_frames(frames, ResizeRule(32, "pil-bicubic", "crop"))
    np.testing.assert_array_equal(found[0].permute(1, 2, 0).numpy(), np.asarray(expected))


@pytest.mark.parametrize("shape", [(240, 320), (320, 241), (33, 47), (64, 64), (111, 333)])
def test_crop_ceil_equals_videogpt(shape: tuple[int, int]) -> None:
    """Longer side rounded up, centre rounded down."""
    frames = random_frames(1, *shape, 3)
    scale = 32 / min(shape)
    size = [32 if side == min(shape) else math.ceil(side * scale) for side in shape]
    resized = F.interpolate(planes(frames), size=size, mode="bilinear", align_corners=False)
    top, left = ((side - 32) // 2 for side in size)
    expected = resized[:, :, top : top + 32, left : left + 32]
    found = resize_frames(frames, ResizeRule(32, "bilinear", "crop-ceil"))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


def test_the_two_crops_differ() -> None:
    frames = random_frames(1, 240, 320, 3)
    crops = [
        resize_frames(frames, ResizeRule(224, "bilinear", fit)) for fit in ("crop", "crop-ceil")
    ]
    assert not torch.equal(*crops)


def test_quantise() -> None:
    """Half rounds to even, and truncation drops the fraction."""
    row = np.array([0, 1, 2, 5], np.float32)
    frames = np.broadcast_to(row[:, None], (1, 4, 4, 3))
    for quantise, expected in (
        ("none", [0.5, 3.5]),
        ("round", [0, 4]),
        ("truncate", [0, 3]),
    ):
        rule = ResizeRule(2, "bilinear", quantise=quantise)  # type: ignore[arg-type]
        assert resize_frames(frames, rule)[0, 0, 0].tolist() == expected


@given(
    st.integers(1, 4096), st.sampled_from(KERNELS), st.sampled_from(FITS), st.sampled_from(QUANTISE)
)
def test_spec_and_parse_are_inverse(size: int, kernel: str, fit: str, quantise: str) -> None:
    assume(quantise != "truncate-unit" or not kernel.startswith("pil"))
    rule = ResizeRule(size, kernel, fit, quantise)  # type: ignore[arg-type]
    assert ResizeRule.parse(rule.spec()) == rule


def test_specs_as_written_in_signatures() -> None:
    assert ResizeRule(224, "tf1-bilinear").spec() == "224-tf1bilinear-squash"
    rule = ResizeRule(128, "bilinear-antialias", "crop-ceil", "truncate")
    assert rule.spec() == "128-bilinearantialias-cropceil-truncate"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("224-tf1biliner-squash", "did you mean 'tf1bilinear'"),
        ("224-bilinear-sqash", "did you mean 'squash'"),
        ("224-bilinear-crop-floor", "none, round, truncate"),
        ("224-bilinear", "SIZE-KERNEL-FIT"),
        ("big-bilinear-crop", "SIZE-KERNEL-FIT"),
        ("²-bilinear-crop", "SIZE-KERNEL-FIT"),
        ("0-bilinear-crop", "size '0'"),
        ("", "SIZE-KERNEL-FIT"),
    ],
)
def test_bad_specs_are_explained(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ResizeRule.parse(spec)


def test_unknown_kernel_lists_the_choices() -> None:
    with pytest.raises(UsageError) as error:
        ResizeRule(224, "tf-bilinear")
    assert ", ".join(KERNELS) in str(error.value)
    assert "did you mean 'tf1-bilinear'?" in str(error.value)


@pytest.mark.parametrize(
    ("frames", "kernel"),
    [
        (np.zeros((8, 8, 3), np.uint8), "bilinear"),
        (np.zeros((1, 8, 8, 4), np.uint8), "bilinear"),
        (np.zeros((0, 8, 8, 3), np.uint8), "bilinear"),
        (np.zeros((1, 8, 8, 3), np.float64), "bilinear"),
        (np.zeros((1, 8, 8, 3), np.float32), "pil-bicubic"),
    ],
)
def test_other_arrays_are_refused(frames: np.ndarray, kernel: str) -> None:
    with pytest.raises(UsageError, match=r"^frames: "):
        resize_frames(frames, ResizeRule(8, kernel))


@pytest.mark.parametrize("kernel", FLOAT_KERNELS)
def test_float_frames_equal_whole_ones(kernel: str) -> None:
    frames = random_frames(2, 20, 30, 3)
    rule = ResizeRule(16, kernel)
    whole, real = (resize_frames(frames.astype(dtype), rule) for dtype in (np.uint8, np.float32))
    torch.testing.assert_close(whole, real, rtol=0, atol=0)


@pytest.mark.parametrize("size", [(240, 320), (128, 96), (61, 50)])
def test_truncation_of_cd_fvd_in_its_own_step(size):
    """Divided by 255, resized, multiplied again, cut off: equal in every value."""
    from cdfvd.utils.data_utils import preprocess

    frames = np.random.default_rng(5).integers(0, 256, (5, *size, 3), np.uint8)
    theirs = (preprocess(torch.from_numpy(frames), 64)["video"] * 255).byte()
    rule = ResizeRule.parse("64-bilinearantialias-cropceil-truncateunit")
    assert rule.spec() == "64-bilinearantialias-cropceil-truncateunit"
    assert torch.equal(resize_frames(frames, rule).byte(), theirs.transpose(0, 1))
    plain = resize_frames(frames, ResizeRule.parse("64-bilinearantialias-cropceil-truncate"))
    apart = (plain - theirs.transpose(0, 1)).abs()
    assert apart.max() <= 1


def test_truncation_in_0_to_1_is_visible_on_plain_areas():
    """A value of one colour comes back one lower under `truncate-unit` for some colours."""
    colours = np.arange(256, dtype=np.uint8)[:, None, None, None]
    frames = np.broadcast_to(colours, (256, 9, 9, 3)).copy()
    rule = ResizeRule(6, "bilinear-antialias", "squash", "truncate-unit")
    lost = frames[:, :6, :6].transpose(0, 3, 1, 2) - resize_frames(frames, rule).numpy()
    assert set(np.unique(lost)) == {0, 1}


def test_truncation_in_0_to_1_needs_floats():
    with pytest.raises(UsageError, match="truncateunit is for kernels"):
        ResizeRule(64, "pil-bicubic", "squash", "truncate-unit")
