"""The shipped reference is found, belongs to the shipped networks, and says how it was made."""

from pathlib import Path

import numpy as np
import pytest

import pyoco_eval
from pyoco_eval.features.tiny.extractor import load_tiny
from pyoco_eval.resources import resource_folder
from pyoco_eval.shapes.dataset import MovingShapes
from pyoco_eval.statistics.files import StatisticsFile

NUM_CLIPS = 80


@pytest.mark.parametrize("name", ["tiny3d", "tiny2d", "tinyclip"])
def test_statistics_belong_to_the_shipped_network(name: str) -> None:
    stored = StatisticsFile.load(resource_folder("reference_stats") / "shapes" / f"{name}.npz")
    weights = load_tiny(name).spec.weights
    assert weights.published
    assert stored.header["recipe"]["net"] == f"{name}-shapes-embedding@{weights.short}"
    assert stored.header["num_videos"] == 2048
    assert stored.moments.count == (2048 if name == "tiny3d" else 2048 * 16)
    assert stored.header["skipped"] == {}


def test_statistics_are_those_of_the_clips_they_name() -> None:
    """Features of exact test clips are drawn from what the statistics describe."""
    stored = StatisticsFile.load(resource_folder("reference_stats") / "shapes" / "tiny3d.npz")
    shapes = MovingShapes("test")
    clips = np.stack([shapes[index].frames for index in range(NUM_CLIPS)])
    features = load_tiny("tiny3d")(clips)
    spread = np.sqrt(np.diagonal(stored.moments.cov()))
    error = (features.mean(axis=0) - stored.moments.mean) / (spread / np.sqrt(NUM_CLIPS))
    assert np.abs(error).max() < 5


def test_embedded_scores_need_no_reference_argument(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    shapes = MovingShapes("val")
    clips = np.stack([shapes[index].frames for index in range(NUM_CLIPS)])
    noisy = clips.astype(int) + np.random.default_rng(0).normal(0, 20, clips.shape).astype(int)
    good = pyoco_eval.fvd(clips, profile="embedded")
    bad = pyoco_eval.fvd(noisy.clip(0, 255).astype(np.uint8), profile="embedded")
    assert good.num_reference == 2048
    assert good.signature.get("label") == "embedded"
    assert bad.value > 10 * good.value
