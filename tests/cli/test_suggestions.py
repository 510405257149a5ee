"""A mistyped command or key is answered with the nearest one."""

import json
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

from pyoco_eval.cli.main import cli
from pyoco_eval.cli.suggesting import nearest_command
from pyoco_eval.errors import UsageError
from pyoco_eval.protocol.loader import ProtocolError, load_protocol
from pyoco_eval.protocol.validate import examine
from pyoco_eval.training.config_file import parse_config
from pyoco_eval.yaml_text import YamlTextError, parse_yaml


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["protocl", "list"], "protocol"),
        (["run_protocol"], "run-protocol"),
        (["protocol", "validat"], "validate"),
        (["weights", "ftech"], "fetch"),
        (["reference", "biuld"], "build"),
    ],
)
def test_a_mistyped_command_names_the_nearest(words: list[str], near: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        cli.main(words, standalone_mode=False)
    assert f"Did you mean {near!r}?" in str(caught.value.message)
    assert str(caught.value.message).count("Did you mean") == 1
    assert nearest_command("zzzzzz", ["fvd"]) is None


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_problems_of_a_protocol_are_in_words_with_key_and_line(tmp_path: Path) -> None:
    text = (
        "extends: shapes-zeroshot\nname: mine\nversion: one\n"
        "scores:\n  fvd:\n    reference: {select: some(3)}\n    cuont: 3\n"
        "samples:\n  codec: avi\n  conditioning: {per_clas: 3}\n"
        "published:\n  - {method: x, source: y, values: {fvd: {value: much}}}\n"
    )
    with pytest.raises(ProtocolError) as caught:
        load_protocol(written(tmp_path, text))
    problems = "\n".join(caught.value.problems)
    for said in (
        'version: must be a whole number (found "one") (line 3)',
        "scores.fvd.cuont: no such key; did you mean 'count'? (line 7)",
        'scores.fvd.reference.select: write all, first(N) or random(N) (found "some(3)") (line 6)',
        "samples.codec: use 'npz' or 'mp4' (found \"avi\") (line 9)",
        "samples.conditioning.per_clas: no such key; did you mean 'per_class'? (line 10)",
        "published.0.values.fvd.value: must be a number",
    ):
        assert said in problems, (said, problems)
    assert "pattern" not in problems


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: [1,\n", "line 3, column 1: while parsing"),
        ("a: 1\n b: 2\n", "line 2, column 3"),
        ("a: 1\na: 2\n", "line 2, column 1: the key 'a' is given twice"),
        ("? [1]\n: 2\n", "line 1"),
        ("a: 2026-99-99\n", "has a value that is none"),
        ("a: &x [*x]\n", "inside of what it names"),
        ("a: " + "[" * 3000, "nested too deeply"),
        ("a: \u0007\n", "special characters are not allowed"),
    ],
)
def test_yaml_that_is_none_is_named_by_its_line(text: str, said: str) -> None:
    with pytest.raises(YamlTextError) as caught:
        parse_yaml(text)
    assert said in str(caught.value)
    assert "unicode string" not in str(caught.value)


def test_aliases_do_not_multiply_without_bound() -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    with pytest.raises(YamlTextError, match="means more than"):
        parse_yaml("\n".join(lines))


@pytest.mark.parametrize(
    ("key", "spec"),
    [
        ("prior", "mixed:alpha=-1"),
        ("prior", "progressive:alpha=x"),
        ("prior", "mixd:alpha=1"),
        ("prior", "empirical:"),
        ("log.sampler", "deis:order=9"),
        ("log.sampler", "euler"),
    ],
)
def test_specifications_are_read_before_anything_is_trained(
    key: str, spec: str, tmp_path: Path
) -> None:
    content = yaml.safe_load("{extends: shapes-uncond, name: mine, training: {config: {log: {}}}}")
    tree = content["training"]["config"]
    (tree["log"] if key == "log.sampler" else tree)[key.rpartition(".")[2]] = spec
    verdict = examine(written(tmp_path, yaml.safe_dump(content)))
    assert any(f"{key}: " in problem for problem in verdict.problems), verdict.problems
    whole = load_protocol("shapes-uncond").protocol.training
    assert whole is not None
    config = {**whole.config, "out": "x"}
    config |= {"prior": spec} if key == "prior" else {"log": {"sampler": spec}}
    with pytest.raises(UsageError, match=key):
        parse_config(config, "config")


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("fvd --fake a", "Did you mean '--samples'?"),
        ("evaluate --gt a", "Did you mean '--reference'?"),
        ("is --ref a", "No such option"),
        ("features --model i3d", "Did you mean '--extractor'?"),
        ("evaluate a --metrics FVD,clipfid", "Did you mean fvd, clip-fid?"),
        ("run-protocol ucf101", "ucf101-uncond"),
        ("fvd", "SAMPLES, or --samples PATH"),
        ("fvd a b c", "takes samples and reference"),
        ("fvd a --samples b", "a: --samples is given, too"),
    ],
)
def test_other_tools_names_and_near_misses(line: str, hint: str) -> None:
    found = CliRunner().invoke(cli, line.split())
    assert found.exit_code != 0
    assert hint in found.output + str(found.exception), found.output


def test_places_are_samples_and_reference(tmp_path: Path) -> None:
    runner = CliRunner()
    for name in ("gen", "real"):
        words = f"shapes --num 6 --size 16 --num-frames 8 --out {tmp_path / name}"
        assert runner.invoke(cli, words.split()).exit_code == 0
    common = "--profile embedded --allow-small --num-frames 8 --json --workers 1"
    gen, real = tmp_path / "gen", tmp_path / "real"
    told = [
        runner.invoke(cli, line.split())
        for line in (
            f"fvd {gen} {real} {common}",
            f"fvd --samples {gen} --reference {real} {common}",
            f"fvd {gen} --reference {real} {common}",
        )
    ]
    assert all(result.exit_code == 0 for result in told), told[0].output
    scores = [json.loads(result.stdout)["scores"] for result in told]
    assert scores[0] == scores[1] == scores[2]
