"""The network that enlarges against imagen-pytorch's `Unet3D`: evaluation and training step.

The peer is the open implementation of Imagen Video, conditioned on small frames as its cascade
does (`lowres_cond`), with one residual block a level and without attention, as ours. Their sizes
and operations differ, so both are given: the ratio of times, and of operations done per second.

    pip install imagen-pytorch
    python benchmarks/bench_superres.py --threads 2
    python benchmarks/bench_superres.py --mode train --repetitions 1
"""

import argparse
from collections.abc import Callable
from unittest import mock

import torch
from interleaved import median_seconds
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from pyoco_eval.diffusion.denoiser import Conditioning, LowResolution
from pyoco_eval.features.loading.torchvision_operators import import_torchvision
from pyoco_eval.models.efficient_config import EfficientConfig
from pyoco_eval.models.efficient_unet import EfficientUNet

FRAMES, SIZE, FACTOR = 8, 128, 4
CONFIG = EfficientConfig(FACTOR, 64, (1, 2, 4), (1, 1, 1))


class Ours(nn.Module):
    """x (B, T, C, H, W), small frames (B, T, C, H / 4, W / 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = EfficientUNet(CONFIG)

    def forward(self, x: torch.Tensor, low: torch.Tensor) -> torch.Tensor:
        cond = Conditioning(low=LowResolution(low, x.new_zeros(len(x))))
        return self.inner(x, x.new_zeros(len(x)), cond)


class ImagenPytorch(nn.Module):
    """The same axes; the peer has (B, C, T, H, W) and takes small frames that are enlarged."""

    def __init__(self) -> None:
        super().__init__()
        import transformers

        # It asks the hub for the width of T5 as it is imported; no text is used here.
        offline = mock.patch.object(
            transformers.T5Config, "from_pretrained", return_value=transformers.T5Config()
        )
        with offline:
            from imagen_pytorch import Unet3D

        self.inner = Unet3D(
            dim=64, dim_mults=(1, 2, 4), num_resnet_blocks=1, lowres_cond=True,
            layer_attns=False, layer_cross_attns=False, attend_at_middle=False,
            cond_on_text=False, memory_efficient=True, time_causal_attn=False,
        )  # fmt: skip

    def forward(self, x: torch.Tensor, low: torch.Tensor) -> torch.Tensor:
        large = nn.functional.interpolate(low.flatten(0, 1), x.shape[3:], mode="bilinear")
        large = large.view(*x.shape).transpose(1, 2)
        times = x.new_zeros(len(x))
        return self.inner(
            x.transpose(1, 2), times, lowres_cond_img=large, lowres_noise_times=times
        ).transpose(1, 2)


def run(network: nn.Module, mode: str, x: torch.Tensor, low: torch.Tensor) -> Callable[[], None]:
    optimizer = torch.optim.AdamW(network.parameters(), 1e-4)

    def evaluate() -> None:
        with torch.no_grad():
            network(x, low)

    def step() -> None:
        (network(x, low) - x).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    return evaluate if mode == "eval" else step


def main() -> None:
    parser = argparse.ArgumentParser(description="Networks that enlarge, seconds a call.")
    parser.add_argument("--mode", choices=("eval", "train"), default="eval")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    import_torchvision()
    x = torch.randn(1, FRAMES, 3, SIZE, SIZE)
    low = torch.randn(1, FRAMES, 3, SIZE // FACTOR, SIZE // FACTOR)
    networks = {"pyoco-eval": Ours(), "imagen-pytorch": ImagenPytorch()}
    counts, runs = {}, {}
    for name, network in networks.items():
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            assert network(x, low).shape == x.shape
        counts[name] = counter.get_total_flops() * (3 if options.mode == "train" else 1)
        runs[name] = run(network, options.mode, x, low)
    seconds = median_seconds(runs, repetitions=options.repetitions)
    own = counts["pyoco-eval"] / seconds["pyoco-eval"]
    print(f"{options.mode}, {FRAMES}x{SIZE}x{SIZE}, {options.threads} threads")
    print(f"{'':16s}{'M params':>9s}{'GFLOP':>8s}{'s':>9s}{'GFLOP/s':>9s}{'time':>7s}{'rate':>7s}")
    for name, network in networks.items():
        millions = sum(p.numel() for p in network.parameters()) / 1e6
        rate = counts[name] / seconds[name]
        print(
            f"{name:16s}{millions:9.1f}{counts[name] / 1e9:8.1f}{seconds[name]:9.3f}"
            f"{rate / 1e9:9.0f}{seconds[name] / seconds['pyoco-eval']:7.2f}{own / rate:7.2f}"
        )


if __name__ == "__main__":
    main()
