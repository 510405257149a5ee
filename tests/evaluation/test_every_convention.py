"""All conventions of a metric from one decoding of real clips, against each of them alone."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from click.testing import CliRunner
from toys import MeanColour

from pyoco_eval.cli.main import cli
from pyoco_eval.errors import UsageError
from pyoco_eval.extraction import networks
from pyoco_eval.features.catalogue import NETWORKS
from pyoco_eval.metrics.catalogue import METRICS
from pyoco_eval.metrics.conventions import CONVENTIONS
from pyoco_eval.scoring import clipsim
from pyoco_eval.shapes.captions import COLOURS
from pyoco_eval.videos.readers.pyav_reader import PyavReader
from pyoco_eval.videos.resize import ResizeRule, resize_frames
from pyoco_eval.videos.source import open_source

GENERATED = (
    "hfds_test_video_66x50.mov", "iio_newtonscradle.gif", "iio_realshort.mp4", "mma_test.avi",
    "mmcv_test.mp4", "pyx_test.avi", "skv_carphone_distorted.mp4", "tc_h264_10bits.mp4",
    "tv_SchoolRulesHowTheyHelpUs_wave_f_nm_np1_ba_med_0.avi",
    "tv_TrumanShow_wave_f_nm_np1_fr_med_26.avi",
)  # fmt: skip
REFERENCE = (
    "decord_flipping_a_pancake.mkv", "ffpy_in1.mp4", "mma_demo.mp4", "skv_carphone_pristine.mp4",
    "tv_v_SoccerJuggling_g23_c01.avi", "webm_bbb_480p_vp9_opus_1second.webm",
)  # fmt: skip
WITHOUT_REFERENCE = ("is", "clipsim")
OWN = [name for name, rule in CONVENTIONS.items() if rule.metric in METRICS.own]


class MeanColours(MeanColour):
    """The mean colours of four quarters, after the resize rule and scaling of a convention."""

    def __init__(self, network: networks.Network) -> None:
        rule = network.resize or ResizeRule(112, "align-corners-bilinear")
        kind = NETWORKS[network.extractor].kind
        super().__init__(kind, network.extractor, network.layer, rule, network.scaling or "x")
        self.spec = replace(self.spec, dim=12, variant=str(network.bn_eps or ""))
        kernel = "bilinear" if rule.kernel == networks.IN_NETWORK else rule.kernel
        self._rule = ResizeRule(16, kernel, rule.fit)
        self._factor = 1.0 if network.bn_eps is None else 1.01

    def prepare(self, frames: np.ndarray) -> torch.Tensor:
        x = resize_frames(frames, self._rule).float()
        return {"x": x, "(x-128)/128": (x - 128) / 128}.get(self.spec.scaling, x * 2 / 255 - 1)

    def launch(self, batch: torch.Tensor) -> torch.Tensor:
        frames = batch.mean(dim=1) if self.kind == "video" else batch
        return self._factor * F.adaptive_avg_pool2d(frames, 2).flatten(1)


class Words:
    """Captions to made-up embeddings."""

    truncated = 0

    def encode(self, captions: list[str]) -> np.ndarray:
        seeds = [len(caption) for caption in captions]
        return np.array([np.random.default_rng(seed).normal(size=12) for seed in seeds])


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often every video file is walked through, with networks that cost nothing."""
    found: Counter[str] = Counter()
    walk = PyavReader.walk

    def counted(self):  # type: ignore[no-untyped-def]
        found[self.file.path.name] += 1
        return walk(self)

    monkeypatch.setattr(PyavReader, "walk", counted)
    monkeypatch.setattr(networks.Network, "load", lambda self, _: MeanColours(self))
    monkeypatch.setattr(clipsim, "load_text_encoder", lambda *_: Words())
    return found


@pytest.fixture(scope="module")
def sides(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The arguments that name both sides."""
    folder = tmp_path_factory.mktemp("sides")
    for side, files in (("generated", GENERATED), ("reference", REFERENCE)):
        (folder / side).mkdir()
        for name in files:
            shutil.copy(shared_data / "videos" / name, folder / side / name)
    captions = [f"{name},a {COLOURS[len(name) % 8]} circle" for name in GENERATED]
    (folder / "captions.csv").write_text("\n".join(["file,caption", *captions]))
    for side in ("generated", "reference"):
        np.save(folder / f"{side}.npy", cut_out(folder / side))
    return {
        "samples": ["--samples", str(folder / "generated")],
        "reference": ["--reference", str(folder / "reference")],
        "captions": ["--captions", str(folder / "captions.csv")],
        "kid": [
            *("--samples", str(folder / "generated.npy"), "--pictures", "images"),
            *("--reference", str(folder / "reference.npy")),
        ],
    }


def cut_out(folder: Path) -> np.ndarray:
    """(1000, 24, 24, 3) uint8: parts of real frames, as many as KID takes."""
    rng = np.random.default_rng(0)
    clips = [video.read(range(12)) for video in open_source(folder)]
    parts = []
    for number in range(1000):
        frame = clips[number % len(clips)][rng.integers(12)]
        top, left = rng.integers(frame.shape[0] - 24), rng.integers(frame.shape[1] - 24)
        parts.append(frame[top : top + 24, left : left + 24])
    return np.stack(parts)


def arguments(metrics: list[str], sides: dict[str, list[str]]) -> list[str]:
    if metrics == ["kid"]:
        return [*sides["kid"], "--json"]
    found = [*sides["samples"], "--allow-small", "--json"]
    if set(metrics) - set(WITHOUT_REFERENCE):
        found += sides["reference"]
    return found + sides["captions"] if "clipsim" in metrics else found


def scored(*words: str) -> dict[tuple[str, str], float]:
    """Metric and signature -> value."""
    result = CliRunner().invoke(cli, words)
    if result.exception is not None:
        raise result.exception
    scores = json.loads(result.stdout)["scores"]
    found = {(score["metric"], score["signature"]): score["value"] for score in scores}
    assert len(found) == len(scores), "every recipe has a signature of its own"
    return found


@pytest.mark.parametrize("metric", list(METRICS.own))
def test_every_score_is_that_of_its_convention_alone(
    metric: str, sides: dict[str, list[str]], passes: Counter[str]
) -> None:
    usual = METRICS[metric].conventions["published"]
    others = [name for name in OWN if CONVENTIONS[name].metric == metric and name != usual]
    call = [metric, *arguments([metric], sides)]
    together = scored(*call, "--also-as", ",".join(others))
    files = GENERATED if metric in WITHOUT_REFERENCE else GENERATED + REFERENCE
    if metric != "kid":
        assert passes == {name: 1 for name in files if not name.endswith(".gif")}
    alone = {}
    for name in (usual, *others):
        found = scored(*call, "--convention", name)
        assert all(f"conv:{name} |" in signature for _, signature in found)
        alone |= found
    assert together == alone
    assert len(set(together.values())) > 1, "conventions differ"
    with pytest.raises(UsageError, match=f"--also-as {usual}: .* under this convention already"):
        scored(*call, "--also-as", usual)


def test_all_conventions_of_all_metrics_from_one_decoding(
    sides: dict[str, list[str]], passes: Counter[str]
) -> None:
    metrics = [name for name in METRICS.own if name != "kid"]  # it takes 1,000 frames
    usual = {METRICS[name].conventions["published"] for name in metrics}
    rules = [name for name in OWN if CONVENTIONS[name].metric in metrics]
    others = [name for name in rules if name not in usual]
    call = ["evaluate", *arguments(metrics, sides), "--metrics", ",".join(metrics)]
    found = scored(*call, "--also-as", ",".join(others))
    assert set(passes.values()) == {1}
    assert len(passes) == len(GENERATED) + len(REFERENCE) - 1
    named = {signature.partition("conv:")[2].partition(" ")[0] for _, signature in found}
    assert named == set(rules)
    for metric in metrics:
        call = [metric, *arguments([metric], sides)]
        assert scored(*call).items() <= found.items()
