"""Opening whatever a user calls their videos."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyoco_eval.errors import UsageError
from pyoco_eval.scoring.options import Options
from pyoco_eval.videos.listing.locate import place_is_there
from pyoco_eval.videos.source import VideoSource, open_source

Samples = str | Path | np.ndarray | Sequence[Any] | VideoSource
"""What can be scored: a path, arrays of uint8 or float frames, or an open source."""


def open_samples(samples: Samples, argument: str, options: Options) -> VideoSource:
    """Open videos; errors name the argument they came by.

    Raises:
        UsageError: nothing at that path, or nothing in it that is a video.
    """
    if isinstance(samples, str | Path):
        check_exists(samples, argument)
    return open_source(
        samples,
        decoder=options.decoder,
        value_range=options.value_range,
        quantise=options.quantise,
    )


def check_exists(path: str | Path, argument: str) -> None:
    """Raises UsageError if there is nothing at a path or pattern; URLs are asked when opened."""
    if not place_is_there(path):
        raise UsageError(f"{argument} {path}: no such file or folder")
