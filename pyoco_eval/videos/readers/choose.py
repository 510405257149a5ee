"""Which reader a file gets, and what signatures call the decoder."""

from collections.abc import Iterable
from importlib.metadata import version
from typing import Literal, get_args

from pyoco_eval.errors import UsageError
from pyoco_eval.videos.readers.base import FrameReader
from pyoco_eval.videos.readers.stored_file import StoredFile

Decoder = Literal["pyav", "decord"]
DECODERS: tuple[str, ...] = get_args(Decoder)

VIDEO_SUFFIXES = frozenset({".mp4", ".avi", ".mkv", ".webm", ".mov", ".m4v"})
ANIMATION_SUFFIXES = frozenset({".gif", ".webp"})
FRAME_SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})
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


def file_reader(file: StoredFile, decoder: str) -> FrameReader:
    """The reader of one video file; `decoder` concerns all but GIF and WebP.

    Array files hold many videos: see `array_files`.
    """
    if file.suffix in ANIMATION_SUFFIXES:
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
