"""The two rules by which stored pixels become RGB, and the words signatures have for them.

`peer` is what other tools get without asking. PyAV, decord, OpenCV and torchvision call libswscale
with its defaults: chroma is repeated, not interpolated, and rounding is quick. Tools that read
pictures call `Image.open(path).convert("RGB")` of Pillow.

`exact` is what a careful viewer shows, with the same digits on every processor: chroma
interpolated, rounding exact, Exif rotation applied, what is transparent shown over white, of 16
bits the high byte.

| | `peer` | `exact` |
|---|---|---|
| chroma of 4:2:0 video | repeated | interpolated |
| rounding | quick; x86-64 and other processors differ by up to 3 levels | exact |
| alpha, of video files and of pictures alike | dropped (of GIF: white) | shown over white |
| Exif rotation of pictures | ignored | applied |
| 16-bit pictures | as Pillow converts them | high byte |
| rotation that a video file states | applied | applied |
"""

from collections.abc import Iterable
from typing import Final, Literal, cast, get_args

from pyoco_eval.errors import UsageError

PixelRule = Literal["peer", "exact"]
PIXEL_RULES: Final[tuple[str, ...]] = get_args(PixelRule)

Storage = Literal["video", "pictures", "stored"]
"""What frames are made of: compressed video, picture files, or RGB values that stay as they are."""


def parse_pixels(text: str) -> PixelRule:
    """Check the rule as a user wrote it."""
    if text not in PIXEL_RULES:
        raise UsageError(f"--pixels {text!r}: choose one of {', '.join(PIXEL_RULES)}")
    return cast(PixelRule, text)


def rgb_label(pixels: PixelRule, storages: Iterable[Storage]) -> str | None:
    """`peer-video`, `exact-pictures+video`; None where all values are RGB already."""
    found = set(storages)
    return f"{pixels}-{'+'.join(sorted(found))}" if found - {"stored"} else None


def rule_of(label: str | None) -> str | None:
    """`peer` of `peer-video`; None if no rule was needed."""
    return None if label is None else label.partition("-")[0]


def storages_of(label: str | None) -> frozenset[str]:
    """`pictures` and `video` of `peer-pictures+video`; empty where the label does not say."""
    if label is None:
        return frozenset({"stored"})
    kinds = label.partition("-")[2]
    return frozenset(kinds.split("+")) if kinds else frozenset()
