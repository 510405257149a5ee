"""Does every stored picture come out of the decoder, in its turn?

A decoder that meets damage may drop pictures and say nothing: ten flipped bits leave one frame of
thirty. A packet holds one picture, with few exceptions, each of which is known here; its time
stamp, where the container keeps sound ones, says which frame is missing as soon as the next one
comes out, so that a pass that stops early is checked up to where it stops.

References:
    H.264 (ITU-T H.264) and HEVC (H.265): pictures that precede the first random access point in
        display order but follow it in the file refer to pictures the file does not hold.
    VP8: RFC 6386, 9.1, bit 4 of the first byte is show_frame. VP9 bitstream specification, 6.2.
    MPEG-4 part 2: packed bitstreams end a pair of pictures with a placeholder, a VOP not coded.
"""

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_ONE_PICTURE_A_PACKET = frozenset(
    {"h264", "hevc", "vvc", "av1", "vp8", "vp9", "mpeg4", "mpeg1video", "mpeg2video", "mjpeg"}
    | {"prores", "dvvideo", "dnxhd", "ffv1", "huffyuv", "ffvhuff", "utvideo", "rawvideo", "png"}
    | {"h263", "flv1", "msmpeg4v1", "msmpeg4v2", "msmpeg4v3", "wmv1", "wmv2", "theora"}
)
"""Codecs of which this is known. Of others, a packet without a frame is no proof of damage."""

_MPEG4_PLACEHOLDER = 19
"""FFmpeg takes MPEG-4 packets of at most this many bytes for placeholders."""


class FrameLedger:
    """Packets in, frames out.

    Attributes:
        num_packets: taken from the container.
        num_frames: shown.

    Args:
        codec: FFmpeg's name of it.
        timed: the container keeps times of display.
        reorders: pictures may be stored in another order than shown. Where all their times of
            display equal those of decoding, they were made up when the file was written.
    """

    def __init__(self, codec: str, *, timed: bool, reorders: bool) -> None:
        self.num_packets = 0
        self.num_frames = 0
        self.codec = codec
        self._times_differ = not reorders
        self._passed = 0
        self._spare = 0
        self._missing = 0
        self._sound = timed
        self._waiting: list[tuple[int, int]] = []
        self._era = 0
        self._last_dts: int | None = None
        self._key_pts: int | None = None

    def take(self, packet: "Packet[VideoStream]") -> None:
        """Note a packet that is about to be decoded."""
        if not packet.size:
            return
        self.num_packets += 1
        if packet.dts is not None:
            if self._last_dts is not None and packet.dts < self._last_dts:
                self._era += 1  # time starts again where two recordings were joined
            self._last_dts = packet.dts
        if packet.pts != packet.dts:
            self._times_differ = True
        if packet.is_keyframe and self._key_pts is None:
            self._key_pts = packet.pts
        if packet.is_discard or shows_nothing(self.codec, packet):
            self._passed += 1
        elif packet.pts is None:
            self._sound = False
        else:
            heapq.heappush(self._waiting, (self._era, packet.pts))

    def show(self, frame: "VideoFrame") -> None:
        """Note a frame that came out."""
        self.num_frames += 1
        if frame.interlaced_frame:
            self._spare += 1  # its second field may have been a packet of its own
        if not self._sound or not self._times_differ:
            return
        if self._waiting and self._waiting[0][1] == frame.pts:
            heapq.heappop(self._waiting)
            return
        if all(pts != frame.pts for _, pts in self._waiting):
            self._sound = False
            return
        while (place := heapq.heappop(self._waiting))[1] != frame.pts:
            self._miss(place)

    def missing(self, *, at_end: bool = False) -> int:
        """Pictures that should have come out before the last frame; `at_end`, or at all."""
        if self.codec not in _ONE_PICTURE_A_PACKET:
            return 0
        if not self._sound or not self._times_differ:
            missing = self.num_packets - self._passed - self.num_frames if at_end else 0
        else:
            if at_end:
                while self._waiting:
                    self._miss(heapq.heappop(self._waiting))
            missing = self._missing
        return max(0, missing - self._spare)

    def _miss(self, place: tuple[int, int]) -> None:
        era, pts = place
        if era == 0 and self._key_pts is not None and pts < self._key_pts:
            self._passed += 1
        else:
            self._missing += 1


def shows_nothing(codec: str, packet: "Packet[VideoStream]") -> bool:
    """Whether an intact packet of this kind gives no frame."""
    if codec == "mpeg4":
        return packet.size <= _MPEG4_PLACEHOLDER
    if codec == "vp8":
        return not memoryview(packet)[0] >> 4 & 1
    if codec == "vp9":
        content = memoryview(packet)
        first, last = content[0], content[packet.size - 1]
        if first & 0x30 == 0x30 or last & 0xE0 == 0xC0:  # profile 3, or a superframe
            return False
        return not first & 0x08 and not first & 0x02
    return False
