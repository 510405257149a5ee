"""One account of what a report says: all renderings tell the same, and nothing looks like more."""

import re
from pathlib import Path

import pytest
from report_examples import arm, entry, results

from pyoco_eval.records.results import Arm, ClassScore, MadeAs
from pyoco_eval.report.account import account_of
from pyoco_eval.report.html import html_report
from pyoco_eval.report.markup import latex, markdown
from pyoco_eval.report.numbers import SCIENTIFIC, decimals, fixed
from pyoco_eval.report.sheet.of_results import sheet_of_results
from pyoco_eval.report.sheet.score_table import NOT_RESOLVED, score_table
from pyoco_eval.report.sheet.sheet import Sheet
from pyoco_eval.report.tables import latex_report, markdown_report

NAME = "my_long_file_name-of-a-run_20261126"


def sheet(*arms: Arm, **changes: object) -> Sheet:
    return sheet_of_results([("run", Path("results.json"), results(*arms, **changes))])


def full() -> Sheet:
    classes = [
        ClassScore(label=i, name=f"class-{i}", num_videos=1, values={"accuracy": float(i % 2)})
        for i in range(4)
    ]
    made = [
        MadeAs(fact="container", asked="npz", found={"mov h264": 5}, agrees=False),
        MadeAs(fact="frames", asked="16", found={"16": 4, "17": 1}, agrees=False),
    ]
    one = arm(NAME, class_scores=classes, made_as=made, warnings=["Beware.", "Beware."])
    return sheet(one, arm("other", warnings=["Beware."]), warnings=["Beware."])


def renderings(shown: Sheet) -> dict[str, str]:
    """Each as a reader sees its words."""
    page = re.sub(r"<(style|script)>.*?</\1>", "", html_report([shown]), flags=re.DOTALL)
    page = re.sub(r'\b(title|data-copy|aria-label)="[^"]*"', "", page).replace("<wbr>", "")
    text = re.sub(r"<[^>]+>", " ", page)
    for code, sign in (("&amp;", "&"), ("&#34;", '"'), ("&#39;", "'"), ("&nbsp;", " ")):
        text = text.replace(code, sign)
    return {
        "html": " ".join(text.split()),
        "markdown": markdown_report([shown]),
        "latex": latex_report([shown]),
    }


def written(kind: str, text: str) -> str:
    return {"html": str, "markdown": markdown, "latex": latex}[kind](text)


def test_every_rendering_tells_n_spread_classes_videos_and_verdicts() -> None:
    shown = full()
    account = account_of(shown)
    texts = renderings(shown)
    assert "± of IS is the standard deviation over splits, ddof 0." in account.notes
    for kind, text in texts.items():
        for note in account.notes:
            assert written(kind, note.rstrip(".")) in text, (kind, note)
        for said in ("2,048 / 2,048", "mov h264", "16 (4 videos), 17 (1 videos)", "class-3"):
            assert written(kind, said) in text, (kind, said)
        (chart,) = account.classes
        assert written(kind, chart.about) in text, kind
        assert "the same" in text, kind
        assert "unknown" not in text, kind


def test_classes_of_one_video_say_so() -> None:
    (chart,) = account_of(full()).classes
    assert chart.about == "n = 1 video of each class; of a single video it is 0 % or 100 %"
    assert "n=1" in html_report([full()]).replace(" ", "")


def test_every_warning_stands_once_in_every_rendering() -> None:
    for kind, text in renderings(full()).items():
        assert text.count("Beware.") == 1, kind


@pytest.mark.parametrize("bounds", [(0.0, 0.0), (1.0, 1.0)])
def test_an_interval_cut_to_a_point_is_not_told_as_certainty(bounds: tuple[float, float]) -> None:
    shown = sheet(arm("ours", scores=[entry("fvd", 0.02, interval=bounds)]))
    cell = score_table(shown).own[0].cells[1]
    assert cell is not None
    assert cell.interval == NOT_RESOLVED
    for kind, text in renderings(shown).items():
        assert NOT_RESOLVED in text, kind
        assert "[0.00, 0.00]" not in text, kind


@pytest.mark.parametrize(
    ("value", "text"),
    [(3.868e-13, "3.868e-13"), (2.5e-7, "2.500e-07"), (0.00012, "0.0001200"), (310.0, "310.00"),
     (0.0, "0.00"), (1.5e12, "1.500e+12")],
)  # fmt: skip
def test_numbers_have_four_digits_whatever_their_size(value: float, text: str) -> None:
    assert fixed(value, decimals([value])) == text
    assert fixed(0.0, SCIENTIFIC) == "0"


def test_names_break_behind_their_separators_alone() -> None:
    page = html_report([full()])
    whole = "my_<wbr>long_<wbr>file_<wbr>name-<wbr>of-<wbr>a-<wbr>run_<wbr>20261126"
    assert whole in page
    assert "overflow-wrap: anywhere;\n}\n\narticle" not in page


def test_a_file_that_calls_itself_comparable_is_held_to_what_it_holds() -> None:
    honest = results()
    assert sheet_of_results([("r", Path("r"), honest)]).comparable
    edited = honest.protocol.model_copy(update={"recipe": {"clip": "another"}})
    for claim in (
        honest.model_copy(update={"protocol": edited}),
        honest.model_copy(update={"reduced": "scale=0.1"}),
        honest.model_copy(update={"deviations": ["Other prompts."]}),
    ):
        assert claim.comparable
        shown = sheet_of_results([("r", Path("r"), claim)])
        assert not shown.comparable
        assert account_of(shown).verdict
