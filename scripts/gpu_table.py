"""Tables of docs/gpu.md: memory and time of training, time of scoring, computed without a GPU.

Multiplications are counted on torch's meta device, one multiply-add as two operations. Times follow
from a card's data sheet and the share of its peak that is reached, which is an assumption.

    python scripts/gpu_table.py
    python scripts/gpu_table.py --share 0.3
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from pyoco_eval.diffusion.denoiser import Conditioning, TextEmbedding
from pyoco_eval.features.c3d.network import C3DNetwork
from pyoco_eval.features.i3d.network import I3DNetwork
from pyoco_eval.features.inception.network import InceptionNetwork
from pyoco_eval.models.presets import PRESETS
from pyoco_eval.models.unet import VideoUNet
from pyoco_eval.training.config_file import load_config
from pyoco_eval.training.memory import plan_memory

CARDS: Final = {
    "A100": (312e12, 19.5e12),
    "L40S": (362e12, 91.6e12),
    "H100 SXM": (989e12, 66.9e12),
    "H200": (989e12, 66.9e12),
}
"""Operations a second of the data sheets: bfloat16 without sparsity, float32 without TF32."""
CONFIGS: Final = Path(__file__).parents[1] / "configs"
TRAINED: Final = (
    ("ucf101-video-progressive", "ucf-69m", (4, 8, 16)),
    ("t2v-base", "t2v-base", (1, 2)),
)
GIB: Final = 2**30


def memory_rows() -> Iterator[str]:
    """Of one process of eight, whole networks and divided ones."""
    yield "| config | parameters | samples at once | checkpointing | DDP, GiB | FSDP of 8, GiB |"
    yield "|---|---|---|---|---|---|"
    for name, preset, batches in TRAINED:
        settings = ["init=null", f"model.preset={preset}"]
        config = load_config(CONFIGS / f"{name}.yaml", settings)
        for samples in batches:
            for again in (False, True):
                found = []
                for sharding in ("ddp", "fsdp"):
                    hardware = replace(
                        config.hardware, micro_batch=samples, gradient_checkpointing=again,
                        precision="bf16", sharding=sharding,
                    )  # fmt: skip
                    changed = replace(config, hardware=hardware, batch=8 * samples)
                    plan = plan_memory(changed, 8)
                    found.append(f"{plan.memory.total / GIB:.1f}")
                yield (
                    f"| `{name}` | {plan.num_parameters / 1e6:.0f} M | {samples} "
                    f"| {'yes' if again else 'no'} | {' | '.join(found)} |"
                )


def operations(network: nn.Module, *inputs: torch.Tensor | Conditioning | str) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(*inputs)
    return int(counter.get_total_flops())


def unet_operations(name: str, num_frames: int, side: int) -> int:
    """Of one forward pass of one video."""
    config = PRESETS[name]
    with torch.device("meta"):
        network = VideoUNet(config)
        text = {
            source.name: TextEmbedding(
                torch.empty(1, 77, source.width), torch.ones(1, 77, dtype=torch.bool)
            )
            for source in config.text
        }
        x, c_noise = torch.empty(1, num_frames, 3, side, side), torch.empty(1)
    return operations(network, x, c_noise, Conditioning(text))


def training_rows(share: float) -> Iterator[str]:
    yield "| network | operations a step and video | " + " | ".join(CARDS) + " |"
    yield "|---|---|" + "---|" * len(CARDS)
    for name, frames, side in (("ucf-69m", 16, 64), ("ucf-253m", 16, 64), ("t2v-base", 16, 64)):
        count = 3 * unet_operations(name, frames, side)  # the backward pass takes twice as many
        times = [f"{share * peak / count:,.1f}" for peak, _ in CARDS.values()]
        yield f"| `{name}`, {frames} × {side}² | {count / 1e12:.2f} T | {' | '.join(times)} |"


def scoring_rows(share: float) -> Iterator[str]:
    yield "| network, a clip of 16 frames | operations | " + " | ".join(CARDS) + " |"
    yield "|---|---|" + "---|" * len(CARDS)
    with torch.device("meta"):
        counts = {
            "I3D": operations(I3DNetwork().eval(), torch.empty(1, 3, 16, 224, 224), "logits"),
            "C3D": operations(C3DNetwork().eval(), torch.empty(1, 3, 16, 112, 112), "logits"),
            "Inception": operations(
                InceptionNetwork().eval(), torch.empty(16, 3, 299, 299), "pool3"
            ),
        }
    for name, count in counts.items():
        rates = [f"{share * plain / count:,.0f} / {share * half / count:,.0f}"
                 for half, plain in CARDS.values()]  # fmt: skip
        yield f"| {name} | {count / 1e9:.0f} G | {' | '.join(rates)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--share", type=float, default=0.4, help="of a card's peak")
    share = parser.parse_args().share
    for title, rows in (
        ("memory of a training process", memory_rows()),
        (f"training in bf16, videos a second at {share:.0%} of peak", training_rows(share)),
        (f"scoring, clips a second in fp32 / bf16 at {share:.0%} of peak", scoring_rows(share)),
    ):
        print(f"{title}\n", *rows, "", sep="\n")


if __name__ == "__main__":
    main()
