"""Folders of records are compared as the runs they hold, a file per metric and repeat."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from report_examples import entry, results

from pyoco_eval.cli.compare import command
from pyoco_eval.errors import UsageError
from pyoco_eval.metrics.signature import Signature
from pyoco_eval.records.record import Record, ScoreRecord, SourceRecord
from pyoco_eval.report.sheet.loading import load_records


def save(folder: Path, name: str, metric: str, value: float, digest: str = "d") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    found = entry(metric, value)
    score = ScoreRecord(
        metric=metric,
        value=value,
        interval=None,
        signature=found.signature,
        recipe=Signature.parse(found.signature).as_dict(),
        num_samples=2048,
        num_reference=2048,
    )
    samples = SourceRecord(name=name, digest=digest, num_videos=2048)
    Record(version="1", scores=[score], samples=samples).save(folder / f"{name}.json")


def run(folder: Path, shift: float) -> Path:
    for repeat in range(2):
        save(folder, f"samples-r{repeat}-is", "is", 50 + shift, f"first{repeat}")
        save(folder, f"samples-r{repeat}-fvd", "fvd", 300 + shift, f"all{repeat}")
    return folder


def compared(*paths: Path) -> set[str]:
    done = CliRunner().invoke(command, [*map(str, paths), "--json"], standalone_mode=False)
    assert done.exception is None, done.exception
    return {found["metric"] for found in json.loads(done.output)["comparisons"]}


def test_metrics_of_one_repeat_are_joined_over_files(tmp_path: Path) -> None:
    one = run(tmp_path / "a", 0)
    names = load_records([one])
    assert list(names) == ["a: samples-r0", "a: samples-r1"]
    assert [s.metric for s in names["a: samples-r0"][1].scores] == ["fvd", "is"]
    assert compared(one) == {"fvd", "is"}
    assert compared(one, run(tmp_path / "b", 1)) == {"fvd", "is"}


def test_the_files_of_a_run_by_a_pattern_are_joined_too(tmp_path: Path) -> None:
    files = sorted(run(tmp_path / "x" / "records", 0).glob("*.json"))
    assert compared(*files) == {"fvd", "is"}


def test_records_of_the_same_videos_are_joined_whatever_they_are_called(tmp_path: Path) -> None:
    for name, digest in (("a", "one"), ("b", "two")):
        save(tmp_path / name, "my-fvd", "fvd", 1.0, digest)
        save(tmp_path / name, "my-is", "is", 2.0, digest)
    assert list(load_records([tmp_path / "a", tmp_path / "b"])) == ["a", "b"]
    assert compared(tmp_path / "a", tmp_path / "b") == {"fvd", "is"}


def test_two_scores_of_one_metric_stay_apart(tmp_path: Path) -> None:
    for name in ("before", "after"):
        save(tmp_path, name, "fvd", 1.0)
    assert list(load_records([tmp_path])) == [
        f"{tmp_path.name}: after",
        f"{tmp_path.name}: before",
    ]


def test_a_folder_of_a_run_stands_for_its_results(tmp_path: Path) -> None:
    for name in ("a", "b"):
        run(tmp_path / name / "records", 0)
        results().save(tmp_path / name / "results.json")
    assert compared(tmp_path / "a", tmp_path / "b" / "records") == {"fvd", "is"}
    assert list(load_records([tmp_path / "a", tmp_path / "b" / "records"])) == ["a", "b"]


def test_a_folder_without_records_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="without records"):
        load_records([tmp_path])
