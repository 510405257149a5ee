"""What tests of pages in a browser share."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page


def wait_for(page: "Page", condition: str) -> None:
    """Asks again and again; the page's policy forbids Playwright to do so from within."""
    for _ in range(200):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"never came true: {condition}")
