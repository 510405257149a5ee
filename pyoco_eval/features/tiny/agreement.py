"""Whether clips of moving shapes show what their captions say, by the embedded classifiers.

Axes: N clips, T frames, H, W.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from pyoco_eval.features.tiny.extractor import FRAME_CLASS_NAMES, load_tiny
from pyoco_eval.shapes.captions import parse_caption
from pyoco_eval.shapes.dataset import CLASS_NAMES

_FRAME_STEP: Final = 3
"""Frames are alike: every third tells shape and colour as well as all."""


@dataclass(frozen=True)
class Agreement:
    """For each clip, whether a classifier saw what the caption says.

    Attributes:
        colour, shape: of the sprite, from `tiny2d`'s probabilities, averaged over frames.
        motion: from `tiny3d`'s most probable class; None for pictures.
    """

    colour: np.ndarray
    shape: np.ndarray
    motion: np.ndarray | None

    def __str__(self) -> str:
        parts = {"colour": self.colour, "shape": self.shape, "motion": self.motion}
        shares = [f"{name} {seen.mean():.1%}" for name, seen in parts.items() if seen is not None]
        return f"{', '.join(shares)} of {len(self.colour)}"


def caption_agreement(videos: Sequence[np.ndarray], captions: Sequence[str]) -> Agreement:
    """Compare clips with their captions.

    Args:
        videos: N of uint8 (T, H, W, 3); with fewer than 4 frames no motion is looked for.
        captions: N sentences of the grammar of `pyoco_eval.shapes.captions`.

    Raises:
        UsageError: a sentence outside the grammar.
    """
    said = [parse_caption(caption) for caption in captions]
    frames, clips = load_tiny("tiny2d", layer="probs"), load_tiny("tiny3d", layer="probs")
    colour, shape, motion = [], [], []
    for video, attributes in zip(videos, said, strict=True):
        seen = frames.launch(frames.prepare(video[::_FRAME_STEP])).mean(0)
        best = FRAME_CLASS_NAMES[int(seen.argmax())].split()
        colour.append(best[0] == attributes.colour)
        shape.append(best[1] == attributes.shape)
        if len(video) >= clips.min_frames:
            moved = clips.launch(torch.as_tensor(clips.prepare(video))[None])[0]
            motion.append(CLASS_NAMES[int(moved.argmax())].split("-")[1] == attributes.motion)
    whole = len(motion) == len(said)
    return Agreement(np.array(colour), np.array(shape), np.array(motion) if whole else None)
