"""Grids in reports: arms of a protocol by shared samples, records with their videos."""

import re
from pathlib import Path

import pytest
from grid_examples import frames_of, write_folder
from report_examples import arm, record, results

from pyoco_eval.errors import UsageError
from pyoco_eval.records.results import Figure, GalleryEntry
from pyoco_eval.report.gallery.section import Budget
from pyoco_eval.report.grid.sections import strips_of_arms
from pyoco_eval.report.make import GalleryChoices, make_report
from pyoco_eval.report.sheet.of_results import sheet_of_results
from pyoco_eval.report.sheet.sheet import Sheet
from pyoco_eval.videos.write import write_video


def entries(folder: Path, name: str, indices: list[int], seed: int | None) -> list[GalleryEntry]:
    found = []
    for index in indices:
        write_video(folder / name / f"{index}.npz", frames_of(index), 8)
        found.append(
            GalleryEntry(
                file=f"{name}/{index}.npz", video=f"{index}.npz", role="random",
                caption=f"prompt {index}", index=index,
                seed=None if seed is None else seed + index,
            )
        )  # fmt: skip
    return found


def sheet(folder: Path, *arms: object) -> Sheet:
    figure = Figure(x="alpha", columns=["fvd"])
    run = results(*arms, figure=figure)  # type: ignore[arg-type]
    run.save(folder / "results.json")
    return sheet_of_results([("run", folder / "results.json", run)])


def alpha_arm(folder: Path, alpha: float, indices: list[int], seed: int | None = 0) -> object:
    key = f"mixed-{alpha:g}"
    return arm(
        f"mixed, α = {alpha:g}", key=key, parameters={"alpha": alpha},
        gallery=entries(folder, key, indices, seed),
    )  # fmt: skip


def test_arms_share_the_samples_that_all_drew(tmp_path: Path) -> None:
    found = sheet(
        tmp_path,
        alpha_arm(tmp_path, 0, [1, 4, 7, 9, 12]),
        alpha_arm(tmp_path, 1, [4, 7, 9, 12]),
        alpha_arm(tmp_path, 10, [0, 4, 9, 12]),
        arm("no alpha", gallery=entries(tmp_path, "other", [4, 9, 12], 0)),
    )
    budget = Budget()
    section = strips_of_arms(found, budget)
    assert section is not None
    assert section.heading == "The same samples along α"
    assert section.notes == (
        "Every column has one seed (and prompt): rows differ by model and prior alone.",
    )
    heads, *rows = section.table.lines
    assert heads.texts == ("prompt 4", "prompt 9", "prompt 12")
    assert [row.label for row in rows] == ["mixed, α = 0", "mixed, α = 1", "mixed, α = 10"]
    assert all(len(cell.stills) == 4 for row in rows for cell in row.cells)
    spent = sum(len(still) for row in rows for cell in row.cells for still in cell.stills)
    assert budget.left == budget.total - spent
    make_report([tmp_path / "results.json"], [tmp_path / "report.html"])
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<h2>The same samples along α</h2>" in page
    assert len(re.findall(r'<div class="stills">', page)) == 9


def test_seeds_that_are_not_known_are_not_claimed(tmp_path: Path) -> None:
    found = sheet(tmp_path, alpha_arm(tmp_path, 0, [1, 4]), alpha_arm(tmp_path, 1, [1, 4], None))
    section = strips_of_arms(found, Budget())
    assert section is not None
    assert "not known or not the same" in section.notes[0]


def test_older_results_lone_arms_and_strangers_have_no_grid(tmp_path: Path) -> None:
    old = alpha_arm(tmp_path, 0, [1, 4])
    for found in old.gallery:  # type: ignore[attr-defined]
        found.index = None
    for arms in ([old, old], [alpha_arm(tmp_path, 0, [1])],
                 [alpha_arm(tmp_path, 0, [1]), alpha_arm(tmp_path, 1, [2])]):  # fmt: skip
        assert strips_of_arms(sheet(tmp_path, *arms), Budget()) is None


def test_a_clip_that_cannot_be_read_is_told_and_costs_no_report(tmp_path: Path) -> None:
    found = sheet(tmp_path, alpha_arm(tmp_path, 0, [1]), alpha_arm(tmp_path, 1, [1]))
    (tmp_path / "mixed-1" / "1.npz").write_bytes(b"damaged")
    budget = Budget()
    section = strips_of_arms(found, budget)
    assert section is not None
    assert section.table.lines[2].cells[0].missing == "cannot be read"
    assert "A cell of the grid cannot be shown" in budget.failed[0]
    none_left = Budget(100)
    section = strips_of_arms(found, none_left)
    assert section is not None
    assert section.table.lines[1].cells[0].missing == "left out for its size"
    assert len(none_left.left_out) == 1


@pytest.fixture
def records(tmp_path: Path) -> Path:
    for number, name in enumerate(("before", "after")):
        record(300.0 + number, name).save(tmp_path / f"{name}.json")
        write_folder(tmp_path / name, ["x", "<b>y</b>"], content=9 * number)
    return tmp_path


def test_videos_of_several_records_stand_side_by_side(records: Path) -> None:
    paths = [records / "before.json", records / "after.json"]
    places = (str(records / "before"), str(records / "after"))
    make_report(paths, [records / "out.html"], GalleryChoices(places))
    page = (records / "out.html").read_text(encoding="utf-8")
    assert "<h2>Side by side</h2>" in page
    assert page.count("<video ") + page.count("data:image/gif") == 4
    assert "<bdi>&lt;b&gt;y&lt;/b&gt;</bdi>" in page
    make_report(paths, [records / "none.html"], GalleryChoices(places), clip_budget=0)
    assert "Side by side" not in (records / "none.html").read_text(encoding="utf-8")


def test_samples_that_do_not_belong_to_the_records_are_refused(records: Path) -> None:
    paths = [records / "before.json", records / "after.json"]
    places = tuple(str(records / name) for name in ("before", "after", "before"))
    out = [records / "out.html"]
    with pytest.raises(UsageError, match="given 3 times; give it once for each record"):
        make_report(paths, out, GalleryChoices(places))
    with pytest.raises(UsageError, match="or --samples for each"):
        make_report(paths, out, GalleryChoices(places[:1]))
    with pytest.raises(UsageError, match="belong to one record"):
        make_report(paths, out, GalleryChoices(places[:2], reference="x"))
    write_folder(records / "other", ["x", "z"])
    with pytest.raises(UsageError, match="sample 1 has another caption"):
        make_report(paths, out, GalleryChoices((places[0], str(records / "other"))))
