"""Videos on one picture: a row each, with frames from left to right and a line of text above.

Axes: T frames, H, W; three channels RGB.
"""

import textwrap
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

_GAP = 4
_LINE_HEIGHT = 13
_BACKGROUND = (24, 24, 24)
_INK = (225, 225, 225)
_CHARACTER_WIDTH = 6
"""Of Pillow's built-in font, on average."""


def contact_sheet(
    videos: Sequence[np.ndarray],
    texts: Sequence[str] = (),
    *,
    num_frames: int = 8,
    least_side: int = 64,
    most_side: int = 256,
    columns: int = 8,
) -> "Image":
    """A picture of videos; single frames stand side by side. Texts are broken into lines.

    Args:
        videos: uint8 (T, H, W, 3), all of one H and W.
        texts: one for each video, or none at all.
        num_frames: frames shown of each video, evenly spaced from the first to the last.
        least_side: frames smaller than this are enlarged by a whole factor, pixels stay squares.
        most_side: larger frames are reduced to it.
        columns: how many videos of one frame stand in a row.
    """
    from PIL import Image, ImageDraw

    height, width = videos[0].shape[1:3]
    if max(height, width) > most_side:
        factor = most_side / max(height, width)
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        resampling = Image.Resampling.LANCZOS
    else:
        scale = max(1, -(-least_side // min(height, width)))
        size = (width * scale, height * scale)
        resampling = Image.Resampling.NEAREST
    chosen = [video[_evenly(len(video), num_frames)] for video in videos]
    across = max(len(frames) for frames in chosen)
    per_row = columns if across == 1 else 1
    per_row = min(per_row, len(chosen))
    cell = (across * (size[0] + _GAP), size[1] + _GAP)
    characters = max(1, (cell[0] - _GAP) // _CHARACTER_WIDTH)
    lines = [textwrap.wrap(plain(text), characters) for text in texts]
    text_height = _LINE_HEIGHT * max(map(len, lines), default=0)
    rows = -(-len(chosen) // per_row)
    whole = (_GAP + per_row * cell[0], _GAP + rows * (cell[1] + text_height))
    sheet = Image.new("RGB", whole, _BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    for number, frames in enumerate(chosen):
        left = _GAP + number % per_row * cell[0]
        top = _GAP + number // per_row * (cell[1] + text_height)
        if text_height:
            draw.multiline_text((left, top), "\n".join(lines[number]), fill=_INK, spacing=2)
        for place, frame in enumerate(frames):
            image = Image.fromarray(frame)
            if image.size != size:
                image = image.resize(size, resampling)
            sheet.paste(image, (left + place * (size[0] + _GAP), top + text_height))
    return sheet


def _evenly(length: int, number: int) -> list[int]:
    if length <= number:
        return list(range(length))
    return [round(place * (length - 1) / (number - 1)) for place in range(number)]


def plain(text: str) -> str:
    """One line of what Pillow's built-in font has: letters lose their accents, others become ?.

    Args:
        text: anything; line breaks become spaces.
    """
    line = unicodedata.normalize("NFKD", " ".join(text.split()))
    kept = (letter for letter in line if not unicodedata.combining(letter))
    return "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in kept)
