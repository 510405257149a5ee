"""Which frame is shown at a time: by counting frames, or by their own times.

With a constant rate both agree. Phones, screen recorders and web downloads store frames when
there is something new; counting then takes the wrong ones, so their stored times decide.
"""

import bisect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from pyoco_eval.errors import VideoError
from pyoco_eval.videos.video import Video


class Pacing(ABC):
    """From positions, which are evenly spaced in time, to frames.

    Attributes:
        timed: by stored times.
    """

    timed: bool = False

    @abstractmethod
    def frame(self, position: int) -> int:
        """The frame nearest in time to a position, ties to the even one; from 0, ascending."""

    @abstractmethod
    def positions(self, num_frames: int) -> int:
        """How many positions lie at frames of a video of `num_frames`."""


@dataclass(frozen=True)
class ConstantPace(Pacing):
    """Every frame lasts equally long.

    Attributes:
        step: frames per position, source_fps / fps; 1 where positions are frames.
    """

    step: Fraction = Fraction(1)

    def frame(self, position: int) -> int:
        return round(position * self.step)

    def positions(self, num_frames: int) -> int:
        count = int((num_frames - Fraction(1, 2)) / self.step) + 1 if num_frames else 0
        while count and self.frame(count - 1) >= num_frames:
            count -= 1
        return count


@dataclass(frozen=True)
class TimedPace(Pacing):
    """Frames begin at stored times; the last one lasts as long as the mean of the others.

    Attributes:
        times: seconds after the first frame, ascending, at least two.
        fps: positions per second.
    """

    times: Sequence[Fraction]
    fps: Fraction
    timed = True

    def frame(self, position: int) -> int:
        time = position / self.fps
        last = len(self.times) - 1
        if time >= self.times[last]:
            return round(last + (time - self.times[last]) * last / self.times[last])
        after = bisect.bisect_right(self.times, time)
        early, late = time - self.times[after - 1], self.times[after] - time
        if early == late:
            return after - 1 + (after - 1) % 2
        return after - 1 if early < late else after

    def positions(self, num_frames: int) -> int:
        count = int(self.times[-1] * self.fps) + 1
        while self.frame(count) < num_frames:
            count += 1
        while count and self.frame(count - 1) >= num_frames:
            count -= 1
        return count


def is_variable(times: Sequence[Fraction] | None, rate: Fraction | None) -> bool:
    """Whether counting frames at `rate` would miss their times by half a frame or more."""
    if times is None or len(times) < 2:
        return False
    if rate is None:
        return True
    return any(2 * abs(time * rate - index) >= 1 for index, time in enumerate(times))


def pacing_of(video: Video, fps: float) -> Pacing:
    """How `video` is sampled at `fps`.

    Raises:
        VideoError: it has neither a frame rate nor times, or cannot be read.
    """
    rate, times = video.probe().frame_rate, video.frame_times()
    wanted = Fraction(repr(float(fps)))
    if times is not None and is_variable(times, rate):
        return TimedPace(times, wanted)
    if rate is None:
        raise VideoError(video.id, "states no frame rate, which --fps needs; use --stride instead")
    return ConstantPace(rate / wanted)
