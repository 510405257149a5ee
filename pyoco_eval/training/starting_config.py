"""A config that fits a folder of clips, to start from: `pyoco-eval train --init-config clips/`."""

import statistics
from pathlib import Path
from typing import Final

import yaml

from pyoco_eval.errors import UsageError, VideoError
from pyoco_eval.videos.source import VideoSource, open_source

_LOOKED_AT: Final = 64
_FRAMES: Final = 16
_SIDES: Final = {"cpu": 32, "cuda": 64}
"""Of the frames: what a small network learns in hours there."""
_LEAST_FRAMES: Final = 2


def starting_config(place: str, device: str) -> str:
    """YAML of an unconditional video model of the clips, with a comment on every choice.

    Args:
        place: folder, manifest or pattern of videos, as `data.path` takes it.
        device: `cpu` or `cuda`, which decides the size of frames and of the network.

    Raises:
        UsageError: nothing there, nothing that can be read, or pictures alone.
    """
    source = open_source(place)
    if source.images:
        raise UsageError(f"--init-config {place}: holds pictures; clips have two frames or more")
    lengths, rates, sizes = _looked_at(source, place)
    num_frames = min(_FRAMES, int(statistics.median_low(lengths)))
    if num_frames < _LEAST_FRAMES:
        raise UsageError(f"--init-config {place}: most of its videos are single pictures")
    fitting = sum(length >= num_frames for length in lengths)
    side, short_side = _SIDES[device], min(min(size) for size in sizes)
    side = max(8, min(side, short_side // 8 * 8))
    name = Path(place.rstrip("/")).stem or "clips"
    data = {
        "source": "videos", "path": place, "size": side, "num_frames": num_frames, "stride": 1,
        "short": "skip",
    }  # fmt: skip
    small = {
        "channels": 32, "multipliers": [1, 2, 3], "num_blocks": [1, 1, 1], "text": [],
        "cross_attention": [],
    }  # fmt: skip
    model = (
        {"preset": "tiny-shapes", "overrides": small} if device == "cpu" else {"preset": "ucf-69m"}
    )
    tree = {
        "out": f"runs/{name}", "steps": 20_000, "batch": 4 if device == "cpu" else 32,
        "prior": "progressive:alpha=2", "model": model, "data": data,
        "optimizer": {"lr": 1e-3 if device == "cpu" else 1e-4, "decay": "cosine"},
        "log": {"every": 50, "checkpoint_every": 500, "samples_every": 1000, "num_samples": 4},
    }  # fmt: skip
    width, height = statistics.mode(sizes)
    captioned = sum(bool(video.caption) for video in source)
    rate = f"{statistics.median(rates):g} frames a second" if rates else "no stated frame rate"
    notes = [
        f"{len(source)} videos in {place}; of {len(lengths)} looked at most are {width}x{height}, "
        f"with {statistics.median_low(lengths)} frames at {rate}.",
        f"{fitting} of them have the {num_frames} frames of a clip; `short: skip` skips others.",
        "Frames are cropped to squares. `pyoco-eval train FILE --check` shows the memory needed.",
        "docs/training.md has every key: an image model to start from, text, labels, priors.",
    ]
    if captioned:
        notes.append(
            f"{captioned} videos have captions: `condition: {{encoders: [...]}}` tells them, with "
            "the extra `text`."
        )
    head = "".join(f"# {note}\n" for note in notes)
    return head + yaml.safe_dump(tree, sort_keys=False, default_flow_style=None, width=100)


def _looked_at(
    source: VideoSource, place: str
) -> tuple[list[int], list[float], list[tuple[int, int]]]:
    """Frames, rates and (width, height) of some videos, spread over all."""
    step = max(1, len(source) // _LOOKED_AT)
    lengths, rates, sizes, problems = [], [], [], []
    for number in range(0, len(source), step):
        video = source[number]
        try:
            properties = video.probe()
            length = properties.header_frames or video.count_frames()
            height, width = video.read([0]).shape[1:3]
        except VideoError as error:
            problems.append(str(error))
            continue
        lengths.append(length)
        sizes.append((width, height))
        if properties.fps:
            rates.append(float(properties.fps))
    if not sizes:
        reason = problems[0] if problems else "it holds no videos"
        raise UsageError(f"--init-config {place}: nothing that can be read: {reason}")
    return lengths, rates, sizes
