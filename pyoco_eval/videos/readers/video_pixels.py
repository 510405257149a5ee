"""Decoded video frames to RGB, through libswscale.

Frames keep their own matrix and range (ITU-R BT.601, BT.709, BT.2020, limited or full); a frame
that states nothing is limited-range BT.601, FFmpeg's default.
"""

from typing import TYPE_CHECKING, Final

import numpy as np

from pyoco_eval.videos.readers.base import UnreadableError
from pyoco_eval.videos.readers.pixels import PixelRule

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

EXACT_CONVERSION: Final = 0x2 | 0x2000 | 0x40000 | 0x80000
"""libswscale: bilinear, full chroma interpolation, accurate rounding, bit-exact everywhere."""

PEER_CONVERSION: Final = 0x2
"""libswscale: bilinear alone, PyAV's default; of 4:2:0 at full size the kernel changes nothing."""

_WHITE: Final = 255


class RGBConverter:
    """Converts the frames of one video; keeps libswscale's tables from frame to frame.

    Args:
        beside: further rules by which every frame is converted too.
    """

    def __init__(self, pixels: PixelRule, *beside: PixelRule) -> None:
        from av.video.reformatter import VideoReformatter

        self._beside = [RGBConverter(rule) for rule in beside]
        self._exact = pixels == "exact"
        self._flags = EXACT_CONVERSION if self._exact else PEER_CONVERSION
        self._reformatter = VideoReformatter()
        self._format, self._has_alpha = "", False

    def __call__(self, frame: "VideoFrame") -> np.ndarray:
        """(H, W, 3) uint8, in memory of its own; with R - 1 rules beside, (H, W, 3R).

        Raises:
            UnreadableError: libswscale does not know the pixel format.
        """
        if self._exact and self._alpha_of(frame):
            rgb = over_white(self._reformat(frame, "rgba"))
        else:
            rgb = self._reformat(frame, "rgb24")
        if not self._beside:
            return rgb
        return np.concatenate([rgb, *(convert(frame) for convert in self._beside)], axis=2)

    def _reformat(self, frame: "VideoFrame", target: str) -> np.ndarray:
        import av

        try:
            rgb = self._reformatter.reformat(
                frame, format=target, interpolation=self._flags, threads=1
            )
        except (av.FFmpegError, ValueError) as error:
            raise UnreadableError(
                f"its pixel format {frame.format.name} cannot be converted to RGB"
            ) from error
        return rgb.to_ndarray()

    def _alpha_of(self, frame: "VideoFrame") -> bool:
        name = frame.format.name
        if name != self._format:
            self._format = name
            self._has_alpha = any(part.is_alpha for part in frame.format.components)
        return self._has_alpha


def over_white(rgba: np.ndarray) -> np.ndarray:
    """(H, W, 4) uint8 with straight alpha to (H, W, 3) over white, rounded to the nearest."""
    colour = rgba[..., :3].astype(np.uint16)
    alpha = rgba[..., 3:].astype(np.uint16)
    blend = colour * alpha + _WHITE * (_WHITE - alpha)
    return ((blend + _WHITE // 2) // _WHITE).astype(np.uint8)
