"""What a sampler costs beyond its network, against the schedulers of diffusers.

The network stands for one of a fixed cost: it sleeps a moment, so that what follows starts as cold
as after real work, and takes no processor time. The overhead is the processor time of the run, all
threads together, which a busy machine does not stretch as it does the wall time. diffusers keeps
the state in float32, ours is float64 and includes EDM's preconditioning.

    python benchmarks/bench_samplers.py --milliseconds 200
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from interleaved import median_seconds

from pyoco_eval.diffusion.precondition import EDMDenoiser
from pyoco_eval.diffusion.samplers import SamplerSpec
from pyoco_eval.features.loading.torchvision_operators import import_torchvision
from pyoco_eval.priors import parse_prior
from pyoco_eval.seeding import torch_generator

import_torchvision()

from diffusers import (  # noqa: E402
    DEISMultistepScheduler,
    EDMEulerScheduler,
    HeunDiscreteScheduler,
)

SHAPE = (3, 64, 64)


class Sleeper(torch.nn.Module):
    """Gives its input back after a moment, and counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: torch.Tensor, *_: object) -> torch.Tensor:
        time.sleep(0.005)
        self.calls += 1
        return x


def with_scheduler(scheduler: object, network: Sleeper, num_steps: int) -> Callable[[], object]:
    """A pipeline's loop, without the pipeline."""

    def run(noise: torch.Tensor) -> torch.Tensor:
        scheduler.set_timesteps(num_steps)
        x = noise * scheduler.init_noise_sigma
        for timestep in scheduler.timesteps:
            output = network(scheduler.scale_model_input(x, timestep), timestep)
            x = scheduler.step(output, timestep, x).prev_sample
        return x

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description="Overhead of samplers beyond the network.")
    parser.add_argument("--num-frames", type=int, default=16)
    parser.add_argument("--num-steps", type=int, default=16)
    parser.add_argument("--milliseconds", type=float, default=200, help="one call of the network")
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    prior = parse_prior("progressive:alpha=2")
    generators = [torch_generator("benchmark")]
    noise = prior.sample(SHAPE, options.num_frames, generators)
    num_steps = options.num_steps

    networks: dict[str, Sleeper] = {}
    rivals: dict[str, Callable[[], object]] = {}
    for text in ("ddim", "heun", "deis", "stochastic", "deis:S_churn=5"):
        spec = SamplerSpec.parse(f"{text}{',' if ':' in text else ':'}num_steps={num_steps}")
        network = networks[text] = Sleeper()
        rivals[text] = lambda spec=spec, network=network: spec.sample(
            EDMDenoiser(network), noise, prior=prior, generators=generators
        )
    for scheduler in (
        EDMEulerScheduler(),
        HeunDiscreteScheduler(),
        DEISMultistepScheduler(solver_order=3),
    ):
        name = f"diffusers {type(scheduler).__name__}"
        network = networks[name] = Sleeper()
        loop = with_scheduler(scheduler, network, num_steps)
        rivals[name] = lambda loop=loop: loop(noise)

    overhead: dict[str, list[float]] = {name: [] for name in rivals}

    def timed(name: str) -> None:
        before, start = networks[name].calls, time.process_time()
        rivals[name]()
        spent = time.process_time() - start
        overhead[name].append(spent / (networks[name].calls - before))

    runs = {name: lambda name=name: timed(name) for name in rivals}
    median_seconds(runs, repetitions=options.repetitions)
    print(f"state {(options.num_frames, *SHAPE)}, a network of {options.milliseconds:g} ms")
    for name, seconds in overhead.items():
        calls = networks[name].calls // len(seconds)
        per_call = 1e3 * statistics.median(seconds)
        fraction = per_call / (per_call + options.milliseconds)
        print(f"{name:34s} {calls:3d} calls  {per_call:6.3f} ms/call  {100 * fraction:5.2f} %")


if __name__ == "__main__":
    main()
