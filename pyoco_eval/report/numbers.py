"""Scores and times as text."""

import math
from collections.abc import Iterable
from typing import Final

SCIENTIFIC: Final = -1
"""In place of decimal places: the numbers of a column are too small, or too large, for them."""


def decimals(values: Iterable[float]) -> int:
    """Decimal places that suit a column: four digits of its largest value, at least two places.

    `SCIENTIFIC` where that value lies below 1e-5 or from 1e9 on.
    """
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    if not largest:
        return 2
    exponent = math.floor(math.log10(largest))
    return max(2, 3 - exponent) if -5 <= exponent < 9 else SCIENTIFIC


def fixed(value: float, places: int) -> str:
    """`355.19`, or `3.868e-13`; thousands are not set apart, so that numbers can be copied."""
    if places == SCIENTIFIC:
        return f"{value:.3e}" if value else "0"
    text = f"{value:.{places}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def spread_text(std: float, places: int) -> str:
    """The number behind ±, with a place more where it would vanish."""
    text = fixed(std, places)
    return f"{std:.1g}" if float(text) == 0 and std > 0 else text


def duration(seconds: float) -> str:
    """`9.6 s`, `12 min 5 s`, `3 h 20 min`, `3 d 4 h`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    days, hours = divmod(hours, 24)
    return f"{days:,} d {hours} h"


def arrow(higher_is_better: bool) -> str:
    """Which way is better."""
    return "↑" if higher_is_better else "↓"
