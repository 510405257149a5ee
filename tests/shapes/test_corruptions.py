"""Each corruption does what it says, and no more."""

import numpy as np
import pytest

from pyoco_eval.errors import UsageError
from pyoco_eval.shapes.corruptions import (
    CORRUPTION_KINDS,
    LADDERS,
    Corruption,
    add_noise,
    blur,
    corrupt_clip,
    freeze,
    shuffle,
)
from pyoco_eval.shapes.dataset import CLASS_NAMES, MovingShapes


@pytest.fixture(scope="module")
def shapes() -> MovingShapes:
    return MovingShapes("test", size=32)


def numbered(count: int) -> np.ndarray:
    """Frames that show their own number."""
    return np.tile(np.arange(count, dtype=np.uint8)[:, None, None, None], (1, 4, 4, 3))


@pytest.mark.parametrize("kind", CORRUPTION_KINDS)
def test_level_0_leaves_a_clip_alone(shapes: MovingShapes, kind: str) -> None:
    clip = corrupt_clip(shapes, 3, Corruption(kind, 0))
    assert np.array_equal(clip.frames, shapes[3].frames)
    assert (clip.label, clip.caption) == (shapes[3].label, shapes[3].caption)


@pytest.mark.parametrize("kind", CORRUPTION_KINDS)
def test_a_corrupted_clip_is_the_same_each_time(shapes: MovingShapes, kind: str) -> None:
    index = next(i for i in range(48) if shapes.label(i) == 47)  # a class that goes first
    once, twice = (corrupt_clip(shapes, index, Corruption(kind, 3)) for _ in range(2))
    assert np.array_equal(once.frames, twice.frames)
    assert once.frames.shape == shapes[index].frames.shape
    assert not np.array_equal(once.frames, shapes[index].frames)


def test_noise_has_the_standard_deviation_asked_for() -> None:
    grey = np.full((8, 32, 32, 3), 128, np.uint8)
    noise = add_noise(grey, 10, np.random.default_rng(0)).astype(float) - 128
    # 24,576 values: the standard error of the deviation is 10 / sqrt(2 n) = 0.045.
    assert abs(noise.std() - 10) < 0.2
    assert abs(noise.mean()) < 0.3


def test_noise_is_clamped_not_wrapped() -> None:
    black = add_noise(np.zeros((4, 16, 16, 3), np.uint8), 5, np.random.default_rng(0))
    assert black.max() < 40
    assert (black == 0).mean() > 0.4


def test_blur_spreads_a_point_by_its_standard_deviation() -> None:
    point = np.zeros((1, 41, 41, 3), np.uint8)
    point[0, 18:23, 18:23] = 255  # variance 2 along each axis
    spread = blur(point, 3)[0, :, :, 0].sum(0).astype(float)
    place = np.arange(41) - 20
    assert (spread * place).sum() == pytest.approx(0, abs=1)
    # Rounding to whole grey levels loses the tails.
    assert (spread * place**2).sum() / spread.sum() == pytest.approx(9 + 2, rel=0.1)


def test_blur_keeps_flat_frames_up_to_the_edge() -> None:
    flat = np.full((2, 16, 16, 3), 77, np.uint8)
    assert np.array_equal(blur(flat, 4), flat)


@pytest.mark.parametrize(
    ("strength", "shown"),
    [(0, [0, 1, 2, 3, 4]), (0.5, [0, 1, 2, 2, 2]), (1, [0, 0, 0, 0, 0])],
)
def test_freeze_holds_ever_more_frames(strength: float, shown: list[int]) -> None:
    assert freeze(numbered(5), strength)[:, 0, 0, 0].tolist() == shown


def test_shuffle_moves_at_most_the_fraction_asked_for() -> None:
    places = [
        shuffle(numbered(32), strength, np.random.default_rng(1))[:, 0, 0, 0]
        for strength in (0, 0.25, 0.5, 1)
    ]
    moved = [int((order != np.arange(32)).sum()) for order in places]
    assert moved[0] == 0
    assert 0 < moved[1] <= 8 < moved[2] <= 16 < moved[3]
    assert all(sorted(order) == list(range(32)) for order in places)


def test_shuffled_clips_draw_on_twice_their_length(shapes: MovingShapes) -> None:
    longer = {frame.tobytes() for frame in shapes.clip(5, num_frames=32).frames}
    own = {frame.tobytes() for frame in shapes[5].frames}
    shuffled = {f.tobytes() for f in corrupt_clip(shapes, 5, Corruption("shuffle", 4)).frames}
    assert shuffled <= longer
    assert not shuffled <= own


def test_dropped_classes_are_nested_and_the_last_ones(shapes: MovingShapes) -> None:
    kept = [
        {corrupt_clip(shapes, i, Corruption("drop", level)).label for i in range(48)}
        for level in range(5)
    ]
    assert [len(labels) for labels in kept] == [48, 36, 24, 12, 5]
    assert all(labels == set(range(len(labels))) for labels in kept)


def test_a_clip_of_a_dropped_class_tells_its_new_class(shapes: MovingShapes) -> None:
    for index in range(48):
        clip = corrupt_clip(shapes, index, Corruption("drop", 4))
        assert CLASS_NAMES[clip.label] == f"{clip.attributes.shape}-{clip.attributes.motion}"
        assert clip.attributes.shape in clip.caption


def test_several_corruptions_do_not_depend_on_their_order(shapes: MovingShapes) -> None:
    noisy, frozen = Corruption("noise", 2), Corruption("freeze", 4)
    one = corrupt_clip(shapes, 1, noisy, frozen).frames
    assert np.array_equal(one, corrupt_clip(shapes, 1, frozen, noisy).frames)
    assert not np.array_equal(one[0], one[1])  # the noise goes on over the standstill


@pytest.mark.parametrize("kind", CORRUPTION_KINDS)
def test_text_form_round_trip(kind: str) -> None:
    assert all(
        Corruption.parse(str(Corruption(kind, level))) == Corruption(kind, level)
        for level in range(len(LADDERS[kind]))
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("noise", "not KIND:LEVEL"),
        ("noise:loud", "not KIND:LEVEL"),
        ("noise:-1", "not KIND:LEVEL"),
        ("noise:5", "levels 0 to 4, not 5"),
        ("rain:1", "none of noise, blur"),
    ],
)
def test_other_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Corruption.parse(text)
