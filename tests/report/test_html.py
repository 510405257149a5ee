"""The page as text: one file, nothing loaded, foreign text escaped, everything there."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report_examples import (
    HOSTILE,
    PROTOCOL_HASH,
    arm,
    entry,
    hostile_results,
    results,
    shapes,
    signature,
)

from pyoco_eval.report.gallery.section import Budget, build_halls, wanted_of_sheet
from pyoco_eval.report.html import html_report, signature_parts, signatures
from pyoco_eval.report.sheet.of_results import sheet_of_results


class Elements(HTMLParser):
    """Every element with its attributes, and the text outside script and style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._inside = ""
        self.feed(page.replace("<wbr>", ""))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in ("script", "style"):
            self.text.append(data)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("run")
    sheet = sheet_of_results([("run", folder / "results.json", hostile_results(folder))])
    budget = Budget()
    halls = [build_halls(wanted_of_sheet(sheet), budget)]
    assert budget.sentences() == []
    return html_report([sheet], halls, budget)


def test_nothing_is_loaded_and_no_handler_or_style_attribute_exists(page: str) -> None:
    for tag, attributes in Elements(page).found:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name != "style"
            if name in ("src", "href", "poster", "srcset", "action"):
                assert value is not None
                assert value.startswith("data:"), (tag, value)
    assert {tag for tag, _ in Elements(page).found}.isdisjoint(
        {"iframe", "object", "embed", "base"}
    )


def test_the_policy_allows_the_one_script_and_the_one_style_only(page: str) -> None:
    elements = Elements(page).found
    assert [tag for tag, _ in elements].count("script") == 1
    assert [tag for tag, _ in elements].count("style") == 1
    policy = next(a["content"] for tag, a in elements if a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


def test_hostile_captions_are_text(page: str) -> None:
    text = "".join(Elements(page).text)
    for hostile in HOSTILE:
        shown = hostile.replace("\x00", "\ufffd")
        assert hostile in text or shown in text
    assert "<img src=x" not in page
    assert "<script>alert" not in page


def test_everything_of_a_run_is_there(page: str) -> None:
    text = " ".join(" ".join(Elements(page).text).split())
    for expected in (
        "Unconditional UCF-101", "ucf101-uncond@1", "58.12", "[280.00, 299.00]",
        "Among the published", "Which differences are real", "Against the number of samples",
        "By class", "Nearest to the reference", "Farthest from the reference", "Drawn at random",
        "What to know", "Left out: 1 video", "num_frames", "Which frames?", PROTOCOL_HASH,
    ):  # fmt: skip
        assert expected in text, expected
    assert signature() in page
    assert page.count("<video") == 4 + 2  # and a neighbour for both of the nearest


def test_a_reduced_run_says_so_at_the_top_and_in_its_row() -> None:
    sheet = sheet_of_results([("run", Path("r.json"), results(comparable=False, embedded=True))])
    page = html_report([sheet])
    assert "Not comparable with published numbers." in page
    assert "<em>not comparable</em>" in page
    full = html_report([sheet_of_results([("run", Path("r.json"), results())])])
    assert "not comparable" not in full.lower()


def test_signatures_are_told_key_by_key() -> None:
    parts = signature_parts("n:2048/2048 | unknown:x:y")
    assert parts[0][:2] == ("n", "2048/2048")
    assert parts[0][2].startswith("number of generated")
    assert parts[1] == ("unknown", "x:y", "")


def test_a_signature_of_several_repeats_is_shown_once_with_their_values() -> None:
    score = entry("fvd", 310.0)
    assert signatures(score) == [(signature(), [310.0])]
    score.repeats = [300.0, 320.0, 310.0]
    other = signature(n="1024/2048")
    score.signatures = [signature(), signature(), other]
    assert signatures(score) == [(signature(), [300.0, 320.0]), (other, [310.0])]


def test_galleries_of_many_rows_are_folded(tmp_path: Path) -> None:
    clips = shapes(tmp_path, 1)
    for count in (1, 5):
        run = results(*(arm(f"row {i}", gallery=clips) for i in range(count)))
        sheet = sheet_of_results([("run", tmp_path / "results.json", run)])
        budget = Budget()
        page = html_report([sheet], [build_halls(wanted_of_sheet(sheet), budget)], budget)
        assert page.count("<summary>1 clip</summary>") == (5 if count == 5 else 0)
        assert page.count("<video") == 2 * count
