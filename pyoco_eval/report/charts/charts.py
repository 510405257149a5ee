"""The report's charts, drawn as SVG whose colours come from the style sheet.

Classes: `line-k`, `mark-k`, `spread-k` for series k; `grid`, `axis`, `tick`, `name`.
Every mark carries its numbers as a `title`, which browsers show on hovering.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pyoco_eval.report.charts.svg import drawing, element, polyline, ticks

WIDTH, HEIGHT = 520, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 34, 50
MAX_SERIES = 6
"""Colours that the style sheet has."""


@dataclass(frozen=True)
class Point:
    """A value at a place of the x axis, with half the length of its error bar."""

    place: float
    value: float
    spread: float | None
    title: str


@dataclass(frozen=True)
class Series:
    """Points joined by a line; of published ones the line is broken."""

    name: str
    points: tuple[Point, ...]
    is_published: bool = False


@dataclass(frozen=True)
class Axis:
    """The x axis: its name, and (place, text) of its ticks, from `low` to `high`."""

    name: str
    marks: tuple[tuple[float, str], ...]
    low: float
    high: float


@dataclass(frozen=True)
class LimitLine:
    """A score that depends on the number of rows N, with the line fitted in 1/N.

    Attributes:
        points: (rows, mean, std over random subsets of that many).
        limit: of the line at infinitely many rows, with its standard error.
        slope: of the line in 1/N.
    """

    name: str
    points: tuple[tuple[int, float, float], ...]
    limit: float
    slope: float
    standard_error: float


def chart(axis: Axis, y_name: str, series: Sequence[Series], *, from_zero: bool = False) -> Markup:
    """Lines with marks and error bars over one x axis.

    A series of one point among longer ones is what they are held against: a fine line marks its
    level all the way.
    """
    scale = _Scale(axis, series, from_zero=from_zero)
    parts = _frame(axis, y_name, scale)
    if any(len(line.points) > 1 for line in series):
        parts += [_level(s, n, scale) for n, s in enumerate(series) if len(s.points) == 1]
    for number, line in enumerate(series):
        parts.append(_draw(line, number % MAX_SERIES, scale))
    return drawing(WIDTH, HEIGHT, f"{y_name} against {axis.name}", parts)


def limit_chart(y_name: str, lines: Sequence[LimitLine]) -> Markup:
    """Scores against the number of rows on a scale of 1/N, with their lines and limits.

    Subsets are round, limits square; one chart holds up to `MAX_SERIES` lines.
    """
    sizes = sorted({rows for line in lines for rows, _, _ in line.points})
    largest = 1 / sizes[0]
    axis = Axis(
        "feature rows N, on a scale of 1/N",
        ((0.0, "∞"), *((1 / rows, f"{rows:,}") for rows in _round_sizes(sizes))),
        -0.04 * largest,
        1.05 * largest,
    )
    series = [_subsets(line) for line in lines]
    ends = [_limit(line) for line in lines]
    reach = [_reach(line) for line in lines]
    held = [
        Series("", (end, Point(*far, None, ""))) for end, (_, far) in zip(ends, reach, strict=True)
    ]
    scale = _Scale(axis, [*series, *held], from_zero=False)
    parts = _frame(axis, y_name, scale)
    for number, (fit, own, end) in enumerate(zip(reach, series, ends, strict=True)):
        parts.append(polyline([(scale.x(x), scale.y(y)) for x, y in fit], f"line-{number} fit"))
        parts.append(_draw(own, number, scale, joined=False))
        parts.append(_mark(end, f"mark-{number}", number, scale, is_square=True))
    return drawing(WIDTH, HEIGHT, f"{y_name} against the number of rows", parts)


def _subsets(line: LimitLine) -> Series:
    points = tuple(
        Point(1 / rows, mean, std, f"{line.name}: {rows:,} rows: {mean:.5g} ± {std:.2g}")
        for rows, mean, std in line.points
    )
    return Series(line.name, points)


def _reach(line: LimitLine) -> tuple[tuple[float, float], tuple[float, float]]:
    """Both ends of the fitted line, in 1/N and the score."""
    far = max(1 / rows for rows, _, _ in line.points)
    return (0.0, line.limit), (far, line.limit + line.slope * far)


def _limit(line: LimitLine) -> Point:
    error = line.standard_error
    title = f"{line.name}: infinitely many rows: {line.limit:.5g} ± {error:.2g}"
    return Point(0, line.limit, error, title)


def share_bar(share: float, mark: float | None = None) -> Markup:
    """A bar of `share` in 0..1 that fills its box, with a fine line at `mark`."""
    parts = [
        element("rect", class_="rail", width=100, height=10),
        element("rect", class_="bar", width=100 * min(max(share, 0.0), 1.0), height=10),
    ]
    if mark is not None:
        parts.append(element("rect", class_="mean", x=100 * mark - 0.3, width=0.6, height=10))
    return element(
        "svg", *parts, viewBox="0 0 100 10", preserveAspectRatio="none", aria_hidden="true"
    )


class _Scale:
    """From data to the picture."""

    def __init__(self, axis: Axis, series: Sequence[Series], *, from_zero: bool) -> None:
        ends = [
            point.value + sign * (point.spread or 0.0)
            for line in series
            for point in line.points
            for sign in (-1, 1)
        ]
        low, high = min(ends), max(ends)
        room = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
        self.low = 0.0 if from_zero and low >= 0 else low - room
        self.high = high + room
        self._axis = axis

    def x(self, place: float) -> float:
        share = (place - self._axis.low) / (self._axis.high - self._axis.low)
        return _LEFT + share * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)


def _frame(axis: Axis, y_name: str, scale: _Scale) -> list[Markup]:
    bottom = HEIGHT - _BOTTOM
    parts = []
    for value in ticks(scale.low, scale.high):
        y = scale.y(value)
        parts.append(element("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y, class_="grid"))
        text = f"{value:.6g}"
        parts.append(element("text", text, x=_LEFT - 8, y=y + 4, text_anchor="end", class_="tick"))
    parts.append(element("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=bottom, y2=bottom, class_="axis"))
    last = -math.inf
    for place, text in sorted(axis.marks):
        x = scale.x(place)
        if x - last < 8 + 7.5 * len(text):  # would touch its neighbour
            continue
        last = x
        parts.append(element("line", x1=x, x2=x, y1=bottom, y2=bottom + 4, class_="axis"))
        parts.append(element("text", text, x=x, y=bottom + 18, text_anchor="middle", class_="tick"))
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    parts.append(
        element("text", axis.name, x=middle, y=HEIGHT - 10, text_anchor="middle", class_="name")
    )
    parts.append(element("text", y_name, x=0, y=14, class_="name strong"))
    return parts


def legend(series: Sequence[Series]) -> list[tuple[str, str]]:
    """(class of the line, name) of each series; a lone series needs none.

    It stands beside the chart as text, so that names of any length have room.
    """
    if len(series) < 2:
        return []
    return [(_class(line, number), line.name) for number, line in enumerate(series)]


def _class(line: Series, number: int) -> str:
    return f"line-{number % MAX_SERIES}{' published' if line.is_published else ''}"


def _draw(line: Series, number: int, scale: _Scale, *, joined: bool = True) -> Markup:
    parts = []
    if joined and len(line.points) > 1:
        places = [(scale.x(point.place), scale.y(point.value)) for point in line.points]
        parts.append(polyline(places, _class(line, number)))
    hollow = " published" if line.is_published else ""
    parts += [_mark(point, f"mark-{number}{hollow}", number, scale) for point in line.points]
    return element("g", *parts)


def _level(line: Series, number: int, scale: _Scale) -> Markup:
    y = scale.y(line.points[0].value)
    kind = f"{_class(line, number)} level"
    return element("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y, class_=kind)


def _mark(
    point: Point, class_: str, number: int, scale: _Scale, *, is_square: bool = False
) -> Markup:
    x, y = scale.x(point.place), scale.y(point.value)
    title = element("title", point.title)
    if is_square:
        shape = element("rect", title, x=x - 5, y=y - 5, width=10, height=10, class_=class_)
    else:
        shape = element("circle", title, cx=x, cy=y, r=4, class_=class_)
    if not point.spread:
        return shape
    low, high = scale.y(point.value - point.spread), scale.y(point.value + point.spread)
    bar = element("line", x1=x, x2=x, y1=low, y2=high, class_=f"spread-{number}")
    return element("g", bar, shape)


def _round_sizes(sizes: Sequence[int]) -> list[int]:
    """A few of the sizes, evenly spread in 1/N, the largest and smallest among them."""
    wanted = [1 / max(sizes) + k / 4 * (1 / min(sizes) - 1 / max(sizes)) for k in range(5)]
    return sorted({min(sizes, key=lambda size: abs(1 / size - w)) for w in wanted}, reverse=True)
