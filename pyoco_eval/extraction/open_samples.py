"""Opening whatever a user calls their videos."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pyoco_eval.errors import UsageError
from pyoco_eval.extraction.networks import sees_frames
from pyoco_eval.extraction.options import Options
from pyoco_eval.metrics.conventions import Convention
from pyoco_eval.videos.clip_rule import IMAGES, ClipRule
from pyoco_eval.videos.listing.locate import place_is_there
from pyoco_eval.videos.listing.pictures import PictureRule, Sees
from pyoco_eval.videos.source import VideoSource, open_source

Samples = str | Path | np.ndarray | Sequence[Any] | VideoSource
"""What can be scored: a path, arrays of uint8 or float frames, or an open source."""


def open_samples(
    samples: Samples, argument: str, options: Options, rules: Sequence[Convention] = ()
) -> VideoSource:
    """Open videos or images; errors name the argument they came by.

    Args:
        rules: what is to be computed; where all of it looks at single pictures, folders and arrays
            of pictures may be images.

    Raises:
        UsageError: nothing at that path, nothing in it that is a video, or pictures that could be
            images or frames.
    """
    sees: Sees = "pictures" if rules and all(map(sees_frames, rules)) else "clips"
    if isinstance(samples, str | Path):
        check_exists(samples, argument)
    return open_source(
        samples,
        decoder=options.decoder,
        value_range=options.value_range,
        quantise=options.quantise,
        layout=options.layout,
        rule=PictureRule(options.pictures, sees),
    )


def is_held(samples: Samples | None) -> bool:
    """Whether the videos are in the memory of this process, not in a place that others see."""
    return samples is not None and not isinstance(samples, str | Path | VideoSource)


def options_for(source: VideoSource, options: Options) -> Options:
    """The options under which a source is read: images have no clips to cut.

    Raises:
        UsageError: clips or frames of images are asked for.
    """
    if not source.images:
        return options
    clip = replace(options.clip, short="error")
    if clip not in (ClipRule(), IMAGES) or options.frames.select != "all":
        raise UsageError(
            f"{source.name} holds images, but options of clips are given "
            f"({options.clip.spec()}, --frames {options.frames.spec()}): leave them out, or say "
            "--pictures frames if these are the frames of videos"
        )
    return replace(options, clip=IMAGES)


def check_exists(path: str | Path, argument: str) -> None:
    """Raises UsageError if there is nothing at a path or pattern; URLs are asked when opened."""
    if not place_is_there(path):
        raise UsageError(f"{argument} {path}: no such file or folder")
