"""Five ways for clips to get worse, each a ladder of levels from none (0) to severe.

A metric worth its name rises along every ladder. The functions take frames of any video, uint8
(T, H, W, 3), and leave them alone; `corrupt_clip` applies a ladder to moving shapes.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from pyoco_eval.errors import UsageError
from pyoco_eval.seeding import numpy_generator
from pyoco_eval.videos.synthetic import CLASS_NAMES, MovingShapes, ShapesClip

CorruptionKind = Literal["noise", "blur", "freeze", "shuffle", "drop"]
CORRUPTION_KINDS: tuple[CorruptionKind, ...] = get_args(CorruptionKind)

LADDERS: dict[CorruptionKind, tuple[float, ...]] = {
    "noise": (0, 5, 10, 20, 40),
    "blur": (0, 0.5, 1, 2, 4),
    "freeze": (0, 0.25, 0.5, 0.75, 1),
    "shuffle": (0, 0.25, 0.5, 0.75, 1),
    "drop": (0, 0.25, 0.5, 0.75, 0.9),
}
"""The measured levels: grey levels, pixels, and fractions."""


@dataclass(frozen=True)
class Corruption:
    """One rung of a ladder.

    Attributes:
        kind: `noise`, `blur`, `freeze`, `shuffle` or `drop`.
        level: noise, its standard deviation in grey levels of 255; blur, its standard deviation
            in pixels; the others, a fraction in [0, 1].

    Raises:
        UsageError: an unknown kind, or a level out of range.
    """

    kind: CorruptionKind
    level: float

    def __post_init__(self) -> None:
        if self.kind not in CORRUPTION_KINDS:
            raise UsageError(f"corruption: {self.kind!r} is none of {', '.join(CORRUPTION_KINDS)}")
        most = np.inf if self.kind in ("noise", "blur") else 1
        if not 0 <= self.level <= most:
            raise UsageError(f"corruption: {self.kind} takes a level in 0..{most}, not {self.level}")

    def __str__(self) -> str:
        return f"{self.kind}:{self.level:g}"

    @classmethod
    def parse(cls, text: str) -> "Corruption":
        """From `KIND:LEVEL`, such as `noise:20`; the inverse of `str`.

        Raises:
            UsageError: not of that form.
        """
        kind, _, level = text.partition(":")
        try:
            return cls(kind, float(level))  # type: ignore[arg-type]
        except ValueError as error:
            if isinstance(error, UsageError):
                raise
            raise UsageError(f"corruption: {text!r} is not KIND:LEVEL, such as noise:20") from None


def add_noise(frames: np.ndarray, level: float, generator: np.random.Generator) -> np.ndarray:
    """White Gaussian noise of standard deviation `level`, rounded and clamped to 0..255."""
    noise = generator.standard_normal(frames.shape, np.float32)
    return _to_uint8(frames + np.float32(level) * noise)


def blur(frames: np.ndarray, level: float) -> np.ndarray:
    """Gaussian blur of each frame, standard deviation `level` pixels, edges repeated."""
    if level == 0:
        return frames.copy()
    reach = int(np.ceil(3 * level))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / level) ** 2)
    taps = (taps / taps.sum()).astype(np.float32)
    blurred = frames.astype(np.float32)
    for axis in (1, 2):
        length = blurred.shape[axis]
        padding = [(reach, reach) if each == axis else (0, 0) for each in range(blurred.ndim)]
        padded = np.moveaxis(np.pad(blurred, padding, mode="edge"), axis, 0)
        total = np.sum([tap * padded[k : k + length] for k, tap in enumerate(taps)], axis=0)
        blurred = np.moveaxis(total, 0, axis)
    return _to_uint8(blurred)


def freeze(frames: np.ndarray, level: float) -> np.ndarray:
    """The motion stops ever earlier: the last fraction `level` of the frames repeat one frame.

    At level 1 every frame is the first.
    """
    last = round((1 - level) * (len(frames) - 1))
    return frames[np.minimum(np.arange(len(frames)), last)]


def shuffle(
    frames: np.ndarray, level: float, generator: np.random.Generator, num_frames: int | None = None
) -> np.ndarray:
    """A random fraction `level` of the frames change places among themselves.

    Args:
        frames: uint8 (T, H, W, 3).
        level: fraction of the T frames.
        generator: picks the frames and their order.
        num_frames: keep only the first so many of the result. Frames that come from later in
            the shot then replace earlier ones, which metrics of single frames can see too;
            without it the same frames are there in another order, which they cannot.
    """
    order = np.arange(len(frames))
    moved = generator.permutation(len(frames))[: round(level * len(frames))]
    order[np.sort(moved)] = moved
    return frames[order[:num_frames]]


def corrupt_clip(shapes: MovingShapes, index: int, corruption: Corruption) -> ShapesClip:
    """Clip `index` of `shapes`, corrupted; a function of the dataset, `index` and `corruption`.

    A clip of T frames is shuffled out of the first 2T frames of its scene. Dropping a fraction
    of the classes turns their clips into clips of the classes kept; of the 48, at least one is.
    """
    kind, level = corruption.kind, corruption.level
    if kind == "drop":
        return shapes.clip(index, label=_kept_label(shapes.label(index), level))
    if kind == "shuffle":
        clip = shapes.clip(index, num_frames=2 * shapes.num_frames)
    else:
        clip = shapes.clip(index)
    generator = numpy_generator("corruption", kind, shapes.seed, shapes.split, index)
    if kind == "noise":
        frames = add_noise(clip.frames, level, generator)
    elif kind == "blur":
        frames = blur(clip.frames, level)
    elif kind == "freeze":
        frames = freeze(clip.frames, level)
    else:
        frames = shuffle(clip.frames, level, generator, shapes.num_frames)
    return ShapesClip(frames, clip.label, clip.caption, clip.attributes)


def _kept_label(label: int, level: float) -> int:
    order = numpy_generator("dropped-classes").permutation(len(CLASS_NAMES))
    num_kept = max(1, round((1 - level) * len(CLASS_NAMES)))
    place = int(np.flatnonzero(order == label)[0])
    return int(order[place % num_kept])


def _to_uint8(values: np.ndarray) -> np.ndarray:
    return np.clip(values + np.float32(0.5), 0, 255).astype(np.uint8)
