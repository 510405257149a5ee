"""Scores and times as text."""

from collections.abc import Iterable


def decimals(values: Iterable[float]) -> int:
    """Decimal places that suit a column: 2 from 10 on, 3 from 1 on, else 4."""
    largest = max((abs(value) for value in values), default=0.0)
    return 2 if largest >= 10 else 3 if largest >= 1 else 4


def fixed(value: float, places: int) -> str:
    """`355.19`; thousands are not set apart, so that numbers can be copied."""
    text = f"{value:.{places}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def interval_text(interval: tuple[float, float], places: int) -> str:
    """`[340.00, 352.10]`."""
    return f"[{fixed(interval[0], places)}, {fixed(interval[1], places)}]"


def spread_text(std: float, places: int) -> str:
    """The number behind ±, with a place more where it would vanish."""
    text = fixed(std, places)
    return f"{std:.1g}" if float(text) == 0 and std > 0 else text


def duration(seconds: float) -> str:
    """`9.6 s`, `12 min 5 s`, `3 h 20 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min"


def arrow(higher_is_better: bool) -> str:
    """Which way is better."""
    return "↑" if higher_is_better else "↓"
