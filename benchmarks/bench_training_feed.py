"""How long a device waits for its batches in training, by two routes in one run.

The loader is the real one: reading processes, collation, draws, the thread that moves batches. The
examples cost nothing, and the device is not there: a step takes `--step` milliseconds, by default
what an H100 takes for the network at 40 % of its bfloat16 peak, and copies go into fresh memory,
which costs at least what one from page-locked memory costs the CPU.

`serial` is how training was fed before: the consumer draws noise, levels and drops sample by sample
and copies them, and the device waits. `ahead` is how it is fed: reading processes draw, a thread
copies. The draws are the same, bit for bit (tests/training/test_feeding.py).

    python benchmarks/bench_training_feed.py
    python benchmarks/bench_training_feed.py --config configs/ucf101-video.yaml --batch 8 --step 300
"""

import argparse
import time
from dataclasses import replace

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from pyoco_eval.diffusion.loss import EDMLoss
from pyoco_eval.models.presets import PRESETS
from pyoco_eval.models.unet import VideoUNet
from pyoco_eval.priors import parse_prior
from pyoco_eval.training.config import TrainConfig
from pyoco_eval.training.config_file import parse_config
from pyoco_eval.training.data.batches import Batches
from pyoco_eval.training.data.draws import Drawing, DropDraws
from pyoco_eval.training.data.example import Example
from pyoco_eval.training.data.sample_order import Order, WholeOrder
from pyoco_eval.training.data.samples import Batch, TrainingSamples

H100_BF16 = 989e12
"""Multiplications and additions a second, of the data sheet, without sparsity."""


class Free:
    """Examples that are there already."""

    name, class_names, fps = "free", (), None

    def __init__(self, num_frames: int, side: int) -> None:
        self._frames = np.zeros((num_frames, side, side, 3), np.uint8)

    def __len__(self) -> int:
        return 1024

    def order(self, *seed: str | int) -> Order:
        return WholeOrder(len(self), *seed)

    def read(self, index: int, draw: np.random.Generator) -> Example:  # noqa: ARG002
        return Example(self._frames)


class Copying:
    """Moves batches into fresh memory."""

    def begin(self, batch: Batch) -> Batch:
        return batch.moved(torch.clone)

    def arrived(self, batch: Batch) -> Batch:
        return batch


def step_seconds(preset: str, num_frames: int, side: int, batch: int) -> float:
    """Of a training step at 40 % of the peak: a forward pass, and a backward one of twice that."""
    with torch.device("meta"):
        network = VideoUNet(PRESETS[preset])
        y, c_noise = torch.empty(1, num_frames, 3, side, side), torch.empty(1)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            network(y, c_noise, None)
    return 3 * counter.get_total_flops() * batch / (0.4 * H100_BF16)


def timed(
    samples: TrainingSamples, config: TrainConfig, steps: int, seconds: float, *, ahead: bool
) -> tuple[float, float]:
    """Seconds a step that the device waits, and of CPU that the consumer spends."""
    drawing = samples.drawing
    assert drawing is not None
    if not ahead:
        samples.drawing = None
    waits, work = [], []
    try:
        with Batches(
            samples,
            range(steps + 2),
            config.batch,
            workers=config.hardware.workers,
            mover=Copying() if ahead else None,
        ) as batches:
            for _ in range(steps + 2):
                began, own = time.perf_counter(), time.thread_time()
                batch = next(batches)
                if not ahead:
                    draws = drawing(batch.numbers, batch.frames.shape)
                    batch = replace(batch, draws=draws).moved(torch.clone)
                waits.append(time.perf_counter() - began)
                work.append(time.thread_time() - own)
                time.sleep(seconds)
    finally:
        samples.drawing = drawing
    return float(np.mean(waits[2:])), float(np.mean(work[2:]))  # the first fill the queues


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="ucf-69m", choices=sorted(PRESETS))
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--prior", default="mixed:alpha=1")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--step", type=float, help="Milliseconds; [default: an H100's]")
    args = parser.parse_args()
    config = parse_config(
        {
            "out": "unused", "batch": args.batch, "model": {"preset": args.preset},
            "prior": args.prior, "hardware": {"workers": args.workers},
            "data": {"source": "shapes", "size": args.size, "num_frames": args.frames},
        },
        "benchmark",
    )  # fmt: skip
    loss = EDMLoss(parse_prior(args.prior))
    drawing = Drawing(config, loss, DropDraws(config.condition, (), config.seed))
    samples = TrainingSamples(config, Free(args.frames, args.size), drawing=drawing)
    seconds = (args.step or 0) / 1000 or step_seconds(
        args.preset, args.frames, args.size, args.batch
    )
    print(
        f"{args.preset}, {args.batch} samples of {args.frames} x {args.size} x {args.size}, "
        f"{args.workers} reading processes, a step of {1000 * seconds:.0f} ms\n"
    )
    print("route    device waits  share of the time  CPU of the consumer")
    found = {}
    for name in ("serial", "ahead"):
        wait, work = timed(samples, config, args.steps, seconds, ahead=name == "ahead")
        found[name] = wait
        print(
            f"{name:8} {1000 * wait:9.2f} ms  {wait / (wait + seconds):16.1%}  "
            f"{1000 * work:16.2f} ms"
        )
    print(f"\nthe device waits {found['serial'] / found['ahead']:.0f} times less")


if __name__ == "__main__":
    main()
