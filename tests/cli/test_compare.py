"""Comparing records: intervals, verdicts and refusals, with records made by hand."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pyoco_eval.cli.compare import command
from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.metrics.signature import KEYS, Signature
from pyoco_eval.records.compare import compare_records
from pyoco_eval.records.record import Record, ScoreRecord, SourceRecord
from pyoco_eval.report.compare_text import refusal

RECIPE = {
    "net": "i3d-k400-logits@fa7df956",
    "conv": "tf-fvd",
    "n": "2048/2048",
    "size": "64x64/64x64",
    "clip": "16f-s1-first",
    "frames": "224-tf1bilinear-squash",
    "scale": "2x/255-1",
    "prec": "fp32",
    "ref": "ucf101@1f3c0000",
    "cov": "n-1",
    "dec": "pyav-18.1",
    "v": "0.1.0",
}
CI = {"ci": "halves100-95%-seed0"}


def score(
    value: float,
    metric: str = "fvd",
    *,
    interval: tuple[float, float] | None = None,
    std: float | None = None,
    extras: dict[str, Any] | None = None,
    **changes: str,
) -> ScoreRecord:
    recipe = {key: text for key, text in (RECIPE | changes).items() if text}
    return ScoreRecord(
        metric=metric,
        value=value,
        interval=interval,
        std=std,
        signature=str(Signature.of(recipe)) if set(recipe) <= set(KEYS) else "",
        recipe=recipe,
        num_samples=2048,
        num_reference=2048,
        extras=extras or {},
    )


def record(*scores: ScoreRecord, digest: str = "") -> Record:
    samples = SourceRecord(name="gen", digest=digest or str(id(scores)), num_videos=2048)
    return Record(version="0.1.0", scores=list(scores), samples=samples)


def compare(*scores: ScoreRecord, force: bool = False) -> Any:
    records = {
        name: record(found, digest=name) for name, found in zip("abcd", scores, strict=False)
    }
    comparisons, unused = compare_records(records, force=force)
    assert not unused
    (comparison,) = comparisons
    return comparison


def test_intervals_of_a_difference_combine_as_independent_errors_do() -> None:
    found = compare(
        score(355.0, interval=(340.0, 352.0), **CI), score(300.0, interval=(292.0, 308.0), **CI)
    )
    (difference,) = found.differences
    assert difference.value == -55
    assert difference.interval == pytest.approx((-46 - 10, -46 + 10), rel=1e-9)
    assert difference.verdict == "b is better than a at 95%"
    assert difference.basis == "independent"


def test_centres_and_deviations_are_used_where_the_record_has_them() -> None:
    extras = {"interval_centre": -1.0, "interval_deviation": 3.0}
    other = {"interval_centre": 4.0, "interval_deviation": 4.0}
    found = compare(
        score(2.0, interval=(0.0, 5.0), extras=extras, **CI),
        score(6.0, interval=(0.0, 12.0), extras=other, **CI),
    )
    margin = 1.959963984540054 * 5
    assert found.differences[0].interval == pytest.approx((5 - margin, 5 + margin), rel=1e-12)
    assert found.differences[0].verdict.startswith("no difference shown")


def test_an_interval_cut_off_at_zero_does_not_count_as_a_short_one() -> None:
    whole = compare(*[score(1.0, interval=(0.5, 1.5), **CI)] * 2).differences[0].interval
    cut = compare(*[score(1.0, interval=(0.0, 1.0), **CI)] * 2).differences[0].interval
    assert cut[1] == pytest.approx(2 * whole[1])
    centred = score(1.0, interval=(0.0, 0.7), extras={"interval_centre": 0.2}, **CI)
    assert compare(centred, centred).differences[0].interval[1] == pytest.approx(0.5 * math.sqrt(2))


def test_other_levels_are_brought_to_one() -> None:
    ninety = score(1.0, interval=(1 - 1.6448536, 1 + 1.6448536), ci="halves100-90%-seed0")
    found = compare(ninety, ninety).differences[0].interval
    assert found[1] == pytest.approx(1.9599640 * math.sqrt(2), rel=1e-6)


def test_without_intervals_the_difference_stands_alone() -> None:
    found = compare(score(10.0), score(12.0))
    assert found.differences[0].interval is None
    assert found.differences[0].verdict.startswith("a scores better than b; whether")
    assert any("--interval 100" in warning for warning in found.warnings)
    assert compare(score(10.0), score(10.0)).differences[0].verdict == "the same number"


def test_higher_is_better_for_the_inception_score_and_its_spread_is_no_error() -> None:
    recipe = {"n": "2048", "ref": "", "cov": "", "splits": "10", "eps": "0"}
    found = compare(score(40.0, "is", std=1.0, **recipe), score(50.0, "is", std=2.0, **recipe))
    assert found.differences[0].verdict.startswith("b scores better than a")
    assert any("not a standard error" in warning for warning in found.warnings)


def test_a_metric_that_has_no_interval_is_not_told_to_get_one() -> None:
    assert any("--interval" in warning for warning in compare(*[score(1.0, "is")] * 2).warnings)
    found = compare(score(0.5, "precision"), score(0.6, "precision"))
    assert not any("--interval" in warning for warning in found.warnings)
    assert found.differences[0].verdict.startswith("b scores better")


@pytest.mark.parametrize("changes", [{"ci": CI["ci"] + "-refexact"}, {"ref": "", **CI}])
def test_only_a_reference_with_an_error_of_its_own_can_be_shared(changes: dict[str, str]) -> None:
    found = compare(*[score(1.0, interval=(0.5, 1.5), **changes)] * 2)
    assert not any("conservative" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    "key", [key for key in KEYS if key not in ("size", "ci", "dec", "left", "protocol", "v")]
)
def test_every_key_that_must_agree_is_refused_with_its_meaning(key: str) -> None:
    changed = {key: "9/9" if key == "n" else "other@99999999"}
    found = compare(score(1.0), score(2.0, **changed))
    assert [difference.key for difference in found.refused] == [key]
    assert found.differences == ()
    message = str(refusal([found]))
    assert f"{key}: {KEYS[key]}" in message
    assert all(f"  {value}\n" in message + "\n" for value in found.refused[0].values)
    forced = compare(score(1.0), score(2.0, **changed), force=True)
    assert forced.differences[0].value == 1
    assert forced.refused


@pytest.mark.parametrize(
    ("changed", "warned"),
    [
        ({"size": "320x240/64x64"}, None),
        ({"ref": "UCF-101@1f3c0000"}, None),
        ({"dec": "decord-0.6"}, "dec differs (pyav-18.1 and decord-0.6)"),
        ({"v": "0.2.0"}, "v differs"),
        ({"protocol": "msrvtt@2"}, "protocol differs (- and msrvtt@2)"),
        ({"clip": "16f-s1-first-loop"}, "repeated in some records only"),
    ],
)
def test_what_may_differ_does_not_hinder(changed: dict[str, str], warned: str | None) -> None:
    found = compare(score(1.0), score(2.0, **changed))
    assert not found.refused
    texts = [text for text in found.warnings if "Without intervals" not in text]
    assert len(texts) == (warned is not None)
    assert warned is None or warned in texts[0]


def test_unbiased_metrics_may_have_other_counts() -> None:
    assert not compare(score(1.0, "kid"), score(2.0, "kid", n="500/2048")).refused
    assert compare(score(1.0, "fid"), score(2.0, "fid", n="500/2048")).refused


def test_a_key_of_a_later_version_is_a_difference_too() -> None:
    found = compare(score(1.0), score(2.0, novel="x"))
    assert [(d.key, d.values) for d in found.refused] == [("novel", ("-", "x"))]
    assert "does not know" in found.refused[0].meaning


def test_conventions_are_matched_by_name() -> None:
    one = record(score(1.0), score(2.0, conv="tats"), score(3.0, "is"))
    two = record(score(5.0, conv="tats"), score(4.0))
    comparisons, unused = compare_records({"one": one, "two": two})
    values = [(c.convention, [s.value for s in c.scores]) for c in comparisons]
    assert values == [("tf-fvd", [1.0, 4.0]), ("tats", [2.0, 5.0])]
    assert unused == ["one: is tf-fvd"]


def test_records_without_a_common_convention_are_refused_by_that_key() -> None:
    found = compare(score(1.0), score(2.0, conv="tats", frames="224-bilinear-squash"))
    assert [difference.key for difference in found.refused] == ["conv", "frames"]


def test_records_that_share_nothing_or_are_one_are_refused() -> None:
    with pytest.raises(UsageError, match=r"no metric in common:\n  a: fvd\n  b: is"):
        compare_records({"a": record(score(1.0)), "b": record(score(1.0, "is"))})
    with pytest.raises(UsageError, match="at least two"):
        compare_records({"a": record(score(1.0))})


def test_several_records_are_sorted_and_measured_against_the_best() -> None:
    found = compare(score(3.0), score(1.0), score(2.0))
    assert [name for name, _ in found.ranked()] == ["b", "c", "a"]
    assert [(d.of, d.against, d.value) for d in found.differences] == [("c", "b", 1), ("a", "b", 2)]


def test_the_same_videos_in_two_records_are_told() -> None:
    records = {name: record(score(1.0), digest="same") for name in "ab"}
    ((found,), _) = compare_records(records)
    assert "a, b: the same generated videos." in found.warnings


def run(*arguments: str) -> Any:
    return CliRunner().invoke(command, arguments)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    records = {
        "ours": record(score(10.0), score(40.0, "is", n="2048", ref="", cov="")),
        "theirs": record(score(12.0), score(30.0, "is", n="512", ref="", cov="")),
    }
    for name, found in records.items():
        found.save(tmp_path / f"{name}.json")
    return {name: str(tmp_path / f"{name}.json") for name in records}


def test_the_command_shows_what_compares_and_refuses_the_rest(files: dict[str, str]) -> None:
    result = run(files["ours"], files["theirs"])
    assert isinstance(result.exception, PyocoEvalError)
    assert result.exception.exit_code == 1
    assert "IS (tf-fvd) scores do not compare" in str(result.exception)
    assert "theirs  512" in str(result.exception)
    assert "theirs - ours: +2; ours scores better" in result.stdout
    assert "not comparable" not in result.stdout


def test_forced_the_command_labels_what_does_not_compare(files: dict[str, str]) -> None:
    result = run(files["ours"], files["theirs"], "--force")
    assert result.exit_code == 0
    assert "IS (tf-fvd)  not comparable: n" in result.stdout
    assert "theirs - ours: -10\n" in result.stdout


def test_json_says_the_same(files: dict[str, str]) -> None:
    result = run(files["ours"], files["theirs"], "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["comparable"] is False
    fvd, inception = document["comparisons"]
    assert fvd["differences"][0]["value"] == 2
    assert inception["differing_keys"]["n"]["values"] == {"ours": "2048", "theirs": "512"}


def test_a_record_twice_or_something_else_is_refused(files: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="given twice"):
        CliRunner().invoke(command, [files["ours"]] * 2, catch_exceptions=False)
    other = tmp_path / "other.json"
    other.write_text("{}", encoding="utf-8")
    with pytest.raises(PyocoEvalError, match="not a pyoco-eval record"):
        CliRunner().invoke(command, [files["ours"], str(other)], catch_exceptions=False)
