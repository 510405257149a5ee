"""Decode a stream to its end, or to the first sign that a frame is missing or concealed.

FFmpeg repairs what it can and goes on: a damaged picture comes out with parts of its neighbours,
or not at all, and only a log says so. Here any such repair is an error, by three checks: the
decoders' own (checksums, syntax, what is left over behind a picture), packets against frames, and
the packets the container lists against those that were found.

What none of them sees is damage that leaves a valid stream of other pictures. `docs/damage.md`
says how often that happens with which codec.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pyoco_eval.videos.readers.base import UnreadableError
from pyoco_eval.videos.readers.budget import PixelBudget
from pyoco_eval.videos.readers.frame_ledger import FrameLedger
from pyoco_eval.videos.readers.nal_units import (
    H264_ALONE,
    NAL_CODECS,
    is_well_formed,
    length_width,
    nal_units,
)
from pyoco_eval.videos.readers.pyav_versions import tolerant_of_metadata
from pyoco_eval.videos.readers.stored_file import StoredFile
from pyoco_eval.videos.readers.stored_pictures import list_pictures
from pyoco_eval.videos.readers.transport_stream import StreamPackets, read_packets
from pyoco_eval.videos.readers.truncation import find_cut

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

STRICT = {"err_detect": "crccheck+bitstream+buffer+explode"}
"""Options of a decoder that make it report damage in place of repairing it."""

TOLERANT = "crccheck+bitstream+buffer"
"""For H.264 that begins in mid-stream: its pictures name some that were cut away before it."""

_WEBM_KEY = "enc_key_id"
_BROADCAST = frozenset({"mpegts", "mpeg"})
"""Containers that may be cut anywhere, and so begin between two pictures that stand alone."""


class CheckedDecoding:
    """One pass over the frames of a stream.

    Args:
        file: opened a second time where the container has to be looked at.
        size: to be reported with an error, (width, height).
    """

    def __init__(
        self,
        file: StoredFile,
        container: "InputContainer",
        stream: "VideoStream",
        size: tuple[int, int] | None = None,
    ) -> None:
        self._file = file
        self._container = container
        self._stream = stream
        self._size = size
        self._format = container.format.name.partition(",")[0]
        codec = stream.codec_context.codec.canonical_name
        reorders = bool(stream.codec_context.has_b_frames)
        self._ledger = FrameLedger(codec, timed=self._format != "avi", reorders=reorders)
        self._packets: StreamPackets | None = None

    def frames(self) -> "Iterator[VideoFrame]":
        """Every frame in order.

        Raises:
            UnreadableError: after the last frame that is whole.
        """
        import av

        if _WEBM_KEY in self._stream.metadata:
            raise self._error(ENCRYPTED)
        ledger = self._ledger
        budget = PixelBudget(self._file.size())
        started = self._format not in _BROADCAST
        try:
            for packet in self._container.demux(self._stream):
                if packet.is_corrupt and not self._joined_here():
                    raise self._broken()
                started = started or packet.is_keyframe or not packet.size
                if not started:
                    continue
                if packet.is_keyframe and packet.has_sidedata("encryption_info"):
                    raise self._error(ENCRYPTED)
                self._look_into(packet)
                ledger.take(packet)
                for frame in packet.decode():
                    ledger.show(frame)
                    if frame.is_corrupt or ledger.missing():
                        ledger.num_frames -= 1
                        raise self._broken()
                    budget.spend(frame.width * frame.height)
                    yield frame
        except av.FFmpegError as error:
            raise self._broken() from error
        self._check_end()

    def _look_into(self, packet: "Packet[VideoStream]") -> None:
        """Follow the units of H.264 and HEVC pictures."""
        context = self._stream.codec_context
        if self._ledger.codec not in NAL_CODECS or not packet.size:
            return
        width = length_width(self._ledger.codec, context.extradata)
        if not self._ledger.num_packets and self._ledger.codec == "h264":
            types = {unit[0] & 0x1F for unit in nal_units(bytes(packet), width) if unit}
            if H264_ALONE not in types:
                context.options |= {"err_detect": TOLERANT}
        if width and not is_well_formed(bytes(packet), width):
            raise self._broken()

    def _joined_here(self) -> bool:
        """Whether the container's complaint is about a join of whole recordings."""
        packets = self._transport_packets()
        return packets is not None and not packets.gaps

    def _transport_packets(self) -> StreamPackets | None:
        if self._format != "mpegts":
            return None
        if self._packets is None:
            with self._file.open() as file:
                self._packets = read_packets(file, self._stream.id)
        return self._packets

    def _check_end(self) -> None:
        ledger = self._ledger
        if not ledger.num_frames or ledger.missing(at_end=True):
            raise self._broken()
        with self._file.open() as file:
            cut = find_cut(file)
            listed = list_pictures(file, self._format, self._stream.index)
        promised = self._stream.frames if self._format == "mov" else 0
        packets = self._transport_packets()
        if packets is not None and (packets.cut or packets.gaps or packets.scrambled):
            raise self._broken()
        whole = bool(promised) and ledger.num_packets >= promised
        if cut is not None and not (cut.media_data_only and whole):
            raise self._broken()
        if listed is not None and (listed.broken or listed.count > ledger.num_packets):
            raise self._error(_lost(ledger, listed.count))
        if promised > ledger.num_packets and promised > self._count_samples():
            raise self._error(_lost(ledger, promised))

    def _count_samples(self) -> int:
        """Samples of an MP4 file, those that its edit list leaves out included."""
        import av

        with self._file.open() as file:
            options = {"ignore_editlist": "1"}
            tolerant = tolerant_of_metadata(av.__version__)
            with av.open(file, "r", format="mov", options=options, **tolerant) as c:
                stream = c.streams[self._stream.index]
                return sum(1 for packet in c.demux(stream) if packet.size)

    def _broken(self) -> UnreadableError:
        with self._file.open() as file:
            cut = find_cut(file) is not None
        packets = self._transport_packets()
        if packets is not None:
            cut = packets.cut
            if packets.scrambled:
                return self._error(ENCRYPTED)
        num_frames = self._ledger.num_frames
        if not num_frames:
            cause = "the file is cut off" if cut else "its video data are damaged or missing"
            return self._error(f"no frame can be decoded: {cause}")
        after = _frames(num_frames)
        if cut:
            return self._error(f"is cut off after {after}")
        return self._error(f"breaks after {after}: damaged video data")

    def _error(self, reason: str) -> UnreadableError:
        return UnreadableError(reason, size=self._size)


ENCRYPTED = "is encrypted: give a decrypted copy"


def _lost(ledger: FrameLedger, promised: int) -> str:
    if promised <= ledger.num_packets:
        return f"the structure of its container is damaged; {_frames(ledger.num_frames)} were found"
    return (
        f"lacks frames: its container lists {promised} pictures, "
        f"{ledger.num_packets} of them can be found; it is damaged or cut off"
    )


def _frames(count: int) -> str:
    return f"{count} frame" + "s" * (count != 1)
