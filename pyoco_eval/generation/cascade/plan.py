"""What the stages of a cascade make, and what they need, found without weights or a device.

Every network is built on torch's meta device and run once as fake tensors: shapes are checked, and
operations and live bytes counted. Text encoders and decoders of latents are left out.

Axes: B videos, T frames, C channels, H, W.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from pyoco_eval.diffusion.denoiser import Conditioning, KnownFrames, LowResolution
from pyoco_eval.diffusion.samplers.spec import SamplerSpec
from pyoco_eval.generation.cascade.description import Stage
from pyoco_eval.generation.open_sampler import DEFAULT_SAMPLER
from pyoco_eval.generation.upsampling import Enlargement
from pyoco_eval.models.building import build, count_parameters
from pyoco_eval.models.efficient_unet import EfficientUNet
from pyoco_eval.models.ensemble import is_ensemble, read_parts
from pyoco_eval.models.fake_run import LiveBytes, as_fake, empty_texts
from pyoco_eval.models.network import VideoNetwork

GIB: Final = 2**30


@dataclass(frozen=True)
class StagePlan:
    """What a stage needs for one video.

    Attributes:
        parameters: of the network; of one expert where there are several.
        evaluations: of the network.
        operations: of one evaluation, a multiply-add as two; with guidance of both estimates.
        weights: bytes, of all experts.
        activations: bytes, the most alive at once beside the weights.
    """

    stage: Stage
    parameters: int
    evaluations: int
    operations: int
    weights: int
    activations: int


def plan_stage(stage: Stage, precision: str = "fp32", batch_size: int = 1) -> StagePlan:
    """Run the network of a stage once on fake tensors.

    Args:
        precision: `fp32`, or `bf16`: autocast, as on a GPU.
        batch_size: videos at once.

    Raises:
        UsageError: shapes that the network does not take.
    """
    info, parts = stage.info, stage.config.frames_at_once
    length = stage.shape[0]
    if parts and 6 * parts < length:  # in parts, both are affine in the number of frames
        shorter, longer = (_counted(stage, t * parts, precision, batch_size) for t in (4, 6))
        steps = (length - 4 * parts) / (2 * parts)
        operations, activations = (
            round(one + steps * (other - one)) for one, other in zip(shorter, longer, strict=True)
        )
    else:
        operations, activations = _counted(stage, length, precision, batch_size)
    parameters = count_parameters(info.unet)
    evaluations = SamplerSpec.parse(stage.config.sampler or info.sampler or DEFAULT_SAMPLER).nfe
    return StagePlan(
        stage,
        parameters,
        evaluations,
        operations // batch_size,
        4 * parameters * _num_networks(stage),
        activations,
    )


def _num_networks(stage: Stage) -> int:
    folder = stage.folder
    return len(read_parts(folder)) if folder is not None and is_ensemble(folder) else 1


def _counted(stage: Stage, length: int, precision: str, batch_size: int) -> tuple[int, int]:
    """Operations, and the most bytes alive, of one evaluation on `length` frames a video."""
    info = stage.info
    rows = batch_size * (2 if (stage.config.guidance_scale or 1) != 1 else 1)
    with torch.device("meta"):
        network = build(info.unet)
    network.eval()
    if isinstance(network, EfficientUNet):
        network.frames_at_once = stage.config.frames_at_once
    with FakeTensorMode():
        as_fake(network)
        x = torch.empty(rows, length, *info.frame_shape(stage.shape[1:]))
        cond = _told(network, stage, x)
        with (
            torch.no_grad(),
            torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"),
            LiveBytes(network) as alive,
            FlopCounterMode(display=False) as counter,
        ):
            network(x, torch.ones(rows), cond)
    return int(counter.get_total_flops()), alive.most


def _told(network: VideoNetwork, stage: Stage, x: torch.Tensor) -> Conditioning:
    rows = len(x)
    labels = torch.zeros(rows, dtype=torch.int64) if network.config.num_classes else None
    text = empty_texts(network, rows)
    if isinstance(stage.task, Enlargement):
        factor = stage.task.factor
        small = torch.empty(*x.shape[:3], x.shape[3] // factor, x.shape[4] // factor)
        return Conditioning(text, labels, low=LowResolution(small, torch.zeros(rows)))
    if network.config.known_frames:
        mask = torch.ones(x.shape[:2], dtype=torch.bool)
        return Conditioning(text, labels, known=KnownFrames(x, mask))
    return Conditioning(text, labels)


def plan_lines(plans: Sequence[StagePlan], precision: str, batch_size: int) -> Iterator[str]:
    """A table for people."""
    yield f"one video, networks in {precision}, {batch_size} at once; text encoders come on top"
    yield (
        f"  {'stage':<15}{'video':>16}{'parameters':>14}{'evaluations':>13}{'TFLOP each':>12}"
        f"{'PFLOP in all':>14}{'weights':>10}{'activations':>13}"
    )
    for plan in plans:
        total = plan.operations * plan.evaluations
        shape = "x".join(map(str, plan.stage.shape))
        yield (
            f"  {plan.stage.name:<15}{shape:>16}{plan.parameters / 1e6:>12.1f} M"
            f"{plan.evaluations:>13}{plan.operations / 1e12:>12.4g}{total / 1e15:>14.4g}"
            f"{plan.weights / GIB:>6.2f} GiB{plan.activations / GIB:>9.2f} GiB"
        )
