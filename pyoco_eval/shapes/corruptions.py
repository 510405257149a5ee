"""Five ways for clips to get worse, each a ladder of levels from none (0) to severe.

A metric worth its name rises along every ladder. The functions take frames of any video, uint8
(T, H, W, 3), and leave them alone; `corrupt_clip` applies a ladder to moving shapes.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from pyoco_eval.errors import UsageError
from pyoco_eval.seeding import numpy_generator
from pyoco_eval.shapes.dataset import CLASS_NAMES, MovingShapes, ShapesClip

CorruptionKind = Literal["noise", "blur", "freeze", "shuffle", "drop"]
CORRUPTION_KINDS: tuple[CorruptionKind, ...] = get_args(CorruptionKind)

LADDERS: dict[CorruptionKind, tuple[float, ...]] = {
    "noise": (0, 5, 10, 20, 40),
    "blur": (0, 0.5, 1, 2, 4),
    "freeze": (0, 0.25, 0.5, 0.75, 1),
    "shuffle": (0, 0.25, 0.5, 0.75, 1),
    "drop": (0, 0.25, 0.5, 0.75, 0.9),
}
"""Strength at each level from 0: grey levels of 255, pixels, and fractions for the other three."""

_ORDER = ("drop", "shuffle", "freeze", "blur", "noise")
"""Which comes first when a clip has several."""


@dataclass(frozen=True)
class Corruption:
    """One rung of a ladder.

    Attributes:
        kind: `noise`, `blur`, `freeze`, `shuffle` or `drop`.
        level: 0 (none) to 4; `strength` is what it stands for in `LADDERS`.

    Raises:
        UsageError: an unknown kind or level.
    """

    kind: CorruptionKind
    level: int

    def __post_init__(self) -> None:
        if self.kind not in LADDERS:
            raise UsageError(f"corruption: {self.kind!r} is none of {', '.join(CORRUPTION_KINDS)}")
        highest = len(LADDERS[self.kind]) - 1
        if self.level not in range(highest + 1):
            raise UsageError(f"corruption: {self.kind} has levels 0 to {highest}, not {self.level}")

    def __str__(self) -> str:
        return f"{self.kind}:{self.level}"

    @property
    def strength(self) -> float:
        """Standard deviation in grey levels (noise) or pixels (blur), or a fraction."""
        return LADDERS[self.kind][self.level]

    @classmethod
    def parse(cls, text: str) -> "Corruption":
        """From `KIND:LEVEL`, such as `noise:2`; the inverse of `str`.

        Raises:
            UsageError: not of that form, or an unknown kind or level.
        """
        kind, _, level = text.partition(":")
        if not (level.isascii() and level.isdigit()):
            raise UsageError(f"corruption: {text!r} is not KIND:LEVEL, such as noise:2")
        return cls(kind, int(level))  # type: ignore[arg-type]


def add_noise(frames: np.ndarray, strength: float, generator: np.random.Generator) -> np.ndarray:
    """White Gaussian noise of standard deviation `strength`, rounded and clamped to 0..255."""
    noise = generator.standard_normal(frames.shape, np.float32)
    return _to_uint8(frames + np.float32(strength) * noise)


def blur(frames: np.ndarray, strength: float) -> np.ndarray:
    """Gaussian blur of each frame, standard deviation `strength` pixels, edges repeated."""
    if strength == 0:
        return frames.copy()
    reach = int(np.ceil(3 * strength))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / strength) ** 2)
    taps = (taps / taps.sum()).astype(np.float32)
    blurred = frames.astype(np.float32)
    for axis in (1, 2):
        length = blurred.shape[axis]
        padding = [(reach, reach) if each == axis else (0, 0) for each in range(blurred.ndim)]
        padded = np.moveaxis(np.pad(blurred, padding, mode="edge"), axis, 0)
        total = np.sum([tap * padded[k : k + length] for k, tap in enumerate(taps)], axis=0)
        blurred = np.moveaxis(total, 0, axis)
    return _to_uint8(blurred)


def freeze(frames: np.ndarray, strength: float) -> np.ndarray:
    """The motion stops ever earlier: the last fraction `strength` of the frames repeat one frame.

    At strength 1 every frame is the first.
    """
    last = round((1 - strength) * (len(frames) - 1))
    return frames[np.minimum(np.arange(len(frames)), last)]


def shuffle(
    frames: np.ndarray,
    strength: float,
    generator: np.random.Generator,
    num_frames: int | None = None,
) -> np.ndarray:
    """A random fraction `strength` of the frames change places among themselves.

    Args:
        frames: uint8 (T, H, W, 3).
        strength: fraction of the T frames.
        generator: picks the frames and their order.
        num_frames: keep only the first so many of the result. Frames that come from later in
            the shot then replace earlier ones, which metrics of single frames can see too;
            without it the same frames are there in another order, which they cannot.
    """
    order = np.arange(len(frames))
    moved = generator.permutation(len(frames))[: round(strength * len(frames))]
    order[np.sort(moved)] = moved
    return frames[order[:num_frames]]


def corrupt_clip(shapes: MovingShapes, index: int, *corruptions: Corruption) -> ShapesClip:
    """Clip `index` of `shapes`, corrupted; a function of these arguments alone.

    Several corruptions are applied in the order drop, shuffle, freeze, blur, noise. A clip of T
    frames is shuffled out of the first 2T frames of its scene. Dropping a fraction of the classes
    turns the clips of the last of them, and so of whole shapes, into clips of the classes kept.
    """
    label, num_frames = shapes.label(index), shapes.num_frames
    for corruption in corruptions:
        if corruption.kind == "drop":
            label = _kept_label(label, corruption.strength)
        elif corruption.kind == "shuffle":
            num_frames = 2 * shapes.num_frames
    clip = shapes.clip(index, label=label, num_frames=num_frames)
    frames = clip.frames
    for corruption in sorted(corruptions, key=lambda each: _ORDER.index(each.kind)):
        seed = ("corruption", corruption.kind, shapes.seed, shapes.split, index)
        generator = numpy_generator(*seed)
        if corruption.kind == "shuffle":
            frames = shuffle(frames, corruption.strength, generator, shapes.num_frames)
        elif corruption.kind == "freeze":
            frames = freeze(frames, corruption.strength)
        elif corruption.kind == "blur":
            frames = blur(frames, corruption.strength)
        elif corruption.kind == "noise":
            frames = add_noise(frames, corruption.strength, generator)
    return ShapesClip(frames, clip.label, clip.caption, clip.attributes)


def _kept_label(label: int, dropped: float) -> int:
    return label % max(1, round((1 - dropped) * len(CLASS_NAMES)))


def _to_uint8(values: np.ndarray) -> np.ndarray:
    return np.clip(values + np.float32(0.5), 0, 255).astype(np.uint8)
