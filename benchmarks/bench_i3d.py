"""I3D: this package against the module the PyTorch ports of FVD share, in one process.

The peer is written here as those ports are: explicit padding before every operator, separate batch
normalisation, default memory layout. Both hold the same seeded random weights.

    python benchmarks/bench_i3d.py --threads 2 --batch 4
    python benchmarks/bench_i3d.py --precision bf16  # the peer stays in float32
"""

import argparse
import math
import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F
from interleaved import median_seconds, print_table
from torch import nn

from pyoco_eval.features.base import ExtractorSpec, WeightsIdentity
from pyoco_eval.features.i3d.checkpoint import load_i3d_network
from pyoco_eval.features.i3d.extractor import REFERENCE_RESIZE, I3DExtractor
from pyoco_eval.features.i3d.network import I3DNetwork, MaxPool, Mixed
from pyoco_eval.features.i3d.published_tensors import published_shapes
from pyoco_eval.features.layers.conv_relu3d import ConvReLU3d

BN_EPS = 1e-3


def pad_same(x: torch.Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> torch.Tensor:
    pads: list[int] = []
    for n, k, s in zip(x.shape[2:], kernel, stride, strict=True):
        total = max(k - s, 0) if n % s == 0 else max(k - n % s, 0)
        pads = [total // 2, total - total // 2, *pads]
    return F.pad(x, pads)


class PeerUnit(nn.Module):
    def __init__(self, unit: ConvReLU3d) -> None:
        super().__init__()
        channels, kernel = unit.weight.shape[1], tuple(unit.weight.shape[2:])
        self.kernel, self.stride = kernel, unit.stride
        self.conv3d = nn.Conv3d(channels, len(unit.weight), kernel, unit.stride, bias=False)
        self.bn = nn.BatchNorm3d(len(unit.weight), eps=BN_EPS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.bn(self.conv3d(pad_same(x, self.kernel, self.stride))))


class PeerPool(nn.Module):
    def __init__(self, pool: MaxPool) -> None:
        super().__init__()
        self.kernel, self.stride = pool.kernel, pool.stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.max_pool3d(pad_same(x, self.kernel, self.stride), self.kernel, self.stride)


class PeerMixed(nn.Module):
    def __init__(self, mixed: Mixed) -> None:
        super().__init__()
        for name, unit in mixed.named_children():
            setattr(self, name, PeerUnit(unit))
        self.pool = PeerPool(MaxPool((3, 3, 3), (1, 1, 1)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat(
            [self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.pool(x))], 1
        )


class PeerI3D(nn.Module):
    """The layers of our network, each in the ports' form and under the ports' name."""

    def __init__(self, network: I3DNetwork) -> None:
        super().__init__()
        forms = {ConvReLU3d: PeerUnit, MaxPool: PeerPool, Mixed: PeerMixed}
        for name, stage in network.stages.items():
            setattr(self, name, forms[type(stage)](stage))
        self.logits = nn.Module()
        self.logits.conv3d = nn.Conv3d(1024, 400, 1)
        self.order = list(network.stages)

    @torch.no_grad()
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for name in self.order:
            x = getattr(self, name)(x)
        x = F.avg_pool3d(x, (2, 7, 7), stride=1)
        return self.logits.conv3d(x).squeeze(3).squeeze(3).mean(2)


def random_state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    state = {}
    for name, shape in published_shapes().items():
        if name.endswith("conv3d.weight"):
            state[name] = torch.randn(shape) * math.sqrt(2 / math.prod(shape[1:]))
        elif name.endswith("running_var"):
            state[name] = 0.5 + torch.rand(shape)
        elif name.endswith("bn.weight"):
            state[name] = torch.ones(shape)
        else:
            state[name] = 0.1 * torch.randn(shape)
    return state


def main() -> None:
    parser = argparse.ArgumentParser(description="I3D, milliseconds per clip of 16 frames.")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="of ours")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    state = random_state()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "i3d.pt"
        torch.save(state, path)
        network, _ = load_i3d_network(path, BN_EPS)
    identity = WeightsIdentity("00000000", "random", published=False)
    spec = ExtractorSpec("i3d", "random", "logits", 400, REFERENCE_RESIZE, "2x/255-1", identity)
    ours = I3DExtractor(network, spec)
    peer = PeerI3D(network)
    peer.load_state_dict(state, strict=False)
    ours.set_precision(options.precision)
    peer.eval()

    for batch in options.batch:
        clips = torch.rand(batch, options.frames, 3, 224, 224) * 2 - 1
        volume = clips.transpose(1, 2).contiguous()
        found, expected = ours.extract(clips), peer(volume)
        difference = ((found - expected).norm() / expected.norm()).item()
        print(f"batch {batch}, {options.threads} threads, relative L2 difference {difference:.1e}")
        rivals = {
            "pyoco-eval": lambda clips=clips: ours.extract(clips),
            "pad-everything, unfolded, eager": lambda volume=volume: peer(volume),
        }
        seconds = median_seconds(rivals, repetitions=options.repetitions)
        print_table(seconds, ours="pyoco-eval", items=batch, unit="clip")


if __name__ == "__main__":
    main()
