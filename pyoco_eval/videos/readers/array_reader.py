"""Videos that are arrays already: in memory, in .npy and in .npz files.

Axes: N videos, T frames, H, W, 3 channels (RGB). uint8 means 0..255. Floats need their range
stated, because it cannot be known from the values: a dark video in 0..255 looks like one in 0..1.
Values less than half a level outside it, or less than two steps of their own number format, are
rounding errors: they are clipped, and the score says so.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.readers.base import (
    EndOfFramesError,
    FrameReader,
    UnreadableError,
    VideoProperties,
    ready,
)
from pyoco_eval.videos.readers.layout import check_layout_name

RANGES = {"0..1": (0.0, 1.0), "-1..1": (-1.0, 1.0), "0..255": (0.0, 255.0)}


@dataclass(frozen=True)
class Levels:
    """How stored arrays become frames of 0..255.

    Attributes:
        value_range: what black and white are: `0..1`, `-1..1`, `0..255`; None if not stated.
        quantise: `round` to the nearest integer (halves to even) or `truncate` towards zero.
        layout: the axes in order, such as `BTCHW`; None where the shape tells.
        step: relative distance of neighbouring values, where they were stored more coarsely than
            their type says (bfloat16 has 2^-7).
    """

    value_range: str | None = None
    quantise: Literal["round", "truncate"] = "round"
    layout: str | None = None
    step: float = 0.0

    @classmethod
    def parse(cls, value_range: str | None, quantise: str, layout: str | None = None) -> "Levels":
        """Check the options as a user wrote them."""
        if value_range is not None and value_range not in RANGES:
            raise UsageError(f"--value-range {value_range!r}: choose one of {', '.join(RANGES)}")
        if quantise not in ("round", "truncate"):
            raise UsageError(f"--quantise {quantise!r}: choose round or truncate")
        if layout is not None:
            check_layout_name(layout)
            layout = layout.upper()
        return cls(value_range, cast(Literal["round", "truncate"], quantise), layout)

    def label(self) -> str | None:
        """For signatures: `0..1-round`, `-1..1-round-btchw`; None if nothing was stated."""
        parts = [f"{self.value_range}-{self.quantise}"] if self.value_range is not None else []
        parts += [self.layout.lower()] if self.layout is not None else []
        return "-".join(parts) or None

    def slack(self, dtype: np.dtype[np.generic]) -> float:
        """How far outside the range a value counts as a rounding error."""
        low, high = RANGES[cast(str, self.value_range)]
        step = max(self.step, float(np.finfo(cast(Any, dtype)).eps))
        return max((high - low) / 510, 2 * step * max(abs(low), abs(high)))

    def to_uint8(self, frame: np.ndarray) -> np.ndarray:
        """Scale float values to 0..255 and quantise; uint8 passes unchanged.

        Raises:
            UnreadableError: the range is not stated, or values lie outside it or are NaN.
        """
        if frame.dtype == np.uint8:
            return np.array(frame)
        if self.value_range is None:
            raise UnreadableError(unstated_range(frame.dtype))
        low, high = RANGES[self.value_range]
        values = frame.astype(np.float64)
        least, most = float(values.min()), float(values.max())
        slack = self.slack(frame.dtype)
        if not (low - slack <= least and most <= high + slack):  # also catches NaN
            found = "NaN" if np.isnan(values).any() else f"values from {least:.6g} to {most:.6g}"
            raise UnreadableError(
                f"holds {found}, outside the stated --value-range {self.value_range}"
            )
        values = (values.clip(low, high) - low) * (255 / (high - low))
        return (np.rint(values) if self.quantise == "round" else values).astype(np.uint8)


class ArrayReader(FrameReader):
    """A (T, H, W, 3) array that `load` brings when needed.

    Attributes:
        is_whole: it was stored as an array of four axes, which may also be (N, H, W, 3) images.
        is_still: it was stored as one picture, of three axes.
        load_shared: `load` for many readers of one array, which is kept in memory between them.
        clipped: its digest was taken, and it holds values a rounding error outside their range.
    """

    backend = "array"
    storage = "stored"

    def __init__(
        self,
        load: Callable[[], AbstractContextManager[np.ndarray]],
        shape: tuple[int, ...],
        dtype: np.dtype[np.generic],
        levels: Levels,
        container: str,
    ) -> None:
        self.clipped = False
        self.load_shared = load
        self._load = load
        self._shape = shape
        self.dtype = dtype
        self.levels = levels
        self._container = container

    def properties(self) -> VideoProperties:
        num_frames, height, width, _ = self._shape
        return VideoProperties(
            width=width,
            height=height,
            codec="raw",
            container=self._container,
            pixel_format=str(self.dtype),
            header_frames=num_frames,
        )

    def walk(self) -> Iterator[Callable[[], np.ndarray]]:
        for frame in self.frames(range(self._shape[0])):
            yield ready(frame)

    def frames(self, wanted: Sequence[int]) -> Iterator[np.ndarray]:
        with self._load() as array:
            for index in wanted:
                if index >= len(array):
                    raise EndOfFramesError(index, len(array))
                yield self.levels.to_uint8(array[index])

    def stills(self) -> "list[ArrayReader]":
        """Each frame as a video of its own: the images of (N, H, W, 3)."""
        return [self._still(index) for index in range(self._shape[0])]

    def _still(self, index: int) -> "ArrayReader":
        @contextmanager
        def load() -> Iterator[np.ndarray]:
            with self.load_shared() as array:
                yield array[index : index + 1]

        return ArrayReader(load, (1, *self._shape[1:]), self.dtype, self.levels, self._container)

    def range_known(self) -> bool:
        """Whether the stored values have a stated meaning."""
        return self.dtype == np.uint8 or self.levels.value_range is not None

    def extent(self) -> tuple[float, float]:
        """Least and greatest stored value."""
        with self._load() as array:
            return float(array.min()), float(array.max())

    def digest(self) -> str:
        meaning = (
            "" if self.dtype == np.uint8 else f"{self.levels.value_range}{self.levels.quantise}"
        )
        whole = hashlib.sha256(f"{self.dtype.str}{self._shape}{meaning}".encode())
        ends = [0.0, 0.0]
        with self._load() as array:
            for frame in array:
                whole.update(frame.tobytes())
                if meaning and self.range_known():
                    ends = [min(ends[0], float(frame.min())), max(ends[1], float(frame.max()))]
        if meaning and self.range_known():
            low, high = RANGES[cast(str, self.levels.value_range)]
            slack = self.levels.slack(self.dtype)
            self.clipped = low - slack <= ends[0] < low or high < ends[1] <= high + slack
        return whole.hexdigest()


def unstated_range(dtype: np.dtype[np.generic]) -> str:
    """The reason for refusing floats of unknown range."""
    return f"holds {dtype} values: state their range with --value-range ({', '.join(RANGES)})"
