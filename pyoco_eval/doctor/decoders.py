"""What video and image formats can be read here."""

from typing import Final

from pyoco_eval.doctor.finding import Finding, Level

SECTION: Final = "decoders"
_CODECS: Final = {
    "h264": "H.264",
    "hevc": "HEVC",
    "vp9": "VP9",
    "av1": "AV1",
    "mpeg4": "MPEG-4",
    "gif": "GIF",
}
_REINSTALL: Final = "pip install --force-reinstall av"


def examine_decoders() -> list[Finding]:
    """PyAV and H.264 are required, every other format is worth a note."""
    try:
        import av
        from av.codec import Codec
        from av.codec.codec import UnknownCodecError
    except ImportError as error:
        text = f"cannot be imported: {error}"
        return [Finding(SECTION, "PyAV", "problem", text, _REINSTALL, required=True), _pillow()]

    def has(codec: str, mode: str) -> bool:
        try:
            Codec(codec, mode)  # type: ignore[arg-type]
        except UnknownCodecError:
            return False
        return True

    libraries = ", ".join(
        f"{name} {'.'.join(map(str, av.library_versions[name]))}"
        for name in ("libavcodec", "libavformat", "libswscale")
    )
    found = [Finding(SECTION, "PyAV", "ok", f"{av.__version__}: {libraries}")]
    missing = [codec for codec in _CODECS if not has(codec, "r")]
    known = ", ".join(name for codec, name in _CODECS.items() if codec not in missing)
    found.append(Finding(SECTION, "codecs", "ok", f"read: {known}"))
    for codec in missing:
        text = "this build of FFmpeg cannot read it"
        name, required = _CODECS[codec], codec == "h264"
        level: Level = "problem" if required else "note"
        found.append(Finding(SECTION, name, level, text, _REINSTALL, required=required))
    if not has("libx264", "w"):
        text = "no encoder: `shapes` cannot write mp4"
        found.append(Finding(SECTION, "H.264", "note", text, "use --format npz or png"))
    return [*found, _pillow()]


def _pillow() -> Finding:
    remedy = "pip install --force-reinstall pillow"
    try:
        import PIL
        from PIL import features
    except ImportError as error:
        text = f"cannot be imported: {error}"
        return Finding(SECTION, "Pillow", "problem", text, remedy, required=True)
    formats = {"GIF": True, "PNG": features.check("zlib"), "JPEG": features.check("jpg")}
    formats["WebP"] = features.check("webp")
    text = f"{PIL.__version__}: " + ", ".join(name for name, there in formats.items() if there)
    missing = [name for name, there in formats.items() if not there]
    if missing:
        return Finding(SECTION, "Pillow", "note", f"{text}; not {', '.join(missing)}", remedy)
    return Finding(SECTION, "Pillow", "ok", text)
