"""C3D: this package against plain PyTorch modules in eager mode, in one process.

Both hold the same seeded random weights.

    python benchmarks/bench_c3d.py --threads 2 --batch 1 8
"""

import argparse
import math

import torch
from interleaved import median_seconds, print_table
from torch import nn

from pyoco_eval.features.base import ExtractorSpec, WeightsIdentity
from pyoco_eval.features.c3d.extractor import RESIZE, C3DExtractor
from pyoco_eval.features.c3d.network import POOLS, C3DNetwork


def random_network() -> C3DNetwork:
    torch.manual_seed(0)
    network = C3DNetwork().requires_grad_(False).eval()
    for parameter in network.parameters():
        if parameter.ndim > 1:
            parameter.normal_(std=math.sqrt(2 / math.prod(parameter.shape[1:])))
        else:
            parameter.normal_(std=0.1)
        if parameter.ndim == 5:
            parameter.data = parameter.contiguous(memory_format=torch.channels_last_3d)
    return network


def plain_network(network: C3DNetwork) -> nn.Sequential:
    layers: list[nn.Module] = []
    for name, unit in network.convolutions.items():
        convolution = nn.Conv3d(unit.weight.shape[1], len(unit.weight), 3, padding=1)
        convolution.load_state_dict({"weight": unit.weight, "bias": unit.bias})
        layers += [convolution, nn.ReLU()]
        if name in POOLS:
            layers.append(nn.MaxPool3d(POOLS[name], ceil_mode=True))
    layers += [nn.Flatten(), network.fc6, nn.ReLU(), network.fc7, nn.ReLU(), network.fc8]
    return nn.Sequential(*layers).requires_grad_(False).eval()


def main() -> None:
    parser = argparse.ArgumentParser(description="C3D, milliseconds per clip of 16 frames.")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="of ours")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    network = random_network()
    identity = WeightsIdentity("00000000", "random", published=False)
    spec = ExtractorSpec("c3d", "random", "logits", 101, RESIZE, "2x/255-1", identity)
    ours = C3DExtractor(network, torch.full((16, 3, 112, 112), 100.0), spec)
    peer = plain_network(network)
    ours.set_precision(options.precision)

    for batch in options.batch:
        clips = torch.rand(batch, 16, 3, 112, 112) * 256 - 100
        volume = clips.transpose(1, 2).contiguous()
        found, expected = ours.extract(clips), peer(volume)
        difference = ((found - expected).norm() / expected.norm()).item()
        print(f"batch {batch}, {options.threads} threads, relative L2 difference {difference:.1e}")
        rivals = {
            "pyoco-eval": lambda clips=clips: ours.extract(clips),
            "plain PyTorch, eager": lambda volume=volume: peer(volume),
        }
        seconds = median_seconds(rivals, repetitions=options.repetitions)
        print_table(seconds, ours="pyoco-eval", items=batch, unit="clip")


if __name__ == "__main__":
    main()
