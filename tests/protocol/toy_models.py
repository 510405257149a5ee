"""Models that need no weights: videos by seed, caption and label, as `python:` generators."""

import os
from collections.abc import Sequence

import numpy as np

from pyoco_eval.shapes.dataset import MovingShapes

SIZE, FRAMES = 32, 8


def shapes(prompts: Sequence[str | None], seeds: Sequence[int]) -> list[np.ndarray]:
    """A clip of moving shapes for each seed."""
    source = MovingShapes("train", SIZE, FRAMES)
    return [source.clip(seed % 1000).frames for seed in seeds]


def noise(prompts: Sequence[str | None], seeds: Sequence[int]) -> list[np.ndarray]:
    size = int(os.environ.get("TOY_SIZE", SIZE))
    frames = int(os.environ.get("TOY_FRAMES", FRAMES))
    return [
        np.random.default_rng(seed).integers(0, 256, (frames, size, size, 3)).astype(np.uint8)
        for seed in seeds
    ]


def classes(
    prompts: Sequence[str | None], seeds: Sequence[int], labels: Sequence[int | None]
) -> list[np.ndarray]:
    """A clip of moving shapes of the class asked for."""
    source = MovingShapes("train", SIZE, FRAMES)
    return [
        source.clip(seed % 1000, label=label).frames
        for seed, label in zip(seeds, labels, strict=True)
    ]
