"""Videos that are arrays already: in memory, in .npy and in .npz files.

Axes: N videos, T frames, H, W, 3 channels (RGB). uint8 means 0..255. Floats need their range
stated, because it cannot be known from the values: a dark video in 0..255 looks like one in 0..1.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.readers.base import (
    EndOfFramesError,
    FrameReader,
    UnreadableError,
    VideoProperties,
    ready,
)

RANGES = {"0..1": (0.0, 1.0), "-1..1": (-1.0, 1.0), "0..255": (0.0, 255.0)}


@dataclass(frozen=True)
class Levels:
    """How floats become 0..255.

    Attributes:
        value_range: what black and white are: `0..1`, `-1..1`, `0..255`; None if not stated.
        quantise: `round` to the nearest integer (halves to even) or `truncate` towards zero.
    """

    value_range: str | None = None
    quantise: Literal["round", "truncate"] = "round"

    @classmethod
    def parse(cls, value_range: str | None, quantise: str) -> "Levels":
        """Check the two options as a user wrote them."""
        if value_range is not None and value_range not in RANGES:
            raise UsageError(f"--value-range {value_range!r}: choose one of {', '.join(RANGES)}")
        if quantise not in ("round", "truncate"):
            raise UsageError(f"--quantise {quantise!r}: choose round or truncate")
        return cls(value_range, cast(Literal["round", "truncate"], quantise))

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
        if not (low <= least and most <= high):  # also catches NaN
            found = "NaN" if np.isnan(values).any() else f"values from {least:.6g} to {most:.6g}"
            raise UnreadableError(
                f"holds {found}, outside the stated --value-range {self.value_range}"
            )
        values = (values - low) * (255 / (high - low))
        return (np.rint(values) if self.quantise == "round" else values).astype(np.uint8)


class ArrayReader(FrameReader):
    """A (T, H, W, 3) array that `load` brings when needed."""

    backend = "array"

    def __init__(
        self,
        load: Callable[[], AbstractContextManager[np.ndarray]],
        shape: tuple[int, ...],
        dtype: np.dtype[np.generic],
        levels: Levels,
        container: str,
    ) -> None:
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
        with self._load() as array:
            for frame in array:
                whole.update(frame.tobytes())
        return whole.hexdigest()


def unstated_range(dtype: np.dtype[np.generic]) -> str:
    """The reason for refusing floats of unknown range."""
    return f"holds {dtype} values: state their range with --value-range ({', '.join(RANGES)})"


def check_layout(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> None:
    """Accept (T, H, W, 3) or (N, T, H, W, 3), uint8 or float.

    Raises:
        UnreadableError: with the transposition that is needed, if it can be told.
    """
    if dtype.hasobject:
        raise UnreadableError("holds Python objects, which are never unpickled: save it as uint8")
    if dtype != np.uint8 and dtype.kind != "f":
        raise UnreadableError(f"holds {dtype} values: store uint8 (0..255) or floats")
    if len(shape) not in (4, 5):
        raise UnreadableError(f"has the shape {shape}: expected (T, H, W, 3) or (N, T, H, W, 3)")
    if shape[-1] != 3:
        raise UnreadableError(f"has the shape {shape}: {_transposition(shape)}")
    if 0 in shape:
        raise UnreadableError(f"has the shape {shape}, which holds no frame")


def _transposition(shape: tuple[int, ...]) -> str:
    axes = len(shape)
    for channel in (axes - 3, axes - 4):
        if channel >= 0 and shape[channel] == 3:
            order = [axis for axis in range(axes) if axis != channel] + [channel]
            return f"its channels are not last; transpose it with .transpose{tuple(order)}"
    expected = "(T, H, W, 3)" if axes == 4 else "(N, T, H, W, 3)"
    return f"expected {expected}, with 3 colour channels last"
