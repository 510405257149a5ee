"""Words on a picture: they fit, lose nothing but what the font lacks, and that is told."""

from pathlib import Path

import pytest
from grid_examples import HOSTILE

from pyoco_eval.errors import UsageError
from pyoco_eval.report.grid.lettering import Lettering


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("width", [40, 150, 500])
def test_lines_fit_and_together_they_are_the_text(text: str, width: int) -> None:
    lettering = Lettering()
    lines = lettering.wrap(text, width)
    assert all(lettering.width_of(line) <= width for line in lines)
    whole = lettering.drawable(text)
    assert "".join(lines).replace(" ", "") == whole.replace(" ", "")
    assert whole.isprintable()


def test_greek_and_signs_are_spelled_accents_go_and_the_rest_is_told() -> None:
    lettering = Lettering()
    assert lettering.drawable("α = 0.1 → ∞") == "alpha = 0.1 -> inf"
    assert lettering.drawable("café, naïve") == "cafe, naive"
    assert not lettering.lacking
    assert lettering.drawable("a 🐕 語") == "a ? ?"
    assert lettering.lacking == {"🐕", "語"}


def test_what_acts_is_shown_as_its_escape() -> None:
    assert Lettering().drawable("a\x1b[31m\u202eb") == r"a\x1b[31m\u202eb"


def test_a_font_of_the_user_draws_what_it_has(tmp_path: Path) -> None:
    matplotlib = pytest.importorskip("matplotlib", reason="its fonts are used")
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    lettering = Lettering(path)
    assert lettering.name == "DejaVu Sans Book"
    assert lettering.drawable("α → ∞ café שלום") == "α → ∞ café שלום"
    assert not lettering.lacking
    wrong = tmp_path / "font.ttf"
    wrong.write_bytes(b"no font")
    with pytest.raises(UsageError, match=r"font\.ttf: is no TrueType"):
        Lettering(wrong)


def test_nothing_is_no_line_and_one_letter_fits_always() -> None:
    lettering = Lettering()
    assert lettering.wrap("", 100) == []
    assert lettering.wrap("ab", 1) == ["a", "b"]
