"""A real browser for the pages."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    named = os.environ.get("PYOCO_EVAL_CHROMIUM") or shutil.which("chromium")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--disable-background-networking"]  # fmt: skip
    with api.sync_playwright() as playwright:
        found = named or playwright.chromium.executable_path
        if not Path(found).is_file():
            pytest.skip("no Chromium: install it, or name it in PYOCO_EVAL_CHROMIUM")
        launched = playwright.chromium.launch(executable_path=found, args=flags)
        yield launched
        launched.close()
