"""Progress on standard error: bars on a terminal, one line per stage elsewhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress

from pyoco_eval.cli.terminal import open_console
from pyoco_eval.progress import Stage


class _BarStage:
    def __init__(self, bar: RichProgress, total: int, title: str) -> None:
        self._bar = bar
        self._task = bar.add_task(title, total=total)

    def advance(self) -> None:
        self._bar.advance(self._task)


class _CountingStage:
    def __init__(self) -> None:
        self.done = 0

    def advance(self) -> None:
        self.done += 1


class TerminalProgress:
    """Implements `progress.Progress` for people."""

    def __init__(self) -> None:
        self._console = open_console(stderr=True)

    @contextmanager
    def stage(self, title: str, total: int, unit: str = "videos") -> Iterator[Stage]:
        """A bar on a terminal; elsewhere a line now and then."""
        if self._console.is_terminal:
            columns = (
                TextColumn("{task.description:<12}"),
                BarColumn(bar_width=None),
                MofNCompleteColumn(),
                TextColumn(escape(unit)),
                TimeElapsedColumn(),
                TextColumn("eta"),
                TimeRemainingColumn(),
            )
            with RichProgress(*columns, console=self._console) as bar:
                yield _BarStage(bar, total, escape(title))
            return
        counting = _CountingStage()
        started = time.perf_counter()
        yield counting
        seconds = time.perf_counter() - started
        self._console.print(
            f"{title}: {counting.done}/{total} {unit} in {seconds:.1f} s",
            soft_wrap=True,
        )
