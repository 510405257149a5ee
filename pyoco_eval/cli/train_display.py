"""A training run on standard error: a live line on a terminal, a line per log entry elsewhere."""

import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from pyoco_eval.cli.terminal import open_console
from pyoco_eval.training.outputs.validation_picture import MEAN

_SMOOTHING = 0.05
"""Weight of the newest step in the shown rate."""


class TrainDisplay:
    """Implements `training.outputs.monitor.Watcher` for people."""

    def __init__(self) -> None:
        self._console = open_console(stderr=True)
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._loss = float("nan")
        self._rate = 0.0
        self._stepped = 0.0
        self._steps = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def started(self, step: int, steps: int, about: Mapping[str, str]) -> None:
        """See `Watcher.started`."""
        for name, value in about.items():
            self._print(f"{name + ':':<9}{value}")
        if step >= steps:
            self._print(f"all {steps} steps are done")
            return
        if step:
            self._print(f"goes on after step {step}")
        self._steps = steps
        self._stepped = time.perf_counter()
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn("loss {task.fields[loss]:.4f}"),
                BarColumn(bar_width=None),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]:.2f} it/s"),
                TimeElapsedColumn(),
                TextColumn("eta"),
                TimeRemainingColumn(elapsed_when_finished=True),
                console=self._console,
            )
            self._task = self._bar.add_task(
                "train", total=steps, completed=step, loss=self._loss, rate=0.0
            )
            self._bar.start()

    def advanced(self, step: int, loss: float | None) -> None:
        """See `Watcher.advanced`."""
        now = time.perf_counter()
        seconds, self._stepped = max(now - self._stepped, 1e-9), now
        weight = _SMOOTHING if self._rate else 1.0
        self._rate += weight * (1 / seconds - self._rate)
        if loss is not None:
            self._loss = loss
        if self._bar is not None:
            self._bar.update(self._task, completed=step, loss=self._loss, rate=self._rate)

    def logged(self, entry: Mapping[str, Any]) -> None:
        """See `Watcher.logged`."""
        if self._bar is None:
            left = (self._steps - entry["step"]) / max(entry["steps_per_second"], 1e-9)
            loss = "-" if entry["loss"] is None else f"{entry['loss']:.4f}"
            self._print(
                f"step {entry['step']}/{self._steps}  loss {loss}  "
                f"{entry['steps_per_second']:.2f} it/s  eta {_duration(left)}"
            )
        if entry.get(MEAN) is not None:
            self._print(f"step {entry['step']}  loss on held-out samples {entry[MEAN]:.4f}")
        if entry["steps_skipped"]:
            self._print(f"{entry['steps_skipped']} steps were not finite and were skipped")
        if entry["replaced_short"] or entry["replaced_broken"]:
            self._print(
                f"{entry['replaced_short']} short and {entry['replaced_broken']} broken samples "
                "were replaced"
            )

    def noted(self, text: str) -> None:
        """See `Watcher.noted`."""
        self._print(text)

    def finished(self, model: Path) -> None:
        """The last line."""
        self._print(f"model {model}")

    def _print(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
