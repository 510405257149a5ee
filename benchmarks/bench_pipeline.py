"""What the CPU does for each clip that a device scores, by two routes, and how idle that leaves it.

The pipeline is the real one: files are read, decoded, staged, batched and collected. The device is
not there: it is busy for `--cost` milliseconds a clip, or no time at all. What it costs to ask a
GPU for the operators of resize and network is computed: their number, counted on torch's `meta`
device, times `--launch`; torch on the CPUs of GPU servers takes 4 to 8 microseconds for each.

Two routes are timed in turn. `prepared` is how every device was fed before and MPS still is: frames
resized and scaled by the decoding threads, float32 batches joined and copied by the consumer. The
copy to the device is one into fresh memory here, which is the least that it costs from memory that
is not page-locked. `uint8` is how CUDA is fed.

    python benchmarks/bench_pipeline.py --clips 48
    python benchmarks/bench_pipeline.py --networks i3d inception clip --cost 1.4 --gpu 300 700
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from pyoco_eval.extraction.decode_pass import run_pass
from pyoco_eval.extraction.feeding.feed import DeviceFeed, Feed
from pyoco_eval.extraction.feeding.row_queue import NetworkInput
from pyoco_eval.extraction.feeding.transfers import Mark, Transfers
from pyoco_eval.extraction.measure import RowCollector
from pyoco_eval.extraction.options import Options
from pyoco_eval.features.base import ExtractorSpec, FeatureExtractor, WeightsIdentity
from pyoco_eval.features.clip.architectures import VIT_B_32
from pyoco_eval.features.clip.extractor import CLEAN_FID_RESIZE, ClipExtractor
from pyoco_eval.features.i3d.extractor import REFERENCE_RESIZE, I3DExtractor
from pyoco_eval.features.i3d.network import I3DNetwork
from pyoco_eval.features.inception.extractor import CLEAN_RESIZE, InceptionExtractor
from pyoco_eval.features.inception.network import InceptionNetwork
from pyoco_eval.features.loading.torchvision_operators import import_torchvision
from pyoco_eval.shapes.dataset import MovingShapes
from pyoco_eval.videos.clip_rule import ClipRule, read_clips
from pyoco_eval.videos.resize import ResizeRule
from pyoco_eval.videos.resize_device import resize_on_device
from pyoco_eval.videos.source import VideoSource, open_source
from pyoco_eval.videos.write import write_video

META = torch.device("meta")
RULES = {
    "i3d": (I3DExtractor, REFERENCE_RESIZE, "2x/255-1", 400),
    "inception": (InceptionExtractor, CLEAN_RESIZE, "(x-128)/128", 2048),
    "clip": (ClipExtractor, CLEAN_FID_RESIZE, "clip-mean-std", 512),
}


class Clock:
    """When the device will be done with what it was asked for."""

    def __init__(self, seconds_per_clip: float) -> None:
        self.seconds_per_clip = seconds_per_clip
        self.free_at = 0.0
        self.busy = 0.0
        self.operators = 0

    def work(self, clips: float) -> None:
        seconds = clips * self.seconds_per_clip
        self.free_at = max(self.free_at, time.perf_counter()) + seconds
        self.busy += seconds


@dataclass
class Until:
    """The mark of a time."""

    then: float

    def query(self) -> bool:
        return time.perf_counter() >= self.then

    def synchronize(self) -> None:
        time.sleep(max(0.0, self.then - time.perf_counter()))


class NoDevice(Transfers):
    """Copies that cost the CPU nothing but to ask for them."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(META)
        self._clock = clock

    def to_device(self, values: torch.Tensor) -> torch.Tensor:
        return torch.empty_like(values, device=META)

    def to_host(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.zeros(rows.shape)

    def computed(self) -> Mark:
        return Until(self._clock.free_at)


def network(name: str, clock: Clock) -> FeatureExtractor:
    """An extractor with the published resize, whose network only takes its time."""
    kind, resize, scaling, dim = RULES[name]
    nobodys = WeightsIdentity("0" * 8, "sha256:" + "0" * 64, published=False)
    spec = ExtractorSpec(name, "none", "none", dim, resize, scaling, nobodys)
    frames_of_clip = 1 if name == "i3d" else 16

    class Timed(kind):  # type: ignore[misc, valid-type]
        device = META

        def prepare_there(self, frames: torch.Tensor) -> torch.Tensor:
            clock.operators += operators_of_resize(resize, tuple(frames.shape[-3:]))
            side = int(resize.size)
            return torch.empty(*frames.shape[:-3], 3, side, side, device=META)

        def launch(self, batch: torch.Tensor) -> torch.Tensor:
            clock.operators += operators_of_network(name)
            clock.work(len(batch) / frames_of_clip)
            return torch.empty(len(batch), dim, device=META)

        def extract(self, batch: torch.Tensor) -> torch.Tensor:
            batch.clone()
            self.launch(batch)
            Until(clock.free_at).synchronize()
            return torch.zeros(len(batch), dim)

    made: FeatureExtractor = Timed(nn.Identity(), spec)
    return made


class Counter(TorchDispatchMode):
    """Counts operators that start something on a device."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        self.count += not func.is_view and func is not torch.ops.aten.empty.memory_format
        return func(*args, **(kwargs or {}))


def counted(work: Callable[[], object]) -> int:
    with torch.inference_mode():
        work()  # tables of weights are made once
        with Counter() as counter:
            work()
    return counter.count


@cache
def operators_of_resize(rule: ResizeRule, shape: tuple[int, ...]) -> int:
    frames = torch.empty(8, *shape, dtype=torch.uint8, device=META)
    return counted(lambda: resize_on_device(frames, rule)) + 3  # of the scaling


@cache
def operators_of_network(name: str) -> int:
    with META:
        if name == "clip":
            import_torchvision()
            import open_clip

            config = open_clip.get_model_config(VIT_B_32.open_clip)
            tower = open_clip.CLIP(**config).visual.eval()
            return counted(lambda: tower(torch.empty(8, 3, 224, 224)))
        if name == "i3d":
            network = I3DNetwork().eval()
            return counted(lambda: network(torch.empty(8, 3, 16, 224, 224), "logits"))
        images = InceptionNetwork().eval()
        return counted(lambda: images(torch.empty(8, 3, 299, 299), "pool3"))


@dataclass(frozen=True)
class Cost:
    """Of one pass.

    Attributes:
        consumer: seconds of CPU a clip by the thread that feeds the device.
        threads: likewise by all others.
        operators: that the device was asked for, a clip.
        rate: clips a second by the clock.
        idle: share of that time in which the device had nothing to do.
    """

    consumer: float
    operators: float
    threads: float
    rate: float
    idle: float


def one_pass(source: VideoSource, names: Sequence[str], route: str, options: Any) -> Cost:
    clock = Clock(options.cost / 1000)
    taps = [NetworkInput(network(name, clock), [RowCollector()], "exact") for name in names]
    feed = DeviceFeed(NoDevice(clock)) if route == "uint8" else Feed()
    chosen = Options(batch_size=options.batch, workers=options.workers)
    start, own, whole = time.perf_counter(), time.thread_time(), time.process_time()
    found = run_pass(source, taps, chosen, feed=feed)
    seconds, own = time.perf_counter() - start, time.thread_time() - own
    whole = time.process_time() - whole
    assert found.num_videos == len(source)
    count = len(source)
    idle = 1 - clock.busy / seconds
    asked = clock.operators / count
    return Cost(own / count, asked, (whole - own) / count, count / seconds, idle)


def thread_seconds(work: Callable[[], object], count: int) -> float:
    """CPU seconds of one of `count` calls."""
    start = time.thread_time()
    for _ in range(count):
        work()
    return (time.thread_time() - start) / count


def show_steps(source: VideoSource, names: Sequence[str]) -> None:
    """Milliseconds of CPU a clip for each step by itself, on one thread."""
    torch.set_num_threads(1)
    video = source[0].reading("exact")
    (clip,) = read_clips(video, ClipRule())
    buffer, frames = np.zeros_like(clip.frames), list(clip.frames)
    steps = {
        "hash of the file": lambda: source[0].digest(),
        "decode": lambda: list(read_clips(video, ClipRule())),
        "join frames in fresh memory": lambda: np.stack(frames),
        "join frames in memory used before": lambda: np.stack(frames, out=buffer),
    }
    for name in names:
        extractor = network(name, Clock(0))
        steps[f"resize and scale for {name}"] = lambda e=extractor: e.prepare(clip.frames)
    print("CPU by step, ms a clip:")
    for title, work in steps.items():
        work()
        print(f"  {title:<36} {thread_seconds(work, 12) * 1000:8.2f}")


def show_route(route: str, costs: Sequence[Cost], options: Any) -> None:
    """Medians, and what follows for a GPU beside more cores."""
    consumer, operators, threads, rate, idle = (
        statistics.median(getattr(cost, name) for cost in costs)
        for name in ("consumer", "operators", "threads", "rate", "idle")
    )
    launches = operators * options.launch / 1e6
    print(f"\n{route}: {options.clips} clips, {options.workers} decoding threads")
    print(f"  threads:  {threads * 1000:6.2f} ms of CPU a clip")
    print(
        f"  consumer: {consumer * 1000:6.2f} ms, and {operators:.0f} operators to ask for", end=""
    )
    print(f" ({launches * 1000:.2f} ms, computed)")
    print(f"  {rate:.1f} clips/s here; a device of {options.cost:g} ms a clip is {idle:.0%} idle")
    fed = min((options.cores - 1) / threads, 1 / (consumer + launches))
    for speed in options.gpu:
        print(
            f"  computed: {options.cores} cores make {fed:.0f} clips/s; a GPU of {speed:g} clips/s "
            f"is {max(0.0, 1 - fed / speed):.0%} idle"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU cost of scoring on a device, by route.")
    parser.add_argument("--clips", type=int, default=32)
    parser.add_argument("--size", type=int, default=256, help="pixels of the square mp4 files")
    parser.add_argument("--networks", nargs="+", choices=RULES, default=["i3d"])
    parser.add_argument("--cost", type=float, default=0.0, help="ms of the device a clip")
    parser.add_argument("--launch", type=float, default=6.0, help="us to ask for an operator")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--cores", type=int, default=16, help="beside the GPU that is computed for")
    parser.add_argument("--gpu", type=float, nargs="+", default=[600.0], help="clips/s of a GPU")
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()

    shapes = MovingShapes("test", options.size, num_frames=16)
    with tempfile.TemporaryDirectory() as folder:
        for index in range(options.clips):
            write_video(Path(folder) / f"{index:04d}.mp4", shapes[index].frames, fps=8)
        source = open_source(folder)
        show_steps(source, options.networks)
        costs: dict[str, list[Cost]] = {"prepared": [], "uint8": []}
        for route in costs:
            one_pass(source, options.networks, route, options)
        for _ in range(options.repetitions):
            for route, found in costs.items():
                found.append(one_pass(source, options.networks, route, options))
        for route, found in costs.items():
            show_route(route, found, options)


if __name__ == "__main__":
    main()
