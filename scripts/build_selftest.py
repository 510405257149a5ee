"""Build what `pyoco-eval selftest` compares with: the clips and values in `pyoco_eval/selftest/`.

    python scripts/build_selftest.py [--keep-clips] [--measure]

Features are computed in float64, where processors agree to far more digits than are compared;
scores from features in float64 as well. With `--measure`, nothing is written: it prints how far
float32 features and scores are from those, with one and several threads and in other memory
layouts. The tolerances of the selftest are set by that.
"""

import argparse
import json
import platform
from collections.abc import Iterator
from fractions import Fraction
from importlib.metadata import version
from unittest import mock

import av
import numpy as np
import torch
import torch.nn.functional as F
from av.video.reformatter import VideoReformatter
from cpu_flags import LEVELS, forced_cpu_flags

from pyoco_eval.features.base import FeatureExtractor
from pyoco_eval.features.tiny.extractor import load_tiny
from pyoco_eval.metrics.frechet import frechet_distance
from pyoco_eval.metrics.inception_score import SplitRule, inception_score
from pyoco_eval.resources import resource_folder
from pyoco_eval.selftest import scores
from pyoco_eval.selftest.check import EXPECTED_FILE, FOLDER, FORMAT, Measurement, Value, distance
from pyoco_eval.selftest.decoding import (
    CLIPS,
    PEER_CONVERSION,
    WRITTEN,
    decoded_digests,
    measure_decoding,
    source_frames,
)
from pyoco_eval.selftest.networks import measure_networks
from pyoco_eval.selftest.resizing import measure_resizing
from pyoco_eval.statistics.files import StatisticsFile
from pyoco_eval.statistics.moments import Moments
from pyoco_eval.videos.readers.video_pixels import EXACT_CONVERSION
from pyoco_eval.videos.write import write_video

ENCODERS = {
    "clip-hevc.mp4": ("libx265", {"crf": "20", "x265-params": "pools=1:frame-threads=1"}),
    "clip-vp9.webm": ("libvpx-vp9", {"crf": "24", "b": "0"}),
    "clip-av1.mkv": ("libsvtav1", {"crf": "24", "preset": "6", "svtav1-params": "lp=1"}),
}
DIGITS = 12
Extracted = dict[str, np.ndarray]


def write_clips() -> None:
    """The shipped clips, 64 x 64 for the encoders that take nothing smaller."""
    for name in WRITTEN:
        write_video(FOLDER / name, source_frames())
    for name, (encoder, options) in ENCODERS.items():
        frames, reformatter = source_frames(64), VideoReformatter()
        with av.open(str(FOLDER / name), "w") as container:
            stream = container.add_stream(encoder, Fraction(8))
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
            stream.options = dict(options)
            for frame in frames:
                picture = av.VideoFrame.from_ndarray(frame, "rgb24")
                picture = reformatter.reformat(
                    picture, format="yuv420p", interpolation=EXACT_CONVERSION, threads=1
                )
                container.mux(stream.encode(picture))
            container.mux(stream.encode())
    for name in CLIPS:
        print(f"{name}: {(FOLDER / name).stat().st_size:,} bytes")


def features64(extractor: FeatureExtractor, batch: torch.Tensor) -> np.ndarray:
    """As `extract`, in float64."""
    network, inputs = extractor.network.double(), batch.double()
    layer = extractor.spec.layer
    with torch.inference_mode(), mock.patch.object(torch, "mkldnn_convolution", plain_convolution):
        if extractor.spec.name in ("i3d", "c3d"):
            return network(inputs.transpose(1, 2), layer).numpy()
        if extractor.spec.name == "inception":
            return network(inputs, layer).numpy()
        if extractor.spec.name == "clip":
            return network(inputs).numpy()
        return extractor._read(inputs).numpy()


def plain_convolution(x, weight, bias, padding, stride, dilation, groups):
    """PyTorch's own kernel: oneDNN has none for float64."""
    return F.conv3d(x, weight, bias, stride, padding, dilation, groups)


def scores64(count: int, dtype: type = np.float64) -> dict[str, float]:
    """Scores of `still_clips` from features in float64, kept as `dtype`."""
    clips = scores.still_clips(count)
    rows: dict[tuple[str, str], np.ndarray] = {}
    for name, layer in (
        ("tiny3d", "embedding"),
        ("tiny3d", "logits"),
        ("tiny2d", "embedding"),
        ("tinyclip", "embedding"),
    ):
        extractor = load_tiny(name, layer=layer)
        batches = [extractor.prepare(clip) for clip in clips]
        if extractor.kind == "video":
            batches = [batch[None] for batch in batches]
        rows[name, layer] = np.concatenate([features64(extractor, b) for b in batches])
        rows[name, layer] = rows[name, layer].astype(dtype)
    return {
        "fvd": _frechet(rows["tiny3d", "embedding"], "tiny3d"),
        "is": inception_score(rows["tiny3d", "logits"], SplitRule.parse("1")).mean,
        "fid": _frechet(rows["tiny2d", "embedding"], "tiny2d"),
        "clip-fid": _frechet(rows["tinyclip", "embedding"], "tinyclip"),
    }


def _frechet(rows: np.ndarray, name: str) -> float:
    path = resource_folder("reference_stats") / "shapes" / f"{name}.npz"
    return frechet_distance(Moments.of(rows), StatisticsFile.load(path).moments).distance


def measurements() -> Iterator[Measurement]:
    """Everything whose truth is stored."""
    for found in (*measure_decoding(), *measure_resizing()):
        is_stored = isinstance(found, Measurement) and found.expected is None
        if is_stored and found.name != PEER_CONVERSION:
            yield found
    yield from peer_conversions()
    for found in measure_networks(["cpu"], quick=False, features=features64):
        if not isinstance(found, Measurement):
            raise SystemExit(f"{found.name}: {found.reason}")
        yield found
    for count in (scores.NUM_CLIPS, scores.NUM_CLIPS_QUICK):
        for metric, value in scores64(count).items():
            yield Measurement("scores", f"{metric} of {count}", value)


def peer_conversions() -> Iterator[Measurement]:
    """As x86-64 converts, which has to be this machine, and as portable code does."""
    if platform.machine() != "x86_64":
        raise SystemExit("build on x86-64: other processors convert otherwise")
    clip = FOLDER / "clip.mp4"
    yield Measurement("decoding", PEER_CONVERSION, decoded_digests(clip, "peer"))
    with forced_cpu_flags(LEVELS["portable"]):
        digests = decoded_digests(clip, "peer")
    yield Measurement("decoding", f"{PEER_CONVERSION}, portable", digests)


def stored_form(value: Value) -> object:
    """Rounded to more digits than are compared."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    return [stored_form(part) for part in value] if isinstance(value, tuple) else value


def measure() -> None:
    """Print the distance of float32 from float64."""
    truth = {m.name: m.value for m in measure_networks(["cpu"], quick=False, features=features64)}
    for threads in (1, torch.get_num_threads()):
        torch.set_num_threads(threads)
        for layout, features in (("as scored", None), ("contiguous", contiguous)):
            for m in measure_networks(["cpu"], quick=False, features=features):
                error = distance(m.value, truth[m.name])
                print(f"{m.name:<28}{threads} threads, {layout}: {error:.1e}")
    for count in (scores.NUM_CLIPS, scores.NUM_CLIPS_QUICK):
        exact, rounded = scores64(count), scores64(count, np.float32)
        for m in scores.measure_scores(["cpu"], quick=count == scores.NUM_CLIPS_QUICK):
            metric = m.name.split()[0]
            print(f"{m.name:<28}float32: {distance(m.value, exact[metric]):.1e}, "
                  f"rounded features: {distance(rounded[metric], exact[metric]):.1e}")  # fmt: skip


def contiguous(extractor: FeatureExtractor, batch: torch.Tensor) -> np.ndarray:
    """As `extract`, with weights and inputs in the plain memory layout."""
    for parameter in extractor.network.parameters():
        parameter.data = parameter.data.contiguous()
    return extractor.extract(batch.contiguous()).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep-clips", action="store_true", help="do not encode the clips again")
    parser.add_argument("--measure", action="store_true", help="print errors, write nothing")
    chosen = parser.parse_args()
    if chosen.measure:
        measure()
        return
    if not chosen.keep_clips:
        write_clips()
    libraries = ("av", "numpy", "pillow", "torch")
    made_with = {name: version(name) for name in libraries} | {"machine": platform.machine()}
    document: dict[str, object] = {"format": FORMAT, "made_with": made_with}
    with mock.patch("pyoco_eval.selftest.decoding.stored", return_value=document):
        values = {f"{m.stage}/{m.key or m.name}": stored_form(m.value) for m in measurements()}
    document["values"] = values
    EXPECTED_FILE.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(f"{EXPECTED_FILE.name}: {len(values)} values, {EXPECTED_FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
