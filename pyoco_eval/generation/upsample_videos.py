"""One stage of a cascade on videos that are there: one's own, or other people's."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pyoco_eval.errors import UsageError
from pyoco_eval.generation.folder import manifest_or
from pyoco_eval.generation.open_sampler import model_sampler, refuse_mps
from pyoco_eval.generation.request import GeneratorOptions, Request, make_requests
from pyoco_eval.generation.upsampling import (
    Shape,
    UpsamplingGenerator,
    set_frames_at_once,
    task_of,
)
from pyoco_eval.models.ensemble import open_model
from pyoco_eval.videos.frame_size import Size, sides
from pyoco_eval.videos.resize import ResizeRule, resize_frames
from pyoco_eval.videos.source import VideoSource, open_source
from pyoco_eval.videos.video import Video

USUAL_FPS = 8.0
"""Of arrays and pictures, which state none."""


@dataclass(frozen=True)
class UpsamplingOptions:
    """What is particular to this task.

    Attributes:
        every: distance of the known frames of a model that fills in frames; None for its own.
        augmentation: share of noise for a model that enlarges; None for 0.
        input_size: videos are resized to it first (antialiased, the middle); None leaves them.
        frames_at_once: of the layers of a model that enlarges; 0 for all.
    """

    every: int | None = None
    augmentation: float | None = None
    input_size: Size | None = None
    frames_at_once: int = 0


@dataclass(frozen=True)
class SourceFrames:
    """Reads the videos of a source by request.

    Attributes:
        source: video i is that of request i.
        size: of what is read; None for their own.
    """

    source: VideoSource
    size: Size | None

    def __call__(self, request: Request) -> NDArray[np.uint8]:
        """uint8 (T, H, W, 3)."""
        video = self.source[request.index]
        frames = video.read(range(video.count_frames()))
        if self.size is None:
            return frames
        resized = resize_frames(frames, ResizeRule(self.size, "bilinear-antialias", "crop"))
        return resized.round().clamp(0, 255).byte().movedim(1, -1).contiguous().numpy()

    def shape(self, video: Video) -> Shape:
        """T, H, W of what is read."""
        own = video.probe()
        height, width = (own.height, own.width) if self.size is None else sides(self.size)
        return video.count_frames(), height, width


def with_captions(place: str) -> VideoSource:
    """The videos of a place, by its manifest where it is a folder that has one."""
    return open_source(manifest_or(Path(place)) if Path(place).is_dir() else place)


def upsampling(
    model_place: Path,
    source: VideoSource,
    options: GeneratorOptions,
    own: UpsamplingOptions,
    *,
    seed: int = 0,
) -> tuple[UpsamplingGenerator, list[Request]]:
    """A generator, and one request for each video of `source`.

    Captions of the source are the prompts, where the model listens to texts; its labels, as
    numbers, are the classes, where it knows any.

    Raises:
        UsageError: a model that needs no videos, or videos it cannot take.
        MissingError, PyocoEvalError: as of `open_model`.
    """
    refuse_mps(options.device)
    model = open_model(model_place, device=options.device)
    set_frames_at_once(model, own.frames_at_once)
    task = task_of(model.info, model_place, every=own.every, augmentation=own.augmentation)
    frames = SourceFrames(source, own.input_size)
    videos = list(source)
    rates = {video.probe().fps or USUAL_FPS for video in videos}
    if len(rates) > 1 and options.fps is None:
        told = ", ".join(f"{rate:g}" for rate in sorted(rates))
        raise UsageError(f"the videos have {told} frames a second; --fps states one for all")
    given = {"size": "own" if own.input_size is None else "{}x{}".format(*sides(own.input_size))}
    generator = UpsamplingGenerator(
        model_sampler(model, options),
        task,
        frames,
        [frames.shape(video) for video in videos],
        fps=options.fps or min(rates),
        given=given,
    )
    tells_text, classes = bool(model.info.unet.text), model.info.unet.num_classes
    return generator, _requests(videos, seed, tells_text=tells_text, classes=classes)


def _requests(
    videos: Sequence[Video], seed: int, *, tells_text: bool, classes: int
) -> list[Request]:
    def label_of(video: Video) -> int | None:
        label = video.label or ""
        return int(label) if classes and label.isdecimal() else None

    return [
        replace(
            request,
            prompt=video.caption if tells_text else None,
            label=label_of(video),
            origin=f"{video.id}@{video.digest().rpartition(':')[2][:16]}",
        )
        for request, video in zip(make_requests(len(videos), seed=seed), videos, strict=True)
    ]
