"""Clips and single frames of real videos, cut by a drawn clip rule and resized to squares.

Axes: T frames, H = W = the frame's side; three channels RGB.
"""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from pyoco_eval.errors import UsageError, VideoError
from pyoco_eval.training.config import DataConfig
from pyoco_eval.training.examples import Example
from pyoco_eval.training.frame_cache import FrameCache
from pyoco_eval.videos.clip_rule import ClipRule, ShortVideo, clip_indices
from pyoco_eval.videos.resize import ResizeRule, resize_frames
from pyoco_eval.videos.source import VideoSource
from pyoco_eval.videos.video import Video

_ENDLESS = 1 << 40


class VideoExamples:
    """The videos of a source; each gives a clip at a drawn place.

    Args:
        config: how clips are cut and resized.
        source: the videos.
        labels: position of each video's class in `class_names`; by default the sorted labels of
            the source, and where it states none the names of its top folders.
        class_names: of `labels`.
    """

    def __init__(
        self,
        config: DataConfig,
        source: VideoSource,
        labels: Sequence[int] | None = None,
        class_names: Sequence[str] = (),
    ) -> None:
        self._config = config
        self._rule = ClipRule(
            config.num_frames, "random", config.stride, config.fps, short=config.short
        )
        try:
            self._resize = ResizeRule.parse(f"{config.size}-{_kernel(config.resize)}-round")
        except UsageError as error:
            raise UsageError(f"data.resize: {error}") from error
        self._videos = tuple(source)[: config.limit]
        self._cache = (
            None if config.cache is None else FrameCache(Path(config.cache), self._resize.spec())
        )
        if labels is None:
            labels, class_names = _labels(self._videos)
        self._labels = tuple(labels)
        self._paces: dict[int, Fraction] = {}
        self.name = source.name
        self.class_names = tuple(class_names)
        self.fps = config.fps or self._own_rate()

    def __len__(self) -> int:
        return len(self._videos)

    def read(self, index: int, draw: np.random.Generator) -> Example:
        video = self._videos[index]
        rule = replace(self._rule, seed=int(draw.integers(1 << 62)))
        pace = self._pace(index)
        if self._cache is not None:
            stored = self._cache.frames(video, lambda: self._all_frames(video))
            indices = drawn_indices(rule, video.id, len(stored), pace)
            frames = np.ascontiguousarray(stored[list(indices)])
        else:
            indices = drawn_indices(rule, video.id, video.count_frames(), pace)
            frames = self._resized(video.read(indices))
        if self._config.flip and draw.random() < 0.5:
            frames = np.ascontiguousarray(frames[:, :, ::-1])
        return Example(frames, video.caption, self._labels[index] if self._labels else -1)

    def _all_frames(self, video: Video) -> np.ndarray:
        return np.concatenate([self._resized(get()[None]) for get in video.walk()])

    def _resized(self, frames: np.ndarray) -> np.ndarray:
        resized = resize_frames(frames, self._resize)
        return np.ascontiguousarray(resized.permute(0, 2, 3, 1).numpy().astype(np.uint8))

    def _own_rate(self) -> float | None:
        """Frames per second of the clips, by the first video that can say."""
        if self._config.num_frames == 1:
            return None
        for video in self._videos:
            try:
                rate = video.probe().frame_rate
            except VideoError:
                continue
            return None if rate is None else float(rate) / self._config.stride
        return None

    def _pace(self, index: int) -> Fraction:
        if self._rule.fps is None:
            return Fraction(1)
        if index not in self._paces:
            video = self._videos[index]
            rate = video.probe().frame_rate
            if rate is None:
                raise VideoError(video.id, "states no frame rate, which fps needs; use stride")
            self._paces[index] = rate / Fraction(repr(self._rule.fps))
        return self._paces[index]


def drawn_indices(
    rule: ClipRule, video_id: str, num_frames: int, pace: Fraction = Fraction(1)
) -> tuple[int, ...]:
    """The source frames of the one clip that a `random` rule cuts from so many frames.

    Raises:
        VideoError: there are too few, and the rule does not loop.
    """
    clips = clip_indices(rule, video_id, num_frames, pace)
    if clips:
        return clips[0]
    endless = clip_indices(replace(rule, select="first", seed=0), video_id, _ENDLESS, pace)[0]
    if rule.short == "loop" and num_frames:
        return tuple(index % num_frames for index in endless)
    kind = ShortVideo if rule.short == "skip" else VideoError
    raise kind(video_id, f"the clip needs {endless[-1] + 1} frames, the video has {num_frames}")


def _labels(videos: Sequence[Video]) -> tuple[list[int], list[str]]:
    stated = [video.label for video in videos]
    if all(label is None for label in stated):
        folders = [video.id.partition("/")[0] if "/" in video.id else None for video in videos]
        stated = folders if all(folders) else stated
    names = sorted({label for label in stated if label is not None})
    place = {name: index for index, name in enumerate(names)}
    return [-1 if label is None else place[label] for label in stated] if names else [], names


def _kernel(resize: str) -> str:
    """`bilinear-antialias-crop` as `ResizeRule` writes it: `bilinearantialias-crop`."""
    kernel, _, fit = resize.rpartition("-")
    return f"{kernel.replace('-', '')}-{fit}"
