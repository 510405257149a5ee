"""The page in a real browser: it loads nothing, runs nothing foreign, plays, folds and fits."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from in_browser import wait_for
from report_examples import hostile_results, signature

from pyoco_eval.report.make import make_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SIZES = {"desk": (1280, 900), "phone": (420, 900)}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    hostile_results(folder).save(folder / "results.json")
    make_report([folder / "results.json"], [folder / "report.html"])
    return folder / "report.html"


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=list(SIZES))
def page(
    request: pytest.FixtureRequest, browser: "Browser", report: Path, scheme: str
) -> "Iterator[Page]":
    """The page, which must neither load anything else nor complain."""
    width, height = SIZES[request.param]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,  # type: ignore[arg-type]
    )
    opened = context.new_page()
    problems: list[str] = []
    requests: list[str] = []
    opened.on("console", lambda message: problems.append(f"{message.type}: {message.text}"))
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("dialog", lambda dialog: problems.append(f"dialog: {dialog.message}"))
    opened.on("request", lambda made: requests.append(made.url))
    opened.goto(report.as_uri())
    yield opened
    assert problems == []
    assert [url for url in requests if not url.startswith("data:")] == [report.as_uri()]
    context.close()


def test_it_fits_plays_folds_and_follows_the_colour_scheme(page: "Page", scheme: str) -> None:
    width = page.viewport_size["width"]  # type: ignore[index]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    video = page.locator("video").first
    video.scroll_into_view_if_needed()
    wait_for(page, "document.querySelector('video').currentTime > 0")
    before = video.evaluate("v => v.currentTime")
    wait_for(page, f"document.querySelector('video').currentTime !== {before}")
    assert video.evaluate("v => v.muted && v.loop && v.videoWidth === 64")
    folded = page.locator("details:not([open])").first
    summary = folded.locator("summary")
    handle = folded.element_handle()
    summary.click()
    assert handle.evaluate("d => d.open && d.lastElementChild.getBoundingClientRect().height > 0")
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    red = int(background.removeprefix("rgb(").split(",")[0])
    assert (red > 128) == (scheme == "light")


def test_the_signature_is_copied(browser: "Browser", report: Path) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(report.as_uri())
    page.evaluate(
        "navigator.clipboard.writeText = async (text) => { document.title = text; };"
        "document.querySelectorAll('details').forEach(d => { d.open = true; })"
    )
    button = page.locator(".signatures button.copy").nth(1)
    button.click()
    wait_for(page, "document.title.startsWith('net:')")
    assert page.title() == signature()
    assert button.inner_text() == "Copied"
    context.close()


def test_print_opens_what_is_folded_and_is_light(browser: "Browser", report: Path) -> None:
    page = browser.new_page(color_scheme="dark")
    page.goto(report.as_uri())
    assert page.locator("details:not([open])").count() > 0
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() > 0
    page.emulate_media(media="print", color_scheme="dark")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(255, 255, 255)"
    page.close()


def test_who_wants_no_motion_gets_controls_instead(browser: "Browser", report: Path) -> None:
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.evaluate(
        "[...document.querySelectorAll('video')].every(v => v.paused && v.controls)"
    )
    context.close()
