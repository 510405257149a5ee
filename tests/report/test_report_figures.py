"""Charts: data lands where it belongs, and text in them is text."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from markupsafe import Markup
from report_examples import HOSTILE, arm, entry, results

from pyoco_eval.records.results import ClassScore, Figure, PublishedRow, PublishedValue
from pyoco_eval.report.charts.arm_charts import arm_pictures, curve_pictures
from pyoco_eval.report.charts.charts import (
    Axis,
    LimitLine,
    Point,
    Series,
    chart,
    limit_chart,
    share_bar,
)
from pyoco_eval.report.charts.class_bars import class_charts
from pyoco_eval.report.charts.svg import element, ticks
from pyoco_eval.report.sheet.of_results import sheet_of_results

NAMESPACE = "{http://www.w3.org/2000/svg}"


def parsed(svg: Markup) -> ElementTree.Element:
    return ElementTree.fromstring(str(svg))


def circles(svg: Markup) -> list[tuple[float, float]]:
    found = parsed(svg).iter(f"{NAMESPACE}circle")
    return [(float(circle.attrib["cx"]), float(circle.attrib["cy"])) for circle in found]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 10, [0, 2, 4, 6, 8, 10]),
        (-0.3, 1.1, [0, 0.5, 1.0]),
        (0.31, 0.42, [0.32, 0.34, 0.36, 0.38, 0.4, 0.42]),
        (5, 5, [5]),
        (290, 910, [400, 600, 800]),
    ],
)
def test_ticks_are_round_and_inside(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_points_are_placed_linearly_and_higher_values_higher() -> None:
    axis = Axis("alpha", ((0.0, "0"), (1.0, "1"), (2.0, "∞")), -0.4, 2.4)
    points = tuple(Point(float(i), value, None, str(i)) for i, value in enumerate((1.0, 3.0, 2.0)))
    first, second, third = circles(chart(axis, "FVD", [Series("a", points)]))
    assert second[0] - first[0] == pytest.approx(third[0] - second[0], abs=0.02)
    assert second[1] < third[1] < first[1]
    assert third[1] - second[1] == pytest.approx(first[1] - third[1], abs=0.02)


def test_all_marks_bars_and_lines_stay_inside_the_picture() -> None:
    line = LimitLine("a", ((64, 28.0, 9.0), (128, 20.0, 1.0)), 12.0, 1024.0, 5.0)
    other = LimitLine("b", ((32, 90.0, 2.0), (256, 50.0, 1.0)), -3.0, 3200.0, 1.0)
    root = parsed(limit_chart("FVD", [line, other]))
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for part in root.iter():
        for key in ("x", "x1", "x2", "cx"):
            assert 0 <= float(part.attrib.get(key, 0)) <= width
        for key in ("y", "y1", "y2", "cy"):
            assert 0 <= float(part.attrib.get(key, 0)) <= height
        for pair in part.attrib.get("points", "0,0").split():
            x, y = map(float, pair.split(","))
            assert 0 <= x <= width
            assert 0 <= y <= height


def test_the_fitted_line_meets_the_limit_at_infinity() -> None:
    line = LimitLine("a", ((64, 28.0, 1.0), (128, 20.0, 1.0)), 12.0, 1024.0, 0.0)
    root = parsed(limit_chart("FVD", [line]))
    (square,) = (r for r in root.iter(f"{NAMESPACE}rect"))
    centre = [float(square.attrib["x"]) + 5, float(square.attrib["y"]) + 5]
    (fit,) = root.iter(f"{NAMESPACE}polyline")
    start, end = ([float(v) for v in pair.split(",")] for pair in fit.attrib["points"].split())
    assert start == pytest.approx(centre, abs=0.02)
    # 12 + 1024 / 64 = 28: the line passes through both means
    places = sorted(
        (float(c.attrib["cx"]), float(c.attrib["cy"])) for c in root.iter(f"{NAMESPACE}circle")
    )
    assert end == pytest.approx(places[-1], abs=0.02)


def test_hostile_text_does_not_leave_its_element() -> None:
    for text in HOSTILE:
        drawn = element("text", text, title=text)
        clean = re.sub("[\x00-\x08]", "", str(drawn))
        root = ElementTree.fromstring(clean)
        assert len(root) == 0
        assert list(root.attrib) == ["title"]


def test_arms_are_ordered_along_their_parameter_with_infinity_last() -> None:
    arms = [
        arm(f"{alpha}", scores=[entry("fvd", value)], parameters={"alpha": alpha, "prior": "mixed"})
        for alpha, value in (("inf", 3.0), (10.0, 2.0), (0.1, 1.0), (0, 4.0))
    ]
    run = results(*arms, published=[], figure=Figure(x="alpha", series="prior", columns=["fvd"]))
    (picture,) = arm_pictures(sheet_of_results([("run", Path("r.json"), run)]))
    texts = [text.text for text in parsed(picture.svg).iter(f"{NAMESPACE}text")]
    shown = [text for text in texts if text in ("0", "0.1", "10", "∞")]
    assert shown[-4:] == ["0", "0.1", "10", "∞"]
    heights = [y for _, y in circles(picture.svg)]
    assert sorted(heights) == [heights[0], heights[3], heights[2], heights[1]]


def test_published_points_join_only_where_scores_compare() -> None:
    arms = [arm(f"{size}", parameters={"size": size}) for size in (69, 112)]
    row = PublishedRow(
        method="PYoCo",
        values={"fvd": PublishedValue(value=332.0)},
        source="x",
        parameters={"size": 112},
    )
    figure = Figure(x="size", columns=["fvd"])
    counts = []
    for comparable in (True, False):
        run = results(*arms, published=[row], figure=figure, comparable=comparable)
        (picture,) = arm_pictures(sheet_of_results([("run", Path("r.json"), run)]))
        counts.append(len(circles(picture.svg)))
    assert counts == [3, 2]


def test_a_figure_needs_two_places() -> None:
    run = results(arm(parameters={"alpha": 1}), figure=Figure(x="alpha", columns=["fvd"]))
    sheet = sheet_of_results([("run", Path("r.json"), run)])
    assert arm_pictures(sheet) == []
    assert curve_pictures(sheet) == []


def test_classes_are_sorted_and_their_mean_is_over_videos() -> None:
    scores = [
        ClassScore(label=0, name="spin", num_videos=30, values={"accuracy": 1.0}),
        ClassScore(label=1, name="slide", num_videos=10, values={"accuracy": 0.2}),
    ]
    run = results(arm(class_scores=scores))
    (found,) = class_charts(sheet_of_results([("run", Path("r.json"), run)]))
    assert [(bar.name, bar.value) for bar in found.bars] == [("slide", "20%"), ("spin", "100%")]
    assert found.mean == "80.0%"
    widths = [rect.attrib["width"] for rect in parsed_bar(share_bar(0.2, 0.8))]
    assert widths == ["100", "20", "0.6"]


def parsed_bar(svg: Markup) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(str(svg)))


def test_a_lone_point_marks_its_level_among_lines() -> None:
    axis = Axis("alpha", ((0.0, "0"), (1.0, "1")), -0.4, 1.4)
    line = Series("a", (Point(0, 1.0, None, ""), Point(1, 2.0, None, "")))
    lone = Series("b", (Point(0, 1.5, None, ""),))
    both, alone = (parsed(chart(axis, "FVD", found)) for found in ([line, lone], [lone]))
    levels = [part for part in both.iter() if "level" in part.attrib.get("class", "")]
    assert len(levels) == 1
    assert levels[0].attrib["y1"] == levels[0].attrib["y2"]
    assert not [part for part in alone.iter() if "level" in part.attrib.get("class", "")]
