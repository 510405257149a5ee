"""Videos and images that Python holds: arrays, tensors, PIL pictures, and lists of them.

A list of pictures (PIL, or arrays of three axes) is the frames of one video, or N images, by the
rule of `pictures`. A list of arrays of four axes, or of such lists, is a list of videos.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.listing.opener import Settled, StoredVideo, settle_arrays
from pyoco_eval.videos.listing.pictures import PictureRule
from pyoco_eval.videos.readers.array_reader import ArrayReader, Levels, unstated_range
from pyoco_eval.videos.readers.base import UnreadableError
from pyoco_eval.videos.readers.layout import to_standard

if TYPE_CHECKING:
    from PIL.Image import Image

_TAKEN = (
    "give a path, a list of paths, an array or tensor, or a list of arrays, tensors or PIL pictures"
)
_EMPTY = "an empty list holds no videos; give arrays of shape (T, H, W, 3), pictures or paths"
_LISTED = (
    "each array of four axes in the list is taken as a video (T, H, W, 3), of which the clip rule "
    "takes its frames; --pictures images takes every picture as an image."
)


def memory_videos(samples: object, levels: Levels, rule: PictureRule) -> Settled:
    """The videos or images of what a caller holds; ids `array#0`, `array#1`, …

    Raises:
        UsageError: nothing is in it, something in it is no picture, or floats without a range.
    """
    given = list(samples) if isinstance(samples, list | tuple) else None
    if given is None:
        found = _videos_of(_Held.of(samples), levels)
    elif not given:
        raise UsageError(_EMPTY)
    elif all(_is_picture(one) for one in given):
        if rule.sees == "pictures" and rule.stated != "frames":
            return _images(given, levels, rule)
        found = [_whole(_stack(given), levels)]
    else:
        found = [video for one in given for video in _videos_of(_held(one), levels)]
    numbered = [replace(video, id=f"array#{number}") for number, video in enumerate(found)]
    if given is not None and len(numbered) > 1 and rule.open:
        several = any(video.reader.is_whole for video in numbered)
        return Settled(numbered, _LISTED if several else "")
    return settle_arrays("the list", numbered, rule)


def _images(pictures: Sequence[Any], levels: Levels, rule: PictureRule) -> Settled:
    """Each by itself, whatever its size."""
    note = (
        f"the {len(pictures):,} pictures of the list are taken as images, every one a row; "
        "--pictures frames takes them as one video."
    )
    stills = [_whole(_Held.of(picture), levels).reader.stills()[0] for picture in pictures]
    images = [
        StoredVideo(f"array#{number}", still, is_image=True) for number, still in enumerate(stills)
    ]
    return Settled(images, note if rule.open else "")


@dataclass(frozen=True)
class _Held:
    """An array, or pictures that become one when they are looked at.

    Attributes:
        values: of three to five axes; None for PIL pictures.
        step: relative distance of neighbouring values where the type does not say it.
        pictures: PIL pictures.
    """

    values: np.ndarray | None
    step: float = 0.0
    pictures: "Sequence[Image]" = ()

    @classmethod
    def of(cls, given: Any) -> "_Held":
        """Of numpy, or of anything with `.numpy()` as torch tensors have; bfloat16 as float32."""
        if isinstance(given, np.ndarray):
            return cls(given)
        if _is_pil(given):
            return cls(None, 0.0, [given])
        if not hasattr(given, "numpy"):
            raise UsageError(f"cannot take videos from a {type(given).__name__}; {_TAKEN}")
        for step in ("detach", "cpu"):
            given = getattr(given, step)() if hasattr(given, step) else given
        coarse = str(getattr(given, "dtype", "")) == "torch.bfloat16"
        try:
            return cls(np.asarray((given.float() if coarse else given).numpy()), coarse * 2.0**-7)
        except TypeError as error:
            raise UsageError(
                f"cannot turn {given.dtype} values into an array; give float32"
            ) from error


def _held(one: Any) -> _Held:
    """One item of a list: an array, or a list of pictures that is a video of its own."""
    if isinstance(one, list | tuple):
        if not one:
            raise UsageError(f"one of the lists is empty; {_TAKEN}")
        if not all(_is_picture(picture) for picture in one):
            raise UsageError(f"one of the lists holds more than pictures; {_TAKEN}")
        return _stack(one)
    return _Held.of(one)


def _stack(pictures: Sequence[Any]) -> _Held:
    if all(_is_pil(picture) for picture in pictures):
        return _Held(None, 0.0, pictures)
    held = [_Held.of(picture) for picture in pictures]
    arrays = [one.values for one in held]
    shapes = {None if array is None else (array.shape, array.dtype.str) for array in arrays}
    if None in shapes:
        raise UsageError("the list mixes PIL pictures and arrays; give one kind")
    if len(shapes) > 1:
        raise UsageError(
            "the arrays of the list differ in shape or type; pictures of many sizes are given as "
            "PIL pictures, or as files"
        )
    return _Held(np.stack([a for a in arrays if a is not None]), max(one.step for one in held))


def _videos_of(held: _Held, levels: Levels) -> list[StoredVideo]:
    array = held.values
    if array is None or array.ndim < 5:
        return [_whole(held, levels)]
    order = _order(array, levels)
    return [StoredVideo("", _reader(video, levels, held.step)) for video in array.transpose(order)]


def _whole(held: _Held, levels: Levels) -> StoredVideo:
    if held.values is None:
        from pyoco_eval.videos.readers.memory_pictures import MemoryPictures

        return StoredVideo("", MemoryPictures(held.pictures))
    array = held.values[None] if held.values.ndim == 3 else held.values
    reader = _reader(array.transpose(_order(array, levels)), levels, held.step)
    reader.is_whole = True
    return StoredVideo("", reader)


def _order(array: np.ndarray, levels: Levels) -> tuple[int, ...]:
    try:
        order = to_standard(array.shape, array.dtype, levels.layout)
    except UnreadableError as error:
        raise UsageError(f"array {error.reason}") from error
    if array.dtype != np.uint8 and levels.value_range is None:
        raise UsageError(f"array {unstated_range(array.dtype)}")
    return order


def _reader(array: np.ndarray, levels: Levels, step: float) -> ArrayReader:
    own = replace(levels, step=step)

    @contextmanager
    def load() -> Iterator[np.ndarray]:
        with nullcontext(array) as values:
            yield values

    return ArrayReader(load, array.shape, array.dtype, own, "memory")


def _is_picture(given: Any) -> bool:
    return _is_pil(given) or len(getattr(given, "shape", ())) == 3


def _is_pil(given: Any) -> bool:
    return all(hasattr(given, name) for name in ("convert", "getexif", "mode", "size"))
