"""`results.json` reads back as written, keeps what later versions add, and refuses the rest."""

import json
from pathlib import Path

import pytest

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.records.results import Arm, Column, ProtocolRecord, Results, ScoreEntry


def results() -> Results:
    protocol = ProtocolRecord(
        name="p", version=1, sha256="0" * 64, title="P", cites="a paper", recipe={"name": "p"}
    )
    score = ScoreEntry(
        key="fvd", metric="fvd", value=2.0, std=0.5, spread_of="repeats", repeats=[1.5, 2.5],
        signature="net:a | v:1", num_samples=8, num_reference=9,
    )  # fmt: skip
    arm = Arm(
        key="a", title="A", parameters={"alpha": "inf"}, num_videos=8, scores=[score],
    )  # fmt: skip
    column = Column(
        key="fvd", metric="fvd", title="FVD", higher_is_better=False, convention="tf-fvd"
    )
    return Results(version="0", protocol=protocol, comparable=True, columns=[column], arms=[arm])


def test_results_read_back_as_written_with_keys_of_later_versions(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    results().save(path)
    data = json.loads(path.read_text(encoding="utf-8"))
    data["arms"][0]["later"] = {"key": 1}
    path.write_text(json.dumps(data), encoding="utf-8")
    found = Results.load(path)
    assert found.model_dump(mode="json") == data
    arm = found.arms[0]
    assert arm.score("fvd") == results().arms[0].scores[0]
    assert arm.score("is") is None


@pytest.mark.parametrize("content", ["{}", "no json", '{"format": "pyoco-eval/record/1"}'])
def test_other_files_are_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(PyocoEvalError, match=r"results\.json: not results of a protocol run"):
        Results.load(path)
