"""`pyoco-eval prior`: look at noise before a model is trained with it, or sampled."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pyoco_eval.cli.suggesting import SuggestingGroup
from pyoco_eval.cli.terminal import open_console, say, say_json
from pyoco_eval.visible import one_line

if TYPE_CHECKING:
    from pyoco_eval.noise_check.check import PriorCheck


@click.group(
    cls=SuggestingGroup,
    name="prior",
    short_help="Check that noise is what a video model was trained with.",
    epilog="""\b
Examples:
  pyoco-eval prior check python:my_noise:randn_progressive --against progressive:alpha=2
  pyoco-eval prior check latents.safetensors""",
)
def command() -> None:
    """The joint noise of a video's frames: its variance, and how frames correlate."""


@command.command(
    "check",
    epilog="""\b
TARGET is one of
  python:module:function    called with a shape (B, T, C, H, W) and a torch.Generator
  noise.npy, .npz, .safetensors    a tensor of that shape, or (T, C, H, W)
  diffusers:PATH-OR-ID      what the pipeline's prepare_latents returns
  mixed:alpha=1             a prior, as --prior takes it
\b
Diagnoses:
  right                  unit variance, white; correlated over frames as --against says
  std-for-variance       the paper's variances used as standard deviations
  alpha-for-correlation  a correlation and alpha were taken for each other (with --against)
  frozen                 one frame's noise repeated over all frames
  not-renormalised       a mean, sum or filter after which the variance is not 1
  wrong-variance         another variance
  other-prior            not what the model was trained with, or no independent normal noise
\b
Noise that is right is called wrong once in 1,000 checks. Exit status: 0 right, 1 not.
\b
Examples:
  pyoco-eval prior check python:my_noise:randn_mixed --against mixed:alpha=1
  pyoco-eval prior check diffusers:my-pipeline --against progressive:alpha=2 --out check/
  pyoco-eval prior check latents.npz --key noise --layout bcthw --json""",
)
@click.argument("target")
@click.option(
    "--against", metavar="SPEC", help="The prior the model was trained with, as --prior takes it."
)
@click.option(
    "--samples", type=click.IntRange(min=1), default=None,
    help="Videos of noise to draw.  [default: as many as make 65,536 values of each frame]",
)  # fmt: skip
@click.option(
    "--num-frames", type=click.IntRange(min=1), default=16, show_default=True, help="T of a draw."
)
@click.option(
    "--channels", type=click.IntRange(min=1), default=4, show_default=True, help="C of a draw."
)
@click.option(
    "--size", type=click.IntRange(min=1), default=32, show_default=True,
    help="Height and width of a draw.",
)  # fmt: skip
@click.option(
    "--layout", type=click.Choice(["btchw", "bcthw"]), default="btchw", show_default=True,
    help="Axes of the tensor in a file.",
)  # fmt: skip
@click.option("--key", default=None, help="Name of the tensor, in a file with several.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the draws.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=None,
    help="Folder for check.json and the figure.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check_command(
    target: str,
    against: str | None,
    samples: int | None,
    num_frames: int,
    channels: int,
    size: int,
    layout: str,
    key: str | None,
    seed: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Is the noise of TARGET right, and if not, which slip is it?

    Measures the variance of every frame, how frames correlate, and whether the noise is white
    within a frame, and names the mistake behind noise that is wrong.
    """
    from pyoco_eval.noise_check.check import check_prior
    from pyoco_eval.noise_check.sources import Shape

    if out is not None:
        from pyoco_eval.noise_check.figure import check_drawable

        check_drawable()
    shape = Shape(num_frames, channels, size, samples)
    check = check_prior(target, against=against, shape=shape, layout=layout, key=key, seed=seed)
    if out is not None:
        from pyoco_eval.noise_check.figure import save_check

        written = save_check(check, out)
    if as_json:
        say_json(check.to_dict())
    else:
        _show(check)
        if out is not None:
            say(f"\nwritten: {', '.join(str(path) for path in written)}")
    sys.exit(0 if check.right else 1)


def _show(check: "PriorCheck") -> None:
    console, found = open_console(), check.measurement
    style = "green" if check.right else "red"
    console.print(one_line(check.verdict), style=style, markup=False, highlight=False)
    say("")
    intervals = found.variance_interval()
    say("frame  variance  95% interval      correlation with frame 1")
    for number, variance in enumerate(found.variance):
        low, high = intervals[number]
        correlation = found.correlation[0, number]
        say(f"{number + 1:>5}  {variance:8.4f}  [{low:.4f}, {high:.4f}]  {correlation:+.4f}")
    say("")
    alphas = ", ".join(f"{name} alpha {alpha:.3g}" for name, alpha in check.nearest.items())
    say(f"nearest priors: {alphas}")
    worst = max(found.neighbours.values(), key=lambda near: abs(near.z), default=None)
    if worst is not None:
        say(f"neighbouring pixels: correlation {worst.correlation:+.4f} at most")
    say(f"from {found.num_samples} samples, {found.num_values:,} values of each frame")
    for note in check.notes:
        say(f"note: {note}")
