"""Frames spread evenly over a whole video, for what judges a video by a few of them.

Axes: T frames, H, W.
"""

from collections.abc import Callable

import numpy as np

from pyoco_eval.errors import VideoError
from pyoco_eval.videos.video import Video

Memory = Callable[[tuple[int, ...]], np.ndarray]
"""Gives uint8 memory of a shape (T, H, W, 3)."""


def fresh_memory(shape: tuple[int, ...]) -> np.ndarray:
    """Memory that nobody had before."""
    return np.empty(shape, np.uint8)


def even_indices(count: int, num_frames: int) -> tuple[int, ...]:
    """The middle frames of `count` equal parts of a video, rising; every frame if it has fewer.

    >>> even_indices(4, 16), even_indices(4, 3)
    ((2, 6, 10, 14), (0, 1, 2))
    """
    count = min(count, num_frames)
    return tuple((2 * part + 1) * num_frames // (2 * count) for part in range(count))


def read_even(
    video: Video, count: int, memory: Memory = fresh_memory
) -> tuple[tuple[int, ...], np.ndarray]:
    """Decode a video to its end and keep the frames of `even_indices`.

    Headers are not trusted with the number of frames. Where one states the truth the video is
    decoded once, else twice.

    Args:
        memory: gives the frames their place.

    Returns:
        Which frames they are, and uint8 (T, H, W, 3) RGB.

    Raises:
        VideoError: anything is wrong anywhere in the file.
    """
    stated = video.probe().header_frames
    guessed = set(even_indices(count, stated)) if stated else set()
    held: dict[int, np.ndarray] = {}
    num_frames = 0
    for index, convert in enumerate(video.walk()):
        if index in guessed:
            held[index] = convert()
        num_frames = index + 1
    if not num_frames:
        raise VideoError(video.id, "has no frames")
    indices = even_indices(count, num_frames)
    if guessed != set(indices) or len({frame.shape for frame in held.values()}) != 1:
        held = dict(zip(indices, video.stream(indices), strict=True))
    frames = memory((len(indices), *held[indices[0]].shape))
    np.stack([held[index] for index in indices], out=frames)
    return indices, frames
