"""A stage is done once for equal inputs, and again when they, or what it made, changed."""

from pathlib import Path

import pytest

from pyoco_eval.protocol_run.plan import TimeLeft, amount
from pyoco_eval.protocol_run.stages import Outcome, Stages, fingerprint
from pyoco_eval.records.results import StageRecord
from pyoco_eval.report.numbers import duration


def test_equal_inputs_are_done_once_and_others_again(tmp_path: Path) -> None:
    done: list[int] = []

    def work() -> Outcome:
        done.append(len(done))
        return {"number": len(done)}

    stages = Stages(tmp_path, lambda _: None)
    assert stages.run("score", "a", {"x": 1}, work) == {"number": 1}
    assert Stages(tmp_path, lambda _: None).run("score", "a", {"x": 1}, work) == {"number": 1}
    assert stages.run("score", "a", {"x": 2}, work) == {"number": 2}
    assert stages.run("train", "a", {"x": 1}, work) == {"number": 3}
    assert stages.run("score", "a", {"x": 1}, work, lambda found: False) == {"number": 4}
    assert [record.reused for record in stages.records] == [False, False, False, False]
    for marker in tmp_path.glob("*.json"):
        marker.write_text("damaged")
    assert stages.run("score", "a", {"x": 2}, work) == {"number": 5}


def test_a_stage_that_fails_leaves_no_marker(tmp_path: Path) -> None:
    def fail() -> Outcome:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Stages(tmp_path, lambda _: None).run("score", None, {}, fail)
    assert list(tmp_path.glob("*")) == []


def test_a_fingerprint_notices_names_sizes_and_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    before = fingerprint([tmp_path])
    assert fingerprint([tmp_path]) == before
    (tmp_path / "a").write_text("12")
    changed = fingerprint([tmp_path])
    (tmp_path / "a").rename(tmp_path / "b")
    assert len({before, changed, fingerprint([tmp_path]), fingerprint([tmp_path / "a"])}) == 4


def _over(stage: str, seconds: float, *, reused: bool = False) -> StageRecord:
    return StageRecord(stage=stage, arm="a", digest="0", seconds=seconds, reused=reused)


def test_the_time_left_is_told_from_stages_of_the_same_kind() -> None:
    left = TimeLeft({"generate": 3, "score": 3})
    assert left.over(_over("generate", 600)).endswith("more than 20 min left")
    assert left.over(_over("score", 60)).endswith("about 22 min left")
    assert "[3/6] generate a from an earlier start" in left.over(_over("generate", 0, reused=True))
    assert left.over(_over("score", 180)).endswith("about 12 min left")


def test_amounts_and_durations_read_well() -> None:
    assert [duration(s) for s in (3.21, 300, 725, 7800, 400_000)] == [
        "3.2 s", "5 min", "12 min 5 s", "2 h 10 min", "4 d 15 h",
    ]  # fmt: skip
    assert [amount(b) for b in (12, 12_300_000, 3.4e9, 5e13)] == [
        "12 B", "12.3 MB", "3.4 GB", "50 TB",
    ]  # fmt: skip
