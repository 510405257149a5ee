"""The pages of the Python API, made from docstrings."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import pyoco_eval
from pyoco_eval.extraction.options import OPTIONS

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    make = [sys.executable, "-W", "error", str(ROOT / "scripts" / "api_pages.py"), str(folder)]
    made = subprocess.run(make, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert made.stderr == ""
    return folder


def test_every_public_name_has_its_place_and_text(pages: Path) -> None:
    text = (pages / "pyoco_eval.html").read_text(encoding="utf-8")
    for name in pyoco_eval.__all__:
        if name != "__version__":
            assert f'<section id="{name}">' in text
    assert "Noise (B, T, C, H, W), row b from" in text, "the contract of priors"


def test_options_are_listed_with_their_help(pages: Path) -> None:
    text = (pages / "pyoco_eval" / "extraction" / "options.html").read_text(encoding="utf-8")
    for name in OPTIONS:
        assert f"<strong>{name}:</strong>" in text


def test_pages_load_nothing_from_elsewhere(pages: Path) -> None:
    found = sorted(pages.rglob("*.html"))
    assert len(found) > 50
    loads = r"(?:src=|url\(|<link[^>]*href=|@import )[\"']?(?:https?:)?//"
    for page in found:
        assert not re.search(loads, page.read_text(encoding="utf-8")), page
