"""Clips a second on a GPU: networks by themselves, and the whole way from mp4 files to features.

Weights are random: times do not depend on them. Operations are counted on torch's meta device. The
share of the peak is that of the data sheets of H100 and H200, dense and without TF32.

    python benchmarks/bench_gpu_scoring.py
    python benchmarks/bench_gpu_scoring.py --networks i3d --clips 512 --workers 8
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from pyoco_eval.extraction.decode_pass import run_pass
from pyoco_eval.extraction.feeding.row_queue import NetworkInput
from pyoco_eval.extraction.measure import RowCollector
from pyoco_eval.extraction.options import Options
from pyoco_eval.features.base import ExtractorSpec, FeatureExtractor, Precision, WeightsIdentity
from pyoco_eval.features.c3d.extractor import RESIZE, C3DExtractor
from pyoco_eval.features.c3d.network import C3DNetwork
from pyoco_eval.features.i3d.extractor import REFERENCE_RESIZE, I3DExtractor
from pyoco_eval.features.i3d.network import I3DNetwork
from pyoco_eval.features.inception.extractor import CLEAN_RESIZE, InceptionExtractor
from pyoco_eval.features.inception.network import InceptionNetwork
from pyoco_eval.shapes.dataset import MovingShapes
from pyoco_eval.videos.source import VideoSource, open_source
from pyoco_eval.videos.write import write_video

PEAKS: dict[Precision, float] = {"fp32": 66.9e12, "bf16": 989e12}
INPUTS = {"i3d": (16, 3, 224, 224), "c3d": (16, 3, 112, 112), "inception": (3, 299, 299)}


def extractor(name: str) -> FeatureExtractor:
    nobodys = WeightsIdentity("0" * 8, "sha256:" + "0" * 64, published=False)
    if name == "i3d":
        spec = ExtractorSpec(name, "", "logits", 400, REFERENCE_RESIZE, "2x/255-1", nobodys)
        return I3DExtractor(I3DNetwork().eval(), spec)
    if name == "c3d":
        spec = ExtractorSpec(name, "", "logits", 101, RESIZE, "2x/255-1", nobodys)
        return C3DExtractor(C3DNetwork().eval(), torch.zeros(16, 3, 112, 112), spec)
    spec = ExtractorSpec(name, "", "pool3", 2048, CLEAN_RESIZE, "(x-128)/128", nobodys)
    return InceptionExtractor(InceptionNetwork().eval(), spec)


def operations(name: str) -> float:
    """Of one clip, or of one frame for an image network."""
    network = {"i3d": I3DNetwork, "c3d": C3DNetwork, "inception": InceptionNetwork}[name]
    shape = INPUTS[name]
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        x = torch.empty(1, *shape)
        layer = "pool3" if name == "inception" else "logits"
        network().eval()(x.transpose(1, 2) if len(shape) == 4 else x, layer)
    return float(counter.get_total_flops())


def seconds(work: Callable[[], object], rounds: int) -> float:
    for count in (2, rounds):
        torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(count):
            work()
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / rounds


def show_network(name: str, precision: Precision, batch: int) -> None:
    loaded = extractor(name).set_precision(precision).to("cuda")
    x = torch.randn(batch, *INPUTS[name], device="cuda")
    took = seconds(lambda: loaded.launch(x), 10) / batch
    share = operations(name) / took / PEAKS[precision]
    each = "frames" if name == "inception" else "clips"
    print(f"  {name:<10} {precision}  {1 / took:8.0f} {each}/s   {share:5.1%} of the data sheet")


def show_route(source: VideoSource, name: str, precision: Precision, workers: int) -> None:
    loaded = extractor(name).set_precision(precision).to("cuda")
    options = Options(workers=workers, device="cuda", precision=precision)
    for _ in range(2):
        taps = [NetworkInput(loaded, [RowCollector()], "exact")]
        start, cpu = time.perf_counter(), time.process_time()
        run_pass(source, taps, options)
        took, cpu = time.perf_counter() - start, time.process_time() - cpu
    print(
        f"  {name:<10} {precision}  {len(source) / took:8.0f} videos/s, "
        f"{cpu / len(source) * 1000:.1f} ms of CPU each"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Clips a second on a GPU.")
    parser.add_argument("--networks", nargs="+", choices=INPUTS, default=list(INPUTS))
    parser.add_argument("--clips", type=int, default=256)
    parser.add_argument("--size", type=int, default=256, help="pixels of the square mp4 files")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    options = parser.parse_args()
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, "
          f"cuDNN {torch.backends.cudnn.version()}")  # fmt: skip
    precisions: tuple[Precision, ...] = ("fp32", "bf16")
    print("networks by themselves:")
    for name in options.networks:
        for precision in precisions:
            show_network(name, precision, 64 if name == "inception" else 16)
    with tempfile.TemporaryDirectory() as folder:
        shapes = MovingShapes("test", options.size, num_frames=16)
        for index in range(options.clips):
            write_video(Path(folder) / f"{index:04d}.mp4", shapes[index].frames, fps=8)
        source = open_source(folder)
        print(f"from {len(source)} mp4 files of 16 × {options.size}², {options.workers} threads:")
        for name in options.networks:
            for precision in precisions:
                show_route(source, name, precision, options.workers)


if __name__ == "__main__":
    main()
