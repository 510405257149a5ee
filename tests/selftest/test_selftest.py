"""The selftest passes here, and would not pass on a machine that computes something else."""

import importlib.util
import math
import platform
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.features.tiny.extractor import load_tiny
from pyoco_eval.selftest import REMEDIES, devices_present, run
from pyoco_eval.selftest import check as checking
from pyoco_eval.selftest.check import Measurement, Skipped, check, distance, stored, stored_value
from pyoco_eval.selftest.decoding import (
    PEER_CONVERSION,
    decoded_digests,
    measure_decoding,
    measure_peer_conversion,
    source_frames,
)
from pyoco_eval.selftest.integers import pattern, sketch, uniform, words
from pyoco_eval.selftest.networks import TOLERANCE, fast_and_loose, measure_networks, prepared
from pyoco_eval.selftest.resizing import measure_resizing
from pyoco_eval.selftest.scores import measure_invariance, measure_scores, measure_statistics

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script():
    """`scripts/build_selftest.py` as a module."""
    path = ROOT / "scripts" / "build_selftest.py"
    sys.path.insert(0, str(path.parent))  # it imports its neighbour cpu_flags
    spec = importlib.util.spec_from_file_location("build_selftest", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.path.remove(str(path.parent))
    return module


def statuses(measurements):
    return {m.name: check(m).status for m in measurements}


def failed(measurements):
    return {name for name, status in statuses(measurements).items() if status == "failed"}


def embedded(**options):
    """The networks that need no temporary weights."""
    return (m for m in measure_networks(["cpu"], quick=True, **options) if m.name[:3] != "i3d")


@pytest.fixture
def without_large_networks(monkeypatch):
    monkeypatch.setattr("pyoco_eval.selftest.networks.QUICK", ())


def test_words_are_those_of_splitmix64():
    mask = (1 << 64) - 1
    seed = (int(words("name", 1)[0]), int(words("name", 3)[2]))

    def splitmix(state):
        z = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
        return z ^ z >> 31

    assert splitmix(0x9E3779B97F4A7C15) == 0xE220A8397B1DCDAF  # the published first word of seed 0
    import hashlib

    start = int.from_bytes(hashlib.sha256(b"name").digest()[:8], "little")
    assert seed == tuple(splitmix(start + k * 0x9E3779B97F4A7C15 & mask) for k in (1, 3))
    assert (words("name", 5, 2) == words("name", 7)[2:]).all()


def test_uniform_values_do_not_depend_on_the_chunks(monkeypatch):
    whole = uniform("x", (1000,), 0.5)
    monkeypatch.setattr("pyoco_eval.selftest.integers._CHUNK", 64)
    assert (uniform("x", (10, 100), 0.5).ravel() == whole).all()
    assert whole.dtype == np.float32
    assert abs(whole.mean()) < 0.05
    assert abs(whole.std() - 0.5 / math.sqrt(3)) < 0.02
    assert abs(whole).max() <= 0.5


def test_a_sketch_keeps_lengths_and_sees_every_element():
    rng = np.random.default_rng(0)
    for size in (5, 400, 100_000):
        rows = rng.standard_normal(size)
        assert math.hypot(*sketch(rows)) == pytest.approx(np.linalg.norm(rows), rel=0.4)
        changed = rows.copy()
        changed[size // 3] += 1e-3
        difference = math.dist(sketch(rows), sketch(changed))
        assert difference == pytest.approx(1e-3, rel=1e-6)


def test_the_pattern_uses_the_whole_range():
    frames = pattern(2, 72, 96)
    assert (frames.shape, frames.dtype) == ((2, 72, 96, 3), np.uint8)
    assert frames.min() < 10
    assert frames.max() > 240


@pytest.mark.parametrize(
    ("found", "truth", "expected"),
    [
        (1.0, 1.0, 0.0),
        (1.1, 1.0, 0.1),
        ((3.0, 4.0), (3.0, 0.0), 4 / 3),
        ("a", "a", 0),
        (("a", "b"), ("a", "c"), 1),
        (("a",), ("a", "c"), math.inf),
        (("a", "b"), (1.0, 2.0), 2),
        (math.nan, 1.0, math.inf),
        (math.inf, 1.0, math.inf),
        (1e-9, 0.0, math.inf),
        (0.0, 0.0, 0.0),
    ],
)
def test_distances(found, truth, expected):
    assert distance(found, truth) == pytest.approx(expected)


def test_a_check_is_as_strict_as_its_tolerance():
    assert check(Measurement("scores", "x", 1.0, 1e-6, 1.0 + 1e-7)).status == "ok"
    assert check(Measurement("scores", "x", 1.0, 1e-6, 1.0 + 1e-5)).status == "failed"
    assert check(Measurement("scores", "x", math.nan, 1e-6, 1.0)).status == "failed"
    assert check(Skipped("scores", "x", "why")).note == "why"


def test_frames_are_as_stored():
    assert set(statuses(measure_decoding()).values()) == {"ok"}


def test_sizes_are_as_stored():
    assert set(statuses(measure_resizing()).values()) == {"ok"}


def test_statistics_have_their_closed_forms():
    assert set(statuses(measure_statistics()).values()) == {"ok"}


@pytest.mark.usefixtures("without_large_networks")
def test_embedded_features_are_as_stored():
    assert set(statuses(embedded()).values()) == {"ok"}


def test_every_stored_value_is_used(monkeypatch):
    """By name; the networks and scores are not computed for it."""
    from pyoco_eval.selftest.networks import EMBEDDED
    from pyoco_eval.selftest.recipes import LOADERS
    from pyoco_eval.selftest.scores import METRICS, NUM_CLIPS, NUM_CLIPS_QUICK

    names = {f"networks/{name}" for name in LOADERS}
    names |= {f"networks/{name} {layer}" for name, layer in EMBEDDED}
    names |= {f"scores/{m} of {count}" for m in METRICS for count in (NUM_CLIPS, NUM_CLIPS_QUICK)}
    names |= {f"decoding/{PEER_CONVERSION}", f"decoding/{PEER_CONVERSION}, portable"}
    for m in (*measure_decoding(), *measure_resizing()):
        if isinstance(m, Measurement) and m.expected is None:
            names.add(f"{m.stage}/{m.name}")
    assert set(stored()["values"]) == names


@pytest.mark.usefixtures("without_large_networks")
def test_stored_features_are_rebuilt_from_float64(script):
    for m in embedded(features=script.features64):
        assert distance(m.value, stored_value("networks", m.key)) < 1e-9


@pytest.mark.slow
def test_stored_scores_are_rebuilt_from_float64(script):
    for metric, value in script.scores64(72).items():
        assert value == pytest.approx(stored_value("scores", f"{metric} of 72"), rel=1e-9)


def test_another_decoder_is_noticed(monkeypatch, tmp_path):
    """FFmpeg's quick colour conversion, which darkens by about a level."""
    monkeypatch.setattr("pyoco_eval.videos.readers.video_pixels.EXACT_CONVERSION", "BILINEAR")
    assert {"clip.mp4", "clip-vp9.webm"} <= failed(measure_decoding())


@pytest.mark.parametrize("level", ["portable", "SSSE3"])
def test_how_this_processor_converts_is_told(script, level):
    """Without its quick kernels it is a word, not a failure; on x86-64 all later ones agree."""
    try:
        with script.forced_cpu_flags(script.LEVELS[level]):
            found = check(measure_peer_conversion())
    except OSError as error:
        pytest.skip(str(error))
    if level == "portable":
        assert found.status == "skipped"
        assert "as plain C code, up to 3 levels from x86-64" in found.note
    elif platform.machine() == "x86_64":
        assert found.status == "ok"


def test_another_swscale_is_noticed(monkeypatch):
    monkeypatch.setattr("pyoco_eval.videos.readers.video_pixels.PEER_CONVERSION", 0x40002)
    monkeypatch.setattr("pyoco_eval.selftest.decoding.platform.machine", lambda: "x86_64")
    assert check(measure_peer_conversion()).status == "failed"


def test_a_file_that_is_cut_off_is_a_failure_and_no_exception(tmp_path):
    whole = (checking.FOLDER / "clip.mp4").read_bytes()
    (tmp_path / "clip.mp4").write_bytes(whole[:-900])
    (said,) = decoded_digests(tmp_path / "clip.mp4")
    assert said.startswith("error: ")
    assert distance((said,), stored_value("decoding", "clip.mp4")) == math.inf


def test_encoders_of_other_versions_are_skipped(monkeypatch):
    monkeypatch.setattr("pyoco_eval.selftest.decoding.version", lambda _: "0.1")
    found = statuses(measure_decoding())
    assert {name for name, status in found.items() if status == "skipped"} == {
        "writing clip.mp4",
        "writing clip.gif",
    }


def test_half_pixel_centres_are_noticed(monkeypatch):
    def half_pixel(images, height, width):
        return F.interpolate(images, size=(height, width), mode="bilinear")

    kernels = "pyoco_eval.videos.resize._TORCH_KERNELS"
    monkeypatch.setitem(_resolve(kernels), "tf1-bilinear", half_pixel)
    assert failed(measure_resizing()) == {"40-tf1bilinear-squash", "112-tf1bilinear-squash"}


def _resolve(name):
    from importlib import import_module

    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module), attribute)


def with_fewer_bits(tensor, bits):
    """Rounded to `bits` of the mantissa: 10 as TF32 multiplies, 7 as bf16."""
    mantissa, exponent = torch.frexp(tensor)
    return torch.ldexp((mantissa * 2 ** (bits + 1)).round() / 2 ** (bits + 1), exponent)


@pytest.mark.usefixtures("without_large_networks")
@pytest.mark.parametrize("bits", [7, 10])
def test_reduced_precision_is_noticed_in_every_network(bits):
    def imprecise(extractor, batch):
        for parameter in extractor.network.parameters():
            parameter.data = with_fewer_bits(parameter.data, bits)
        return extractor.extract(with_fewer_bits(batch, bits)).numpy()

    found = [check(m) for m in embedded(features=imprecise)]
    assert [c.status for c in found] == ["failed"] * 5
    assert min(c.difference for c in found) > 5 * TOLERANCE


def test_the_callers_haste_is_turned_on_and_off_again():
    before = torch.get_float32_matmul_precision()
    with fast_and_loose():
        assert torch.get_float32_matmul_precision() == "medium"
    assert torch.get_float32_matmul_precision() == before


def test_wrong_linear_algebra_is_noticed(monkeypatch):
    from pyoco_eval.metrics.frechet import FrechetTerms

    monkeypatch.setattr(
        "pyoco_eval.selftest.scores.frechet_distance", lambda *_: FrechetTerms(2.0, 168.0001)
    )
    assert failed(measure_statistics()) == {"Fréchet distance of Gaussians"}


def test_digits_that_change_with_the_batch_are_noticed(monkeypatch):
    real = _resolve("pyoco_eval.selftest.scores._features")

    def restless(clips, extractor, device, batch_size, workers):
        features = real(clips, extractor, device, batch_size, workers)
        return np.nextafter(features, np.float32(np.inf)) if batch_size == 7 else features

    monkeypatch.setattr("pyoco_eval.selftest.scores._features", restless)
    found = failed(measure_invariance(["cpu"]))
    assert found == {f"{name} cpu batch 7 workers 3" for name in ("tiny3d", "tinyclip")}


def test_scores_of_other_clips_are_noticed(monkeypatch):
    monkeypatch.setattr("pyoco_eval.selftest.scores.METRICS", ("fvd", "is"))
    assert failed(measure_scores(["cpu"], quick=True)) == set()
    real = _resolve("pyoco_eval.selftest.scores.still_clips")

    def one_level_brighter(count):
        clips = real(count)
        return [np.minimum(clips[0], 254) + np.uint8(1), *clips[1:]]

    monkeypatch.setattr("pyoco_eval.selftest.scores.still_clips", one_level_brighter)
    assert failed(measure_scores(["cpu"], quick=True)) == {"fvd of 72 on cpu", "is of 72 on cpu"}


def test_devices():
    assert devices_present()[0] == "cpu"
    with pytest.raises(UsageError, match="--device"):
        run(["abacus"])
    if not torch.cuda.is_available():
        with pytest.raises(MissingError, match="--device cuda"):
            run(["cuda"])


def test_a_failure_of_any_stage_has_a_remedy():
    assert list(REMEDIES) == [
        "decoding",
        "resizing",
        "networks",
        "programs",
        "statistics",
        "scores",
        "invariance",
    ]


@pytest.mark.slow
def test_the_published_architectures_are_as_stored():
    pytest.importorskip("open_clip")
    found = [check(m) for m in measure_networks(["cpu"], quick=False)]
    assert {c.status for c in found} == {"ok"}
    assert len(found) == 9


@pytest.mark.gpu
def test_on_a_gpu():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    torch.backends.cudnn.allow_tf32 = True
    found = run(["cuda"])
    assert {c.name for c in found if c.status == "failed"} == set()


def test_prepared_inputs_have_the_shapes_of_the_networks():
    assert prepared(load_tiny("tiny3d")).shape == (1, 16, 3, 64, 64)
    assert prepared(load_tiny("tiny2d")).shape == (2, 3, 64, 64)
    assert source_frames().shape == (8, 32, 32, 3)
