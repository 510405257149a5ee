"""Which reader a file gets, and what signatures call the decoder."""

from collections.abc import Iterable
from importlib.metadata import version
from typing import Literal, get_args

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.readers.base import FrameReader
from pyoco_eval.videos.readers.stored_file import StoredFile

Decoder = Literal["pyav", "decord"]
DECODERS: tuple[str, ...] = get_args(Decoder)

_VIDEOS = """
.mp4 .avi .mkv .webm .mov .m4v .qt .mp4v .f4v .3gp .3g2 .mj2 .mk3d .divx .xvid
.mpg .mpeg .mpe .m1v .m2v .vob .ts .m2ts .mts .m2t .tp .mod .tod .wmv .asf .flv
.ogv .ogm .ogg .mxf .y4m .nut .ivf .dv .h261 .h263 .h264 .264 .avc .h265 .265 .hevc .h266
.266 .vvc .obu .av1 .rm .rmvb .wtv .gxf .swf .mjpg .mjpeg
"""
_FRAMES = ".png .jpg .jpeg .jpe .jfif .bmp .dib .tif .tiff .ppm .pgm .pbm .pnm .webp .avif"

VIDEO_SUFFIXES = frozenset(_VIDEOS.split())
"""Names of video files. Those that no reader opens are listed all the same: they fail aloud."""
ANIMATION_SUFFIXES = frozenset({".gif", ".webp", ".apng", ".avif"})
FRAME_SUFFIXES = frozenset(_FRAMES.split())
ARRAY_SUFFIXES = frozenset({".npz", ".npy"})
SHARD_SUFFIXES = frozenset({".tar"})

_DISTRIBUTIONS = {"pyav": "av", "decord": "decord", "pillow": "pillow"}


def check_decoder(decoder: str) -> None:
    """Raises UsageError for an unknown decoder, MissingError for one that is not installed."""
    if decoder not in DECODERS:
        raise UsageError(f"--decoder {decoder!r}: choose one of {', '.join(DECODERS)}")
    if decoder == "decord":
        from pyoco_eval.videos.readers.decord_reader import require_decord

        require_decord()


def file_reader(file: StoredFile, decoder: str, *, animation: bool = False) -> FrameReader:
    """The reader of one video file; `decoder` concerns all but animations.

    Args:
        animation: the content is one, whatever the suffix.

    Array files hold many videos: see `array_files`.
    """
    if animation or file.suffix in ANIMATION_SUFFIXES:
        from pyoco_eval.videos.readers.pillow_reader import AnimationReader

        return AnimationReader(file)
    if decoder == "decord":
        from pyoco_eval.videos.readers.decord_reader import DecordReader

        return DecordReader(file)
    from pyoco_eval.videos.readers.pyav_reader import PyavReader

    return PyavReader(file)


def decoder_label(decoder: str) -> str:
    """`pyav-18.1`, `decord-0.6`, `pillow-13.0`, or `array`: the decoder and its version."""
    if decoder not in _DISTRIBUTIONS:
        return decoder
    major_minor = ".".join(version(_DISTRIBUTIONS[decoder]).split(".")[:2])
    return f"{decoder}-{major_minor}"


def decoders_label(backends: Iterable[str]) -> str:
    """The labels of all backends a source needs, sorted and joined by `+`."""
    return "+".join(decoder_label(backend) for backend in sorted(set(backends)))
