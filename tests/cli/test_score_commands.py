"""The commands of kernel distances, neighbours, captions and curves, as a user calls them."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import pyoco_eval
from pyoco_eval.cli.main import cli
from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.extraction.networks import load_text_encoder
from pyoco_eval.extraction.options import Options
from pyoco_eval.metrics.clipsim import clip_similarity
from pyoco_eval.metrics.extrapolation import extrapolate_frechet
from pyoco_eval.metrics.kernel import KernelRule, kernel_distance
from pyoco_eval.metrics.manifold import prdc
from pyoco_eval.shapes.dataset import MovingShapes

NUM = 100


@pytest.fixture(scope="module")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips, those of another split, and the captions of the first."""
    folder = tmp_path_factory.mktemp("arrays")
    for split in ("val", "test"):
        shapes = MovingShapes(split)
        np.save(folder / f"{split}.npy", np.stack([shapes[i].frames for i in range(NUM)]))
    shapes = MovingShapes("val")
    lines = [json.dumps({"file": f"val.npy#{i}", "caption": shapes[i].caption}) for i in range(NUM)]
    (folder / "captions.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def rows(arrays: Path) -> dict[str, np.ndarray]:
    return {
        split: pyoco_eval.extract_features(arrays / f"{split}.npy", "tiny3d").features
        for split in ("val", "test")
    }


def run(*arguments: str) -> dict:
    found = CliRunner().invoke(cli, [*arguments, "--profile", "embedded", "--json"])
    assert found.exception is None, found.output
    return json.loads(found.stdout)


def sides(arrays: Path) -> tuple[str, ...]:
    return "--samples", str(arrays / "val.npy"), "--reference", str(arrays / "test.npy")


def test_kvd(arrays: Path, rows: dict[str, np.ndarray]) -> None:
    (score,) = run("kvd", *sides(arrays), "--interval", "20")["scores"]
    expected = kernel_distance(rows["val"], rows["test"], KernelRule.parse("poly3-unbiased"))
    assert score["value"] == pytest.approx(expected.value, rel=1e-9)
    assert score["recipe"]["est"] == "poly3-unbiased"
    assert score["recipe"]["ci"] == "halves20-95%-seed0"
    assert score["interval"][0] < score["extras"]["interval_centre"] < score["interval"][1]


def test_kid_counts_frames_and_refuses_too_few(arrays: Path) -> None:
    (score,) = run("kid", *sides(arrays))["scores"]
    assert score["num_samples"] == 16 * NUM
    assert score["std"] > 0
    assert score["recipe"]["est"] == "poly3-100x1000-seed0"
    with pytest.raises(PyocoEvalError, match="needs 1000 of each side"):
        pyoco_eval.kid(arrays / "val.npy", arrays / "test.npy", frames="first", profile="embedded")


def test_prdc(arrays: Path, rows: dict[str, np.ndarray]) -> None:
    scores = run("prdc", *sides(arrays))["scores"]
    expected = prdc(rows["val"], rows["test"], 5)
    assert [score["metric"] for score in scores] == ["precision", "recall", "density", "coverage"]
    assert [score["value"] for score in scores] == pytest.approx(
        [expected.precision, expected.recall, expected.density, expected.coverage]
    )


def test_clipsim(arrays: Path, tmp_path: Path) -> None:
    captions = ["--captions", str(arrays / "captions.jsonl")]
    (score,) = run("clipsim", "--samples", str(arrays / "val.npy"), *captions)["scores"]
    images = pyoco_eval.extract_features(arrays / "val.npy", "tinyclip").features
    shapes = MovingShapes("val")
    told = [shapes[i].caption for i in range(NUM)]
    texts = load_text_encoder("tinyclip", Options()).encode(told)
    expected = clip_similarity(images, texts, np.repeat(np.arange(NUM), 16)).mean
    assert score["value"] == pytest.approx(expected, rel=1e-9)
    assert score["recipe"]["text"].startswith("captions@")

    lines = (arrays / "captions.jsonl").read_text(encoding="utf-8").splitlines()
    shifted = [json.loads(line) for line in lines]
    for entry, other in zip(shifted, told[1:] + told[:1], strict=True):
        entry["caption"] = other
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text("\n".join(map(json.dumps, shifted)), encoding="utf-8")
    mismatched = pyoco_eval.clipsim(arrays / "val.npy", captions=wrong, profile="embedded")
    assert mismatched.value < score["value"]
    assert str(mismatched.signature) != score["signature"]
    with pytest.raises(UsageError, match="100 of 100 have none"):
        pyoco_eval.clipsim(arrays / "val.npy", profile="embedded")


def test_captions_of_other_words_are_refused_before_anything_is_decoded(
    arrays: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (arrays / "captions.jsonl").read_text(encoding="utf-8").splitlines()
    lines[-1] = json.dumps(json.loads(lines[-1]) | {"caption": "a purple elephant"})
    captions = tmp_path / "captions.jsonl"
    captions.write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setattr(
        "pyoco_eval.evaluation.evaluate.measure",
        lambda *_, **__: pytest.fail("videos were decoded"),
    )
    with pytest.raises(
        UsageError, match=r"^embedded-clipsim: .*'elephant' .* scored under clipsim-vitb32"
    ):
        pyoco_eval.clipsim(arrays / "val.npy", captions=captions, profile="embedded")


def test_features_keep_captions_for_clipsim(arrays: Path, tmp_path: Path) -> None:
    out, samples = tmp_path / "features.npz", str(arrays / "val.npy")
    captions = ["--captions", str(arrays / "captions.jsonl")]
    features = ["features", "--samples", samples, "--extractor", "tinyclip", "--out", str(out)]
    made = CliRunner().invoke(cli, [*features, *captions])
    assert made.exception is None, made.output
    (from_file,) = run("clipsim", "--samples", str(out))["scores"]
    (from_videos,) = run("clipsim", "--samples", samples, *captions)["scores"]
    assert from_file["value"] == from_videos["value"]
    assert from_file["signature"] == from_videos["signature"]
    with pytest.raises(UsageError, match="keep the captions they were made with"):
        pyoco_eval.clipsim(out, captions=arrays / "captions.jsonl", profile="embedded")


def test_curve(arrays: Path, rows: dict[str, np.ndarray], tmp_path: Path) -> None:
    table, figure = tmp_path / "curve.csv", tmp_path / "curve.png"
    paths = ["--csv", str(table), "--plot", str(figure)]
    plain, limit = run("curve", *sides(arrays), *paths)["scores"]
    expected = extrapolate_frechet(rows["val"], rows["test"])
    assert limit["value"] == pytest.approx(expected.infinity, rel=1e-6)
    assert limit["metric"] == "fvd-inf"
    assert limit["value"] < plain["value"]
    assert limit["recipe"]["inf"] == "15x3-seed0"
    with table.open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [int(line["rows"]) for line in lines[:-1]] == list(expected.sizes)
    assert float(lines[-1]["score"]) == limit["value"]
    with Image.open(figure, formats=["PNG"]) as picture:
        assert min(picture.size) > 400
        assert len(picture.convert("RGB").getcolors(10**6)) > 20
    with pytest.raises(UsageError, match=r"\.png, \.svg, \.pdf"):
        run_raising("curve", *sides(arrays), "--plot", str(tmp_path / "curve.docx"))


def run_raising(*arguments: str) -> None:
    found = CliRunner().invoke(cli, [*arguments, "--profile", "embedded"])
    assert found.exception is not None
    raise found.exception


def test_a_reference_clip_of_its_own(arrays: Path) -> None:
    chosen = ["--num-frames", "8", "--reference-clip", "8f-s1-random(seed=3)"]
    (score,) = run("fvd", *sides(arrays), *chosen)["scores"]
    assert score["recipe"]["clip"] == "8f-s1-first/8f-s1-random(seed=3)"
    (plain,) = run("fvd", *sides(arrays), "--num-frames", "8")["scores"]
    assert plain["value"] != score["value"]


def test_further_conventions_need_their_metric(arrays: Path) -> None:
    with pytest.raises(UsageError, match="--also-as clean: it is a convention of fid"):
        run_raising("fvd", *sides(arrays), "--also-as", "clean")
    with pytest.raises(UsageError, match="under this convention already"):
        run_raising("fvd", *sides(arrays), "--also-as", "embedded-fvd")
