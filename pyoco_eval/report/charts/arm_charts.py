"""The charts that a sheet calls for: arms along a parameter, and scores against N."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from pyoco_eval.records.results import Column, Figure, Parameter
from pyoco_eval.report.charts.charts import (
    MAX_SERIES,
    Axis,
    LimitLine,
    Point,
    Series,
    chart,
    legend,
    limit_chart,
)
from pyoco_eval.report.numbers import arrow
from pyoco_eval.report.sheet.sheet import Sheet

_SYMBOLS = {"alpha": "α"}


@dataclass(frozen=True)
class Picture:
    """A chart with its caption.

    Attributes:
        legend: (class of the line, name) of each series; empty for a lone one.
    """

    svg: Markup
    caption: str
    legend: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class _Value:
    place: Parameter
    series: str
    value: float
    std: float | None


def arm_pictures(sheet: Sheet) -> list[Picture]:
    """A chart per column of the sheet's figure; none where fewer than two arms have its parameter.

    Values of the parameter are placed at equal distances, in their order, so that 0, tenths and
    infinity have room; published rows join in where the scores are comparable.
    """
    figure = sheet.figure
    if figure is None:
        return []
    pictures = []
    for column in sheet.columns:
        own = _own(sheet, figure, column)
        if column.key not in figure.columns or len({value.place for value in own}) < 2:
            continue
        published = _published(sheet, figure, column) if sheet.comparable else []
        places = sorted({value.place for value in (*own, *published)}, key=_order)
        axis = Axis(
            _SYMBOLS.get(figure.x, figure.x),
            tuple((float(i), _text(place)) for i, place in enumerate(places)),
            -0.4,
            len(places) - 0.6,
        )
        series = _series(own, places) + _series(published, places, is_published=True)
        svg = chart(axis, f"{column.title} {arrow(column.higher_is_better)}", series)
        caption = figure.title or f"{column.title} against {figure.x}"
        if any(value.std is not None for value in own):
            caption += ". Bars: standard deviation"
        pictures.append(Picture(svg, f"{caption}.", tuple(legend(series))))
    return pictures


def curve_pictures(sheet: Sheet) -> list[Picture]:
    """A chart per column that has curves, of up to `MAX_SERIES` arms each."""
    pictures = []
    for column in sheet.columns:
        lines = [
            LimitLine(
                sheet.name_of(arm),
                tuple((point.num_rows, point.mean, point.std) for point in curve.points),
                curve.limit,
                curve.slope,
                curve.standard_error,
            )
            for arm in sheet.arms
            for curve in arm.curves
            if curve.key == column.key and curve.points
        ]
        for start in range(0, len(lines), MAX_SERIES):
            shown = lines[start : start + MAX_SERIES]
            limits = ", ".join(
                (f"{line.name} " if len(lines) > 1 else "")
                + f"{line.limit:.4g} ± {line.standard_error:.2g}"
                for line in shown
            )
            caption = (
                f"{column.title} of random subsets (mean ± std), and the line in 1/N. "
                f"At infinitely many samples: {limits}."
            )
            names = legend([Series(line.name, ()) for line in shown])
            pictures.append(Picture(limit_chart(column.title, shown), caption, tuple(names)))
    return pictures


def _own(sheet: Sheet, figure: Figure, column: Column) -> list[_Value]:
    found = []
    for arm in sheet.arms:
        score = arm.score(column.key)
        if score is not None and figure.x in arm.parameters:
            series = str(arm.parameters.get(figure.series or "", "this run"))
            found.append(_Value(arm.parameters[figure.x], series, score.value, score.std))
    return found


def _published(sheet: Sheet, figure: Figure, column: Column) -> list[_Value]:
    found = []
    for row in sheet.published:
        number = row.values.get(column.key)
        if number is not None and figure.x in row.parameters:
            series = str(row.parameters.get(figure.series or "", row.method))
            name = f"{series}, published"
            found.append(_Value(row.parameters[figure.x], name, number.value, number.std))
    return found


def _series(
    values: Sequence[_Value], places: Sequence[Parameter], *, is_published: bool = False
) -> list[Series]:
    names = list(dict.fromkeys(value.series for value in values))
    found = []
    for name in names:
        own = [value for value in values if value.series == name]
        points = [
            Point(
                float(places.index(value.place)),
                value.value,
                value.std,
                f"{_text(value.place)}: {value.value:.5g}"
                + (f" ± {value.std:.2g}" if value.std is not None else ""),
            )
            for value in sorted(own, key=lambda value: _order(value.place))
        ]
        found.append(Series(name, tuple(points), is_published))
    return found


def _order(place: Parameter) -> tuple[float, str]:
    """Numbers by size, infinity last, other text behind them."""
    try:
        return (float(place), "")
    except ValueError:
        return (math.inf, str(place))


def _text(place: Parameter) -> str:
    if isinstance(place, str):
        return "∞" if place == "inf" else place
    return f"{place:g}" if abs(place) < 1e4 else f"{place:,.0f}"
