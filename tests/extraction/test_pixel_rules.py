"""The rule of pixels from the convention to the signature, and sides that do not fit."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toys import MeanColour

import pyoco_eval
from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.extraction import networks
from pyoco_eval.extraction.extract_features import extract_features
from pyoco_eval.extraction.options import options_from
from pyoco_eval.extraction.pixel_recipes import pixels_differ, storage_warning, with_pixels
from pyoco_eval.metrics.catalogue import METRICS
from pyoco_eval.metrics.conventions import CONVENTIONS
from pyoco_eval.videos.clip_rule import ClipRule
from pyoco_eval.videos.clips_by_rule import clips_by_rule
from pyoco_eval.videos.readers.pyav_reader import PyavReader
from pyoco_eval.videos.source import open_source

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "videos"))
from encoded_clips import encode

CLIPS = {"num_frames": 4, "allow_small": True}


@pytest.fixture(autouse=True)
def toy_networks(monkeypatch, tmp_path):
    def load(self, options):
        return MeanColour("video", self.extractor, self.layer, self.resize, self.scaling or "x")

    monkeypatch.setattr(networks.Network, "load", load)
    monkeypatch.setenv("PYOCO_EVAL_CACHE", str(tmp_path / "cache"))


def features(place, **choices):
    return extract_features(place, "i3d", options=options_from({"num_frames": 4, **choices}))


@pytest.fixture
def clips(tmp_path):
    """A folder of eight mp4 and its frames as PNG, read by the rule `peer`."""
    (tmp_path / "mp4").mkdir()
    for number in range(8):
        path = tmp_path / "mp4" / f"{number}.mp4"
        encode(path, num_frames=6, size=(64 + 16 * number, 64))
        (video,) = open_source(path)
        folder = tmp_path / "png" / str(number)
        folder.mkdir(parents=True)
        for index, frame in enumerate(video.reading("peer").read(range(6))):
            Image.fromarray(frame).save(folder / f"{index}.png")
    return tmp_path / "mp4"


def test_every_published_convention_reads_as_its_tool_and_embedded_ones_exactly():
    for rule in CONVENTIONS.values():
        assert rule.pixels == ("exact" if rule.label == "embedded" else "peer")
    published = [row.conventions["published"] for row in METRICS.own.values()]
    assert {CONVENTIONS[name].pixels for name in published} == {"peer"}


def test_the_score_is_that_of_the_frames_the_tools_see(clips):
    """The same frames as PNG, from Pillow as from libswscale's default: the same features."""
    of_video, of_pictures = features(clips), features(clips.parent / "png")
    assert np.array_equal(of_video.features.features, of_pictures.features.features)
    assert of_video.recipe["rgb"] == "peer-video"
    assert of_pictures.recipe["rgb"] == "peer-pictures"


def test_exact_is_another_recipe_and_no_convention_of_a_tool(clips):
    peer = pyoco_eval.fvd(clips, clips, **CLIPS)
    exact = pyoco_eval.fvd(clips, clips, pixels="exact", **CLIPS)
    assert (peer.signature.get("rgb"), peer.signature.get("conv")) == ("peer-video", "tf-fvd")
    assert (exact.signature.get("rgb"), exact.signature.get("conv")) == ("exact-video", "custom")
    sides = [features(clips, pixels=rule).features.features for rule in ("peer", "exact")]
    assert not np.array_equal(*sides)


def test_stored_features_of_the_other_rule_are_refused(clips, tmp_path):
    path = tmp_path / "exact.npz"
    pyoco_eval.extract_features(clips, "i3d", num_frames=4, pixels="exact", out=path)
    with pytest.raises(PyocoEvalError, match=r"rgb \(here peer, there exact-video\)"):
        pyoco_eval.fvd(clips, path, **CLIPS)
    with pytest.raises(UsageError, match=r"rgb:exact-video \(asked for: peer\)"):
        pyoco_eval.fvd(path, clips, **CLIPS)
    assert pyoco_eval.fvd(path, path, pixels="exact", **CLIPS).value == pytest.approx(0, abs=1e-9)


def test_video_against_pictures_or_arrays_warns(clips):
    png = clips.parent / "png"
    score = pyoco_eval.fvd(clips, png, **CLIPS)
    assert score.signature.get("rgb") == "peer-video/peer-pictures"
    assert any("samples are video files, the reference pictures" in w for w in score.warnings)
    arrays = [video.read(range(4)) for video in open_source(png)]
    score = pyoco_eval.fvd(arrays, clips, **CLIPS)
    assert score.signature.get("rgb") == "stored/peer-video"
    assert any("samples are arrays, the reference video files" in w for w in score.warnings)
    for alike in (png, clips):
        assert not any(
            "Store both sides" in w for w in pyoco_eval.fvd(alike, alike, **CLIPS).warnings
        )
    score = pyoco_eval.fvd(arrays, arrays, **CLIPS)
    assert score.signature.get("rgb") is None


def test_two_rules_in_one_pass(clips):
    both = pyoco_eval.evaluate(
        clips, clips.parent / "png", metrics=["fvd"], also_as=["embedded-fvd"], **CLIPS
    )
    labels = [score.signature.get("rgb") for score in both.scores]
    assert labels == ["peer-video/peer-pictures", "exact-video/exact-pictures"]
    alone = pyoco_eval.fvd(clips, clips.parent / "png", profile="embedded", **CLIPS)
    assert both.scores[1].value == alone.value
    assert both.scores[0].value == pytest.approx(0, abs=1e-9)
    assert both.scores[1].value > 1e-3


@pytest.mark.parametrize("clip", ["first", "center"])
def test_two_rules_decode_every_video_as_often_as_one(clips, monkeypatch, clip):
    """Once for its frames; a centred clip needs the number of frames first."""
    passes = []
    walk = PyavReader.walk

    def counted(self):
        passes.append(self.file.path)
        return walk(self)

    monkeypatch.setattr(PyavReader, "walk", counted)
    alone = [
        pyoco_eval.fvd(clips, clips, profile=profile, clip=clip, **CLIPS).signature
        for profile in ("published", "embedded")
    ]
    per_profile = len(passes) // 2
    both = pyoco_eval.evaluate(
        clips, clips, metrics=["fvd"], also_as=["embedded-fvd"], clip=clip, **CLIPS
    )
    assert len(passes) == 3 * per_profile
    assert per_profile == (16 if clip == "first" else 32)
    assert [score.signature for score in both.scores] == alone


def test_two_rules_read_turned_pictures_and_arrays(tmp_path):
    """Exif turns a picture under one rule alone, so that its sizes differ."""
    (tmp_path / "0").mkdir()
    frames = np.random.default_rng(0).integers(0, 256, (4, 8, 6, 3), np.uint8)
    turned = Image.Exif()
    turned[0x0112] = 6
    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / "0" / f"{index}.png", exif=turned)
    rule = ClipRule(num_frames=4)
    (of_pictures,) = clips_by_rule(open_source(tmp_path)[0], rule, ["exact", "peer"])
    assert np.array_equal(of_pictures["peer"].frames, frames)
    assert np.array_equal(of_pictures["exact"].frames, np.rot90(frames, -1, axes=(1, 2)))
    (of_arrays,) = clips_by_rule(open_source([frames])[0], rule, ["exact", "peer"])
    assert np.array_equal(of_arrays["exact"].frames, frames)
    assert np.array_equal(of_arrays["peer"].frames, frames)


def test_decord_reads_as_peer_whatever_the_convention(clips):
    pytest.importorskip("decord")
    score = pyoco_eval.fvd(clips, clips, profile="embedded", decoder="decord", **CLIPS)
    assert (score.signature.get("rgb"), score.signature.get("conv")) == ("peer-video", "custom")
    with pytest.raises(UsageError, match="--pixels exact: decord"):
        pyoco_eval.fvd(clips, clips, pixels="exact", decoder="decord", **CLIPS)


def test_files_of_older_versions_were_read_exactly():
    assert with_pixels({"dec": "pyav-18.1"})["rgb"] == "exact-video"
    assert with_pixels({"dec": "decord-0.6"})["rgb"] == "peer-video"
    assert with_pixels({"dec": "array+pillow-13.0"})["rgb"] == "exact-pictures+stored"
    assert "rgb" not in with_pixels({"dec": "array"})
    assert with_pixels({"dec": "pyav-18.1", "rgb": "peer-video"})["rgb"] == "peer-video"


def test_arrays_go_with_either_rule():
    exact, peer, none = {"rgb": "exact-video"}, {"rgb": "peer"}, {}
    assert pixels_differ(exact, peer)
    assert not pixels_differ(exact, none)
    assert not pixels_differ(peer, {"rgb": "peer-pictures"})
    assert storage_warning(exact, peer) is None, "an import does not say what it was stored as"
    assert storage_warning({"rgb": "peer-pictures"}, none) is None
