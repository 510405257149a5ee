"""Every block of code in the documentation: protocols are valid, commands parse, Python runs."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import click
import pytest
import yaml

import pyoco_eval
from pyoco_eval.cli.main import cli
from pyoco_eval.generation.cascade.description import stage_configs
from pyoco_eval.metrics.base import Score
from pyoco_eval.metrics.signature import Signature
from pyoco_eval.protocol.validate import examine
from pyoco_eval.records.record import Record, ScoreRecord, SourceRecord
from pyoco_eval.training.config_file import parse_config

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / name / "README.md" for name in ("protocols", "prompts", "reference_stats")),
]
_FENCE = re.compile(r"^```([a-z]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(*kinds: str) -> Iterator[Any]:
    for page in PAGES:
        for number, found in enumerate(_FENCE.finditer(page.read_text(encoding="utf-8"))):
            if found[1] in kinds:
                yield pytest.param(found[2], id=f"{page.parent.name}-{page.stem}-{number}")


def commands() -> Iterator[Any]:
    """Every line that calls the program, continued lines joined."""
    for block in blocks("", "bash"):
        text = str(block.values[0]).replace("\\\n", " ")
        for line in text.splitlines():
            found = re.search(r"(?:^|\$ |-m )pyoco[-_]eval (?P<words>.*)", line)
            if found and "…" not in found["words"]:
                yield pytest.param(found["words"], id=f"{block.id}:{found['words'][:60]}")


def test_blocks_are_of_a_kind_that_is_tested() -> None:
    kinds = {found[1] for page in PAGES for found in _FENCE.finditer(page.read_text("utf-8"))}
    assert kinds == {"", "bash", "python", "yaml"}
    assert len(list(commands())) > 40


@pytest.mark.parametrize("text", list(blocks("yaml")))
def test_a_protocol_or_config_of_the_documentation_is_valid(text: str, tmp_path: Path) -> None:
    tree = yaml.safe_load(text)
    if "steps" in tree:
        parse_config(tree, "documentation")
        return
    if "stages" in tree:
        (tmp_path / "cascade.yaml").write_text(text, encoding="utf-8")
        assert stage_configs(tmp_path / "cascade.yaml")
        return
    path = tmp_path / f"{tree['name']}.yaml"
    path.write_text(text, encoding="utf-8")
    assert examine(path).problems == ()


@pytest.mark.parametrize("words", list(commands()))
def test_a_command_of_the_documentation_parses(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = shlex.split(words, comments=True)
    context = click.Context(cli)
    command: click.Command = cli
    while isinstance(command, click.Group):
        if arguments and arguments[0] == "--offline":
            arguments = arguments[1:]
        _, found, arguments = command.resolve_command(context, arguments)
        assert found is not None
        command = found
    try:
        command.make_context(command.name or "", list(arguments))
    except click.exceptions.Exit:  # --help
        pass
    except click.BadParameter as error:  # a file of the example
        if "does not exist" not in str(error):
            raise


@pytest.mark.parametrize("text", list(blocks("python")))
def test_python_of_the_documentation_runs(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes networks or hours is called by its true signature and answers with its kind."""
    from pyoco_eval.evaluation.evaluate import Evaluation
    from pyoco_eval.probe import run as probe_run
    from pyoco_eval.training import run as training_run

    score = Score("fvd", 1.0, Signature.of({"net": "n", "v": "1"}), 2, 2)
    record = Record(
        version="1",
        scores=[ScoreRecord.of(score)],
        samples=SourceRecord(name="a", digest="b", num_videos=2),
    )
    answers: list[tuple[Any, str, Any]] = [
        (pyoco_eval, "fvd", score),
        (pyoco_eval, "evaluate", Evaluation((score,), record)),
        (training_run, "train", tmp_path),
    ]
    for place, name, answer in answers:
        stub = create_autospec(getattr(place, name), return_value=answer)
        monkeypatch.setattr(place, name, stub)
    if "run_probe" in text:
        from pyoco_eval.probe.outcome import Probe

        monkeypatch.setattr(probe_run, "run_probe", create_autospec(probe_run.run_probe))
        for name in re.findall(r"probe\.(\w+)", text.partition("print(")[2]):
            assert name in Probe.__dataclass_fields__ or hasattr(Probe, name), name
        text = text.partition("print(")[0]
    if "diffusers" in text:
        pytest.skip("tests/generation/test_export.py runs it, with a pipeline")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    exec(compile(text, "documentation", "exec"), {})
