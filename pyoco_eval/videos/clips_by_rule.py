"""Clips of one video as several pixel rules read them, from one decoding."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from pyoco_eval.videos.clip_rule import ClipRule, VideoClip, read_clips
from pyoco_eval.videos.even_frames import Memory, fresh_memory
from pyoco_eval.videos.readers.pixels import PixelRule
from pyoco_eval.videos.video import Video


def clips_by_rule(
    video: Video, clip: ClipRule, rules: Sequence[PixelRule], memory: Memory = fresh_memory
) -> Iterator[dict[PixelRule, VideoClip]]:
    """Every clip of `video`, once for each of `rules`.

    Compressed video is decoded once and arrays are read once. Pictures are opened once for each
    rule: they cost little, and a rule that turns them gives another size.

    Args:
        memory: gives the frames of a clip their place.

    Raises:
        ShortVideo, VideoError: as `read_clips`.
    """
    if not rules:
        return
    if video.reader.storage == "pictures":
        readings = [read_clips(video.reading(rule), clip, memory) for rule in rules]
        for found in zip(*readings, strict=True):
            yield dict(zip(rules, found, strict=True))
        return
    joint = memory if len(rules) == 1 else fresh_memory
    for read in read_clips(video.reading(*rules), clip, joint):
        parts = np.split(read.frames, read.frames.shape[3] // 3, axis=3)
        if len(parts) == 1:  # one rule, or arrays, which are the same under all
            yield dict.fromkeys(rules, read)
            continue
        frames = [memory(part.shape) for part in parts]
        for place, part in zip(frames, parts, strict=True):
            place[:] = part
        yield {rule: replace(read, frames=part) for rule, part in zip(rules, frames, strict=True)}
