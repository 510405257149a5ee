"""Everything a user chooses about one run of a protocol."""

from dataclasses import dataclass, field
from pathlib import Path

from pyoco_eval.protocol_run.arm_sources import Given
from pyoco_eval.protocol_run.planned_videos import Tell
from pyoco_eval.protocol_run.real_videos import DataPlace
from pyoco_eval.protocol_run.reduction import Reduction
from pyoco_eval.protocol_run.score_groups import Machine


@dataclass(frozen=True)
class Sampling:
    """How models are sampled, where not as they say themselves.

    Attributes:
        sampler, guidance_scale, precision: as `pyoco-eval sample` has them; None for the model's.
        batch_size: videos a generator makes at once.
        tell: what a generator is told of a class: its prompt, its label, or both.
        call: further arguments of a diffusers pipeline.
    """

    sampler: str | None = None
    guidance_scale: float | None = None
    precision: str = "fp32"
    batch_size: int = 1
    tell: Tell = "prompts"
    call: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RunChoices:
    """One run.

    Attributes:
        out: its folder.
        given: the arms and where their videos come from.
        place: the copy of the dataset.
        reduction: smaller counts.
        machine: weights, device, threads.
        sampling: how models are sampled.
        prompts: file of prompts instead of the protocol's.
        settings: `KEY=VALUE` of the training.
        allow_deviations: score samples of another size or length all the same.
        gallery: clips of each role.
    """

    out: Path
    given: Given
    place: DataPlace
    reduction: Reduction
    machine: Machine
    sampling: Sampling = Sampling()
    prompts: Path | None = None
    settings: tuple[str, ...] = ()
    allow_deviations: bool = False
    gallery: int = 4
