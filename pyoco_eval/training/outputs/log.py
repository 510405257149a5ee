"""What a run tells while it goes: `log.jsonl`, TensorBoard, and the loss as a picture."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyoco_eval.atomic import atomic_path, writing
from pyoco_eval.errors import MissingError
from pyoco_eval.parsing import parse_json
from pyoco_eval.training.outputs.validation_picture import draw_validation

if TYPE_CHECKING:
    import numpy as np

Entry = dict[str, Any]

_PICTURE_SECONDS = 20
"""The picture takes a good part of a second, so it is not drawn for every entry."""


class TrainingLog:
    """The log of one run, from one process.

    Args:
        folder: of the run. Entries after `step` are what a killed run left behind: they are
            dropped, for their steps come again.
        step: steps that are done.

    Raises:
        MissingError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, step: int) -> None:
        try:
            from torch.utils.tensorboard.writer import SummaryWriter
        except ImportError as error:
            raise MissingError(
                "training needs tensorboard, which is not installed; "
                "pip install 'pyoco-eval[train]'"
            ) from error
        self._path = folder / "log.jsonl"
        self._picture = folder / "loss.png"
        self._drawn = time.monotonic()
        self.entries = [entry for entry in read_log(self._path) if entry["step"] <= step]
        self._write()
        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def add(self, entry: Entry) -> None:
        """Append one entry with `step` and numbers by name."""
        self.entries.append(entry)
        with writing(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(_line(entry))
        self._show(entry)
        if time.monotonic() - self._drawn > _PICTURE_SECONDS:
            self.draw()

    def complete(self, more: Entry) -> None:
        """Put what a stopped run had no time for into the newest entry."""
        self.entries[-1] |= more
        self._write()
        self._show(more | {"step": self.entries[-1]["step"]})

    def _write(self) -> None:
        with atomic_path(self._path) as path:
            path.write_text("".join(map(_line, self.entries)), encoding="utf-8")

    def _show(self, entry: Entry) -> None:
        for name, value in entry.items():
            if name != "step" and isinstance(value, int | float) and math.isfinite(value):
                tag = name if "/" in name else f"train/{name}"
                self._writer.add_scalar(tag, value, entry["step"])

    def draw(self) -> None:
        """Bring the picture and TensorBoard up to date."""
        self._drawn = time.monotonic()
        self._writer.flush()
        draw_loss(self.entries, self._picture)
        draw_validation(self.entries, self._picture.with_name("validation.png"))

    def add_picture(self, name: str, pixels: "np.ndarray", step: int) -> None:
        """A sheet of samples, uint8 (H, W, 3)."""
        self._writer.add_image(name, pixels, step, dataformats="HWC")

    def close(self) -> None:
        """Draw the losses a last time and close the files."""
        self.draw()
        self._writer.close()


def read_log(path: Path) -> list[Entry]:
    """Entries of a log; a last line that a kill cut off is left out."""
    if not path.is_file():
        return []
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entries.append(parse_json(line, nan=True))
        except ValueError:
            break
    return entries


def draw_loss(entries: Sequence[Mapping[str, Any]], path: Path) -> None:
    """The loss against the step, as it was and smoothed."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    known = [entry for entry in entries if entry["loss"] is not None]
    steps = [entry["step"] for entry in known]
    losses = [entry["loss"] for entry in known]
    figure = Figure(figsize=(7, 4), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.plot(steps, losses, color="0.75", linewidth=1, label="mean since the entry before")
    axes.plot(steps, _smooth(losses), color="tab:blue", label="smoothed")
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    if losses and min(losses) > 0:
        axes.set_yscale("log")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    with atomic_path(path) as part:
        figure.savefig(part, format="png")


def _smooth(values: Sequence[float]) -> list[float]:
    """Means over a neighbourhood of a tenth of all values, narrower at both ends."""
    smooth = []
    for place in range(len(values)):
        reach = min(place, len(values) - 1 - place, len(values) // 20)
        near = values[place - reach : place + reach + 1]
        smooth.append(sum(near) / len(near))
    return smooth


def _line(entry: Mapping[str, Any]) -> str:
    """JSON has no word for infinity: such numbers are null."""
    known = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in entry.items()
    }
    return json.dumps(known, allow_nan=False) + "\n"
