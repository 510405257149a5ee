"""The moving-shapes dataset: labelled, captioned clips made by index, with no files.

One sprite moves over one background. Clip i of a split depends on the seed, the split and i
alone, and what it shows is a function of time: another size, length or frame rate shows the same
scene.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from pyoco_eval.errors import UsageError
from pyoco_eval.seeding import numpy_generator
from pyoco_eval.shapes.captions import ATTRIBUTE_VALUES, MOTIONS, SHAPES, ShapeAttributes
from pyoco_eval.shapes.render import render_scene
from pyoco_eval.shapes.scene import Scene, draw_scene

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)

CLASS_NAMES = tuple(f"{shape}-{motion}" for shape in SHAPES for motion in MOTIONS)
"""The 48 classes, a shape with its motion; the label of a clip is a position here.

The eight motions of one shape stand together.
"""

_LENGTHS: dict[Split, int] = {"train": 100_000, "val": 10_000, "test": 10_000}


@dataclass(frozen=True)
class ShapesClip:
    """One clip.

    Attributes:
        frames: uint8 (T, H, W, 3) RGB.
        label: position in `CLASS_NAMES`.
        caption: a sentence of the grammar in `pyoco_eval.shapes.captions`.
        attributes: what the caption says.
    """

    frames: np.ndarray
    label: int
    caption: str
    attributes: ShapeAttributes


class MovingShapes:
    """A split of moving shapes, of 100,000 (`train`) or 10,000 (`val`, `test`) clips.

    Every block of 48 clips holds each class once, in an order of its own.

    Args:
        split: `train`, `val` or `test`.
        size: side of the frames in pixels, at least 8; or (height, width), the middle of a square
            of the longer side.
        num_frames: T.
        fps: frames per second, the first at time 0.
        seed: 0 is the dataset; other seeds give other datasets of the same kind.

    Raises:
        UsageError: an argument is out of range.
    """

    def __init__(
        self,
        split: Split = "train",
        size: int | tuple[int, int] = 64,
        num_frames: int = 16,
        fps: float = 8,
        seed: int = 0,
    ) -> None:
        if split not in SPLITS:
            raise UsageError(f"split: {split!r} is none of {', '.join(SPLITS)}")
        self.height, self.width = (size, size) if isinstance(size, int) else size
        if min(self.height, self.width) < 8:
            raise UsageError(f"size: shapes need 8 pixels or more, not {size}")
        if num_frames < 1:
            raise UsageError(f"num_frames: a clip has 1 frame or more, not {num_frames}")
        if not fps > 0:
            raise UsageError(f"fps: must be positive, not {fps}")
        self.split: Split = split
        self.num_frames = num_frames
        self.fps = fps
        self.seed = seed

    def __len__(self) -> int:
        return _LENGTHS[self.split]

    def __iter__(self) -> Iterator[ShapesClip]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index: int) -> ShapesClip:
        return self.clip(index)

    def label(self, index: int) -> int:
        """The label of clip `index`, without rendering it.

        Raises:
            IndexError: `index` is not in [0, len).
        """
        if not 0 <= index < len(self):
            raise IndexError(f"clip {index} of {len(self)} in split {self.split!r}")
        block, place = divmod(index, len(CLASS_NAMES))
        order = numpy_generator("moving-shapes", self.seed, self.split, "classes", block)
        return int(order.permutation(len(CLASS_NAMES))[place])

    def attributes(self, index: int, *, label: int | None = None) -> ShapeAttributes:
        """What the caption of clip `index` says, without rendering it."""
        return self._scene(index, label).attributes

    def matching(self, only: Mapping[str, Collection[str]]) -> list[int]:
        """The clips whose attributes are among those listed: 4 seconds for 100,000 clips.

        Args:
            only: attribute -> accepted values, such as `{"background": ["plain", "gradient"]}`.

        Raises:
            UsageError: no such attribute or value, or no clip has them all.
        """
        for name, values in only.items():
            if name not in ATTRIBUTE_VALUES:
                raise UsageError(f"{name!r} is no attribute; one of {', '.join(ATTRIBUTE_VALUES)}")
            for value in values:
                if value not in ATTRIBUTE_VALUES[name]:
                    known = ", ".join(ATTRIBUTE_VALUES[name])
                    raise UsageError(f"{name}: {value!r} is none of {known}")
        if not only:
            return list(range(len(self)))
        found = [index for index in range(len(self)) if _has(self.attributes(index), only)]
        if not found:
            raise UsageError(f"no clip of split {self.split!r} has all of {dict(only)}")
        return found

    def _scene(self, index: int, label: int | None) -> Scene:
        shape, motion = CLASS_NAMES[self.label(index) if label is None else label].split("-")
        generator = numpy_generator("moving-shapes", self.seed, self.split, "clip", index)
        return draw_scene(generator, shape, motion)

    def clip(
        self,
        index: int,
        *,
        label: int | None = None,
        num_frames: int | None = None,
        start: int = 0,
    ) -> ShapesClip:
        """Clip `index`; with another class or length than its own when these are given.

        Args:
            start: the frame that comes first; frames before it are not rendered.

        Raises:
            IndexError: `index` is not in [0, len).
        """
        own_label = self.label(index)
        label = own_label if label is None else label
        scene = self._scene(index, label)
        length = self.num_frames if num_frames is None else num_frames
        times = np.arange(start, start + length) / self.fps
        side = max(self.height, self.width)
        top, left = (side - self.height) // 2, (side - self.width) // 2
        frames = render_scene(scene, times, side)
        frames = frames[:, top : top + self.height, left : left + self.width]
        return ShapesClip(frames, label, scene.attributes.caption, scene.attributes)


def _has(attributes: ShapeAttributes, only: Mapping[str, Collection[str]]) -> bool:
    return all(getattr(attributes, name) in values for name, values in only.items())
