"""The one place where Pillow opens a file: only formats that it decodes by itself.

Pillow looks at the content, not at the name. Of some formats it hands the content to other
programs (EPS and PostScript to Ghostscript, WMF to a handler), or follows it to other files; those
are never tried.
"""

from functools import cache
from typing import TYPE_CHECKING, BinaryIO

from pyoco_eval.videos.readers.png_chunks import without_text

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMATS = ("PNG", "JPEG", "MPO", "GIF", "WEBP", "BMP", "DIB", "TIFF", "AVIF", "PPM")


def open_picture(file: BinaryIO) -> "Image":
    """The picture in an open file; its pixels are not decoded yet.

    Raises:
        Exception: what Pillow raises, which may be anything for damaged data.
    """
    from PIL import Image

    return Image.open(without_text(file), formats=_available())


@cache
def _available() -> tuple[str, ...]:
    """Some builds of Pillow lack a format, and then raise KeyError for its name."""
    from PIL import Image

    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)
