"""What video and picture formats can be read here: a small file of each is decoded.

Libraries that list a codec may still fail to decode it, and a reader may call what a newer library
no longer has. So files take the way that scored files take.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from pyoco_eval.doctor.finding import Finding, Level

if TYPE_CHECKING:
    import numpy as np

Make = Callable[[Path, "np.ndarray"], Path]

SECTION: Final = "decoders"
NUM_FRAMES: Final = 8
_FAR: Final = 10.0
"""Levels that frames may differ by on average. Coding these clips costs up to 6.2; shown in another
order they would be 14 off and more."""

_SHIPPED: Final = Path(__file__).parent.parent / "selftest"
_AV: Final = "pip install --force-reinstall av"
_PILLOW: Final = "pip install --force-reinstall pillow"


class CannotMakeError(Exception):
    """There is no encoder for the file to decode."""


@dataclass(frozen=True)
class TrialClip:
    """A file of eight frames of moving shapes.

    Attributes:
        name: of the format.
        library: what decodes it.
        make: gives the file, in a folder where it may write; raises CannotMakeError.
        size: height and width of the frames.
        required: whether scores of videos are hardly possible without it.
    """

    name: str
    library: str
    make: Make
    size: int = 32
    required: bool = False


def shipped(name: str) -> Make:
    """A file of the package, whose codec not every FFmpeg can write."""
    return lambda _folder, _frames: _SHIPPED / name


def encoded(codec: str, suffix: str, pixels: str) -> Make:
    """A file that FFmpeg writes here."""

    def make(folder: Path, frames: "np.ndarray") -> Path:
        import av

        path = folder / f"{codec}{suffix}"
        try:
            with av.open(str(path), "w") as container:
                stream: Any = container.add_stream(codec, 25)
                stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pixels
                stream.bit_rate = 2_000_000
                for frame in frames:
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
                container.mux(stream.encode())
        except Exception as error:  # writing is not what is examined
            raise CannotMakeError(str(error)) from error
        return path

    return make


def pictures(suffix: str) -> Make:
    """A folder of frames that Pillow writes here."""

    def make(folder: Path, frames: "np.ndarray") -> Path:
        from PIL import Image

        inner = folder / suffix[1:]
        inner.mkdir()
        try:
            for number, frame in enumerate(frames):
                Image.fromarray(frame).save(inner / f"{number:06d}{suffix}")
        except Exception as error:
            raise CannotMakeError(str(error)) from error
        return inner

    return make


def animated_webp(folder: Path, frames: "np.ndarray") -> Path:
    """An animation that Pillow writes here."""
    from PIL import Image

    path = folder / "clip.webp"
    first, *others = (Image.fromarray(frame) for frame in frames)
    try:
        first.save(path, save_all=True, append_images=others, duration=40, lossless=True)
    except Exception as error:
        raise CannotMakeError(str(error)) from error
    return path


SAMPLES: Final = (
    TrialClip("H.264", "av", shipped("clip.mp4"), required=True),
    TrialClip("HEVC", "av", shipped("clip-hevc.mp4"), size=64),
    TrialClip("VP9", "av", shipped("clip-vp9.webm"), size=64),
    TrialClip("AV1", "av", shipped("clip-av1.mkv"), size=64),
    TrialClip("MPEG-4", "av", encoded("mpeg4", ".avi", "yuv420p")),
    TrialClip("MPEG-2", "av", encoded("mpeg2video", ".mkv", "yuv420p")),
    TrialClip("Motion JPEG", "av", encoded("mjpeg", ".avi", "yuvj420p")),
    TrialClip("VP8", "av", encoded("libvpx", ".webm", "yuv420p")),
    TrialClip("ProRes", "av", encoded("prores_ks", ".mov", "yuv422p10le")),
    TrialClip("FFV1", "av", encoded("ffv1", ".mkv", "yuv444p")),
    TrialClip("GIF", "pillow", shipped("clip.gif")),
    TrialClip("WebP", "pillow", animated_webp),
    TrialClip("PNG", "pillow", pictures(".png"), required=True),
    TrialClip("JPEG", "pillow", pictures(".jpg")),
)


def examine_decoders() -> list[Finding]:
    """H.264 and PNG are required, every other format is worth a note."""
    found = [*_pyav(), *_pillow()]
    if any(finding.breaks for finding in found) or not _reader_imports():
        return found
    with TemporaryDirectory() as folder:
        return [*found, *_decoded(Path(folder))]


def _reader_imports() -> bool:
    """Without NumPy and PyTorch nothing is read; the section on computing says so."""
    try:
        import pyoco_eval.videos.source  # noqa: F401
    except (ImportError, OSError):
        return False
    return True


def _decoded(folder: Path) -> Iterator[Finding]:
    """One line for all that work, one for all that could not be tried, one for each failure."""
    from pyoco_eval.shapes.dataset import MovingShapes

    works, untried, failed = [], [], []
    for sample in SAMPLES:
        frames = MovingShapes("val", size=sample.size, num_frames=NUM_FRAMES)[3].frames
        try:
            path = sample.make(folder, frames)
        except CannotMakeError:
            untried.append(sample.name)
            continue
        reason = why_not_decoded(path, frames)
        if reason is None:
            works.append(sample.name)
            continue
        level: Level = "problem" if sample.required else "note"
        remedy = _AV if sample.library == "av" else _PILLOW
        failed.append(
            Finding(SECTION, sample.name, level, reason, remedy, required=sample.required)
        )
    if works:
        yield Finding(SECTION, "decoded here", "ok", ", ".join(works))
    if untried:
        text = f"not tried, since nothing here can write them: {', '.join(untried)}"
        yield Finding(SECTION, "not tried", "ok", text)
    yield from failed


def why_not_decoded(path: Path, frames: "np.ndarray") -> str | None:
    """None if the file shows these frames, else what is wrong.

    Args:
        path: a video, or a folder of frames.
        frames: uint8 (T, H, W, 3).
    """
    import numpy as np

    from pyoco_eval.videos.source import open_source

    try:
        (video,) = open_source(path)
        shown = [frame() for frame in video.walk()]
    except Exception as error:  # whatever a library does, the others are examined
        return f"a test clip cannot be decoded: {type(error).__name__}: {error}"
    if len(shown) != len(frames):
        return f"a test clip of {len(frames)} frames decodes to {len(shown)}"
    if shown[0].shape != frames[0].shape:
        return f"a test clip of {frames[0].shape} decodes to {shown[0].shape}"
    off = float(np.abs(np.stack(shown).astype(float) - frames).mean())
    if off > _FAR:
        return f"a test clip shows other pictures: {off:.0f} levels off on average"
    return None


def _pyav() -> list[Finding]:
    try:
        import av
        from av.codec import Codec
        from av.codec.codec import UnknownCodecError
    except ImportError as error:
        text = f"cannot be imported: {error}"
        return [Finding(SECTION, "PyAV", "problem", text, _AV, required=True)]
    libraries = ", ".join(
        f"{name} {'.'.join(map(str, av.library_versions[name]))}"
        for name in ("libavcodec", "libavformat", "libswscale")
    )
    found = [Finding(SECTION, "PyAV", "ok", f"{av.__version__}: {libraries}")]
    try:
        Codec("libx264", "w")
    except UnknownCodecError:
        text = "no encoder: `shapes` cannot write mp4"
        found.append(Finding(SECTION, "H.264", "note", text, "use --format npz or png"))
    return found


def _pillow() -> list[Finding]:
    try:
        import PIL
    except ImportError as error:
        text = f"cannot be imported: {error}"
        return [Finding(SECTION, "Pillow", "problem", text, _PILLOW, required=True)]
    return [Finding(SECTION, "Pillow", "ok", PIL.__version__)]
