"""The closed grammar of moving-shapes captions: attributes to sentence, and back.

Sentences read "a SIZE [TEXTURE] COLOUR SHAPE VERB [HEADING] SPEED over BACKGROUND", such as
"a small striped red square orbits clockwise slowly over a grey gradient".
"""

from dataclasses import dataclass

from pyoco_eval.errors import UsageError

SHAPES = ("circle", "square", "triangle", "star", "ring", "cross")
MOTIONS = ("slide", "bounce", "orbit", "zoom", "spin", "wobble", "fade", "swing")
SIZES = ("small", "large")
TEXTURES = ("plain", "striped", "dotted", "checked")
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")
SPEEDS = ("slowly", "quickly")
BACKGROUND_COLOURS = ("grey", "brown", "navy", "teal", "maroon", "olive")
BACKGROUNDS = ("plain", "gradient", "stripes", "checks", "dots", "clouds")

_SIDES = ("left", "right", "up", "down")
_TURNS = ("clockwise", "counterclockwise")
HEADINGS = dict.fromkeys(MOTIONS, ("",)) | {
    "slide": _SIDES,
    "orbit": _TURNS,
    "spin": _TURNS,
}
_VERBS = {motion: motion + "s" for motion in MOTIONS}


@dataclass(frozen=True)
class ShapeAttributes:
    """What a caption says of a clip; every field is one of the tuples of this module.

    `heading` is one of `HEADINGS[motion]`, empty for motions without one. `texture` is the
    sprite's own; `plain` goes unsaid.
    """

    size: str
    texture: str
    colour: str
    shape: str
    motion: str
    heading: str
    speed: str
    background_colour: str
    background: str

    @property
    def caption(self) -> str:
        """The one sentence for these attributes."""
        texture = "" if self.texture == "plain" else self.texture
        scenery = _scenery(self.background_colour, self.background)
        words = ["a", self.size, texture, self.colour, self.shape, _VERBS[self.motion]]
        return " ".join(filter(None, [*words, self.heading, self.speed, "over", scenery]))


def parse_caption(caption: str) -> ShapeAttributes:
    """The attributes of which `caption` is the sentence: the inverse of `.caption`.

    Raises:
        UsageError: `caption` is not a sentence of the grammar.
    """
    foreground, _, scenery = caption.partition(" over ")
    words = foreground.split(" ")
    pattern = next((name for name in scenery.split(" ") if name in BACKGROUNDS), "")
    attributes = ShapeAttributes(
        size=_only(words, SIZES),
        texture=_only(words, TEXTURES[1:]) or "plain",
        colour=_only(words, COLOURS),
        shape=_only(words, SHAPES),
        motion=next((motion for motion in MOTIONS if _VERBS[motion] in words), ""),
        heading=_only(words, _SIDES + _TURNS),
        speed=_only(words, SPEEDS),
        background_colour=_only(scenery.split(" "), BACKGROUND_COLOURS),
        background=pattern,
    )
    spoken = attributes.motion and attributes.heading in HEADINGS[attributes.motion]
    if not (spoken and attributes.background and attributes.caption == caption):
        raise UsageError(
            f"not a moving-shapes caption: {caption!r}; one looks like "
            "'a small striped red square orbits clockwise slowly over a grey gradient'"
        )
    return attributes


def _scenery(colour: str, background: str) -> str:
    if background == "plain":
        return f"plain {colour}"
    if background == "gradient":
        return f"{'an' if colour[:1] == 'o' else 'a'} {colour} gradient"
    return f"{colour} {background}"


def _only(words: list[str], choices: tuple[str, ...]) -> str:
    return next((word for word in words if word in choices), "")


ATTRIBUTE_VALUES = {
    "size": SIZES,
    "texture": TEXTURES,
    "colour": COLOURS,
    "shape": SHAPES,
    "motion": MOTIONS,
    "speed": SPEEDS,
    "background_colour": BACKGROUND_COLOURS,
    "background": BACKGROUNDS,
}
"""Attribute -> all its values; `heading` depends on the motion and is left out."""

VOCABULARY = (
    *("a", "an", "over"),
    *SIZES,
    *TEXTURES,
    *COLOURS,
    *SHAPES,
    *_VERBS.values(),
    *_SIDES,
    *_TURNS,
    *SPEEDS,
    *BACKGROUND_COLOURS,
    *BACKGROUNDS[1:],
)
"""Every word that a caption can hold, once, in a fixed order."""
