"""The picture of a grid, drawn a cell at a time.

Axes: T frames, H, W; three channels RGB.
"""

import io
from typing import Final

import numpy as np

from pyoco_eval.report.grid.geometry import Geometry, Strip
from pyoco_eval.report.grid.lettering import Lettering

PAPER: Final = (255, 255, 255)
INK: Final = (22, 25, 29)
SOFT: Final = (76, 85, 96)


class Canvas:
    """A picture in the making: the texts stand on it already."""

    def __init__(self, geometry: Geometry, lettering: Lettering) -> None:
        from PIL import Image, ImageDraw

        self._image = Image.new("RGB", (geometry.width, geometry.height), PAPER)
        draw = ImageDraw.Draw(self._image)
        for box in geometry.texts:
            for number, line in enumerate(box.lines):
                y = box.y + number * lettering.line_height
                ink = INK if box.strong else SOFT
                draw.text((box.x, y), line, fill=ink, font=lettering.font)

    def draw(self, strip: Strip, frames: np.ndarray) -> None:
        """Put frames into their strip.

        Enlarged by whole factors they keep their pixels as sharp squares; only reduced ones are
        interpolated.

        Args:
            frames: uint8 (T, H, W, 3), T that of the strip.
        """
        from PIL import Image

        for number, frame in enumerate(frames):
            image = Image.fromarray(frame)
            enlarged = strip.width >= image.width and strip.height >= image.height
            rule = Image.Resampling.NEAREST if enlarged else Image.Resampling.LANCZOS
            if image.size != (strip.width, strip.height):
                image = image.resize((strip.width, strip.height), rule)
            self._image.paste(image, (strip.x + number * strip.pitch, strip.y))

    def png(self) -> bytes:
        """The file; the same frames and texts give the same bytes."""
        content = io.BytesIO()
        self._image.save(content, format="PNG", optimize=False)
        return content.getvalue()
