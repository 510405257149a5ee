"""The pages speak of what exists."""

import re
from pathlib import Path

import pytest

from pyoco_eval.cli.main import cli
from pyoco_eval.weights import MANIFEST

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_and_links_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    paths = re.findall(r"`((?:tests|scripts|benchmarks|docs|pyoco_eval|protocols)/[\w./-]+)`", text)
    links = [link for link in re.findall(r"\]\(([\w./-]+)\)", text) if "://" not in link]
    missing = [p for p in paths if "NAME" not in p and not (ROOT / p).exists()]
    missing += [link for link in links if not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(
        re.findall(r"(?:^|`|\$ )pyoco-eval (?:--offline )?([a-z][a-z0-9-]*)", text, re.MULTILINE)
    )
    known = set(cli.list_commands(None))  # type: ignore[arg-type]
    assert named - {"colour-shift"} <= known, "that one is of the example package"


def test_each_of_the_twelve_pains_has_an_answer_and_a_test() -> None:
    text = (ROOT / "docs" / "why.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| .* \| .* \| (`tests/.*) \|$", text, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 13))


def test_every_weight_file_is_described() -> None:
    text = (ROOT / "docs" / "weights.md").read_text(encoding="utf-8")
    assert all(f"| `{key}` | `{entry.name}` |" in text for key, entry in MANIFEST.items())
