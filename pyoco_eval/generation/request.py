"""What is asked of a generator, how, and the one contract of everything that makes videos."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import torch

from pyoco_eval.errors import UsageError
from pyoco_eval.seeding import derive_seed
from pyoco_eval.videos.frame_size import Size

_OPTIONS: Final = {"call": "--set", "embeddings": "--text-embeddings"}
"""Options of the command line that are called otherwise."""


@dataclass(frozen=True)
class Request:
    """One video to make.

    Attributes:
        index: its number in the run, from 0.
        prompt: what it should show; None for nothing in particular.
        label: its class, likewise.
        seed: all that is random about it, 0 to 2**32 - 1.
        origin: name and content of the video it is made from, where it is made from one.
    """

    index: int
    prompt: str | None = None
    label: int | None = None
    seed: int = 0
    origin: str | None = None


@dataclass(frozen=True)
class GeneratorOptions:
    """How to generate; what does not apply to a kind of generator is refused, not ignored.

    Attributes:
        device: where networks run.
        precision: `fp32`, `bf16`, or `auto`: `bf16` on CUDA for an own checkpoint that was trained
            in it, else `fp32`. The generator's recipe says which.
        tf32: let CUDA round the factors of float32 products to ten bits.
        compile: compile the network of an own checkpoint: minutes at first, faster from then on.
        sampler, prior: specs for own checkpoints; None for the model's own.
        guidance_scale: 1 for none; None for the generator's default.
        num_frames: T; None for the generator's default.
        size: of the frames, a side or (height, width); None for the generator's default.
        fps: of the videos; None for the generator's default.
        embeddings: folder of precomputed text embeddings, for own checkpoints.
        call: further arguments of a diffusers pipeline's call.
    """

    device: torch.device | str = "cpu"
    precision: str = "fp32"
    tf32: bool = False
    compile: bool = False
    sampler: str | None = None
    prior: str | None = None
    guidance_scale: float | None = None
    num_frames: int | None = None
    size: Size | None = None
    fps: float | None = None
    embeddings: Path | None = None
    call: Mapping[str, float] = field(default_factory=dict)

    def refuse(self, spec: str, *names: str) -> None:
        """Raises UsageError if one of `names` is set, which has no meaning for `spec`."""
        for name in names:
            if getattr(self, name) not in (None, {}, "fp32", "auto", False):
                option = _OPTIONS.get(name, f"--{name.replace('_', '-')}")
                raise UsageError(f"{option} {getattr(self, name)}: has no meaning for {spec}")


class VideoGenerator(Protocol):
    """Makes videos. One depends on its own request alone, not on what it is made together with.

    Attributes:
        recipe: everything besides the request that decides the pixels, by name: `generator`,
            `model` (a hash or spec), and where they apply `sampler`, `prior`, …
        fps: frames per second of its videos.
    """

    @property
    def recipe(self) -> Mapping[str, str]:
        """What decides the pixels besides the request."""
        ...

    @property
    def fps(self) -> float:
        """Frames per second of its videos."""
        ...

    def check(self, requests: Sequence[Request]) -> None:
        """Refuse, before anything is made, what cannot be made.

        Raises:
            UsageError: a prompt or label this generator has no use for.
        """
        ...

    def generate(self, requests: Sequence[Request]) -> list[np.ndarray]:
        """One video for each request, uint8 (T, H, W, 3)."""
        ...


def usual_batch_size(device: torch.device | str) -> int:
    """Requests to hand to a generator at once: several keep a GPU busy, where CPUs take one."""
    return 8 if torch.device(device).type == "cuda" else 1


def make_requests(
    num: int,
    *,
    prompts: Sequence[str] = (),
    labels: Sequence[int] = (),
    seed: int = 0,
) -> list[Request]:
    """Requests 0 to num - 1; prompts and labels are taken in turn, again and again.

    Request i is the same however many there are.

    Args:
        num: at least 1.
        prompts, labels: may be empty; of one length if both are given.
        seed: of the run; another one gives other videos.

    Raises:
        UsageError: fewer than one, or prompts and labels of different lengths.
    """
    if num < 1:
        raise UsageError(f"--num {num}: at least one video must be asked for")
    if prompts and labels and len(prompts) != len(labels):
        raise UsageError(f"{len(prompts)} prompts but {len(labels)} labels: give one for each")
    first = derive_seed("samples", seed) % 2**31
    return [
        Request(
            index,
            prompts[index % len(prompts)] if prompts else None,
            labels[index % len(labels)] if labels else None,
            first + index,
        )
        for index in range(num)
    ]
