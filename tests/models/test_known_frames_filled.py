"""What a network sees between known frames."""

import pytest
import torch

from pyoco_eval.diffusion.denoiser import KnownFrames
from pyoco_eval.models.known_frames import filled


def seen(mask: list[int], num_images: int = 0) -> list[float]:
    """Of one-pixel frames whose value is 10 times their number, plus 1000 where not known."""
    told = torch.tensor([mask], dtype=torch.bool)
    values = torch.arange(len(mask)) * 10.0
    frames = torch.where(told[0], values, values + 1000).view(1, -1, 1, 1, 1)
    return filled(KnownFrames(frames, told), num_images).flatten().tolist()


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ([1, 0, 0, 0, 1], [0, 10, 20, 30, 40]),
        ([0, 0, 1, 0, 1], [20, 20, 20, 30, 40]),
        ([1, 0, 0, 0, 0], [0, 0, 0, 0, 0]),
        ([0, 0, 0, 1, 0], [30, 30, 30, 30, 30]),
        ([0, 0, 0, 0, 0], [0, 0, 0, 0, 0]),
        ([1, 1, 1, 1, 1], [0, 10, 20, 30, 40]),
    ],
)
def test_it_moves_evenly_from_one_known_frame_to_the_next(
    mask: list[int], expected: list[float]
) -> None:
    assert seen(mask) == pytest.approx(expected)


def test_images_at_the_end_see_nothing_of_the_video() -> None:
    assert seen([1, 0, 1, 0, 0], num_images=2) == [0, 10, 20, 0, 0]
    assert seen([0, 1, 0, 0, 0], num_images=2) == [10, 10, 10, 0, 0]


def test_each_video_has_its_own() -> None:
    mask = torch.tensor([[True, False, True], [False, True, False]])
    frames = torch.arange(6.0).view(2, 3, 1, 1, 1)
    found = filled(KnownFrames(frames, mask)).flatten(1)
    assert found.tolist() == [[0, 1, 2], [4, 4, 4]]
