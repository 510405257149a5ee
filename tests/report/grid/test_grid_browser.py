"""The page of a grid in a real browser: clips play in step, stop, are stepped, and all fits."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from grid_examples import HOSTILE, opened, write_folder
from in_browser import wait_for

from pyoco_eval.report.grid.fill import GridChoices
from pyoco_eval.report.grid.make import make_grid

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TIMES = "[...document.querySelectorAll('video')].map(v => v.currentTime)"


@pytest.fixture(scope="module", params=["strips", "side-by-side", "gallery"])
def grid(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grid")
    folders = {
        HOSTILE[number]: write_folder(folder / str(number), list(HOSTILE), content=number)
        for number in ((3,) if request.param == "gallery" else (3, 4))
    }
    choices = GridChoices(request.param, num=3 if request.param == "strips" else 6)
    return make_grid(opened(**folders), folder / "out", choices).page


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def page(browser: "Browser", grid: Path, scheme: str) -> "Iterator[Page]":
    """The page, which must neither load anything else nor complain."""
    context = browser.new_context(
        viewport={"width": 700, "height": 900},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    opened_page = context.new_page()
    problems: list[str] = []
    requests: list[str] = []
    opened_page.on("console", lambda message: problems.append(f"{message.type}: {message.text}"))
    opened_page.on("pageerror", lambda error: problems.append(str(error)))
    opened_page.on("dialog", lambda dialog: problems.append(f"dialog: {dialog.message}"))
    opened_page.on("request", lambda made: requests.append(made.url))
    opened_page.goto(grid.as_uri())
    yield opened_page
    assert problems == []
    assert [url for url in requests if not url.startswith("data:")] == [grid.as_uri()]
    context.close()


def test_clips_play_in_step_stop_and_are_stepped(page: "Page") -> None:
    if page.locator("video").count() == 0:
        pytest.skip("this FFmpeg has no H.264 encoder: clips are GIFs")
    wait_for(page, f"Math.min(...{TIMES}) > 0.2")
    times = page.evaluate(TIMES)
    assert max(times) - min(times) < 0.25, "two frames of 8 a second"
    button = page.locator(".player button")
    assert button.inner_text() == "Pause"
    button.click()
    wait_for(page, "[...document.querySelectorAll('video')].every(v => v.paused && !v.seeking)")
    assert button.inner_text() == "Play"
    page.locator(".player input").evaluate(
        "s => { s.value = '5'; s.dispatchEvent(new Event('input')); }"
    )
    wait_for(page, "[...document.querySelectorAll('video')].every(v => !v.seeking)")
    assert page.evaluate(TIMES) == pytest.approx([5.5 / 8] * page.locator("video").count())
    assert page.locator(".player output").inner_text() == "frame 6 of 8"
    button.click()
    wait_for(page, f"Math.max(...{TIMES}) < 0.4")
    wait_for(page, f"Math.min(...{TIMES}) > 0.4")


def test_it_fits_is_sharp_and_follows_the_colour_scheme(page: "Page", scheme: str) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= 700
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    red = int(background.removeprefix("rgb(").split(",")[0])
    assert (red > 128) == (scheme == "light")
    clip = page.locator(".cell > *").first
    assert clip.evaluate("c => getComputedStyle(c).imageRendering") == "pixelated"
    assert clip.evaluate("c => c.getBoundingClientRect().width") == 160
    overflowing = page.evaluate(
        "[...document.querySelectorAll('.grid th, .grid td')]"
        ".filter(c => c.scrollWidth > c.clientWidth + 1).length"
    )
    assert overflowing == 0, "captions wrap inside of their cells"


def test_who_wants_no_motion_starts_it_himself(browser: "Browser", grid: Path) -> None:
    context = browser.new_context(reduced_motion="reduce")
    opened_page = context.new_page()
    opened_page.goto(grid.as_uri())
    assert opened_page.evaluate("[...document.querySelectorAll('video')].every(v => v.paused)")
    assert opened_page.locator(".player button").inner_text() == "Play"
    context.close()
