"""What must work in every environment that pyproject.toml allows.

`make test-unpinned` and `make test-lowest` run this file in fresh environments, on the newest and
the oldest versions; the whole suite runs on those of constraints.txt.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from pyoco_eval.doctor.decoders import SAMPLES
from pyoco_eval.videos.readers.pyav_versions import tolerant_of_metadata

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EMBEDDED = ("--profile", "embedded", "--allow-small", "--json")


def run(folder: Path, *arguments: object, status: int = 0) -> str:
    """Standard output of the command in a process of its own, as users start it."""
    words = [sys.executable, "-m", "pyoco_eval", *map(str, arguments)]
    environment = os.environ | {"PYOCO_EVAL_CACHE": str(folder / "cache")}
    found = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    assert found.returncode == status, found.stdout + found.stderr
    return found.stdout


def test_doctor_decodes_every_codec_and_finds_nothing_broken(tmp_path: Path) -> None:
    examination = json.loads(run(tmp_path, "doctor", "--json"))
    assert examination["works"]
    decoders = {f["name"]: f["text"] for f in examination["findings"] if f["section"] == "decoders"}
    untried = decoders.get("not tried", ": ").partition(": ")[2].split(", ")
    missing = {s.name for s in SAMPLES} - {*decoders["decoded here"].split(", "), *untried}
    assert not missing, decoders
    assert not {"H.264", "HEVC", "VP9", "AV1", "GIF", "WebP", "PNG", "JPEG"} & {*untried}


def test_selftest_finds_the_stored_numbers(tmp_path: Path) -> None:
    checks = json.loads(run(tmp_path, "selftest", "--quick", "--json"))["checks"]
    assert len(checks) > 20
    assert {check["status"] for check in checks} <= {"ok", "skipped"}


def test_clips_of_every_format_are_scored(tmp_path: Path) -> None:
    for form in ("mp4", "gif", "npz"):
        run(tmp_path, "shapes", "--num", 6, "--size", 32, "--format", form, "--out", form)
    words = ["evaluate", *EMBEDDED, "--metrics", "fvd,fid,is", "--reference", "npz"]
    for form in ("mp4", "gif", "npz"):
        scores = json.loads(run(tmp_path, *words, "--samples", form))["scores"]
        values = {score["metric"]: score["value"] for score in scores}
        assert set(values) == {"fvd", "fid", "is"}
        assert values["fvd"] < 5
    half = json.loads(
        run(tmp_path, *words, "--samples", "mp4", "--precision", "bf16"),
    )
    assert "prec:bf16" in half["scores"][0]["signature"]


@pytest.mark.skipif(find_spec("tensorboard") is None, reason="needs the extra `train`")
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_model_is_trained_and_sampled(precision: str, tmp_path: Path) -> None:
    config = {
        "out": "run", "seed": 3, "steps": 4, "batch": 4, "model": {"preset": "test"},
        "data": {"source": "shapes", "size": 16, "num_frames": 1},
        "condition": {"encoders": ["shapes"]},
        "hardware": {"device": "cpu", "workers": 0, "precision": precision},
        "log": {"every": 1, "checkpoint_every": 4, "samples_every": 4, "num_samples": 2,
                "sampler": "deis:order=1,num_steps=3"},
    }  # fmt: skip
    (tmp_path / "small.yaml").write_text(json.dumps(config), encoding="utf-8")
    run(tmp_path, "train", "small.yaml")
    (tmp_path / "captions.txt").write_text("a small red square slides right\n", encoding="utf-8")
    words = ["--prompts", "captions.txt", "--num", 2, "--sampler", "heun:num_steps=3"]
    run(tmp_path, "sample", "--ckpt", "run", *words, "--precision", precision, "--out", "made")
    lines = (tmp_path / "made" / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["000000.mp4", "000001.mp4"]


def test_one_file_knows_how_releases_of_pyav_differ() -> None:
    knows = [p for p in (ROOT / "pyoco_eval").rglob("*.py") if "metadata_errors" in p.read_text()]
    assert [path.name for path in knows] == ["pyav_versions.py"]
    assert tolerant_of_metadata("19.0.2") == {}
    assert tolerant_of_metadata("18.1.0") == {"metadata_errors": "replace"}


def requirements() -> list[str]:
    lists = (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    own = f"{PROJECT['name']}["
    return [line for lines in lists for line in lines if not line.startswith(own)]


@pytest.mark.parametrize("line", requirements())
def test_every_requirement_has_both_bounds(line: str) -> None:
    specifiers = line.partition(";")[0]
    assert "==" in specifiers or (">=" in specifiers and "<" in specifiers)


def test_the_python_versions_named_are_those_allowed() -> None:
    least, below = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PROJECT["requires-python"]).groups()  # type: ignore[union-attr]
    stem = "Programming Language :: Python :: 3."
    named = {int(c.removeprefix(stem)) for c in PROJECT["classifiers"] if c.startswith(stem)}
    assert named == set(range(int(least), int(below)))


def test_the_lowest_constraints_are_the_lower_bounds() -> None:
    extras = PROJECT["optional-dependencies"]
    bounds = {}
    for line in (*PROJECT["dependencies"], *extras["probe"], *extras["train"]):
        name, lowest = re.match(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)", line).groups()  # type: ignore[union-attr]
        bounds[name.lower()] = _padded(lowest)
    pins = (ROOT / "constraints-lowest.txt").read_text(encoding="utf-8").splitlines()
    found = dict(pin.lower().split("==") for pin in pins if pin and not pin.startswith("#"))
    assert {name: _padded(version) for name, version in found.items()} == bounds


def _padded(version: str) -> tuple[int, ...]:
    numbers = [int(part) for part in version.split(".")]
    return tuple(numbers + [0] * (3 - len(numbers)))
