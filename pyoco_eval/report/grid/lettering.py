"""Words on a picture: in Pillow's built-in font or the user's, broken into lines that fit."""

import unicodedata
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.contact_sheet import plain
from pyoco_eval.visible import visible

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

SIZE: Final = 15
_NO_CHARACTER: Final = "\ufffe"
"""Unicode promises that this is none, so a font shows its sign for what it lacks."""
_SPELLINGS: Final = {
    "α": "alpha", "β": "beta", "λ": "lambda", "σ": "sigma", "∞": "inf", "×": "x", "→": "->",
    "≤": "<=", "≥": ">=", "–": "-", "—": "-", "−": "-",
}  # fmt: skip


class Lettering:
    """A font of `SIZE` pixels, and what it makes of a text.

    Attributes:
        font: for Pillow.
        name: of the font, for a record.
        line_height: in pixels.
        lacking: characters met so far that the font does not have and that have no spelling.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Load the font.

        Args:
            path: a TrueType or OpenType file; by default Pillow's built-in font, which has little
                more than ASCII.

        Raises:
            UsageError: the file is no font.
        """
        from PIL import ImageFont

        if path is None:
            # Basic layout: shaping depends on libraries that not every machine has.
            built_in = ImageFont.load_default(SIZE)
            assert isinstance(built_in, ImageFont.FreeTypeFont)
            self.font: FreeTypeFont = built_in.font_variant(layout_engine=ImageFont.Layout.BASIC)
        else:
            try:
                self.font = ImageFont.truetype(path, SIZE)
            except OSError as error:
                raise UsageError(f"--font {path}: is no TrueType or OpenType font") from error
        self.name = " ".join(filter(None, self.font.getname()))
        ascent, descent = self.font.getmetrics()
        self.line_height = ascent + descent + 3
        self.lacking: set[str] = set()
        self._has = cache(self._look_up)

    def wrap(self, text: str, width: int) -> list[str]:
        """The text in lines of at most `width` pixels, as the font can draw it.

        Words longer than a line are broken anywhere.
        """
        lines: list[str] = []
        line = ""
        for word in self.drawable(text).split():
            joined = f"{line} {word}" if line else word
            if self._fits(joined, width):
                line = joined
                continue
            if line:
                lines.append(line)
            *whole, line = self._pieces(word, width)
            lines += whole
        return [*lines, line] if line else lines

    def drawable(self, text: str) -> str:
        """The text in one line of characters that the font has.

        Others are spelled out (`alpha`), lose their accents, or become `?`; what would act instead
        of showing is written as its escape.
        """
        line = visible(" ".join(unicodedata.normalize("NFC", text).split()), keep="")
        return "".join(self._letter(character) for character in line)

    def width_of(self, text: str) -> int:
        """Pixels that a drawable text takes."""
        return -int(-self.font.getlength(text) // 1)

    def _letter(self, character: str) -> str:
        if character == " " or self._has(character):
            return character
        if unicodedata.category(character) in ("Cf", "Mn", "Me"):
            return ""  # joins or marks its neighbour, and is no sign of its own
        spelled = _SPELLINGS.get(character) or plain(character)
        if "?" in spelled:
            self.lacking.add(character)
        return spelled

    def _look_up(self, character: str) -> bool:
        found, none = (self.font.getmask(text) for text in (character, _NO_CHARACTER))
        return (found.size, bytes(found)) != (none.size, bytes(none)) and any(bytes(found))

    def _fits(self, text: str, width: int) -> bool:
        return self.width_of(text) <= width

    def _pieces(self, word: str, width: int) -> list[str]:
        pieces = [""]
        for character in word:
            if pieces[-1] and not self._fits(pieces[-1] + character, width):
                pieces.append("")
            pieces[-1] += character
        return pieces
