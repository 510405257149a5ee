"""Scores of single classes as bars, the worst class first."""

from dataclasses import dataclass

from markupsafe import Markup

from pyoco_eval.report.charts.charts import share_bar
from pyoco_eval.report.sheet.sheet import Sheet


@dataclass(frozen=True)
class ClassBar:
    """One class: its bar, and its number as text."""

    name: str
    value: str
    num_videos: int
    svg: Markup


@dataclass(frozen=True)
class ClassChart:
    """One value over all classes of an arm.

    Attributes:
        title: arm and value.
        mean: over videos, as text.
        bars: the lowest first.
        about: how many videos a class has, and what that means for its number.
    """

    title: str
    mean: str
    bars: tuple[ClassBar, ...]
    about: str


def class_charts(sheet: Sheet) -> list[ClassChart]:
    """A chart per arm and value (`accuracy`, `probability`), all shares in 0..1."""
    charts = []
    for arm in sheet.arms:
        names = dict.fromkeys(name for entry in arm.class_scores for name in entry.values)
        for name in names:
            entries = [entry for entry in arm.class_scores if name in entry.values]
            total = sum(entry.num_videos for entry in entries)
            mean = sum(entry.values[name] * entry.num_videos for entry in entries) / max(total, 1)
            bars = [
                ClassBar(
                    entry.name,
                    f"{entry.values[name]:.0%}",
                    entry.num_videos,
                    share_bar(entry.values[name], mean),
                )
                for entry in sorted(entries, key=lambda e: (e.values[name], e.name))
            ]
            title = f"{arm.title}: {name}" if len(sheet.arms) > 1 else name.capitalize()
            about = _about([entry.num_videos for entry in entries], name)
            charts.append(ClassChart(title, f"{mean:.1%}", tuple(bars), about))
    return charts


def _about(counts: list[int], name: str) -> str:
    low, high = min(counts), max(counts)
    each = f"n = {low}" if low == high else f"n = {low} to {high}"
    text = f"{each} video{'s' if high > 1 else ''} of each class"
    if low == 1 and name == "accuracy":
        text += "; of a single video it is 0 % or 100 %"
    return text
