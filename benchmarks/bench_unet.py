"""The 69M video U-Net against other video U-Nets, 16×64×64: network evaluation and training step.

Peers, at nearly the same number of parameters: `Unet3D` of video-diffusion-pytorch (65 M) and
`UNet3DConditionModel` of diffusers (68 M, with one text token of zeros). Their operations differ,
so both are given: the ratio of times, and the ratio of operations done per second. A training step
is forward, mean squared error, backward and AdamW. Operations are counted by torch, the products
alone; a training step counts three evaluations.

    python benchmarks/bench_unet.py --threads 2 --mode eval
    python benchmarks/bench_unet.py --threads 2 --mode train --repetitions 1
    python benchmarks/bench_unet.py --threads 1 --clock cpu  # on a busy machine
    python benchmarks/bench_unet.py --device cuda --precision bf16 --batch 8 --compile
    python benchmarks/bench_unet.py --device cuda --mode train --preset ucf-253m --peers
"""

import argparse
import time
from collections.abc import Callable
from functools import partial

import torch
from interleaved import median_seconds
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from pyoco_eval.features.loading.torchvision_operators import import_torchvision
from pyoco_eval.models.presets import PRESETS
from pyoco_eval.models.unet import VideoUNet

FRAMES, SIZE = 16, 64
UNCONDITIONAL = [name for name, config in PRESETS.items() if not config.text]
PUBLISHED_BF16_PEAK = {"A100": 312e12, "H100": 989e12, "H200": 989e12}
"""Dense products per second of the SXM cards, from NVIDIA's data sheets."""


class LucidrainsUNet(nn.Module):
    """(B, T, C, H, W) like ours; the peer has (B, C, T, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        from video_diffusion_pytorch import Unet3D

        self.inner = Unet3D(dim=88, dim_mults=(1, 2, 4, 8))

    def forward(self, x: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        return self.inner(x.transpose(1, 2), level).transpose(1, 2)


class DiffusersUNet(nn.Module):
    """(B, T, C, H, W) like ours; the peer has (B, C, T, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        from diffusers import UNet3DConditionModel

        self.inner = UNet3DConditionModel(
            sample_size=SIZE,
            in_channels=3,
            out_channels=3,
            block_out_channels=(64, 128, 256, 320),
            cross_attention_dim=64,
            attention_head_dim=32,
        )

    def forward(self, x: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        token = x.new_zeros(len(x), 1, 64)
        return self.inner(x.transpose(1, 2), level, token).sample.transpose(1, 2)


def evaluation(
    network: nn.Module, x: torch.Tensor, level: torch.Tensor, autocast: torch.autocast
) -> Callable[[], None]:
    def run() -> None:
        with torch.no_grad(), autocast:
            network(x, level)
        finish(x.device)

    return run


def training_step(
    network: nn.Module, x: torch.Tensor, level: torch.Tensor, autocast: torch.autocast
) -> Callable[[], None]:
    optimizer = torch.optim.AdamW(network.parameters(), 1e-4)

    def run() -> None:
        with autocast:
            loss = (network(x, level).float() - x).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        finish(x.device)

    return run


def finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def operations(build: Callable[[], nn.Module], batch: int) -> float:
    """Of one evaluation: two for each multiplication and addition of the products.

    Fused attention is counted on the meta device alone. One peer reads values as it goes and cannot
    run there, but has no fused attention either.
    """
    with torch.device("cpu" if build is LucidrainsUNet else "meta"):
        network, x = build(), torch.zeros(batch, FRAMES, 3, SIZE, SIZE)
        with FlopCounterMode(display=False) as counter:
            network(x, torch.zeros(batch))
    return float(counter.get_total_flops())


def measured_peak(device: torch.device) -> float:
    """Operations per second of a bf16 product of 8192×8192 matrices."""
    a = torch.randn(8192, 8192, device=device, dtype=torch.bfloat16)
    rounds = 20
    for count in (3, rounds):
        finish(device)
        start = time.perf_counter()
        for _ in range(count):
            a @ a
        finish(device)
    return rounds * 2 * 8192**3 / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description="Video U-Nets, seconds per evaluation or step.")
    parser.add_argument("--mode", choices=("eval", "train"), default="eval")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--compile", action="store_true", help="torch.compile all of them")
    parser.add_argument("--preset", choices=UNCONDITIONAL, default="ucf-69m")
    parser.add_argument("--peers", nargs="*", default=["lucidrains", "diffusers"])
    options = parser.parse_args()
    if options.clock == "cpu" and options.threads != 1:
        parser.error("--clock cpu needs --threads 1: threads that wait spin")
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    import_torchvision()
    device = torch.device(options.device)

    own = partial(VideoUNet, PRESETS[options.preset])
    builders: dict[str, Callable[[], nn.Module]] = {"pyoco-eval": own}
    if "lucidrains" in options.peers:
        builders["video-diffusion-pytorch"] = LucidrainsUNet
    if "diffusers" in options.peers:
        builders["diffusers"] = DiffusersUNet
    x = torch.randn(options.batch, FRAMES, 3, SIZE, SIZE, device=device)
    level = torch.zeros(options.batch, device=device)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=options.precision == "bf16")
    prepare = training_step if options.mode == "train" else evaluation

    rivals, runs, counts = {}, {}, {}
    for name, build in builders.items():
        rivals[name] = network = build().to(device)
        counts[name] = operations(build, options.batch) * (3 if options.mode == "train" else 1)
        if options.compile:
            network.compile()
        runs[name] = prepare(network, x, level, autocast)
    clock = time.process_time if options.clock == "cpu" else time.perf_counter
    seconds = median_seconds(runs, repetitions=options.repetitions, clock=clock)

    ours = "pyoco-eval"
    print(f"{options.mode}, {options.precision}, batch {options.batch}, on {device}")
    print(f"{'':26s}{'M params':>9s}{'GFLOP':>8s}{'s':>9s}{'GFLOP/s':>10s}{'time':>7s}{'rate':>7s}")
    for name, network in rivals.items():
        params = sum(parameter.numel() for parameter in network.parameters()) / 1e6
        rate = counts[name] / seconds[name] / 1e9
        print(
            f"{name:26s}{params:9.1f}{counts[name] / 1e9:8.0f}{seconds[name]:9.3f}{rate:10.0f}"
            f"{seconds[name] / seconds[ours]:7.2f}{counts[ours] / seconds[ours] / 1e9 / rate:7.2f}"
        )
    if device.type == "cuda":
        rate = counts[ours] / seconds[ours]
        print(f"memory at most: {torch.cuda.max_memory_allocated(device) / 2**30:.1f} GiB of all")
        print(f"ours: {rate / measured_peak(device):.1%} of a measured bf16 product")
        card = torch.cuda.get_device_name(device)
        for name, peak in PUBLISHED_BF16_PEAK.items():
            if name in card:
                print(f"ours: {rate / peak:.1%} of the {card}'s published bf16 peak")


if __name__ == "__main__":
    main()
