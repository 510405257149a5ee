"""Everything a user can choose about how videos become features and scores, stated once.

`Choices` is what users say, on the command line and in Python; `Options` is the same, read and
checked. This module loads neither NumPy nor PyTorch, so that `--help` is quick.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

from pyoco_eval.errors import UsageError
from pyoco_eval.extraction.option_table import Option, completed, described, rows_of

if TYPE_CHECKING:
    from pyoco_eval.extraction.frame_rules import FrameRule
    from pyoco_eval.features.base import Precision
    from pyoco_eval.videos.clip_rule import ClipRule
    from pyoco_eval.videos.listing.pictures import Pictures
    from pyoco_eval.videos.readers.pixels import PixelRule
    from pyoco_eval.videos.resize import ResizeRule

OnError = Literal["error", "skip"]


# fmt: off
class VideoChoices(TypedDict, total=False):
    """How videos become features."""

    num_frames: Annotated[int, Option("Frames per clip.", 16, signed="clip")]
    stride: Annotated[int | None, Option(
        "Source frames per step.  [default: 1]", signed="clip")]
    fps: Annotated[float | None, Option(
        "Resample to this rate; not with --stride.", signed="clip")]
    clip: Annotated[str, Option(
        "Which frames of a video form its clip; all takes every clip.",
        "first", ("first", "center", "random", "all"), signed="clip")]
    hop: Annotated[int | None, Option(
        "Frames between clip starts, for --clip all.", signed="clip")]
    clip_seed: Annotated[int, Option("For --clip random.", 0, signed="clip")]
    short: Annotated[str, Option(
        "A video with too few frames: refuse, leave out, or repeat it; window leaves out "
        "whatever is shorter than frames x stride, as StyleGAN-V does.",
        "error", ("error", "skip", "window", "loop"), signed="clip")]
    frames: Annotated[str, Option(
        "Frames an image metric sees: all, first, middle, random(seed=0).", "all", signed="sel")]
    pre_resize: Annotated[str | None, Option(
        "Resize first, e.g. 128-pilbicubic-crop-round.", metavar="RULE", signed="frames",
        more="Rounded to uint8, as stored videos are.")]
    resize: Annotated[str | None, Option(
        "Replace the network's rule, e.g. 224-bilinear-crop.", metavar="RULE", signed="frames",
        more="Kernel and fit; the size must agree.")]
    value_range: Annotated[str | None, Option(
        "Range of float arrays (npz, npy); never guessed.",
        one_of=("0..1", "-1..1", "0..255"), signed="input")]
    quantise: Annotated[str, Option(
        "How float arrays become uint8.", "round", ("round", "truncate"), signed="input")]
    layout: Annotated[str | None, Option(
        "Axes of arrays where their shape does not tell, e.g. BTCHW.", metavar="AXES",
        signed="input")]
    pictures: Annotated[str, Option(
        "Folders and arrays of pictures: each picture an image (a row), or frames of videos.",
        "auto", ("auto", "images", "frames"), signed="pics",
        more="auto decides by the metrics asked for and by names.")]
    pixels: Annotated[str | None, Option(
        "How stored pixels become RGB: as video libraries and Pillow do by default, or "
        "exactly.  [default: the convention's own; peer for every published one]",
        one_of=("peer", "exact"), signed="rgb")]
    decoder: Annotated[str, Option(
        "Video decoder; gif, webp and images go through Pillow.",
        "pyav", ("pyav", "decord"), signed="dec", more="decord converts as peer alone.")]
    on_error: Annotated[str, Option(
        "Unusable videos: list all and fail, or go on and say so in the signature.",
        "error", ("error", "skip"), signed="skip")]
    weights: Annotated[Mapping[str, str | Path], Option(
        "i3d, c3d, c3d-mean, inception, clip, clip-vitl14.", {}, metavar="KEY=FILE", signed="net",
        more="KEY -> file, for networks whose published file is not in the cache.")]
    device: Annotated[str, Option(
        "auto, cpu, cuda, cuda:1, mps.", "auto", more="auto is CUDA if there is one.")]
    batch_size: Annotated[int | None, Option(
        "Clips per call on a GPU.  [default: 8]",
        more="Frames count as an eighth of a clip. A CPU takes one clip at a time.")]
    workers: Annotated[int | None, Option(
        "Decoding threads.  [default: one for each core of this process]")]
    precision: Annotated[str, Option(
        "Arithmetic of the networks; bf16 is faster and never mixes with fp32.",
        "fp32", ("fp32", "bf16"), signed="prec")]
    trust: Annotated[Sequence[str], Option(
        "Run the program in this TorchScript file: c3d-torchscript has no other form, "
        "i3d-torchscript has a port to PyTorch that is used otherwise.", (), metavar="KEY",
        signed="net", more="Nothing is run unasked.")]
    keep_features: Annotated[str | Path | None, Option(
        "Keep features here: a killed run goes on from them, later scores reuse them.",
        metavar="DIR")]


class ScoreChoices(TypedDict, total=False):
    """What is said of a score besides its number, and when it is refused."""

    allow_small: Annotated[bool, Option(
        "Print scores below the sample floor.", False, signed="floor")]
    interval: Annotated[int, Option(
        "95 % interval of a score from N half-samples; 0: none.", 0, metavar="N", signed="ci",
        more="An even number of at least 20. Feature rows are then kept in memory.")]
    group_by: Annotated[str | None, Option(
        "What counts as one in intervals and limits: ucf101, folder, prompt, "
        "manifest, regex:PATTERN, FILE (columns file, group), none.  [default: a "
        "manifest's column group, or names of UCF-101]", metavar="RULE", signed="ci")]


class ReferenceChoices(TypedDict, total=False):
    """What differs on the side of the reference."""

    reference_clip: Annotated[str | None, Option(
        "Clip rule of the reference if it is another, e.g. 16f-s1-random(seed=0).",
        metavar="RULE", signed="clip")]
    reference_group_by: Annotated[str | None, Option(
        "As --group-by, for the reference.", metavar="RULE", signed="ci")]


class LimitChoices(TypedDict, total=False):
    """Of distances that can be extrapolated."""

    extrapolate: Annotated[bool, Option(
        "Also the distance that infinitely many samples would have (FVD∞, FID∞).", False,
        signed="inf")]
# fmt: on


class Choices(VideoChoices, ScoreChoices, ReferenceChoices, LimitChoices, total=False):
    """Keyword arguments of every scoring function; each has a default."""


Choices.__doc__ = f"{Choices.__doc__}\n\nArgs:\n{described(Choices)}\n"
OPTIONS = rows_of(Choices)


_DEFAULTS = completed(Choices, {})


@dataclass(frozen=True)
class Options:
    """The choices of one run, read. Those that can change a score all stand in its signature.

    Attributes are called like their rows in `Choices`. `clip` is the rule that `num_frames`,
    `stride`, `fps`, `clip`, `hop`, `clip_seed` and `short` make up.
    """

    clip: "ClipRule" = field(default_factory=lambda: _clip_rule(_DEFAULTS))
    frames: "FrameRule" = field(default_factory=lambda: _frame_rule(_DEFAULTS["frames"]))
    pre_resize: "ResizeRule | None" = None
    resize: "ResizeRule | None" = None
    value_range: str | None = _DEFAULTS["value_range"]
    quantise: str = _DEFAULTS["quantise"]
    layout: str | None = _DEFAULTS["layout"]
    pictures: "Pictures" = _DEFAULTS["pictures"]
    pixels: "PixelRule | None" = None
    decoder: str = _DEFAULTS["decoder"]
    weights: Mapping[str, Path] = field(default_factory=dict)
    device: str = _DEFAULTS["device"]
    batch_size: int | None = _DEFAULTS["batch_size"]
    workers: int | None = _DEFAULTS["workers"]
    on_error: OnError = _DEFAULTS["on_error"]
    allow_small: bool = _DEFAULTS["allow_small"]
    interval: int = _DEFAULTS["interval"]
    extrapolate: bool = _DEFAULTS["extrapolate"]
    reference_clip: "ClipRule | None" = None
    precision: "Precision" = _DEFAULTS["precision"]
    trust: frozenset[str] = frozenset()
    keep_features: Path | None = None
    group_by: str | None = _DEFAULTS["group_by"]
    reference_group_by: str | None = _DEFAULTS["reference_group_by"]

    def __post_init__(self) -> None:
        if self.pre_resize is not None:
            self.pre_resize.check_as_first("--pre-resize")
        for name, value in (("--batch-size", self.batch_size), ("--workers", self.workers)):
            if value is not None and value < 1:
                raise UsageError(f"{name} {value}: must be at least 1")
        if self.decoder == "decord" and self.pixels == "exact":
            raise UsageError(
                "--pixels exact: decord converts by its own rule, which is peer; use --decoder pyav"
            )
        if self.interval and (self.interval < 20 or self.interval % 2):
            raise UsageError(f"--interval {self.interval}: an even number of at least 20, or 0")
        for name in ("precision", "on_error"):
            value, words = getattr(self, name), OPTIONS[name].option.one_of
            if value not in words:
                option = name.replace("_", "-")
                raise UsageError(f"--{option} {value!r}: use {' or '.join(words)}")

    def pixels_of(self, own: "PixelRule") -> "PixelRule":
        """The rule for a convention whose `own` it is."""
        return self.pixels or ("peer" if self.decoder == "decord" else own)

    def num_workers(self) -> int:
        """Decoding threads: as many as asked for, or one for each core of this process."""
        from pyoco_eval.processes import own_cores

        return self.workers or own_cores()


def options_from(choices: Choices) -> Options:
    """Read and check what a user chose.

    Raises:
        UsageError: naming the choice that cannot be meant.
    """
    from pyoco_eval.videos.clip_rule import ClipRule
    from pyoco_eval.videos.readers.pixels import parse_pixels
    from pyoco_eval.videos.resize import ResizeRule
    from pyoco_eval.weights.resolve import entry_of

    said = completed(Choices, choices)
    if said["fps"] is not None and said["stride"] is not None:
        raise UsageError("--fps and --stride both choose the frame step; give one of them")
    read: dict[str, Any] = {
        "clip": _clip_rule(said),
        "frames": _frame_rule(said["frames"]),
        "weights": {entry_of(key).key: Path(path) for key, path in said["weights"].items()},
        "trust": frozenset(entry_of(key).key for key in said["trust"]),
    }
    readers: dict[str, Callable[[str], Any]] = {
        "pre_resize": ResizeRule.parse, "resize": ResizeRule.parse, "pixels": parse_pixels,
        "reference_clip": ClipRule.parse, "keep_features": Path,
    }  # fmt: skip
    read |= {name: reader(said[name]) if said[name] else None for name, reader in readers.items()}
    plain = {item.name: said[item.name] for item in fields(Options) if item.name not in read}
    return Options(**read, **plain)


def _clip_rule(said: Mapping[str, Any]) -> "ClipRule":
    from pyoco_eval.videos.clip_rule import ClipRule

    return ClipRule(
        num_frames=said["num_frames"],
        select=said["clip"],
        stride=1 if said["stride"] is None else said["stride"],
        fps=said["fps"],
        seed=said["clip_seed"],
        hop=said["hop"],
        short=said["short"],
    )


def _frame_rule(spec: str) -> "FrameRule":
    from pyoco_eval.extraction.frame_rules import FrameRule

    return FrameRule.parse(spec)
