"""SVG as nested elements, every text and attribute escaped."""

import math
from collections.abc import Iterable

from markupsafe import Markup, escape


def element(name: str, *content: Markup | str, **attributes: str | float | None) -> Markup:
    """One element; `class_` and `text_anchor` become `class` and `text-anchor`.

    Numbers are rounded to hundredths, attributes that are None are left out, strings are escaped.
    """
    pairs = (
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _plain(value))
        for key, value in attributes.items()
        if value is not None
    )
    inner = Markup("").join(escape(part) for part in content)
    return Markup("<{}{}>{}</{}>").format(name, Markup("").join(pairs), inner, name)


def drawing(width: float, height: float, label: str, parts: Iterable[Markup]) -> Markup:
    """A picture that scales with its box; `label` is what a screen reader says."""
    return element(
        "svg",
        *parts,
        viewBox=f"0 0 {_plain(width)} {_plain(height)}",
        role="img",
        aria_label=label,
        xmlns="http://www.w3.org/2000/svg",
    )


def polyline(points: Iterable[tuple[float, float]], class_: str) -> Markup:
    """Points joined by straight lines."""
    text = " ".join(f"{_plain(x)},{_plain(y)}" for x, y in points)
    return element("polyline", points=text, class_=class_)


def ticks(low: float, high: float, count: int = 6) -> list[float]:
    """About `count` round values (1, 2 or 5 times a power of ten) that lie in [low, high]."""
    step = (high - low) / count
    if not step > 0 or not math.isfinite(step):
        return [low]
    power = 10.0 ** math.floor(math.log10(step))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= step * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _plain(value: str | float) -> str:
    return value if isinstance(value, str) else f"{round(value, 2):.10g}"
