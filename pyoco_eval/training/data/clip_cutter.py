"""Clips and single frames of real videos, cut by a drawn clip rule and resized.

Axes: T frames, H, W; three channels RGB.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from pyoco_eval.errors import UsageError, VideoError
from pyoco_eval.training.config import DataConfig
from pyoco_eval.training.data.frame_cache import FrameCache
from pyoco_eval.videos.clip_rule import EVERY_FRAME, ClipRule, ShortVideo, clip_indices
from pyoco_eval.videos.frame_size import size_text
from pyoco_eval.videos.pacing import Pacing, pacing_of
from pyoco_eval.videos.resize import ResizeRule, resize_frames
from pyoco_eval.videos.video import Video

_ENDLESS = 1 << 40


class ClipCutter:
    """Cuts clips as a config says.

    Args:
        config: how clips are cut and resized; `cache` keeps resized frames on disk.
    """

    def __init__(self, config: DataConfig) -> None:
        self._flip = config.flip
        self._rule = ClipRule(
            config.num_frames, "random", config.stride, config.fps, short=config.short
        )
        try:
            self._resize = ResizeRule.parse(
                f"{size_text(config.size)}-{_kernel(config.resize)}-round"
            )
        except UsageError as error:
            raise UsageError(f"data.resize: {error}") from error
        self._cache = (
            None if config.cache is None else FrameCache(Path(config.cache), self._resize.spec())
        )

    def cut(self, video: Video, draw: np.random.Generator) -> np.ndarray:
        """One clip, uint8 (T, H, W, 3), at the place that `draw` says.

        Raises:
            VideoError: it cannot be read, or is too short.
        """
        rule = replace(self._rule, seed=int(draw.integers(1 << 62)))
        pace = self._pace(video)
        if self._cache is not None:
            stored = self._cache.frames(video, lambda: self._all_frames(video))
            indices = drawn_indices(rule, video.id, len(stored), pace)
            frames = np.ascontiguousarray(stored[list(indices)])
        else:
            indices = drawn_indices(rule, video.id, video.count_frames(), pace)
            frames = self._resized(video.read(indices))
        if self._flip and draw.random() < 0.5:
            frames = np.ascontiguousarray(frames[:, :, ::-1])
        return frames

    def _all_frames(self, video: Video) -> np.ndarray:
        return np.concatenate([self._resized(get()[None]) for get in video.walk()])

    def _resized(self, frames: np.ndarray) -> np.ndarray:
        resized = resize_frames(frames, self._resize)
        return np.ascontiguousarray(resized.permute(0, 2, 3, 1).numpy().astype(np.uint8))

    def _pace(self, video: Video) -> Pacing:
        return EVERY_FRAME if self._rule.fps is None else pacing_of(video, self._rule.fps)


def own_rate(config: DataConfig, videos: Iterable[Video]) -> float | None:
    """Frames per second of the clips, by the first video that can say."""
    if config.num_frames == 1:
        return None
    for video in videos:
        try:
            rate = video.probe().frame_rate
        except VideoError:
            continue
        return None if rate is None else float(rate) / config.stride
    return None


def drawn_indices(
    rule: ClipRule, video_id: str, num_frames: int, pace: Pacing = EVERY_FRAME
) -> tuple[int, ...]:
    """The source frames of the one clip that a `random` rule cuts from so many frames.

    Raises:
        ShortVideo: there are too few, and the rule does not loop.
    """
    clips = clip_indices(rule, video_id, num_frames, pace)
    if clips:
        return clips[0]
    endless = clip_indices(replace(rule, select="first", seed=0), video_id, _ENDLESS, pace)[0]
    if rule.short == "loop" and num_frames:
        return tuple(index % num_frames for index in endless)
    raise ShortVideo(
        video_id, f"the clip needs {endless[-1] + 1} frames, the video has {num_frames}"
    )


def _kernel(resize: str) -> str:
    """`bilinear-antialias-crop` as `ResizeRule` writes it: `bilinearantialias-crop`."""
    kernel, _, fit = resize.rpartition("-")
    return f"{kernel.replace('-', '')}-{fit}"
