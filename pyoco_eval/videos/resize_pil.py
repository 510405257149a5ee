"""Pillow's resampling filters on arrays: on whole numbers, or on one float plane at a time.

Axes: T frames, H, W, 3 channels (RGB).
"""

import numpy as np
from PIL import Image

PIL_FILTERS = {
    "pil-bicubic": Image.Resampling.BICUBIC,
    "pil-bicubic-float": Image.Resampling.BICUBIC,
    "pil-lanczos": Image.Resampling.LANCZOS,
    "pil-bilinear": Image.Resampling.BILINEAR,
}


def resize_in_uint8(
    frames: np.ndarray, height: int, width: int, resample: Image.Resampling
) -> np.ndarray:
    """Resize RGB images, rounding each pass to whole numbers as Pillow does.

    Args:
        frames: uint8 (T, H, W, 3).

    Returns:
        uint8 (T, height, width, 3).
    """
    resized = np.empty((len(frames), height, width, 3), dtype=np.uint8)
    for target, frame in zip(resized, frames, strict=True):
        target[:] = np.asarray(Image.fromarray(frame).resize((width, height), resample))
    return resized


def resize_in_float(
    frames: np.ndarray, height: int, width: int, resample: Image.Resampling
) -> np.ndarray:
    """Resize every channel as a float image and clamp the overshoot to 0..255.

    Args:
        frames: uint8 or float32 (T, H, W, 3).

    Returns:
        float32 (T, height, width, 3).
    """
    resized = np.empty((len(frames), height, width, 3), dtype=np.float32)
    for target, frame in zip(resized, frames.astype(np.float32), strict=True):
        for channel in range(3):
            plane = Image.fromarray(frame[:, :, channel])
            target[:, :, channel] = np.asarray(plane.resize((width, height), resample))
    return resized.clip(0, 255, out=resized)
