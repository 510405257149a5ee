"""A whole probe of Gaussian videos: truth, files, going on after a kill, unusable videos."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from gaussian_model import IdealDenoiser, gaussian_model, gaussian_videos, variances
from noise_maps import progressive
from PIL import Image

from pyoco_eval.errors import MissingError, UnusableVideosError, UsageError
from pyoco_eval.metrics.signature import Signature
from pyoco_eval.priors import parse_prior
from pyoco_eval.probe import gallery
from pyoco_eval.probe.image_model import ImageModel
from pyoco_eval.probe.options import ProbeOptions
from pyoco_eval.probe.outcome import Probe
from pyoco_eval.probe.run import run_probe
from pyoco_eval.records.record import Record
from pyoco_eval.videos.clip_rule import ClipRule
from pyoco_eval.videos.source import VideoSource, open_source
from pyoco_eval.videos.write import write_video

RHO = 0.8
OPTIONS = ProbeOptions(clip=ClipRule(num_frames=4), num_steps=24, num_resamples=200, check_videos=2)


def videos(count: int = 12, frames: int = 4) -> list[np.ndarray]:
    """Float frames in [-1, 1] as (T, H, W, 3) uint8; clamping and rounding are part of them."""
    found = gaussian_videos(count, frames, progressive(frames, RHO)) / 3
    pixels = ((found.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return [video.permute(0, 2, 3, 1).numpy() for video in pixels]


def model() -> ImageModel:
    return gaussian_model(variance=variances(8) / 9)


def calls(used: ImageModel) -> int:
    assert isinstance(used.denoiser, IdealDenoiser)
    return sum(used.denoiser.calls)


def probed(out: Path, options: ProbeOptions = OPTIONS, *, used: ImageModel | None = None,
           source: object = None, figures: bool = False) -> Probe:  # fmt: skip
    found = run_probe(
        used or model(), videos() if source is None else source, out, options=options,
        figures=figures,
    )  # fmt: skip
    assert found is not None
    return found


def test_known_correlation_and_prior_are_found(tmp_path: Path) -> None:
    found = probed(tmp_path)
    same, different = found.similarity.same, found.similarity.different
    truth = np.mean([RHO ** (j - i) for i in range(4) for j in range(i + 1, 4)])
    assert same.interval[0] < truth < same.interval[1]
    assert different.interval[0] < 0 < different.interval[1]
    assert found.similarity.null.p_value < 0.01
    assert found.best.prior == "progressive"
    assert found.best.interval[0] < RHO / np.sqrt(1 - RHO**2) < found.best.interval[1]
    prior = parse_prior(f"empirical:{tmp_path / 'noise-prior.npz'}")
    np.testing.assert_allclose(prior.frame_covariance(4).numpy(), progressive(4, RHO), atol=0.1)
    assert not found.warnings


def test_every_file_is_written_and_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "REFERENCE_MAPS", 20)
    found = probed(tmp_path, figures=True)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {".lock", "probe.json", "noise-prior.npz", "table1.csv", "by_distance.csv",
                     "round_trip.csv", "similarity.npz", "figures", "maps"}  # fmt: skip
    drawn = {path.name for path in (tmp_path / "figures").iterdir()}
    stems = ("tsne-videos", "tsne-priors", "by-distance", "frame-correlation", "round-trip")
    assert drawn == {f"{stem}.{kind}" for stem in stems for kind in ("png", "svg", "pdf")} | {
        f"{stem}.{kind}" for stem in stems[:2] for kind in ("csv", "npz")
    }
    record = Record.load(tmp_path / "probe.json")
    assert [score.metric for score in record.scores] == ["noise-same", "noise-different"]
    assert record.scores[0].value == found.similarity.same.mean
    signature = Signature.parse(record.scores[0].signature)
    assert signature == found.signature
    assert signature.get("ode") == "heun-24-karras7-0.002..80"
    assert signature.get("n") == "48"
    assert len(record.samples.files) == 12
    details = json.loads((tmp_path / "probe.json").read_text())["probe"]
    assert details["prior"] == found.prior
    assert details["round_trip"]["num_steps"] == [6, 12, 24, 48]


def test_maps_on_disk_are_used_again(tmp_path: Path) -> None:
    first = probed(tmp_path)
    again = model()
    second = probed(tmp_path, used=again)
    assert calls(again) == 0
    assert second.similarity.same == first.similarity.same
    assert second.round_trip == first.round_trip


def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    whole = model()
    first = probed(tmp_path, used=whole)
    (folder,) = (tmp_path / "maps").iterdir()
    maps = sorted(folder.glob("0*.npz"))
    assert len(maps) == 12
    for path in maps[5:11]:
        path.unlink()
    maps[11].write_bytes(maps[11].read_bytes()[:1000])
    for path in folder.glob("round-trip-*.json"):
        path.unlink()
    rest = model()
    second = probed(tmp_path, used=rest)
    assert second.similarity.same == first.similarity.same
    num_steps, checks = 24, sum(4 * n - 4 for n in (6, 12, 24, 48)) + 4
    assert calls(rest) == 4 * (7 * (2 * num_steps - 2) + 2 * checks)


@pytest.mark.parametrize(
    "changed",
    [{"num_steps": 12}, {"solver": "ddim"}, {"clip": ClipRule(num_frames=3)}, {"prompt": "a"}],
)
def test_another_recipe_makes_maps_of_its_own(tmp_path: Path, changed: dict[str, object]) -> None:
    probed(tmp_path)
    used = model()
    probed(tmp_path, replace(OPTIONS, **changed), used=used)  # type: ignore[arg-type]
    assert calls(used)
    assert len(list((tmp_path / "maps").iterdir())) == 2


def test_changed_content_is_inverted_anew(tmp_path: Path) -> None:
    clips = videos()
    probed(tmp_path, source=clips)
    clips[3] = clips[3][::-1].copy()
    used = model()
    probed(tmp_path, source=clips, used=used)
    assert calls(used) == 4 * (2 * 24 - 2)


def test_a_changed_caption_is_inverted_anew_and_signed(tmp_path: Path) -> None:
    options = replace(OPTIONS, captions=True)
    captions = [f"clip {number}" for number in range(12)]

    def told() -> VideoSource:
        return open_source(videos()).described([(caption, None) for caption in captions])

    first = probed(tmp_path, options, source=told())
    captions[7] = "another"
    used = model()
    second = probed(tmp_path, options, source=told(), used=used)
    assert calls(used) == 4 * (2 * 24 - 2)
    texts = [str(found.signature.get("text")) for found in (first, second)]
    assert texts[0] != texts[1]
    assert all(text.startswith("captions@") for text in texts)


def test_max_videos_takes_a_random_choice_by_seed(tmp_path: Path) -> None:
    few = [probed(tmp_path / str(n), replace(OPTIONS, max_videos=5, seed=seed))
           for n, seed in enumerate((0, 0, 1))]  # fmt: skip
    chosen = [set(found.record.samples.files) for found in few]
    assert [len(ids) for ids in chosen] == [5, 5, 5]
    assert chosen[0] == chosen[1] != chosen[2]
    assert any("few" in warning for warning in few[0].warnings)


def test_some_of_the_videos_may_be_compared(tmp_path: Path) -> None:
    found = probed(tmp_path, replace(OPTIONS, compared_videos=4))
    assert found.similarity.num_videos_between == 4
    assert any("--compared-videos" in warning for warning in found.warnings)


def short_one(folder: Path) -> Path:
    for number, frames in enumerate(videos(4)):
        write_video(folder / f"{number}.npz", frames if number != 2 else frames[:2], 8)
    return folder


def test_videos_sampled_by_their_times_are_counted(tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    for number, frames in enumerate(videos(4, 6)):
        delays = [70, 110, 490, 70, 130, 90] if number == 2 else 100
        first, *others = (Image.fromarray(frame) for frame in frames)
        path = folder / f"{number}.webp"
        first.save(path, save_all=True, append_images=others, duration=delays, lossless=True)
    timed = replace(OPTIONS, clip=ClipRule(num_frames=4, fps=10))
    for _ in range(2):  # the second time from maps on disk
        found = probed(tmp_path / "out", timed, source=folder)
        assert found.signature.get("times") == "1of4"


def test_a_short_video_is_an_error_or_is_counted(tmp_path: Path) -> None:
    folder = short_one(tmp_path / "videos")
    with pytest.raises(UnusableVideosError, match="needs 4 frames, the video has 2"):
        probed(tmp_path / "a", source=folder)
    rule = ClipRule(num_frames=4, short="skip")
    found = probed(tmp_path / "b", replace(OPTIONS, clip=rule), source=folder)
    assert found.signature.get("skip") == "1of4"
    assert found.record.samples.skipped.keys() == {"2.npz"}
    looped = replace(OPTIONS, clip=ClipRule(num_frames=4, short="loop"))
    assert "loop" in str(probed(tmp_path / "c", looped, source=folder).signature.get("clip"))


def test_a_damaged_video_is_an_error_or_is_left_out(tmp_path: Path) -> None:
    folder = short_one(tmp_path / "videos")
    (folder / "2.npz").write_bytes(b"PK damaged")
    with pytest.raises(UnusableVideosError, match=r"2\.npz"):
        probed(tmp_path / "a", source=folder)
    found = probed(tmp_path / "b", replace(OPTIONS, on_error="skip"), source=folder)
    assert found.signature.get("skip") == "1of4"


def test_maps_that_cannot_be_trusted_are_told_loudly(tmp_path: Path) -> None:
    coarse = probed(tmp_path / "a", replace(OPTIONS, num_steps=3, solver="ddim"))
    assert sum("DO NOT TRUST" in warning for warning in coarse.warnings) >= 2
    for name, factor, start in (("b", 100, "DO NOT TRUST"), ("c", 2, "The noise maps are not qu")):
        strange = probed(tmp_path / name, used=gaussian_model(variance=factor * variances(8) / 9))
        (told,) = strange.warnings
        assert told.startswith(start)
        std = float(re.findall(r"deviation is (\d.\d+)", told)[0])
        assert std == pytest.approx(factor**-0.5, abs=0.03)
        assert strange.record.warnings == [told]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: replace(OPTIONS, clip=ClipRule(num_frames=1)), "--num-frames 1"),
        (lambda: replace(OPTIONS, clip=ClipRule(select="all")), "--clip all"),
        (lambda: replace(OPTIONS, solver="stochastic"), "--sampler 'stochastic'"),
        (lambda: replace(OPTIONS, prompt="a", captions=True), "--prompt and --captions"),
        (lambda: replace(OPTIONS, check_videos=0), "--check-videos 0"),
    ],
)
def test_options_that_cannot_be_meant(make: Callable[[], object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def test_one_video_captions_that_are_missing_and_no_model(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds one video"):
        probed(tmp_path, source=videos(1))
    with pytest.raises(UsageError, match="--captions: array#0 has none"):
        probed(tmp_path, replace(OPTIONS, captions=True))
    with pytest.raises(MissingError, match="no such folder"):
        run_probe(str(tmp_path / "model"), videos(), tmp_path, figures=False)
