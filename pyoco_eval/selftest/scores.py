"""Stages 4 to 6: statistics with closed forms, whole scores, and settings that must not matter."""

import hashlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import torch

from pyoco_eval.api import evaluate, extract_features
from pyoco_eval.metrics.frechet import frechet_distance
from pyoco_eval.metrics.inception_score import SplitRule, inception_score
from pyoco_eval.selftest.check import Measurement
from pyoco_eval.selftest.integers import sketch, uniform
from pyoco_eval.shapes.dataset import MovingShapes
from pyoco_eval.statistics.moments import Moments, MomentsAccumulator

NUM_CLIPS: Final = 128
NUM_CLIPS_QUICK: Final = 72
"""The embedded networks have 64 features; a covariance needs more clips."""
METRICS: Final = ("fvd", "is", "fid", "clip-fid")
SCORE_TOLERANCE: Final = 1e-6
"""Scores were seen within 2e-7 of those of float64 features, whatever the instruction set."""
DEVICE_TOLERANCE: Final = 1e-5
"""On a GPU, which may choose other kernels for other batches."""
THREADS_TOLERANCE: Final = 1e-6
"""Sums are divided among threads; seen at up to 2e-8, and usually at 0."""
CLOSED_FORM_TOLERANCE: Final = 1e-12


def measure_statistics() -> Iterator[Measurement]:
    """Answers that are known without having been stored."""
    first = Moments(11, np.zeros(8), 10 * np.diag(np.arange(1.0, 9.0) ** 2))
    second = Moments(11, np.full(8, 0.5), 10 * np.diag(np.arange(8.0, 0.0, -1.0) ** 2))
    truth = 8 * 0.25 + float(np.sum((np.arange(1, 9) - np.arange(8, 0, -1)) ** 2))
    found = frechet_distance(first, second).distance
    yield _closed_form("Fréchet distance of Gaussians", found, truth)
    one_class_each = np.where(np.eye(12) > 0, 0.0, -1e4).repeat(5, axis=0)
    found = inception_score(one_class_each, SplitRule.parse("1")).mean
    yield _closed_form("Inception Score of 12 classes", found, 12.0)
    rows = uniform("moments", (500, 24)) * (1 + np.arange(24, dtype=np.float32)) + 100
    whole = Moments.of(rows)
    for cuts in ((0, 250, 500), (0, 1, 3, 499, 500), tuple(range(0, 501, 20))):
        merged = Moments.empty(24)
        for start, stop in pairwise(cuts):
            merged = merged.merge(Moments.of(rows[start:stop]))
        yield Measurement(
            "statistics",
            f"moments of {len(cuts) - 1} parts",
            sketch(np.concatenate([merged.mean[None], merged.m2])),
            CLOSED_FORM_TOLERANCE,
            sketch(np.concatenate([whole.mean[None], whole.m2])),
        )
    orders = [range(500), range(499, -1, -1)]
    forwards, backwards = (_accumulated(rows, order) for order in orders)
    yield Measurement("statistics", "moments in reverse order", backwards, 0.0, forwards)


def measure_scores(devices: Sequence[str], *, quick: bool) -> Iterator[Measurement]:
    """`evaluate --profile embedded` of moving shapes whose second half stands still."""
    clips = still_clips(NUM_CLIPS_QUICK if quick else NUM_CLIPS)
    for device in devices:
        scores = evaluate(clips, profile="embedded", metrics=METRICS, device=device).scores
        tolerance = SCORE_TOLERANCE if device == "cpu" else DEVICE_TOLERANCE
        for score in scores:
            key = f"{score.metric} of {len(clips)}"
            name = f"{key} on {device}"
            yield Measurement("scores", name, float(score.value), tolerance, key=key)


def measure_invariance(devices: Sequence[str]) -> Iterator[Measurement]:
    """Features under other batch sizes, workers and numbers of threads."""
    clips = still_clips(9)
    for device in devices:
        for extractor in ("tiny3d", "tinyclip"):
            usual = _features(clips, extractor, device, batch_size=4, workers=2)
            for batch_size, workers in ((1, 1), (7, 3)):
                found = _features(clips, extractor, device, batch_size, workers)
                name = f"{extractor} {device} batch {batch_size} workers {workers}"
                if device == "cpu":
                    yield _identical(name, found, usual)
                else:
                    yield _close(name, found, usual, DEVICE_TOLERANCE)
    threads = torch.get_num_threads()
    usual = _features(clips, "tiny3d", "cpu", 4, 2)
    for number in sorted({1, 2, 3} - {threads}):
        torch.set_num_threads(number)
        try:
            found = _features(clips, "tiny3d", "cpu", 4, 2)
        finally:
            torch.set_num_threads(threads)
        name = f"tiny3d cpu threads {number} not {threads}"
        yield _close(name, found, usual, THREADS_TOLERANCE)


def _identical(name: str, found: np.ndarray, usual: np.ndarray) -> Measurement:
    digests = [hashlib.sha256(features.tobytes()).hexdigest() for features in (found, usual)]
    return Measurement("invariance", name, digests[0], expected=digests[1])


def _close(name: str, found: np.ndarray, usual: np.ndarray, tolerance: float) -> Measurement:
    return Measurement("invariance", name, sketch(found), tolerance, sketch(usual))


def still_clips(count: int) -> list[np.ndarray]:
    """Moving shapes (16, 64, 64, 3) that stop after four frames: as bad as to be told apart."""
    shapes = MovingShapes("val")
    times = np.minimum(np.arange(shapes.num_frames), 3)
    return [shapes[index].frames[times] for index in range(count)]


def _closed_form(name: str, found: float, truth: float) -> Measurement:
    return Measurement("statistics", name, float(found), CLOSED_FORM_TOLERANCE, truth)


def _accumulated(rows: np.ndarray, order: range) -> tuple[float, ...]:
    accumulator = MomentsAccumulator(rows.shape[1])
    for index in order:
        accumulator.add(index, rows[index : index + 1])
    moments = accumulator.finish(len(rows))
    return sketch(np.concatenate([moments.mean[None], moments.m2]))


def _features(
    clips: list[np.ndarray], extractor: str, device: str, batch_size: int, workers: int
) -> np.ndarray:
    return extract_features(
        clips, extractor, device=device, batch_size=batch_size, workers=workers
    ).features
