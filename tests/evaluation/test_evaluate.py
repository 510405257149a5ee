"""From videos to signed scores, with a toy network in place of the real ones."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toys import MeanColour, flat_videos

import pyoco_eval
from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.extraction import networks
from pyoco_eval.metrics.frechet import frechet_distance
from pyoco_eval.metrics.frechet_interval import frechet_interval
from pyoco_eval.metrics.sample_floor import SmallSampleError
from pyoco_eval.records.record import Record
from pyoco_eval.statistics.files import FeatureSet

IMAGE_NETWORKS = ("inception", "clip", "tiny2d", "tinyclip")


@pytest.fixture(autouse=True)
def toy_networks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def load(self: networks.Network, options: object) -> MeanColour:
        kind = "image" if self.extractor in IMAGE_NETWORKS else "video"
        return MeanColour(kind, self.extractor, self.layer, self.resize, self.scaling)

    monkeypatch.setattr(networks.Network, "load", load)
    monkeypatch.setenv("PYOCO_EVAL_CACHE", str(tmp_path / "cache"))


def means(videos: list[np.ndarray]) -> np.ndarray:
    return np.stack([video[:4].reshape(-1, 3).mean(0) for video in videos])


def test_fvd_is_the_frechet_distance_of_clip_features() -> None:
    a, b = flat_videos(30), flat_videos(25, seed=1)
    score = pyoco_eval.fvd(a, b, num_frames=4)
    expected = frechet_distance(means(a), means(b)).distance
    assert score.value == pytest.approx(expected, rel=1e-6)
    assert (score.num_samples, score.num_reference) == (30, 25)
    assert score.signature.get("n") == "30/25"
    assert score.signature.get("cov") == "n-1"
    assert score.extras["mean_term"] + score.extras["covariance_term"] == score.value  # type: ignore[operator]
    assert str(score).startswith("FVD ")


@pytest.mark.parametrize("choices", [{"batch_size": 1}, {"batch_size": 7, "workers": 3}])
def test_the_score_does_not_depend_on_batches_or_threads(choices: dict[str, int]) -> None:
    a, b = flat_videos(70), flat_videos(70, seed=1)
    plain = pyoco_eval.fvd(a, b, num_frames=4)
    assert pyoco_eval.fvd(a, b, num_frames=4, **choices).value == plain.value  # type: ignore[arg-type]


def test_fid_counts_frames_and_says_which() -> None:
    a, b = flat_videos(10), flat_videos(10, seed=1)
    score = pyoco_eval.fid(a, b, num_frames=4, frames="middle")
    expected = frechet_distance(
        np.stack([v[2, 0, 0] for v in a]).astype(float),
        np.stack([v[2, 0, 0] for v in b]).astype(float),
    ).distance
    assert score.value == pytest.approx(expected, rel=1e-6)
    assert score.signature.get("sel") == "middle"
    assert pyoco_eval.fid(a, b, num_frames=4).num_samples == 40


def test_one_pass_gives_the_same_as_single_metrics() -> None:
    a, b = flat_videos(30), flat_videos(30, seed=1)
    both = pyoco_eval.evaluate(a, b, num_frames=4)
    assert [score.metric for score in both.scores] == ["fvd", "is", "fid", "clip-fid"]
    assert both["fvd"] == pyoco_eval.fvd(a, b, num_frames=4)
    assert both["is"] == pyoco_eval.inception_score(a, num_frames=4)
    assert both["is"].std is None, "one split has no spread"
    assert pyoco_eval.inception_score(a, num_frames=4, splits="3").std > 0  # type: ignore[operator]
    assert both["is"].num_reference is None


def test_features_extracted_once_score_like_the_videos(tmp_path: Path) -> None:
    a, b = flat_videos(90), flat_videos(80, seed=1)
    direct = pyoco_eval.fvd(a, b, num_frames=4)
    files = [str(tmp_path / name) for name in ("a.npz", "b.npz")]
    for videos, file in zip((a, b), files, strict=True):
        pyoco_eval.extract_features(videos, "i3d", out=file, num_frames=4)
    stored = pyoco_eval.fvd(*files)
    assert stored.value == direct.value
    assert stored.signature == direct.signature
    assert pyoco_eval.fvd(files[0], b, num_frames=4).value == direct.value


def test_features_file_holds_what_the_command_promises(tmp_path: Path) -> None:
    out = tmp_path / "f.npz"
    videos = flat_videos(3)
    pyoco_eval.extract_features(videos, "i3d", out=str(out), num_frames=4)
    with np.load(out) as stored:
        assert stored["features"].dtype == np.float32
        np.testing.assert_allclose(stored["features"], means(videos), rtol=1e-6)
        assert stored["ids"].tolist() == ["array#0", "array#1", "array#2"]
        assert str(stored["signature"]).startswith("net:i3d-mean-logits@00000000 | conv:tf-fvd")


def test_a_reference_of_another_recipe_is_refused_by_key(tmp_path: Path) -> None:
    file = str(tmp_path / "b.npz")
    pyoco_eval.extract_features(flat_videos(20), "i3d", out=file, num_frames=2)
    with pytest.raises(PyocoEvalError, match=r"clip \(here 4f-s1-first, there 2f-s1-first\)"):
        pyoco_eval.fvd(flat_videos(20), file, num_frames=4)


def test_an_interval_groups_frames_by_video_and_signs_itself() -> None:
    a, b = flat_videos(60), flat_videos(60, seed=1)
    score = pyoco_eval.fid(a, b, num_frames=4, interval=40)
    assert score.interval is not None
    low, high = score.interval
    assert 0 <= low < high
    assert score.extras["interval_centre"] < score.value, "the bias is taken off"  # type: ignore[operator]
    assert score.signature.get("ci") == "quarters40-95%-seed0"
    assert score == pyoco_eval.fid(a, b, num_frames=4, interval=40)
    plain = pyoco_eval.fid(a, b, num_frames=4)
    assert plain.value == score.value
    assert plain.interval is None
    ungrouped = frechet_interval(
        np.concatenate([v[:4, 0, 0] for v in a]).astype(np.float32),
        np.concatenate([v[:4, 0, 0] for v in b]).astype(np.float32),
        num_resamples=40,
    )
    assert score.interval != (ungrouped.low, ungrouped.high)
    with pytest.raises(UsageError, match="--interval 3"):
        pyoco_eval.fid(a, b, num_frames=4, interval=3)


def test_stored_features_of_another_rule_are_refused(tmp_path: Path) -> None:
    file, b = str(tmp_path / "a.npz"), flat_videos(20, seed=1)
    pyoco_eval.extract_features(flat_videos(20), "inception", out=file, num_frames=4)
    assert pyoco_eval.fid(file, b, num_frames=4).signature.get("conv") == "clean"
    for choices, key in (
        ({"convention": "pytorch-fid"}, "scale"),
        ({"frames": "middle"}, "sel"),
        ({"num_frames": 3}, "clip"),
        ({"pre_resize": "64-bilinear-squash-round"}, "frames"),
        ({"resize": "299-bilinear-crop"}, "frames"),
    ):
        with pytest.raises(UsageError, match=rf"{key}:.*asked for"):
            pyoco_eval.fid(file, b, **choices)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="--extractor i3d --layer logits"):
        pyoco_eval.fvd(file, b)


def test_a_contradictory_features_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.npz"
    pyoco_eval.extract_features(flat_videos(20), "i3d", out=str(file), num_frames=4)
    stored = FeatureSet.load(file)
    for change, message in (
        ({"rows_per_video": [1] * 19}, "contradict"),
        ({"count": 21}, "contradict"),
        ({"recipe": {"net": "x"}}, "lacks size"),
        ({"recipe": None}, "garbles"),
    ):
        FeatureSet(stored.features, stored.ids, {**stored.header, **change}).save(file)
        with pytest.raises(PyocoEvalError, match=message):
            pyoco_eval.fvd(str(file), flat_videos(20), num_frames=4)


def test_a_file_of_another_version_is_called_that(tmp_path: Path) -> None:
    file = tmp_path / "a.npz"
    np.savez(file, format="pyoco-eval/features/99", header="{}", features=np.zeros((2, 3)))
    with pytest.raises(PyocoEvalError, match="another version"):
        pyoco_eval.fvd(flat_videos(20), str(file), num_frames=4)


def test_a_mismatch_is_found_before_any_video_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = str(tmp_path / "b.npz")
    pyoco_eval.extract_features(flat_videos(20), "i3d", out=file, num_frames=2)
    monkeypatch.setattr("pyoco_eval.extraction.measure.run_pass", None)
    videos = flat_videos(20)
    with pytest.raises(PyocoEvalError, match="other recipes"):
        pyoco_eval.fvd(videos, file, num_frames=4)
    with pytest.raises(SmallSampleError, match="--interval"):
        pyoco_eval.fvd(flat_videos(7), flat_videos(7), num_frames=4, interval=20)
    with pytest.raises(UsageError, match="--splits"):
        pyoco_eval.inception_score(videos, splits="ten", num_frames=4, allow_small=True)
    with pytest.raises(UsageError, match="only the Inception Score"):
        pyoco_eval.evaluate(videos, videos, metrics=["fvd"], splits="1", num_frames=4)


def test_a_folder_called_like_a_known_reference_never_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    a, b = flat_videos(20), flat_videos(20, seed=1)
    Path("ucf101").mkdir()
    for i, video in enumerate(b):
        np.save(f"ucf101/{i:02d}.npy", video)
    with pytest.raises(MissingError, match="no statistics of reference ucf101"):
        pyoco_eval.fvd(a, num_frames=4)
    with pytest.raises(UsageError, match=r"\./ucf101"):
        pyoco_eval.fvd(a, "ucf101", num_frames=4)
    expected = pyoco_eval.fvd(a, b, num_frames=4).value
    assert pyoco_eval.fvd(a, "./ucf101", num_frames=4).value == pytest.approx(expected)


def test_both_decoders_are_signed_where_they_differ(tmp_path: Path) -> None:
    file = tmp_path / "b.npz"
    pyoco_eval.extract_features(flat_videos(20, seed=1), "i3d", out=str(file), num_frames=4)
    stored = FeatureSet.load(file)
    header = {**stored.header, "recipe": {**stored.header["recipe"], "dec": "decord-0.6"}}
    FeatureSet(stored.features, stored.ids, header).save(file)
    score = pyoco_eval.fvd(flat_videos(20), str(file), num_frames=4)
    assert score.signature.get("dec") == "array/decord-0.6"


def test_small_samples_are_refused_before_anything_runs_or_labelled() -> None:
    a = flat_videos(3)
    with pytest.raises(SmallSampleError, match="--allow-small"):
        pyoco_eval.fvd(a, a, num_frames=4)
    forced = pyoco_eval.fvd(a, a, num_frames=4, allow_small=True)
    assert forced.signature.get("floor") == "below-floor"
    assert any("sample floor" in warning for warning in forced.warnings)
    with pytest.raises(SmallSampleError, match="splits"):
        pyoco_eval.inception_score(a, splits="2", num_frames=4)


def test_skipped_videos_stand_in_signature_record_and_warnings(tmp_path: Path) -> None:
    for i, video in enumerate(flat_videos(8)):
        np.save(tmp_path / f"v{i}.npy", video[: 1 if i == 5 else 6])
    found = pyoco_eval.evaluate(
        tmp_path, flat_videos(8, seed=1), metrics=["fvd"], num_frames=4, on_error="skip"
    )
    score = found["fvd"]
    assert score.num_samples == 7
    assert score.signature.get("skip") == "1of8/-"
    assert list(found.record.samples.skipped) == ["v5.npy"]
    assert "v5.npy" not in str(score.signature)
    assert any("1 of 8 videos were left out" in warning for warning in score.warnings)


def test_videos_sampled_by_their_times_are_counted_in_the_signature(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    for i in range(8):
        rng = np.random.default_rng(i)
        pictures = [Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)) for _ in range(6)]
        delays = [70, 110, 490, 70, 130, 90] if i == 3 else 100
        path = clips / f"v{i}.webp"
        pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=delays)
    for _ in range(2):  # the second time from stored features
        found = pyoco_eval.evaluate(
            clips, clips, metrics=["fvd"], num_frames=4, fps=10, keep_features=tmp_path / "kept"
        )
        assert found["fvd"].signature.get("times") == "1of8/1of8"
        assert found["fvd"].signature.get("clip") == "4f-fps10-first"
    counted = pyoco_eval.fvd(clips, clips, num_frames=4)
    assert counted.signature.get("times") is None


def test_the_record_is_json_with_everything_and_reads_back(tmp_path: Path) -> None:
    a, b = flat_videos(8), flat_videos(8, seed=1)
    found = pyoco_eval.evaluate(a, b, metrics=["fvd", "is"], num_frames=4)
    path = tmp_path / "new" / "record.json"
    found.record.save(str(path))
    data = json.loads(path.read_text())
    assert {"metric", "value", "interval", "signature", "num_samples", "num_reference"} <= set(
        data["scores"][0]
    )
    assert len(data["samples"]["files"]) == 8
    assert data["environment"]["libraries"]["torch"]
    assert data["networks"][0]["weights"].startswith("sha256:")
    loaded = Record.load(str(path))
    assert loaded == found.record
    assert tuple(score.to_score() for score in loaded.scores) == found.scores
    assert "files" not in json.loads(found.record.to_json(files=False))["samples"]


def test_a_later_record_with_more_keys_still_loads(tmp_path: Path) -> None:
    a, b = flat_videos(8), flat_videos(8, seed=1)
    record = pyoco_eval.evaluate(a, b, metrics=["fvd"], num_frames=4).record
    data = json.loads(record.to_json()) | {"new": 1}
    data["scores"][0]["newer"] = 2
    path = tmp_path / "r.json"
    path.write_text(json.dumps(data))
    assert Record.load(path).scores[0].value == record.scores[0].value
    path.write_text("{}")
    with pytest.raises(PyocoEvalError, match=r"r\.json"):
        Record.load(path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metrics": ["fvdd"]}, "fvdd"),
        ({"metrics": ["fvd", "fvd"]}, "twice"),
        ({"metrics": []}, "none"),
        ({"profile": "best"}, "--profile"),
        ({"conventions": {"fvd": "clean"}}, "is for fid"),
        ({"conventions": {"fvd": "tf-fdv"}}, "Did you mean tf-fvd"),
        ({"fps": 8.0, "stride": 2}, "--fps and --stride"),
        ({"pre_resize": "64-bilinear-squash"}, "-round or -truncate"),
        ({"resize": "64-bilinear-squash"}, "--pre-resize"),
        ({"frames": "last"}, "--frames"),
        ({"on_error": "ignore"}, "--on-error"),
        ({"workers": 0}, "--workers"),
        ({"frmaes": "all"}, "frmaes"),
        ({"metrics": "fvd,is", "frames": "first"}, "sees whole clips"),
        ({"conventions": {"is": "tgan2"}, "metrics": ["fvd"]}, "not among the metrics"),
        ({"weights": {"i3b": "x"}}, "i3d"),
    ],
)
def test_arguments_that_cannot_be_meant(arguments: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        pyoco_eval.evaluate(flat_videos(8), flat_videos(8), **arguments)


def test_a_missing_path_names_its_argument(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--samples .*nowhere"):
        pyoco_eval.fvd(tmp_path / "nowhere", flat_videos(8))
    with pytest.raises(UsageError, match=r"--reference .*nowhere"):
        pyoco_eval.fvd(flat_videos(8), tmp_path / "nowhere")


def test_changing_a_convention_costs_it_its_name() -> None:
    a, b = flat_videos(8), flat_videos(8, seed=1)
    changed = pyoco_eval.fvd(a, b, num_frames=4, resize="224-bilinear-crop")
    assert changed.signature.get("conv") == "custom"
    assert pyoco_eval.fvd(a, b, num_frames=4).signature.get("conv") == "tf-fvd"
