"""Pictures as Pillow opens them to RGB, under either rule of `pixels`.

pytorch-fid, clean-fid, torch-fidelity and cd-fvd all read `Image.open(path).convert("RGB")`, which
is the rule `peer`: no Exif rotation, alpha dropped whatever colour lies beneath it, and values of
16-bit grey above 255 cut to white. Not followed is only what Pillow itself gives no meaning:
pixels of 32 bits, which have no fixed range.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from pyoco_eval.videos.readers.base import UnreadableError
from pyoco_eval.videos.readers.exif import upright
from pyoco_eval.videos.readers.pixels import PixelRule

if TYPE_CHECKING:
    from PIL.Image import Image

_TURNED: Final = ("PNG", "JPEG", "MPO")
"""Formats whose Exif rotation browsers apply."""


def to_rgb(image: "Image", pixels: PixelRule) -> np.ndarray:
    """(H, W, 3) uint8 of the picture now in `image`.

    Raises:
        UnreadableError: its pixels have no fixed range.
    """
    if image.mode == "F" or (image.mode == "I" and image.format != "PNG"):
        raise UnreadableError(f"has pixels of the kind {image.mode}, which have no fixed range")
    return np.array(_RULES[pixels](image).convert("RGB"))


def _as_peers(image: "Image") -> "Image":
    if "transparency" not in image.info:
        return image
    picture = image.copy()
    del picture.info["transparency"]  # Pillow warns of losing it, but that is the rule
    return picture


def _as_shown(image: "Image") -> "Image":
    from PIL import Image

    picture: Image.Image = image
    if image.mode == "I" or image.mode.startswith("I;16"):
        high = np.asarray(image).astype(np.uint16) >> 8
        picture = Image.fromarray(high.astype(np.uint8))
    elif image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(white, rgba)
    return upright(picture, image) if image.format in _TURNED else picture


_RULES: Final[Mapping[PixelRule, Callable[["Image"], "Image"]]] = {
    "peer": _as_peers,
    "exact": _as_shown,
}
