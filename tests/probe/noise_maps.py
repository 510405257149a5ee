"""Noise maps of known correlation, and what is measured of them."""

import numpy as np

from pyoco_eval.probe.correlation import (
    Similarity,
    cosines_among,
    frame_cosines,
    measure_similarity,
)


def draw(
    videos: int, frames: int, dim: int, covariance: np.ndarray | None = None, seed: int = 0
) -> np.ndarray:
    """(V, T, D) noise whose frames have a covariance; videos are independent."""
    white = np.random.default_rng(seed).normal(size=(videos, frames, dim))
    if covariance is None:
        return white
    return np.einsum("ts,vsd->vtd", np.linalg.cholesky(covariance), white)


def progressive(frames: int, rho: float) -> np.ndarray:
    distance = np.abs(np.subtract.outer(np.arange(frames), np.arange(frames)))
    return rho**distance


def measured(maps: np.ndarray, **options: object) -> Similarity:
    within = np.stack([frame_cosines(video) for video in maps])
    everyone = range(len(maps))
    among = cosines_among(lambda v: maps[v], everyone)
    return measure_similarity(within, among, everyone, **options)  # type: ignore[arg-type]
