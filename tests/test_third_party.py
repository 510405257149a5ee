"""A package of somebody else adds a metric and a network, by entry points alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "tests" / "third_party"

GENERATED, REFERENCE = (200, 100, 50), (190, 104, 50)
SHIFT = 10**2 + 4**2


def install(folder: Path, entry_points: str) -> dict[str, str]:
    """Metadata as pip writes it; the environment in which Python finds it and the package."""
    info = folder / "colour_metrics-1.0.dist-info"
    info.mkdir(parents=True)
    metadata = "Metadata-Version: 2.1\nName: colour-metrics\nVersion: 1.0\n"
    (info / "METADATA").write_text(metadata, encoding="utf-8")
    (info / "entry_points.txt").write_text(entry_points, encoding="utf-8")
    return os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (folder, EXAMPLE, ROOT)))}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    entry_points = (EXAMPLE / "entry_points.txt").read_text(encoding="utf-8")
    return install(tmp_path_factory.mktemp("site"), entry_points)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("videos")
    for name, colour in (("generated", GENERATED), ("reference", REFERENCE)):
        clips = np.broadcast_to(np.array(colour, np.uint8), (3, 16, 20, 24, 3))
        np.savez(folder / f"{name}.npz", clips)
    return str(folder / "generated.npz"), str(folder / "reference.npz")


def run(environment: dict[str, str], *arguments: str, code: int = 0) -> str:
    command = [sys.executable, "-m", "pyoco_eval", *arguments]
    found = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert found.returncode == code, found.stdout + found.stderr
    return found.stdout + found.stderr * (code != 0)


def test_evaluate_takes_the_metric_beside_others(
    environment: dict[str, str], videos: tuple[str, str]
) -> None:
    options = ["--metrics", "colour-shift,fid", "--profile", "embedded", "--allow-small", "--json"]
    text = run(environment, "evaluate", "--samples", videos[0], "--reference", videos[1], *options)
    shift, fid = json.loads(text)["scores"]
    assert shift["metric"] == "colour-shift"
    assert shift["value"] == pytest.approx(SHIFT, abs=1e-6)
    assert shift["extras"]["shift_g"] == pytest.approx(-4, abs=1e-6)
    recipe = shift["recipe"]
    assert recipe["net"] == "colours-rgb-mean@00000000"
    assert (recipe["conv"], recipe["est"], recipe["n"]) == ("mean-of-colours", "mean", "48/48")
    assert recipe["frames"] == "16-bilinear-squash"
    assert fid["metric"] == "fid"


def test_the_metric_is_a_command(environment: dict[str, str], videos: tuple[str, str]) -> None:
    assert "How far the mean colours" in run(environment, "--help")
    text = run(environment, "colour-shift", "--samples", videos[0], "--reference", videos[1])
    assert "Colour shift 116 | net:colours-rgb-mean@00000000" in text
    help_text = run(environment, "colour-shift", "--help")
    assert "--reference" in help_text
    assert "--extrapolate" not in help_text


def test_features_of_the_network_are_scored_later(
    environment: dict[str, str], videos: tuple[str, str], tmp_path: Path
) -> None:
    stored = [tmp_path / "generated.npz", tmp_path / "reference.npz"]
    for path, out in zip(videos, stored, strict=True):
        arguments = ["--samples", path, "--extractor", "colours", "--out", str(out)]
        run(environment, "features", *arguments)
    with np.load(stored[0]) as arrays:
        np.testing.assert_allclose(arrays["features"], [GENERATED] * 48, atol=1e-4)
    sides = ["--samples", str(stored[0]), "--reference", str(stored[1])]
    record = json.loads(run(environment, "colour-shift", *sides, "--json"))
    assert record["scores"][0]["value"] == pytest.approx(SHIFT, abs=1e-6)


def test_protocols_check_the_metric(environment: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "colours.yaml"
    text = """
extends: ucf101-uncond
name: colours
version: 1
title: Colours of UCF-101
scores:
  shift:
    title: Colour shift
    metric: colour-shift
    convention: mean-of-colours
    network:
      {extractor: colours, layer: mean, bn_eps: null, resize: 16-bilinear-squash, scaling: x}
    distance: null
    covariance: null
    splits: null
    eps: null
    estimator: mean
    pre_resize: none
    clip: 16f-s1-first
    frames: all
    pooling: all-frames
    count: 64
    reference: {split: train01, select: first(64), clip: 16f-s1-first, seed: 0, mirror: false}
    interval: 0
    curve: CURVE
    per_class: false
"""
    path.write_text(text.replace("CURVE", "false"), encoding="utf-8")
    run(environment, "protocol", "validate", str(path))
    path.write_text(text.replace("CURVE", "true"), encoding="utf-8")
    told = run(environment, "protocol", "validate", str(path), code=1)
    assert "scores.shift.curve: only fvd, fid, clip-fid have one" in told


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("fvd = colour_metrics.rows:METRIC", "registers 'fvd' in pyoco_eval.metrics, a name that"),
        ("broken = colour_metrics.nowhere:METRIC", "the package colour-metrics registers it in"),
        ("other = colour_metrics.rows:METRIC", "is no KnownMetric named 'other'"),
    ],
)
def test_what_does_not_keep_its_word_is_told(
    tmp_path: Path, videos: tuple[str, str], line: str, told: str
) -> None:
    environment = install(tmp_path, f"[pyoco_eval.metrics]\n{line}\n")
    name = line.partition(" ")[0] if "fvd" not in line else "unheard-of"
    arguments = ["--samples", videos[0], "--reference", videos[1], "--metrics", name]
    assert told in run(environment, "evaluate", *arguments, code=1)
    own = ["--samples", videos[0], "--reference", videos[1], "--profile", "embedded"]
    run(environment, "evaluate", *own, "--metrics", "fid", "--allow-small")
