"""The log of a run survives kills, and its picture shows the loss."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pyoco_eval.training.outputs.log import TrainingLog, _smooth, draw_loss, read_log


def entry(step: int) -> dict[str, float]:
    return {"step": step, "loss": 1 / step, "skipped": 0}


def test_entries_of_steps_that_come_again_are_dropped(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path, 0)
    for step in (1, 2, 3):
        log.add(entry(step))
    log.close()
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"step": 4, "lo')
    assert [line["step"] for line in read_log(tmp_path / "log.jsonl")] == [1, 2, 3]
    again = TrainingLog(tmp_path, 2)
    again.add(entry(3))
    again.close()
    assert [line["step"] for line in read_log(tmp_path / "log.jsonl")] == [1, 2, 3]


def test_tensorboard_reads_the_losses(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = TrainingLog(tmp_path, 0)
    for step in (1, 2, 4):
        log.add(entry(step))
    log.add_picture("samples", np.zeros((8, 8, 3), np.uint8), 4)
    log.close()
    found = EventAccumulator(str(tmp_path / "tensorboard"))
    found.Reload()
    points = [(event.step, event.value) for event in found.Scalars("train/loss")]
    assert points == [(1, 1.0), (2, 0.5), (4, 0.25)]
    assert len(found.Images("samples")) == 1


def test_smoothing_keeps_straight_lines_and_the_ends() -> None:
    line = [3.0 - 0.01 * step for step in range(100)]
    assert _smooth(line) == pytest.approx(line)
    noisy = [float(step % 2) for step in range(101)]
    assert max(_smooth(noisy)[20:80]) < 0.6
    assert _smooth([2.0]) == [2.0]


def test_the_picture_shows_a_curve(tmp_path: Path) -> None:
    draw_loss([entry(step) for step in range(1, 60)], tmp_path / "loss.png")
    with Image.open(tmp_path / "loss.png", formats=["PNG"]) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    blue = (pixels[..., 2] - pixels[..., 0]) > 100
    rows = [np.flatnonzero(column).mean() for column in blue.T if column.any()]
    assert len(rows) > 300
    assert rows[10] < rows[-200] - 100, "the loss falls"
