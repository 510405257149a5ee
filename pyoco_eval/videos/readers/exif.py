"""Which way up a picture is, as its EXIF data say; unusable data say nothing.

References:
    EXIF 2.32, tag 274 (0x0112): 1 is upright, 2 to 8 are the other turns and mirrorings.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

_ORIENTATION = 0x0112


def upright(picture: "Image", source: "Image") -> "Image":
    """Turn `picture` as the EXIF data of `source` ask for.

    Cameras, editors and scripts write EXIF that breaks its own rules. Browsers then show the
    picture as it is stored, and so does this.
    """
    from PIL import Image

    turn = Image.Transpose
    turns = {
        2: turn.FLIP_LEFT_RIGHT,
        3: turn.ROTATE_180,
        4: turn.FLIP_TOP_BOTTOM,
        5: turn.TRANSPOSE,
        6: turn.ROTATE_270,
        7: turn.TRANSVERSE,
        8: turn.ROTATE_90,
    }
    try:
        orientation = source.getexif().get(_ORIENTATION, 1)
    except Exception:  # Pillow raises errors of any kind on damaged data
        return picture
    known = isinstance(orientation, int) and orientation in turns
    return picture.transpose(turns[orientation]) if known else picture
