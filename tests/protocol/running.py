"""Runs of protocols as the command makes them, without a process of their own."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from pyoco_eval.cli.run_protocol import command
from pyoco_eval.records.results import Results

SHAPES = "python:toy_models:shapes"
NOISE = "python:toy_models:noise"


def run_protocol(name: str | Path, out: Path, *arguments: str) -> Results:
    """The results that the command wrote."""
    call(name, out, *arguments)
    return Results.load(out / "results.json")


def call(name: str | Path, out: Path, *arguments: str) -> str:
    """What the command printed; errors are raised."""
    words = [str(name), "--out", str(out), "--device", "cpu", *arguments]
    found = CliRunner().invoke(command, words, catch_exceptions=False, standalone_mode=False)
    return found.output


def scores(results: Results) -> dict[str, Any]:
    """Everything about the scores, arm by arm, that a second run must find again."""
    return {
        arm.key: json.loads(json.dumps([entry.model_dump(mode="json") for entry in arm.scores]))
        for arm in results.arms
    }
