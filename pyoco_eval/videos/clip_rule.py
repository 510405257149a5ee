"""Which frames of a video form its clips: the clip rule, which is part of every signature.

Positions count frames as sampled: with a stride, position p is source frame p; with a frame rate,
it is the frame shown nearest to the time p / fps: frame round(p * source_fps / fps), halves to
even, where the rate is constant, and by the stored times where it varies (`pacing`). A clip takes
the positions start, start + stride, …; with a frame rate the stride is 1.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

import numpy as np

from pyoco_eval.errors import UsageError, VideoError
from pyoco_eval.seeding import numpy_generator
from pyoco_eval.videos.even_frames import Memory, fresh_memory, read_even
from pyoco_eval.videos.pacing import ConstantPace, Pacing, pacing_of
from pyoco_eval.videos.video import EndOfVideoError, Video

Select = Literal["first", "center", "random", "all"]
Unoffered = Literal["images", "even"]
"""Rules that no option names: commands choose them."""
Short = Literal["error", "skip", "window", "loop"]

EVERY_FRAME = ConstantPace()

_SPEC = re.compile(
    r"(?P<num_frames>[0-9]+)f-(?:s(?P<stride>[0-9]+)|fps(?P<fps>[0-9.]+))"
    r"-(?P<select>[a-z]+)(?:\((?P<name>seed|hop)=(?P<value>[0-9]+)\))?(?:-(?P<short>[a-z]+))?"
)


class ShortVideo(VideoError):  # noqa: N818
    """A video too short under `short="skip"` or `"window"`: to be left out and counted."""


@dataclass(frozen=True)
class ClipRule:
    """How clips are cut from a video.

    Attributes:
        num_frames: T, frames in a clip.
        select: `first`, `center`, `random` (one clip, whose start depends on the seed and the
            video's id alone) or `all` (clips one after the other); `images` where the source holds
            images, which have nothing to cut; `even`: T frames spread over the whole video, or all
            of them where it has fewer (`even_frames`).
        stride: distance between frames, in source frames.
        fps: frame rate to sample at, in place of a stride; between 0.001 and 1000.
        seed: of `random`; must be left at 0 otherwise.
        hop: of `all`: distance between the starts of clips, in source frames, or in sampled
            frames where `fps` is given. num_frames * stride if None: clips touch. What is left
            at the end and is too short for a clip is not used.
        short: what happens to a video with too few frames: `error`; `skip`, counted; `window`,
            likewise, where a video must have num_frames * stride frames, which leaves out some
            that have a clip; or `loop`, which goes on from its first frame.
    """

    num_frames: int = 16
    select: Select | Unoffered = "first"
    stride: int = 1
    fps: float | None = None
    seed: int = 0
    hop: int | None = None
    short: Short = "error"

    def __post_init__(self) -> None:
        for option, value, least in (
            ("--num-frames", self.num_frames, 1),
            ("--stride", self.stride, 1),
            ("--clip-seed", self.seed, 0),
            ("--hop", self.hop, 1),
        ):
            if value is not None and (not isinstance(value, int) or value < least):
                raise UsageError(f"{option} {value}: must be a whole number of at least {least}")
        for option, choice, choices in (
            ("--clip", self.select, get_args(Select)),
            ("--short", self.short, get_args(Short)),
        ):
            if choice not in (*choices, *get_args(Unoffered)):
                raise UsageError(f"{option} {choice!r}: choose one of {', '.join(choices)}")
        if self.fps is not None and not 0.001 <= self.fps <= 1000:
            raise UsageError(f"--fps {self.fps}: must be between 0.001 and 1000")
        if self.fps is not None and self.stride != 1:
            raise UsageError(
                "--stride and --fps: give one of them, both say how far frames lie apart"
            )
        if self.seed and self.select != "random":
            raise UsageError(f"--clip-seed {self.seed}: only --clip random draws anything")
        if self.select == "all":
            object.__setattr__(self, "hop", self.hop or self.num_frames * self.stride)
        elif self.hop is not None:
            raise UsageError(f"--hop {self.hop}: only --clip all takes steps")
        if self.fps is not None:
            object.__setattr__(self, "fps", float(self.fps))

    @property
    def span(self) -> int:
        """Positions from the first to the last frame of a clip, both included."""
        return (self.num_frames - 1) * self.stride + 1

    @property
    def least(self) -> int:
        """Positions a video must have."""
        return self.num_frames * self.stride if self.short == "window" else self.span

    def spec(self) -> str:
        """The rule in one token.

        `16f-s1-first`, `16f-fps8-random(seed=3)`, `16f-s2-all(hop=8)-loop`; `images`.
        """
        if self.select == "images":
            return "images"
        step = f"s{self.stride}"
        if self.fps is not None:
            step = f"fps{np.format_float_positional(self.fps, trim='-')}"
        detail = {"random": f"(seed={self.seed})", "all": f"(hop={self.hop})"}.get(self.select, "")
        short = "" if self.short == "error" else f"-{self.short}"
        return f"{self.num_frames}f-{step}-{self.select}{detail}{short}"

    def signed(self) -> str:
        """As recipes have it: what is left out is counted there by itself, under `skip`.

        `-window` stays where it leaves out more than `-skip` would.
        """
        spec = self.spec().removesuffix("-skip")
        return spec.removesuffix("-window") if self.least == self.span else spec

    @classmethod
    def parse(cls, spec: str) -> "ClipRule":
        """The rule that `spec()` wrote.

        Raises:
            UsageError: it is no such text.
        """
        if spec == "images":
            return IMAGES
        match = _SPEC.fullmatch(spec)
        if match is None:
            raise UsageError(f"clip rule {spec!r}: expected something like 16f-s1-first")
        text = match.groupdict()
        try:
            fps = None if text["fps"] is None else float(text["fps"])
        except ValueError as error:
            raise UsageError(f"clip rule {spec!r}: {text['fps']} is no frame rate") from error
        detail = {} if text["name"] is None else {text["name"]: int(text["value"])}
        return cls(
            num_frames=int(text["num_frames"]),
            select=cast(Select, text["select"]),
            stride=int(text["stride"] or 1),
            fps=fps,
            seed=detail.get("seed", 0),
            hop=detail.get("hop"),
            short=cast(Short, text["short"] or "error"),
        )


IMAGES = ClipRule(num_frames=1, select="images")
"""The rule of sources of images: each is read whole."""


@dataclass(frozen=True)
class VideoClip:
    """Frames cut from one video.

    Attributes:
        number: of the clip in its video, from 0.
        indices: which frames they are.
        frames: (T, H, W, 3) uint8 RGB.
        looped: whether the video was too short and was repeated from its first frame.
        timed: whether its frame rate varies and the stored times chose the frames.
    """

    video_id: str
    number: int
    indices: tuple[int, ...]
    frames: np.ndarray
    looped: bool = False
    timed: bool = False


def read_clips(video: Video, rule: ClipRule, memory: Memory = fresh_memory) -> Iterator[VideoClip]:
    """Cut the clips of one video, decoding no further than needed and not twice for `all`.

    Args:
        memory: gives the frames of a clip their place.

    Yields:
        One clip, or for `all` at least one, in order.

    Raises:
        ShortVideo: it has too few frames and the rule says `skip` or `window`.
        VideoError: it has too few and the rule says `error`; it cannot be decoded (for `center`,
            `random` and `all` to its end, since these need the true frame count); or the rule
            has a frame rate and the video states none.
    """
    if rule.select == "even":
        indices, frames = read_even(video, rule.num_frames, memory)
        yield VideoClip(video.id, 0, indices, frames)
        return
    pace = EVERY_FRAME if rule.fps is None else pacing_of(video, rule.fps)
    if rule.select in ("first", "images") and rule.least == rule.span:
        clips = [_positions(0, rule, pace)]
        try:
            yield from _cut(video, clips, pace.timed, memory)
        except EndOfVideoError as end:
            num_frames = end.num_frames
        else:
            return
    else:
        num_frames = video.count_frames()
        clips = clip_indices(rule, video.id, num_frames, pace)
        if clips:
            yield from _cut(video, clips, pace.timed, memory)
            return
    if rule.short != "loop" or not num_frames:
        kind = ShortVideo if rule.short in ("skip", "window") else VideoError
        needed = max(_positions(0, rule, pace)[-1] + 1, rule.least if rule.fps is None else 0)
        raise kind(video.id, f"the clip needs {needed} frames, the video has {num_frames}")
    looped = tuple(index % num_frames for index in _positions(0, rule, pace))
    yield VideoClip(video.id, 0, looped, video.read(looped), looped=True, timed=pace.timed)


def clip_indices(
    rule: ClipRule, video_id: str, num_frames: int, pace: Pacing = EVERY_FRAME
) -> list[tuple[int, ...]]:
    """The source frames of every clip; empty if the video is too short for one.

    Args:
        pace: from positions to source frames.
    """
    positions = pace.positions(num_frames)
    room = positions - rule.span
    if positions < rule.least:
        return []
    if rule.select in ("first", "images"):
        starts: Sequence[int] = [0]
    elif rule.select == "center":
        starts = [room // 2]
    elif rule.select == "random":
        starts = [int(numpy_generator("clip", rule.seed, video_id).integers(room + 1))]
    else:
        starts = range(0, room + 1, rule.hop or 1)
    return [_positions(start, rule, pace) for start in starts]


def _positions(start: int, rule: ClipRule, pace: Pacing) -> tuple[int, ...]:
    return tuple(pace.frame(start + i * rule.stride) for i in range(rule.num_frames))


def _cut(
    video: Video, clips: Sequence[tuple[int, ...]], timed: bool, memory: Memory
) -> Iterator[VideoClip]:
    """Clips in order of their starts, from one pass over the frames."""
    wanted = sorted({index for clip in clips for index in clip})
    held: dict[int, np.ndarray] = {}
    number = 0
    for index, frame in zip(wanted, video.stream(wanted), strict=True):
        held[index] = frame
        while number < len(clips) and clips[number][-1] <= index:
            clip = clips[number]
            frames = memory((len(clip), *frame.shape))
            np.stack([held[i] for i in clip], out=frames)
            yield VideoClip(video.id, number, clip, frames, timed=timed)
            number += 1
            oldest = clips[number][0] if number < len(clips) else index + 1
            held = {i: kept for i, kept in held.items() if i >= oldest}
