"""Sizes as text, and the resize to rectangles."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pyoco_eval.errors import UsageError
from pyoco_eval.shapes.dataset import MovingShapes
from pyoco_eval.videos.frame_size import parse_size, sides, size_text
from pyoco_eval.videos.resize import ResizeRule, resize_frames


@pytest.mark.parametrize(
    ("text", "size", "both"), [("64", 64, (64, 64)), ("32x48", (32, 48), (32, 48))]
)
def test_sizes_as_text(text: str, size: int | tuple[int, int], both: tuple[int, int]) -> None:
    assert parse_size(text) == size
    assert size_text(size) == text
    assert sides(size) == both


def test_a_square_is_one_number() -> None:
    assert parse_size("64x64") == 64
    assert size_text((64, 64)) == "64"


@pytest.mark.parametrize(
    "text", ["", "x", "64x", "x64", "0", "0x8", "8x0", "-8", "8x8x8", "٨", "8 "]
)
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError, match="write SIDE or HEIGHTxWIDTH"):
        parse_size(text)


@pytest.mark.parametrize("spec", ["32x48-bilinear-crop-round", "48x32-tf1bilinear-squash"])
def test_rules_of_rectangles_read_back(spec: str) -> None:
    assert ResizeRule.parse(spec).spec() == spec


@pytest.mark.parametrize("shape", [(37, 53), (53, 37), (20, 90), (24, 36), (36, 24)])
@pytest.mark.parametrize("size", [(16, 24), (24, 16), (20, 20)])
def test_a_crop_covers_the_rectangle_and_takes_its_middle(
    shape: tuple[int, int], size: tuple[int, int]
) -> None:
    """Against the larger of the two scales, and a crop written otherwise."""
    frames = np.random.default_rng(0).integers(0, 256, (2, *shape, 3), dtype=np.uint8)
    scale = max(size[0] / shape[0], size[1] / shape[1])
    scaled = tuple(int(side * scale + 1e-9) for side in shape)
    assert scaled[0] == size[0] or scaled[1] == size[1]
    planes = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    whole = F.interpolate(planes, scaled, mode="bilinear", antialias=True)
    top, left = (round((have - want) / 2) for have, want in zip(scaled, size, strict=True))
    expected = whole[:, :, top:, left:][:, :, : size[0], : size[1]]
    found = resize_frames(frames, ResizeRule(size, "bilinear-antialias", "crop"))
    assert found.shape == (2, 3, *size)
    torch.testing.assert_close(found, expected)


def test_a_rectangle_of_one_side_is_the_square_bit_for_bit() -> None:
    frames = np.random.default_rng(1).integers(0, 256, (2, 37, 53, 3), dtype=np.uint8)
    for fit in ("crop", "crop-ceil", "squash"):
        square, same = (ResizeRule(size, "bilinear", fit) for size in (20, (20, 20)))  # type: ignore[arg-type]
        assert torch.equal(resize_frames(frames, square), resize_frames(frames, same))
        assert square.spec() == same.spec()


def test_oblong_shapes_are_the_middle_of_the_square() -> None:
    square = MovingShapes("val", 32, 2)[5].frames
    assert np.array_equal(MovingShapes("val", (16, 32), 2)[5].frames, square[:, 8:24])
    assert np.array_equal(MovingShapes("val", (32, 16), 2)[5].frames, square[:, :, 8:24])
