"""Options shared by every command that turns videos into features."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

if TYPE_CHECKING:
    from pyoco_eval.scoring.choices import Choices
    from pyoco_eval.scoring.options import Options

Command = TypeVar("Command", bound=Callable[..., Any])

_CLIP = (
    click.option("--num-frames", type=int, default=16, show_default=True, help="Frames per clip."),
    click.option("--stride", type=int, default=None, help="Source frames per step.  [default: 1]"),
    click.option(
        "--fps", type=float, default=None, help="Resample to this rate; not with --stride."
    ),
    click.option(
        "--clip",
        type=click.Choice(["first", "center", "random", "all"]),
        default="first",
        show_default=True,
        help="Which frames of a video form its clip; all takes every clip.",
    ),
    click.option(
        "--hop", type=int, default=None, help="Frames between clip starts, for --clip all."
    ),
    click.option("--clip-seed", type=int, default=0, show_default=True, help="For --clip random."),
    click.option(
        "--short",
        type=click.Choice(["error", "skip", "window", "loop"]),
        default="error",
        show_default=True,
        help="A video with too few frames: refuse, leave out, or repeat it; window leaves out "
        "whatever is shorter than frames x stride, as StyleGAN-V does.",
    ),
    click.option(
        "--frames",
        default="all",
        show_default=True,
        help="Frames an image metric sees: all, first, middle, random(seed=0).",
    ),
)
_INPUT = (
    click.option(
        "--pre-resize", metavar="RULE", help="Resize first, e.g. 128-pilbicubic-crop-round."
    ),
    click.option(
        "--resize", metavar="RULE", help="Replace the network's rule, e.g. 224-bilinear-crop."
    ),
    click.option(
        "--value-range",
        type=click.Choice(["0..1", "-1..1", "0..255"]),
        default=None,
        help="Range of float arrays (npz, npy); never guessed.",
    ),
    click.option(
        "--quantise",
        type=click.Choice(["round", "truncate"]),
        default="round",
        show_default=True,
        help="How float arrays become uint8.",
    ),
    click.option(
        "--layout",
        metavar="AXES",
        help="Axes of arrays where their shape does not tell, e.g. BTCHW.",
    ),
    click.option(
        "--pictures",
        type=click.Choice(["auto", "images", "frames"]),
        default="auto",
        show_default=True,
        help="Folders and arrays of pictures: each picture an image (a row), or frames of videos.",
    ),
    click.option(
        "--pixels",
        type=click.Choice(["peer", "exact"]),
        default=None,
        help="How stored pixels become RGB: as video libraries and Pillow do by default, or "
        "exactly.  [default: the convention's own; peer for every published one]",
    ),
    click.option(
        "--decoder",
        type=click.Choice(["pyav", "decord"]),
        default="pyav",
        show_default=True,
        help="Video decoder; gif, webp and images go through Pillow.",
    ),
    click.option(
        "--on-error",
        type=click.Choice(["error", "skip"]),
        default="error",
        show_default=True,
        help="Unusable videos: list all and fail, or go on and say so in the signature.",
    ),
)
_COMPUTE = (
    click.option(
        "--weights", multiple=True, metavar="KEY=FILE", help="i3d, c3d, c3d-mean, inception, clip."
    ),
    click.option(
        "--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps."
    ),
    click.option(
        "--batch-size",
        type=int,
        default=None,
        help="Clips per call on a GPU.  [default: 4]",
    ),
    click.option("--workers", type=int, default=None, help="Decoding threads.  [default: up to 4]"),
    click.option(
        "--precision",
        type=click.Choice(["fp32", "bf16"]),
        default="fp32",
        show_default=True,
        help="Arithmetic of the networks; bf16 is faster and never mixes with fp32.",
    ),
    click.option(
        "--trust",
        multiple=True,
        metavar="KEY",
        help="Run the program in this TorchScript file: c3d-torchscript has no other form, "
        "i3d-torchscript has a port to PyTorch that is used otherwise.",
    ),
    click.option(
        "--keep-features",
        type=click.Path(file_okay=False),
        default=None,
        metavar="DIR",
        help="Keep features here: a killed run goes on from them, later scores reuse them.",
    ),
)


def video_options(command: Command) -> Command:
    """Add the options that decide how videos become features."""
    for option in reversed((*_CLIP, *_INPUT, *_COMPUTE)):
        command = option(command)
    return command


def build_options(choices: dict[str, Any]) -> "Options":
    """Turn the values of `video_options` into an `Options`.

    Raises:
        UsageError: naming the option that cannot be meant.
    """
    from pyoco_eval.scoring.choices import options_from
    from pyoco_eval.weights import parse_overrides

    weights = parse_overrides(choices["weights"])
    return options_from(cast("Choices", choices | {"weights": weights}))
