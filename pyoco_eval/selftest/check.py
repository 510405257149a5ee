"""What is measured, what was expected, and whether the two agree."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

FOLDER: Final = Path(__file__).parent
EXPECTED_FILE: Final = FOLDER / "expected.json"
FORMAT: Final = "pyoco-eval/selftest/1"

Stage = Literal[
    "decoding", "resizing", "networks", "programs", "statistics", "scores", "invariance"
]
Value = float | str | tuple[float, ...] | tuple[str, ...]
"""A number, a digest, a sketch, or a digest per frame."""

REMEDIES: Final[Mapping[Stage, str]] = {
    "decoding": "Frames differ from those every score assumes. Reinstall av, pillow and numpy; if "
    "it stays, report the table with `pyoco-eval doctor --json`.",
    "resizing": "Frames reach the networks with other values. Reinstall torch and pillow "
    "(pillow-simd resizes otherwise), and publish no score from here until this passes.",
    "networks": "Features differ by more than float32 rounding: reduced precision, a broken kernel "
    "or a faulty device. Try --device cpu, then another build of torch.",
    "programs": "The program in the file gives other features than the network that stands for it, "
    "by more than rounding. If the stage networks passed, score with --trust and that key, which "
    "runs the program itself, and report the table.",
    "statistics": "The linear algebra of NumPy is wrong here. Reinstall numpy from a wheel; a BLAS "
    "library of the system, or a preloaded one, may be the cause.",
    "scores": "Scores from this machine do not compare with others. The first stage above that "
    "failed is the cause; if none did, report the table.",
    "invariance": "The same videos give other digits for other threads or workers. Scores repeat "
    "only under the same settings here; report the table.",
}
"""What a failure means and what to do, by stage."""


@dataclass(frozen=True)
class Measurement:
    """Something computed on this machine.

    Attributes:
        stage: which part of the test.
        name: of the result, unique in its stage.
        value: what came out.
        tolerance: relative error allowed; 0 for exact.
        expected: the truth where it is known by itself, None where it is stored.
        key: under which the truth is stored, if not `name`: results on several devices have one.
        note: what else a reader should know.
    """

    stage: Stage
    name: str
    value: Value
    tolerance: float = 0.0
    expected: Value | None = None
    key: str = ""
    note: str = ""


@dataclass(frozen=True)
class Skipped:
    """Something that cannot be measured here, and why."""

    stage: Stage
    name: str
    reason: str


@dataclass(frozen=True)
class Check:
    """A measurement beside its truth.

    Attributes:
        stage, name: as in `Measurement`.
        status: `ok`, `failed` or `skipped`.
        expected, found: as short text.
        difference: relative error, or the number of digests that differ; None if skipped.
        tolerance: how large it may be.
        note: why it was skipped, or what else to know.
    """

    stage: Stage
    name: str
    status: Literal["ok", "failed", "skipped"]
    expected: str = ""
    found: str = ""
    difference: float | None = None
    tolerance: float = 0.0
    note: str = ""


def check(measured: Measurement | Skipped) -> Check:
    """Compare with the truth."""
    if isinstance(measured, Skipped):
        return Check(measured.stage, measured.name, "skipped", note=measured.reason)
    truth = measured.expected
    if truth is None:
        truth = stored_value(measured.stage, measured.key or measured.name)
    difference = distance(measured.value, truth)
    return Check(
        measured.stage,
        measured.name,
        "ok" if difference <= measured.tolerance else "failed",
        shown(truth),
        shown(measured.value),
        difference,
        measured.tolerance,
        measured.note,
    )


def distance(found: Value, truth: Value) -> float:
    """Relative error in the Euclidean norm; of digests, how many differ. NaN counts as infinite."""
    pair = [value if isinstance(value, tuple) else (value,) for value in (found, truth)]
    if len(pair[0]) != len(pair[1]):
        return math.inf
    if any(isinstance(part, str) for value in pair for part in value):
        return float(sum(a != b for a, b in zip(*pair, strict=True)))
    numbers = [[float(part) for part in value] for value in pair]
    error, length = math.dist(*numbers), math.hypot(*numbers[1])
    if error == 0:
        return 0.0
    return error / length if length and math.isfinite(error) else math.inf


def shown(value: Value) -> str:
    """A number, the start of a digest, or the norm of a sketch."""
    if isinstance(value, str):
        return value[:10]
    if isinstance(value, float):
        return f"{value:.8g}"
    if any(isinstance(part, str) for part in value):
        return f"{len(value)} digests"
    return f"{math.hypot(*map(float, value)):.8g}"


def stored_value(stage: Stage, name: str) -> Value:
    """The truth in `expected.json`."""
    value = stored()["values"][f"{stage}/{name}"]
    return tuple(value) if isinstance(value, list) else value


@cache
def stored() -> dict[str, Any]:
    """The content of `expected.json`: `format`, `made_with` (library versions) and `values`."""
    document: dict[str, Any] = json.loads(EXPECTED_FILE.read_text(encoding="utf-8"))
    return document
