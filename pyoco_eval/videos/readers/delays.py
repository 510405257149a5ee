"""From pictures with delays back to the frames they were made of.

Writers of GIF, WebP and animated PNG store a picture once that several frames in a row show, and
add up the delays: 32 frames, 9 of them alike, become 24 pictures. Where all delays are multiples
of the least, the frames are known; otherwise the pictures stand for themselves.

References:
    Pillow sums delays in milliseconds and cuts a GIF's to whole hundredths of a second, so that at
    8 frames per second one frame lasts 12 and two last 25. WebP and AVIF round to milliseconds.
    Where several lengths explain the delays, that of the most nearly whole frame rate is taken.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil

_MOST = 1000
"""Times the least delay; beyond it nothing is made of rounded delays."""


def repeats(delays: Sequence[int], *, hundredths: bool) -> list[int] | None:
    """How many frames each picture stands for.

    Args:
        delays: as stored, hundredths of a second if so said, else milliseconds.

    Returns:
        None where the delays are no multiples of one length. All 1 where nothing states a delay.
    """
    if len(set(delays)) <= 1:
        return [1] * len(delays)
    least = min(delays)
    if least <= 0:
        return None
    if all(delay % least == 0 for delay in delays):
        return [delay // least for delay in delays]
    if least < (3 if hundredths else 10) or max(delays) > _MOST * least:
        return None  # a rounding error could be a whole frame
    before = 0 if hundredths else 1
    lengths = _common_lengths(sorted(set(delays)), before)
    if not lengths:
        return None
    per_second = 100 if hundredths else 1000
    best = min(lengths, key=lambda length: abs(per_second / length - round(per_second / length)))
    return [ceil((delay - before) / best) for delay in delays]


def _common_lengths(delays: Sequence[int], before: int) -> list[Fraction]:
    """Lengths of one frame that explain every delay, ascending delays given.

    A delay may be less than a whole number of lengths by anything below one tick, and more by
    `before` ticks.
    """
    low, high = Fraction(delays[0] - before), Fraction(delays[0] + 1)
    found = {low} | {
        Fraction(delay - before, count)
        for delay in delays
        for count in range(int((delay - before) / high), int((delay - before) / low) + 2)
        if count and low <= Fraction(delay - before, count) < high
    }
    for delay in delays:
        found = {x for x in found if ceil((delay - before) / x) * x < delay + 1}
    return sorted(found)
