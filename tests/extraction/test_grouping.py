"""Groups: rules, what is found by itself, and warnings where they seem to be forgotten."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from toys import MeanColour

import pyoco_eval
from pyoco_eval.errors import UsageError
from pyoco_eval.extraction import networks
from pyoco_eval.extraction.grouping import Videos, labels_of
from pyoco_eval.extraction.measured_set import MeasuredSet
from pyoco_eval.metrics.base import Score
from pyoco_eval.metrics.dependence import (
    design_effect,
    intraclass_correlation,
    is_dependent,
    neighbour_correlation,
)
from pyoco_eval.statistics.files import FeatureSet

DIM, PER_SOURCE, CORRELATION = 8, 4, 0.7
TRUTH = DIM * (0.3**2 + 0.2**2)
RECIPE = {
    "net": "i3d-mean-logits@00000000",
    "conv": "tf-fvd",
    "clip": "16f-s1-first",
    "frames": "224-tf1bilinear-squash",
    "scale": "2x/255-1",
    "prec": "fp32",
    "size": "64x64",
    "rgb": "peer-video",
    "dec": "pyav-18.1",
}


def clustered(rng: np.random.Generator, sources: int) -> np.ndarray:
    """Four clips of each source, unit variance, intra-class correlation 0.7."""
    shared = np.repeat(rng.normal(size=(sources, DIM)), PER_SOURCE, axis=0)
    own = rng.normal(size=shared.shape)
    return np.sqrt(CORRELATION) * shared + np.sqrt(1 - CORRELATION) * own


def clip_names(sources: int) -> list[str]:
    return [f"film{k // PER_SOURCE:03d}_clip{k % PER_SOURCE}.mp4" for k in range(4 * sources)]


def stored(path: Path, rows: np.ndarray, names: list[str], **more: object) -> str:
    """A file as `pyoco-eval features` writes it."""
    side = MeasuredSet(
        name=path.stem,
        digest=hashlib.sha256(path.name.encode()).hexdigest(),
        recipe=RECIPE,
        count=len(rows),
        num_videos=len(rows),
        features=FeatureSet(rows.astype(np.float32), tuple(names)),
        rows_per_video=(1,) * len(rows),
        **more,  # type: ignore[arg-type]
    )
    FeatureSet(rows.astype(np.float32), tuple(names), side.header()).save(path)
    return str(path)


def test_correlation_and_design_effect_of_a_known_law() -> None:
    rng = np.random.default_rng(0)
    rows, group = clustered(rng, 2000), np.arange(8000) // PER_SOURCE
    assert intraclass_correlation(rows, group) == pytest.approx(CORRELATION, abs=0.02)
    assert design_effect(rows, group) == pytest.approx(1 + 3 * CORRELATION, abs=0.06)
    # The mean varies by just so much more than that of independent rows.
    means = [clustered(np.random.default_rng(trial), 50).mean(axis=0) for trial in range(300)]
    assert np.mean(np.var(means, axis=0)) * 200 == pytest.approx(1 + 3 * CORRELATION, rel=0.1)
    assert design_effect(rows, np.arange(8000)) == 1
    assert design_effect(np.repeat(rows[:100], 4, axis=0), np.arange(400) // 4) == pytest.approx(4)


@pytest.mark.parametrize("trial", range(20))
def test_independent_rows_are_not_called_dependent(trial: int) -> None:
    rows = np.random.default_rng(trial).normal(size=(200, DIM)) ** 3
    assert not is_dependent(rows, np.arange(200) // 4)
    assert neighbour_correlation(rows) is None


def test_rows_sorted_by_class_are_no_neighbours() -> None:
    rng = np.random.default_rng(0)
    by_class = np.repeat(rng.normal(size=(10, DIM)), 40, axis=0) + rng.normal(size=(400, DIM))
    found = neighbour_correlation(by_class)
    assert found is None or found < 0.2
    assert neighbour_correlation(clustered(rng, 100)) == pytest.approx(0.52, abs=0.08)


def scores_of_trials(tmp_path: Path, trials: int, **choices: object) -> list[Score]:
    found = []
    names = clip_names(40)
    for trial in range(trials):
        rng = np.random.default_rng(trial)
        x, y = clustered(rng, 40) * 1.2 + 0.3, clustered(rng, 40)
        files = [stored(tmp_path / "a.npz", x, names), stored(tmp_path / "b.npz", y, names)]
        found.append(pyoco_eval.fvd(*files, interval=40, **choices))  # type: ignore[arg-type]
    return found


def test_groups_bring_the_coverage_back_and_their_absence_warns(tmp_path: Path) -> None:
    """Clips of one source counted as independent: the interval misses the truth mostly."""
    rule = "regex:^(.+)_clip"
    choices = {"group_by": rule, "reference_group_by": rule}
    plain = scores_of_trials(tmp_path, 40)
    grouped = scores_of_trials(tmp_path, 40, **choices)

    def held(scores: list[Score]) -> int:
        return sum(s.interval[0] <= TRUTH <= s.interval[1] for s in scores)  # type: ignore[index]

    assert held(plain) <= 26
    assert held(grouped) >= 36
    assert [s.value for s in plain] == [s.value for s in grouped], "groups change no score"
    for score in plain:
        warning = next(text for text in score.warnings if "look like 40 groups" in text)
        assert "film000_clip0.mp4 and film000_clip1.mp4" in warning
        assert "--group-by 'regex:" in warning
    for score in grouped:
        assert not any("look like" in text for text in score.warnings)
        assert "-by(regex@" in (score.signature.get("ci") or "")
        assert score.extras["num_groups"] == 40
        assert 2 < score.extras["design_effect"] < 4  # type: ignore[operator]


def test_the_remedy_named_by_the_warning_is_one(tmp_path: Path) -> None:
    (score,) = scores_of_trials(tmp_path, 1)
    text = next(text for text in score.warnings if "look like" in text)
    rule = text.partition("--group-by '")[2].partition("'")[0]
    names = clip_names(40)
    _, labels = labels_of(rule, Videos(names, [None] * 160, [None] * 160), "--group-by")
    assert len(set(labels)) == 40
    (again,) = scores_of_trials(tmp_path, 1, group_by=rule, reference_group_by=rule)
    assert not any("look like" in warning for warning in again.warnings)


def test_limits_keep_groups_whole(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = clip_names(60)
    x, y = clustered(rng, 60) * 1.2 + 0.3, clustered(rng, 60)
    files = [stored(tmp_path / "a.npz", x, names), stored(tmp_path / "b.npz", y, names)]
    rule = "regex:^(.+)_clip"
    plain = pyoco_eval.evaluate(*files, metrics="fvd", extrapolate=True)["fvd-inf"]
    grouped = pyoco_eval.evaluate(
        *files, metrics="fvd", extrapolate=True, group_by=rule, reference_group_by=rule
    )["fvd-inf"]
    assert abs(grouped.value - TRUTH) < abs(plain.value - TRUTH)
    assert "-by(regex@" in (grouped.signature.get("inf") or "")


def test_names_of_ucf101_are_understood_by_themselves(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = [
        f"Archery/v_Archery_g{k // 4 + 1:02d}_c{k % 4 + 1:02d}.avi"
        if k < 80
        else f"Biking/v_Biking_g{(k - 80) // 4 + 1:02d}_c{k % 4 + 1:02d}.avi"
        for k in range(160)
    ]
    x, y = clustered(rng, 40), clustered(rng, 40)
    files = [stored(tmp_path / "a.npz", x, names), stored(tmp_path / "b.npz", y, names)]
    score = pyoco_eval.fvd(*files, interval=20)
    assert score.signature.get("ci") == "quarters20-95%-seed0-by(ucf101)"
    assert score.extras["num_groups"] == 40, "g01 of two classes are two sources"
    off = pyoco_eval.fvd(*files, interval=20, group_by="none", reference_group_by="none")
    assert off.signature.get("ci") == "quarters20-95%-seed0"
    assert off.interval != score.interval
    one = pyoco_eval.fvd(files[0], stored(tmp_path / "c.npz", y, clip_names(40)), interval=20)
    assert one.signature.get("ci") == "quarters20-95%-seed0-by(ucf101/video)"


def test_a_manifest_column_and_captions_are_groups(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = clustered(rng, 40), clustered(rng, 40)
    names = [f"{k:04d}.mp4" for k in range(160)]
    groups = tuple(f"source {k // 4}" for k in range(160))
    a = stored(tmp_path / "a.npz", x, names, groups=groups)
    b = stored(tmp_path / "b.npz", y, names, captions=groups)
    score = pyoco_eval.fvd(a, b, interval=20, reference_group_by="prompt")
    assert score.signature.get("ci") == "quarters20-95%-seed0-by(manifest/prompt)"
    file = tmp_path / "groups.csv"
    lines = ["file,group", *(f"{name},{group}" for name, group in zip(names, groups, strict=True))]
    file.write_text("\n".join(lines))
    told = pyoco_eval.fvd(b, a, interval=20, group_by=str(file))
    assert told.extras["num_groups"] == 40
    plain = pyoco_eval.fvd(b, a, interval=20, reference_group_by="none")
    assert any("of one prompt each" in text for text in plain.warnings)
    reference = pyoco_eval.fvd(a, b, interval=20)
    assert any("give --reference-group-by prompt" in text for text in reference.warnings)


def test_neighbours_alike_without_telling_names_are_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = clustered(rng, 40), rng.normal(size=(160, DIM))
    names = [f"{k:04d}.mp4" for k in range(160)]
    score = pyoco_eval.fvd(
        stored(tmp_path / "a.npz", x, names), stored(tmp_path / "b.npz", y, names), interval=20
    )
    (warning,) = [text for text in score.warnings if "neighbouring" in text]
    assert warning.startswith("a: features of neighbouring videos")


def test_too_few_groups_for_their_rows_are_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = np.repeat(rng.normal(size=(8, DIM)), 4, axis=0) + 0.05 * rng.normal(size=(32, DIM))
    a = stored(tmp_path / "a.npz", rows, clip_names(8))
    b = stored(tmp_path / "b.npz", rng.normal(size=(80, DIM)), [f"{k}.mp4" for k in range(80)])
    score = pyoco_eval.fvd(a, b, interval=20, group_by="regex:^(.+)_clip")
    assert any("32 rows in 8 groups are worth about 8" in text for text in score.warnings)
    assert (score.signature.get("ci") or "").startswith("bounds20")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("ucf101", "2 of 2 videos are not named as v_Class_g01_c01"),
        ("prompt", "2 of 2 videos have no caption"),
        ("manifest", "2 of 2 videos have no group"),
        ("regex:(", "is no regular expression"),
        (r"regex:^b", "1 of 2 videos do not match"),
        ("class", "use ucf101, folder, prompt, manifest, none, regex:PATTERN"),
    ],
)
def test_rules_that_say_nothing_are_refused(rule: str, message: str) -> None:
    videos = Videos(["a/1.mp4", "b/2.mp4"], [None, None], [None, None])
    with pytest.raises(UsageError, match="--group-by") as error:
        labels_of(rule, videos, "--group-by")
    assert message in str(error.value)


def test_folders_are_groups_and_regex_groups_join() -> None:
    names = ["a/x_1_0.mp4", "a/y_1_1.mp4", "b/x_2_0.mp4"]
    videos = Videos(names, [None] * 3, [None] * 3)
    assert labels_of("folder", videos, "") == ("folder", ["a", "a", "b"])
    _, labels = labels_of(r"regex:(.)/._(\d)", videos, "")
    assert labels == ["a|1", "a|1", "b|2"]
    assert labels_of("none", videos, "") == labels_of(None, videos, "") == (None, [])


def test_the_column_group_reaches_the_score_from_videos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        networks.Network,
        "load",
        lambda self, options: MeanColour("video", self.extractor, self.layer, self.resize, "x"),
    )
    colours = np.random.default_rng(0).integers(0, 256, (40, 1, 1, 1, 3), np.uint8)
    np.savez(tmp_path / "clips.npz", np.broadcast_to(colours, (40, 4, 8, 8, 3)))
    rows = [f"clips.npz#{k},{k // 2}" for k in range(40)]
    (tmp_path / "m.csv").write_text("\n".join(["file,group", *rows]))
    score = pyoco_eval.fvd(
        str(tmp_path / "m.csv"), str(tmp_path / "clips.npz"), num_frames=4, interval=20
    )
    assert score.signature.get("ci") == "quarters20-95%-seed0-by(manifest/video)"
    assert score.extras["num_groups"] == 20
