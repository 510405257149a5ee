"""The user's choices by name: the same words on the command line and in Python."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict, cast

from pyoco_eval.errors import UsageError
from pyoco_eval.features.base import Precision
from pyoco_eval.scoring.frame_rules import FrameRule
from pyoco_eval.scoring.options import OnError, Options
from pyoco_eval.videos.clip_rule import ClipRule, Select, Short
from pyoco_eval.videos.listing.pictures import Pictures
from pyoco_eval.videos.readers.pixels import parse_pixels
from pyoco_eval.videos.resize import ResizeRule
from pyoco_eval.weights.resolve import entry_of


class Choices(TypedDict, total=False):
    """Keyword arguments of every scoring function; each has a default.

    num_frames: frames per clip (16).
    stride: source frames per step (1).
    fps: resample to this rate instead of a stride.
    clip: `first`, `center`, `random` or `all`.
    hop: frames between clip starts, for `clip="all"`.
    clip_seed: for `clip="random"`.
    short: `error`, `skip`, `window` (skip what is shorter than num_frames * stride) or `loop`, for
        videos with too few frames.
    frames: frames an image metric sees: `all`, `first`, `middle`, `random(seed=0)`.
    pre_resize: rule applied first, as `128-pilbicubic-crop-round`.
    resize: rule in place of the network's own, as `224-bilinear-crop`.
    value_range: `0..1`, `-1..1` or `0..255`, required for float arrays.
    quantise: `round` or `truncate`, for float arrays.
    layout: axes of arrays, as `BTCHW`, where their shape does not tell.
    pictures: `images`, `frames` (of videos) or `auto`: what folders and arrays of pictures are.
    pixels: how stored pixels become RGB: `peer` or `exact` (the convention's own).
    decoder: `pyav` or `decord`.
    weights: KEY -> file.
    device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
    batch_size: video clips per network call on a GPU (4); a CPU takes one at a time.
    workers: decoding threads (up to 4).
    on_error: `error` or `skip`, for unusable videos.
    allow_small: give a score below the sample floor, labelled.
    interval: half-samples for the interval of a Fréchet distance (0: none).
    extrapolate: also give Fréchet distances extrapolated to infinitely many samples.
    reference_clip: clip rule of the reference, as `16f-s1-random(seed=0)`, if not that of samples.
    precision: `fp32` or `bf16`.
    trust: keys of TorchScript weights whose program is run: `c3d-torchscript`, which has no port to
        plain PyTorch, and `i3d-torchscript`, in place of its port.
    keep_features: folder where features are kept, to resume a killed run and to score again.
    group_by: what counts as one: `ucf101`, `folder`, `prompt`, `manifest`, `regex:PATTERN`, a
        manifest file, or `none`; found by itself in manifests and in names of UCF-101.
    reference_group_by: likewise for the reference.
    """

    num_frames: int
    stride: int | None
    fps: float | None
    clip: str
    hop: int | None
    clip_seed: int
    short: str
    frames: str
    pre_resize: str | None
    resize: str | None
    value_range: str | None
    quantise: str
    layout: str | None
    pictures: str
    pixels: str | None
    decoder: str
    weights: Mapping[str, str | Path]
    device: str
    batch_size: int | None
    workers: int | None
    on_error: str
    allow_small: bool
    interval: int
    extrapolate: bool
    reference_clip: str | None
    precision: str
    trust: Sequence[str]
    keep_features: str | Path | None
    group_by: str | None
    reference_group_by: str | None


def options_from(choices: Choices) -> Options:
    """Check the choices and bring them into one object.

    Raises:
        UsageError: naming the choice that cannot be meant.
    """
    unknown = sorted(set(choices) - set(Choices.__annotations__))
    if unknown:
        raise UsageError(
            f"unknown arguments {', '.join(unknown)}; known: {', '.join(Choices.__annotations__)}"
        )
    stride, fps = choices.get("stride"), choices.get("fps")
    if fps is not None and stride is not None:
        raise UsageError("--fps and --stride both choose the frame step; give one of them")
    pixels = choices.get("pixels")
    pre_resize, resize = choices.get("pre_resize"), choices.get("resize")
    reference_clip, keep = choices.get("reference_clip"), choices.get("keep_features")
    return Options(
        clip=ClipRule(
            num_frames=choices.get("num_frames", 16),
            select=cast("Select", choices.get("clip", "first")),
            stride=1 if stride is None else stride,
            fps=fps,
            seed=choices.get("clip_seed", 0),
            hop=choices.get("hop"),
            short=cast("Short", choices.get("short", "error")),
        ),
        frames=FrameRule.parse(choices.get("frames", "all")),
        pre_resize=ResizeRule.parse(pre_resize) if pre_resize else None,
        resize=ResizeRule.parse(resize) if resize else None,
        value_range=choices.get("value_range"),
        quantise=choices.get("quantise", "round"),
        layout=choices.get("layout"),
        pictures=cast("Pictures", choices.get("pictures", "auto")),
        pixels=parse_pixels(pixels) if pixels else None,
        decoder=choices.get("decoder", "pyav"),
        weights={entry_of(key).key: Path(p) for key, p in choices.get("weights", {}).items()},
        device=choices.get("device", "auto"),
        batch_size=choices.get("batch_size"),
        workers=choices.get("workers"),
        on_error=cast("OnError", choices.get("on_error", "error")),
        allow_small=choices.get("allow_small", False),
        interval=choices.get("interval", 0),
        extrapolate=choices.get("extrapolate", False),
        reference_clip=ClipRule.parse(reference_clip) if reference_clip else None,
        precision=cast("Precision", choices.get("precision", "fp32")),
        trust=frozenset(entry_of(key).key for key in choices.get("trust", ())),
        keep_features=Path(keep) if keep else None,
        group_by=choices.get("group_by"),
        reference_group_by=choices.get("reference_group_by"),
    )
