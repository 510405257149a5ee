"""A slice of the fuzz run: mutated files are read or refused, whatever their kind."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "fuzz_inputs.py"
sys.path.insert(0, str(SCRIPT.parent))

from fuzz_inputs import BINARY, TEXT, mutated, outcome  # noqa: E402
from fuzz_kinds import KINDS  # noqa: E402

from pyoco_eval.errors import PyocoEvalError  # noqa: E402


def test_mutated_files_of_every_kind(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, str(SCRIPT), "--inputs", str(6 * len(KINDS)), "--seed", "1"],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    assert f"{6 * len(KINDS)} inputs" in run.stdout
    refused = re.search(r"'refused': (\d+)", run.stdout.splitlines()[-1])
    assert refused is not None
    assert int(refused[1]) > len(KINDS), "mutations that nothing notices would prove nothing"


def test_what_must_not_happen_is_noticed(tmp_path: Path) -> None:
    from dataclasses import replace

    kind = next(kind for kind in KINDS if kind.name == "npy")

    def failing(error: Exception) -> str:
        def read(path: Path) -> object:
            raise error

        return outcome(replace(kind, read=read), tmp_path, ())[0]

    assert failing(ValueError("x")) == "TRACEBACK"
    assert failing(PyocoEvalError("x")) == "refused"
    assert outcome(replace(kind, read=lambda _: ("a",)), tmp_path, ("a", "b"))[0] == "LOST FRAMES"
    assert outcome(replace(kind, read=lambda _: ("a", "c")), tmp_path, ("a", "b"))[0] == "differs"


@pytest.mark.parametrize("mutation", dict.fromkeys([*BINARY, *TEXT]), ids=lambda m: m.__name__)
def test_mutations_change_files(mutation: object) -> None:
    import numpy as np

    content = b'{"a": 1, "b": [2, "c"]}' * 40
    changed = [mutation(content, np.random.default_rng(n)) != content for n in range(20)]  # type: ignore[operator]
    assert sum(changed) > 10


def test_the_same_seed_gives_the_same_files() -> None:
    content = bytes(range(256)) * 20
    for kind in KINDS:
        assert mutated(kind, content, 3, 7) == mutated(kind, content, 3, 7)
        assert mutated(kind, content, 3, 7) != mutated(kind, content, 4, 7)
