"""Journals of scores: what is used again, what a kill leaves, what is refused."""

from pathlib import Path

import pytest

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.filtering.choices import FilterChoices
from pyoco_eval.filtering.judge import Judgement
from pyoco_eval.filtering.score_store import VideoScores, journals, open_journal, read_scores
from pyoco_eval.filtering.verdict import Tally, reason

FIRST = VideoScores("a.mp4", "ab" * 32, None, Judgement(None, 5.25))
OTHER = VideoScores("b\u2028\x1b.mp4", "cd" * 32, "ef" * 32, Judgement(-0.5, 4.0, cut=True))


def test_what_was_noted_is_read_back(tmp_path: Path) -> None:
    for rank, scores in enumerate((FIRST, OTHER)):
        with open_journal(tmp_path, rank, "r1") as journal:
            journal.note(scores)
    found = read_scores(journals(tmp_path), "r1")
    assert found == {FIRST.id: FIRST, OTHER.id: OTHER}
    assert read_scores(journals(tmp_path), "r1", {FIRST.id}) == {FIRST.id: FIRST}
    assert read_scores([*journals(tmp_path), tmp_path / "absent.jsonl"], "r2") == {}


def test_a_line_that_was_cut_off_is_no_line(tmp_path: Path) -> None:
    with open_journal(tmp_path, 0, "r") as journal:
        journal.note(FIRST)
        journal.note(OTHER)
    path = tmp_path / "journal-0.jsonl"
    whole = path.read_bytes()
    for length in range(len(whole) // 2, len(whole)):
        path.write_bytes(whole[:length])
        assert read_scores([path], "r").keys() <= {FIRST.id}
    with open_journal(tmp_path, 0, "r") as journal:
        journal.note(OTHER)
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "line", ["no json", "[]", '{"id": 3}', '{"recipe": "r"}', '{"id": "a", "recipe": "r"}']
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "journal-0.jsonl"
    path.write_text(f'{{"id": "x"}}\n{line}\n')
    with pytest.raises(PyocoEvalError, match=r"journal-0\.jsonl, line 2: is no row of scores"):
        read_scores([path], "r")


def test_a_score_that_is_its_threshold_is_kept() -> None:
    both = FilterChoices(min_clip=0.25, min_aesthetic=5)
    assert reason(Judgement(0.25, 5.0), both) == ""
    assert reason(Judgement(0.249999, 5.0), both) == "clip"
    assert reason(Judgement(0.3, 4.9), both) == "aesthetic"
    assert reason(Judgement(0.0, 4.9), both) == "clip and aesthetic"
    assert reason(Judgement(None, 5.0), FilterChoices(min_aesthetic=5)) == ""


def test_every_video_is_counted_once() -> None:
    tally = Tally()
    for why in ("", "clip", "clip", "unreadable", ""):
        tally.count(why, cut=why == "")
    assert tally.as_dict() == {
        "videos": 5, "kept": 2, "dropped": {"clip": 2, "unreadable": 1}
    }  # fmt: skip
    assert tally.cut == 2
