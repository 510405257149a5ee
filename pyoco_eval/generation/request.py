"""What is asked of a generator, and the one contract of everything that makes videos."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pyoco_eval.errors import UsageError
from pyoco_eval.seeding import derive_seed


@dataclass(frozen=True)
class Request:
    """One video to make.

    Attributes:
        index: its number in the run, from 0.
        prompt: what it should show; None for nothing in particular.
        label: its class, likewise.
        seed: all that is random about it, 0 to 2**32 - 1.
    """

    index: int
    prompt: str | None = None
    label: int | None = None
    seed: int = 0


class VideoGenerator(Protocol):
    """Makes videos. One depends on its own request alone, not on what it is made together with.

    Attributes:
        recipe: everything besides the request that decides the pixels, by name: `generator`,
            `model` (a hash or spec), and where they apply `sampler`, `prior`, …
        fps: frames per second of its videos.
    """

    @property
    def recipe(self) -> Mapping[str, str]: ...

    @property
    def fps(self) -> float: ...

    def check(self, requests: Sequence[Request]) -> None:
        """Refuse, before anything is made, what cannot be made.

        Raises:
            UsageError: a prompt or label this generator has no use for.
        """
        ...

    def generate(self, requests: Sequence[Request]) -> list[np.ndarray]:
        """One video for each request, uint8 (T, H, W, 3)."""
        ...


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
