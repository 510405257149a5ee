"""`pyoco-eval protocol` prints what a person needs and what a program can read."""

import json
from pathlib import Path

import yaml
from click.testing import CliRunner, Result

from pyoco_eval.cli.main import cli
from pyoco_eval.protocol.loader import load_protocol, shipped_protocols


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["protocol", *arguments])


def test_list_names_every_protocol_with_its_version() -> None:
    text = run("list").output
    assert all(f"{path.stem}@" in text for path in shipped_protocols())
    rows = json.loads(run("list", "--json").output)
    assert {row["name"] for row in rows} == {path.stem for path in shipped_protocols()}
    assert all(row["sha256"] == load_protocol(row["name"]).sha256 for row in rows)


def test_show_says_what_is_scored_published_and_open() -> None:
    text = " ".join(run("show", "ucf101-uncond").output.split())
    assert "16f-s1-random(seed=0)" in text
    assert "60.01 ± 0.51" in text
    assert "What stands behind ±?" in text
    content = json.loads(run("show", "ucf101-uncond", "--json").output)
    assert content["recipe"]["samples"]["count"] == 2048


def test_what_show_prints_as_yaml_is_the_same_protocol(tmp_path: Path) -> None:
    for name in ("msrvtt-2048", "shapes-alpha"):
        path = tmp_path / f"{name}.yaml"
        path.write_text(run("show", name, "--yaml").output, encoding="utf-8")
        assert load_protocol(path).sha256 == load_protocol(name).sha256


def test_validate_passes_all_shipped_and_fails_a_broken_one(tmp_path: Path) -> None:
    passed = run("validate")
    assert passed.exit_code == 0
    assert passed.output.count(": valid") == len(shipped_protocols())
    path = tmp_path / "broken.yaml"
    content = yaml.safe_load("extends: ucf101-uncond\nname: broken\n")
    content["scores"] = {"fvd": {"count": 9999}}
    path.write_text(yaml.safe_dump(content))
    failed = run("validate", str(path), "--json")
    assert failed.exit_code == 1
    (row,) = json.loads(failed.output)
    assert not row["valid"]
    assert any("9,999 of 2,048" in problem for problem in row["problems"])


def test_diff_shows_keys_that_change_scores_and_only_on_request_the_rest() -> None:
    text = run("diff", "msrvtt", "msrvtt-59800").output
    assert "samples.count: 59794 | 59800" in text
    assert "title" not in text
    assert "title" in run("diff", "msrvtt", "msrvtt-59800", "--all").output
    assert "give the same scores" in run("diff", "msrvtt", "msrvtt").output


def test_prompts_prints_ours_and_identifies_a_file(tmp_path: Path) -> None:
    lines = run("prompts").output.splitlines()
    assert len(lines) == 101
    path = tmp_path / "mine.txt"
    path.write_text("\n".join(line.partition(": ")[2] for line in lines))
    assert "no published list that is known" in run("prompts", str(path)).output
