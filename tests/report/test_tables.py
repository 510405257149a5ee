"""Markdown and LaTeX: what they hold, and that foreign text stays text."""

import re
from pathlib import Path

import pytest
from report_examples import HOSTILE, arm, hostile_results, results

from pyoco_eval.report.markup import latex, markdown, visible
from pyoco_eval.report.sheet.of_results import sheet_of_results
from pyoco_eval.report.tables import latex_report, markdown_report


def test_markdown_shows_the_own_row_among_the_published() -> None:
    text = markdown_report([sheet_of_results([("run", Path("results.json"), results())])])
    lines = text.splitlines()
    assert "| method | IS ↑ | FVD ↓ | N | source |" in lines
    assert "| --- | ---: | ---: | ---: | --- |" in lines
    paper = "| PYoCo (253M) | **60.01 ± 0.51** | 310 ± 13 | "
    assert any(line.startswith(paper) for line in lines)
    interval = r"at N → ∞ \[280.00, 299.00\]"
    ours = rf"| **ours** | 58.12 ± 0.40 | **301.46**, {interval} | 2,048 / 2,048 | this run |"
    assert ours in lines
    assert "Not comparable" not in text
    assert "net:i3d-k400-logits@fa7df956" in text


def test_latex_is_a_booktabs_table_with_as_many_cells_as_columns() -> None:
    text = latex_report(
        [sheet_of_results([("run", Path("results.json"), results(comparable=False))])]
    )
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 1
    assert r"\begin{tabular}{lrrr}" in text
    assert r"Method & IS ($\uparrow$) & FVD ($\downarrow$) & $N$ \\" in text
    assert r"\textbf{310 $\pm$ 13} & -- \\ % Ge et al. 2023" in text
    interval = r"at N $\to$ $\infty$ [280.00, 299.00]"
    own = rf"ours & 58.12 $\pm$ 0.40 & 301.46, {interval} & 2,048 / 2,048 \\ % this run"
    assert own in text
    assert "Not comparable" in text


def test_hostile_text_changes_no_structure(tmp_path: Path) -> None:
    sheet = sheet_of_results([("run", Path("results.json"), hostile_results(tmp_path))])
    tables = [line for line in markdown_report([sheet]).splitlines() if line.startswith("| ")]
    scores = tables[: tables.index(next(line for line in tables if line.startswith("| set ")))]
    assert len(scores) == 2 + len(HOSTILE) + 2
    for line in scores:
        assert len(re.findall(r"(?<!\\)\|", line)) == 6, line
        assert "<" not in line
    for line in latex_report([sheet]).splitlines():
        code, _, _ = line.partition(" % ")
        plain = re.sub(r"\\[{}]", "", code)
        assert plain.count("{") == plain.count("}"), line
        assert not re.search(r"(?<!\\)[#%_]", code.lstrip("% ")) or line.startswith("%"), line
        assert r"\input" not in code


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("50% of $x_1^2$", r"50\% of \$x\_1\textasciicircum{}2\$"),
        (r"\input{a}", r"\textbackslash{}input\{a\}"),
        ("a & b # c ~", r"a \& b \# c \textasciitilde{}"),
        ("α = ∞ ± 1", r"$\alpha$ = $\infty$ $\pm$ 1"),
        ("two\nlines", "two lines"),
    ],
)
def test_latex_specials(text: str, expected: str) -> None:
    assert latex(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a|b", r"a\|b"),
        ("`x` [y](z) *b* _i_", r"\`x\` \[y\](z) \*b\* \_i\_"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("two\r\nlines", "two lines"),
    ],
)
def test_markdown_specials(text: str, expected: str) -> None:
    assert markdown(text) == expected


def test_characters_that_act_are_shown_instead() -> None:
    assert visible("a\u202eb\u0007\u200f") == "aU+202EbU+0007U+200F"
    assert visible("a red square") == "a red square"


def test_differences_have_their_own_table() -> None:
    arms = [arm("x"), arm("y")]
    sheet = sheet_of_results([("run", Path("results.json"), results(*arms))])
    text = markdown_report([sheet])
    assert "## Differences: FVD (tf-fvd)" in text
    assert "no difference shown" in text
    assert "FVD (tf-fvd): differences to the best" in latex_report([sheet])
