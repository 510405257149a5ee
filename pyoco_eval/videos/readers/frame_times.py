"""The times at which frames are shown, read from packets without decoding them."""

from fractions import Fraction
from typing import TYPE_CHECKING

from pyoco_eval.videos.readers.frame_ledger import shows_nothing

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_NO_TIMES = ("avi", "h264", "hevc", "m4v", "mpegvideo", "dv", "yuv4mpegpipe")
"""Containers that keep an order and a rate, no times."""


def packet_times(
    container: "InputContainer", stream: "VideoStream", first: "VideoFrame"
) -> list[Fraction] | None:
    """Seconds after the first frame, of every frame, ascending.

    Args:
        first: the first frame a decoder gives, from another pass.

    Returns:
        None where they are not sound: absent, repeated, set back, or made up from the order of
        packets.
    """
    base = stream.time_base
    if container.format.name.partition(",")[0] in _NO_TIMES or first.pts is None or base is None:
        return None
    codec = stream.codec_context.codec.canonical_name
    found: list[int] = []
    before: int | None = None
    differ = False
    for packet in container.demux(stream):
        if not packet.size or packet.is_discard or shows_nothing(codec, packet):
            continue
        if packet.pts is None:
            return None
        if packet.dts is not None:
            if before is not None and packet.dts <= before:
                return None
            before = packet.dts
            differ = differ or packet.dts != packet.pts
        found.append(packet.pts)
    found = sorted(pts for pts in found if pts >= first.pts)
    made_up = bool(stream.codec_context.has_b_frames) and not differ
    if made_up or len(set(found)) != len(found) or not found or found[0] != first.pts:
        return None
    times = [Fraction(pts - found[0]) * base for pts in found]
    rate = stream.average_rate
    halves = rate is not None and len(times) > 1 and times[-1] * rate < 0.75 * (len(times) - 1)
    return None if halves and first.interlaced_frame else times
