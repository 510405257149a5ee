"""Cost of correlated noise against independent noise of the same size.

The peer is one `torch.randn` call, which is also what the independent prior costs. The largest
stage of the paper's cascade takes 76 frames of 3×1024×1024, 0.96 GB:

    python benchmarks/bench_priors.py --num-frames 76 --size 1024
"""

import argparse

import torch
from interleaved import median_seconds, print_table

from pyoco_eval.priors import EmpiricalPrior, ProgressivePrior, parse_prior
from pyoco_eval.seeding import torch_generator

PEER = "torch.randn"


def main() -> None:
    parser = argparse.ArgumentParser(description="Drawing noise for one video.")
    parser.add_argument("--num-frames", type=int, default=76)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    num_frames, shape = options.num_frames, (3, options.size, options.size)

    specs = (
        "independent", "mixed:alpha=1", "progressive:alpha=2", "progressive:alpha=inf",
        "progressive:alpha=0.5..4", "frequency:alpha=3", "windows:length=16,stride=4",
    )  # fmt: skip
    priors = {spec: parse_prior(spec) for spec in specs}
    measured = ProgressivePrior(2).frame_covariance(num_frames)
    priors["empirical"] = EmpiricalPrior("measured", measured)
    generator = torch_generator("benchmark")
    rivals = {PEER: lambda: torch.randn(1, num_frames, *shape, generator=generator)}
    for name, prior in priors.items():
        rivals[name] = lambda prior=prior: prior.sample(shape, num_frames, [generator])
    seconds = median_seconds(rivals, repetitions=options.repetitions)
    print(f"{num_frames} frames of {shape}, {torch.get_num_threads()} threads; xR: times {PEER}")
    print_table(seconds, ours=PEER, items=num_frames, unit="frame")


if __name__ == "__main__":
    main()
