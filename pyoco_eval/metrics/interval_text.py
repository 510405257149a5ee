"""An interval in words that say which number it belongs to.

A distance of finitely many videos is biased, and its interval is for the distance that infinitely
many would give, so the two are told apart: `1.319, at N → ∞ 0.62 [0, 1.007]`.
"""

from collections.abc import Callable, Mapping
from typing import Any


def interval_text(
    value: float,
    interval: tuple[float, float],
    extras: Mapping[str, Any],
    ci: str | None,
    number: Callable[[float], str],
) -> str:
    """`at N → ∞ 0.62 [0, 1.007]`, `at N → ∞ between 120 and 1350`, or `[0.31, 0.33]` without bias.

    Args:
        value: the score.
        interval: (low, high).
        extras: of the score; `interval_target` and `interval_centre` are as in
            `metrics.interval.Interval`. Records of earlier versions lack the first.
        ci: value of the signature's key.
        number: writes a number.
    """
    low, high = interval
    target = extras.get("interval_target", "rows" if (ci or "").startswith("boot") else "limit")
    if target == "bounds":
        return f"at N → ∞ between {number(low)} and {number(high)}"
    ends = f"[{number(low)}, {number(high)}]"
    centre = extras.get("interval_centre")
    if target == "rows":
        return (
            ends
            if low <= value <= high or centre is None
            else f"of all rows {number(centre)} {ends}"
        )
    if centre is None:
        return f"at N → ∞ {ends}"
    cut = ", cut off at 0" if centre < low else ""
    return f"at N → ∞ {number(min(max(float(centre), low), high))} {ends}{cut}"


def headline_text(
    value: float,
    interval: tuple[float, float],
    extras: Mapping[str, Any],
    ci: str | None,
) -> str:
    """What follows a value in a line of text: a blank or a comma, then the interval."""
    text = interval_text(value, interval, extras, ci, lambda x: f"{x:.6g}")
    return f" {text}" if text.startswith("[") else f", {text}"


def cell_text(
    value: float,
    interval: tuple[float, float],
    extras: Mapping[str, Any],
    ci: str | None,
) -> str:
    """The interval in a column of its own, to five digits."""
    return interval_text(value, interval, extras, ci, lambda x: f"{x:.5g}")
