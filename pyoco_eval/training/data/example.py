"""The contract of what there is to train on: numbered examples, each a function of its index and a
draw.

Axes: T frames, H, W; three channels RGB.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pyoco_eval.training.data.sample_order import Order


@dataclass(frozen=True)
class Example:
    """One clip or picture.

    Attributes:
        frames: uint8 (T, H, W, 3) RGB.
        caption: None where nothing states it.
        label: position in the set's `class_names`, -1 where there is none.
    """

    frames: np.ndarray
    caption: str | None = None
    label: int = -1


class ExampleSet(Protocol):
    """A set of examples.

    Attributes:
        name: as a reader of the log would recognise it.
        class_names: of the labels; empty without labels.
        fps: frames per second of its clips, None where it is not known.
    """

    name: str
    class_names: tuple[str, ...]
    fps: float | None

    def __len__(self) -> int: ...

    def order(self, *seed: str | int) -> Order:
        """Which example each sample of a run shows."""
        ...

    def read(self, index: int, draw: np.random.Generator) -> Example:
        """Example `index`; where there is a choice of frames, `draw` makes it.

        Raises:
            VideoError: it cannot be used.
        """
        ...
