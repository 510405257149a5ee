"""Results and records become the same kind of sheet, and nothing is lost on the way."""

from pathlib import Path

import pytest
from report_examples import RECIPE, arm, entry, record, results, signature

from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.records.record import Record
from pyoco_eval.report.numbers import decimals
from pyoco_eval.report.sheet.differences import difference_tables
from pyoco_eval.report.sheet.loading import load_records, load_sheets
from pyoco_eval.report.sheet.of_records import sheet_of_records
from pyoco_eval.report.sheet.of_results import sheet_of_results
from pyoco_eval.report.sheet.score_table import score_table
from pyoco_eval.report.sheet.sheet import flatten


def test_the_own_row_is_the_best_where_scores_are_comparable() -> None:
    sheet = sheet_of_results([("run", Path("results.json"), results())])
    table = score_table(sheet)
    cells = {row.method: row.cells for row in table.rows}
    assert [row.method for row in table.rows] == ["MoCoGAN-HD", "VDM", "PYoCo (253M)", "ours"]
    assert cells["VDM"][1] is None
    ours, paper = cells["ours"], cells["PYoCo (253M)"]
    assert ours[0] is not None
    assert (ours[0].value, ours[0].spread, ours[0].best) == ("58.12", "0.40", False)
    assert ours[1] is not None
    interval = "at N → ∞ [280.00, 299.00]"
    assert (ours[1].value, ours[1].interval, ours[1].best) == ("301.46", interval, True)
    assert paper[0] is not None
    assert paper[0].best
    assert paper[1] is not None
    assert (paper[1].value, paper[1].spread, paper[1].best) == ("310", "13", False)
    assert table.sources == ["Ge et al. 2023, arXiv:2305.10474, Table 4"]


def test_what_is_not_comparable_is_never_the_best_of_the_published() -> None:
    run = results(comparable=False, reduced="scale=0.01", deviations=["Half the steps."])
    sheet = sheet_of_results([("run", Path("results.json"), run)])
    assert sheet.reasons == ("Counts were reduced (scale=0.01).", "Half the steps.")
    best = [
        row.method
        for row in score_table(sheet).rows
        if row.cells[1] is not None and row.cells[1].best
    ]
    assert best == ["PYoCo (253M)"]


def test_published_numbers_keep_the_digits_of_their_column() -> None:
    sheet = sheet_of_results([("run", Path("results.json"), results())])
    cells = [row.cells[0] for row in score_table(sheet).published]
    assert [cell.value for cell in cells if cell] == ["32.36", "57.00", "60.01"]
    assert [cell.spread for cell in cells if cell] == ["", "0.62", "0.51"]


def test_runs_of_one_protocol_share_a_sheet_and_their_names_tell_rows_apart() -> None:
    runs = [("a", Path("a.json"), results()), ("b", Path("b.json"), results())]
    sheet = sheet_of_results(runs)
    assert [found.title for found in sheet.arms] == ["a", "b"]
    assert len({found.key for found in sheet.arms}) == 2
    two = results(arm("x"), arm("y"))
    sheet = sheet_of_results([("a", Path("a.json"), results()), ("b", Path("b.json"), two)])
    assert [found.title for found in sheet.arms] == ["a", "b: x", "b: y"]


def test_differences_are_those_of_compare_with_the_sign_of_the_row() -> None:
    near, far = (300.0, (290.0, 310.0)), (400.0, (390.0, 410.0))
    records = {
        "far": record(far[0], "1", interval=far[1]),
        "near": record(near[0], "2", interval=near[1]),
        "close": record(301.0, "3", interval=(291.0, 311.0)),
    }
    for chosen in (("far", "near"), ("near", "far"), ("far", "near", "close")):
        (table,) = difference_tables(sheet_of_records({name: records[name] for name in chosen}))
        rows = {row.name: row for row in table.rows}
        assert table.rows[0].name == "near"
        assert rows["near"].difference == ""
        assert rows["far"].difference == "+100.00"
        assert rows["far"].is_shown
        # half widths 10 and 10 at 95 %: 10 √2
        assert rows["far"].interval == "[+85.86, +114.14]"
        assert rows["far"].verdict == "near is better than far at 95%"
    assert rows["close"].is_shown is False


def test_other_recipes_do_not_compare_and_none_is_called_the_best() -> None:
    other = record(100.0, "1")
    changed = RECIPE | {"clip": "16f-s4-first"}
    other.scores[0].recipe = changed
    other.scores[0].signature = signature(clip="16f-s4-first")
    sheet = sheet_of_records({"a": record(300.0, "2"), "b": other})
    (table,) = difference_tables(sheet)
    assert len(table.refused) == 1
    assert table.refused[0].startswith("clip (")
    assert not any(cell.best for row in score_table(sheet).rows for cell in row.cells if cell)


def test_differences_say_that_the_spread_of_repeats_is_not_in_them() -> None:
    repeated = entry("fvd", 300.0, interval=(290.0, 310.0), std=4.0)
    repeated.spread_of = "repeats"
    arms = [arm(name, scores=[repeated]) for name in ("x", "y")]
    sheet = sheet_of_results([("run", Path("results.json"), results(*arms))])
    (table,) = difference_tables(sheet)
    assert any("spread over repeats" in warning for warning in table.warnings)


def test_labels_and_floors_of_records_are_reasons_not_to_compare() -> None:
    found = record(1.0, "1")
    assert sheet_of_records({"a": found}).comparable
    found.scores[0].recipe = RECIPE | {"label": "embedded", "floor": "forced"}
    sheet = sheet_of_records({"a": found})
    assert not sheet.comparable
    assert len(sheet.reasons) == 2


def test_a_limit_is_a_curve_not_a_column() -> None:
    found = record(20.0, "1")
    limit = found.scores[0].model_copy(
        update={
            "metric": "fvd-inf",
            "value": 12.0,
            "extras": {
                "sizes": [64.0, 128.0],
                "mean": [28.0, 20.0],
                "std": [1.0, 0.0],
                "slope": 1024.0,
                "standard_error": 0.5,
            },
        }
    )
    found.scores.append(limit)
    sheet = sheet_of_records({"a": found})
    assert [column.key for column in sheet.columns] == ["fvd tf-fvd"]
    (curve,) = sheet.arms[0].curves
    assert (curve.key, curve.limit, curve.points[0].num_rows) == ("fvd tf-fvd", 12.0, 64)


def test_two_conventions_of_one_metric_are_two_columns() -> None:
    found = record(20.0, "1")
    other = found.scores[0].model_copy(update={"recipe": RECIPE | {"conv": "stylegan-v"}})
    found.scores.append(other)
    sheet = sheet_of_records({"a": found})
    assert [column.title for column in sheet.columns] == ["FVD (tf-fvd)", "FVD (stylegan-v)"]


def test_flatten_keeps_every_leaf() -> None:
    nested = {"a": {"b": 1, "c": None}, "d": [1, 2], "e": [{"f": "x"}, {"f": "y"}], "g": True}
    assert flatten(nested) == {
        "a.b": "1", "a.c": "-", "d": "1 2", "e.1.f": "x", "e.2.f": "y", "g": "True"
    }  # fmt: skip


def test_files_are_told_apart_by_what_they_say(tmp_path: Path) -> None:
    results().save(tmp_path / "results.json")
    record(1.0, "1").save(tmp_path / "record.json")
    sheets = load_sheets([tmp_path / "record.json", tmp_path / "results.json"])
    assert [sheet.kicker for sheet in sheets] == ["ucf101-uncond@1", "Scores"]
    (tmp_path / "other.json").write_text('{"format": "x"}')
    with pytest.raises(PyocoEvalError, match=r"other\.json: not a pyoco-eval record"):
        load_sheets([tmp_path / "other.json"])
    (tmp_path / "no.json").write_text("{")
    with pytest.raises(PyocoEvalError, match="cannot be read as JSON"):
        load_sheets([tmp_path / "no.json"])
    with pytest.raises(UsageError, match="given twice"):
        load_sheets(2 * [tmp_path / "record.json"])


def test_files_of_one_name_are_called_by_their_folders(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        results().save(tmp_path / name / "results.json")
    paths = [tmp_path / name / "results.json" for name in ("first", "second")]
    (sheet,) = load_sheets(paths)
    assert [found.title for found in sheet.arms] == ["first", "second"]


def test_a_record_without_a_metric_in_common_has_no_differences() -> None:
    other: Record = record(1.0, "2")
    other.scores[0].metric = "kvd"
    assert difference_tables(sheet_of_records({"a": record(1.0, "1"), "b": other})) == []


@pytest.mark.parametrize(
    ("values", "places"),
    [([310.0, 2.0], 2), ([14.2], 2), ([1.4], 3), ([0.88], 4), ([0.0003], 7), ([0.0], 2), ([], 2)],
)
def test_a_column_shows_four_digits_of_its_largest_value(values: list[float], places: int) -> None:
    assert decimals(values) == places


def test_rows_of_one_title_are_told_apart() -> None:
    sheet = sheet_of_results([("run", Path("r.json"), results(arm(key="x"), arm(key="y")))])
    assert [row.method for row in score_table(sheet).own] == ["ours (x)", "ours (y)"]
    assert len(difference_tables(sheet)) == 2


def test_signatures_tell_why_a_run_is_not_comparable() -> None:
    forced = entry("fvd", 300.0)
    forced.signature = signature(floor="forced", net="i3d-own@12345678-unverified")
    sheet = sheet_of_results(
        [("run", Path("r.json"), results(arm(scores=[forced]), comparable=False))]
    )
    assert len(sheet.reasons) == 2
    assert "sample floor" in sheet.reasons[0]
    assert "weights" in sheet.reasons[1]


def test_arms_of_results_are_records_to_compare(tmp_path: Path) -> None:
    results(arm("x"), arm("y")).save(tmp_path / "run.json")
    results().save(tmp_path / "other.json")
    record(1.0, "1").save(tmp_path / "plain.json")
    found = load_records([tmp_path / f"{name}.json" for name in ("run", "other", "plain")])
    assert list(found) == ["run: x", "run: y", "other", "plain"]
    assert list(load_records([tmp_path / "run.json"])) == ["x", "y"]
    assert found["run: y"][0] == tmp_path / "run.json"
    assert [score.value for score in found["other"][1].scores] == [58.123, 301.456]
