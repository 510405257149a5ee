"""Scores on a terminal: values, signatures and warnings, whatever the width."""

import io

import pytest
from rich.console import Console

from pyoco_eval.metrics.base import Score
from pyoco_eval.metrics.signature import Signature
from pyoco_eval.report.render import print_scores


def shown(*scores: Score, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    print_scores(scores, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def score(metric: str = "fvd", label: str | None = None, **changes: object) -> Score:
    signature = Signature.of({"n": "2048/2048", "ref": "[red]x@1", "label": label, "v": "1"})
    return Score(metric, 123.456789, signature, 2048, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_signature_stays_on_one_line_and_markup_is_not_interpreted(width: int) -> None:
    text = shown(score(num_reference=2048), width=width)
    assert "FVD 123.457 | n:2048/2048 | ref:[red]x@1 | v:1" in text.splitlines()


def test_spread_and_interval_have_a_column_only_where_there_is_one() -> None:
    assert "±" not in shown(score())
    assert "± 0.5" in shown(score("is", std=0.5))
    assert "[100, 130.5]" in shown(score(interval=(100.0, 130.5)))


def test_warnings_are_shown_once_and_embedded_scores_say_what_they_are() -> None:
    text = shown(score(warnings=("take care",)), score("fid", warnings=("take care",)))
    assert text.count("take care") == 1
    assert "never compare" not in text
    assert "never compare" in shown(score(label="embedded"))


def test_conventions_are_named_where_a_metric_has_several() -> None:
    def under(name: str) -> Score:
        return Score("fid", 1.5, Signature.of({"conv": name, "v": "1"}), 64)

    assert "convention" not in shown(under("clean"))
    lines = shown(under("clean"), under("pytorch-fid")).splitlines()
    assert "convention" in lines[0]
    assert lines[1].split()[:2] == ["FID", "clean"]
    assert lines[2].split()[:2] == ["FID", "pytorch-fid"]
