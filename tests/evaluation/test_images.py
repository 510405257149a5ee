"""Metrics of images over images: every image a row, on both sides, by one decision."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pyoco_eval
from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.evaluation.evaluate import evaluate
from pyoco_eval.extraction.measured_set import side_from_file
from pyoco_eval.extraction.options import Options
from pyoco_eval.metrics.sample_floor import SmallSampleError
from pyoco_eval.records.compare import FREE
from pyoco_eval.references.build import ReferenceVideos, build_reference
from pyoco_eval.videos.clip_rule import IMAGES, ClipRule

RNG = np.random.default_rng(3)
PIXELS = RNG.integers(0, 256, (90, 8, 8, 3), np.uint8)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYOCO_EVAL_CACHE", str(tmp_path / "cache"))


def save(folder: Path, pixels: np.ndarray, per_class: int = 0) -> str:
    for number, image in enumerate(pixels):
        own = folder / f"class{number // per_class}" if per_class else folder
        own.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(own / f"{number:05d}.png")
    return str(folder)


def fid(samples: object, reference: object, **choices: object) -> pyoco_eval.Score:
    choices = {"profile": "embedded", "allow_small": True} | choices
    return pyoco_eval.evaluate(samples, reference, metrics=["fid"], **choices).scores[0]  # type: ignore[arg-type]


def test_every_layout_of_the_same_images_gives_the_same_score(tmp_path: Path) -> None:
    real = RNG.integers(0, 256, (80, 8, 8, 3), np.uint8)
    flat = save(tmp_path / "flat", PIXELS)
    np.savez(tmp_path / "samples.npz", PIXELS, np.zeros(90))
    paths = [str(path) for path in Path(flat).iterdir()]
    (tmp_path / "list.txt").write_text("\n".join(paths))
    layouts = {
        "flat": flat,
        "classes": save(tmp_path / "nested", PIXELS, per_class=30),
        "npz": str(tmp_path / "samples.npz"),
        "paths": paths,
        "text": str(tmp_path / "list.txt"),
        "array": PIXELS,
        "pil": [Image.fromarray(image) for image in PIXELS],
        "channels first": PIXELS.transpose(0, 3, 1, 2),
    }
    scores = {name: fid(samples, real) for name, samples in layouts.items()}
    for name, score in scores.items():
        assert score.num_samples == 90, name
        assert score.num_reference == 80
        assert score.value == pytest.approx(scores["array"].value, rel=1e-6), name
        assert score.signature.get("clip") == "images"
        assert score.signature.get("pics") == "images"
    told = " ".join(scores["classes"].warnings)
    assert "90 pictures in 3 folders are taken as images" in told


def test_sizes_may_differ_and_nothing_is_cut_to_sixteen(tmp_path: Path) -> None:
    for number in range(40):
        Image.fromarray(PIXELS[number, : 4 + number % 3]).save(tmp_path / f"{number}.jpg")
    score = fid(str(tmp_path), PIXELS)
    assert (score.num_samples, score.signature.get("size")) == (40, "mixed/8x8")


def test_metrics_of_clips_keep_folders_as_videos(tmp_path: Path) -> None:
    place = save(tmp_path / "v", PIXELS, per_class=30)
    found = evaluate(
        place,
        place,
        metrics=["fvd", "fid"],
        profile="embedded",
        options=Options(allow_small=True),
    )
    assert [score.num_samples for score in found.scores] == [3, 48]
    assert found["fvd"].signature.get("pics") == "frames"
    with pytest.raises(UsageError, match="a metric of clips is asked for"):
        pyoco_eval.evaluate(place, place, metrics=["fvd"], pictures="images", profile="embedded")


def test_stated_frames_are_frames_and_need_no_explanation(tmp_path: Path) -> None:
    place = save(tmp_path / "v", PIXELS, per_class=30)
    score = fid(place, place, pictures="frames")
    assert score.num_samples == 48
    assert score.signature.get("clip") == "16f-s1-first"
    assert not any("taken as" in warning for warning in score.warnings)
    stated = fid(place, PIXELS, pictures="images")
    assert not any("taken as" in warning for warning in stated.warnings)


def test_images_have_no_clips_to_choose(tmp_path: Path) -> None:
    place = save(tmp_path / "v", PIXELS)
    for choice in ({"num_frames": 8}, {"frames": "middle"}, {"stride": 2}, {"clip": "center"}):
        with pytest.raises(UsageError, match="--pictures frames"):
            fid(place, place, **choice)


def test_frames_and_images_are_compared_on_request_alone(tmp_path: Path) -> None:
    videos = [PIXELS[:16], PIXELS[20:36]]
    place = save(tmp_path / "real", PIXELS)
    with pytest.raises(PyocoEvalError, match="--reference-clip images"):
        fid(videos, place)
    score = fid(videos, place, reference_clip="images")
    assert (score.num_samples, score.num_reference) == (32, 90)
    assert score.signature.get("clip") == "16f-s1-first/images"
    with pytest.raises(UsageError, match="holds no images"):
        fid(place, videos, reference_clip="images")
    back = fid(place, videos, reference_clip="16f-s1-first")
    assert back.signature.get("clip") == "images/16f-s1-first"
    assert back.value == pytest.approx(score.value, rel=1e-9)


def test_floors_count_images(tmp_path: Path) -> None:
    place = save(tmp_path / "few", PIXELS[:20])
    with pytest.raises(SmallSampleError, match="20"):
        fid(place, place, allow_small=False)
    assert fid(PIXELS, RNG.integers(0, 256, (90, 8, 8, 3), np.uint8), allow_small=False).value > 0


def test_features_and_references_decide_alike(tmp_path: Path) -> None:
    place = save(tmp_path / "v", PIXELS, per_class=30)
    direct = fid(place, PIXELS[:70])
    file = tmp_path / "f.npz"
    stored_rows = pyoco_eval.extract_features(place, "tiny2d", out=file)
    assert len(stored_rows.ids) == 90
    assert stored_rows.ids[0] == "class0/00000.png"
    assert "taken as images" in side_from_file(file, "features").notes[0]
    stored = fid(str(file), PIXELS[:70])
    assert stored.value == direct.value
    assert stored.signature == direct.signature
    (built,) = build_reference(
        "mine", ReferenceVideos(samples=place), metrics=["fid"], profile="embedded"
    )
    assert built.header["count"] == 90
    assert built.header["recipe"]["clip"] == "images"
    named = fid(PIXELS[:70], "mine")
    assert named.num_reference == 90
    with pytest.raises(PyocoEvalError, match="--pictures images"):
        fid(PIXELS[:70], "mine", resize=None, pre_resize="8-bilinear-squash-round")


def test_what_is_left_out_stands_in_the_signature_but_compares(tmp_path: Path) -> None:
    place = save(tmp_path / "v", PIXELS)
    plain = fid(place, PIXELS)
    (tmp_path / "v" / "a.wav").write_bytes(b"x")
    (tmp_path / "v" / "a.txt").write_bytes(b"x")
    score = fid(place, PIXELS)
    assert score.value == plain.value
    assert score.signature.get("left") == "1.txt+1.wav/-"
    assert any("1 file was left out: 1 .wav (sound)" in warning for warning in score.warnings)
    assert "left" in FREE


def test_the_rule_of_images_is_a_clip_rule() -> None:
    assert ClipRule.parse("images") == IMAGES
    assert ClipRule.parse(IMAGES.spec()) == IMAGES
