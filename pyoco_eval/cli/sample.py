"""`pyoco-eval sample`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyoco_eval.cli.frame_size import FrameSize
from pyoco_eval.cli.options import option
from pyoco_eval.cli.sample_cascade import cascade_stages, make_samples, show_plan
from pyoco_eval.cli.terminal import say

if TYPE_CHECKING:
    from pyoco_eval.generation.prompts import Prompt
    from pyoco_eval.generation.request import GeneratorOptions


@click.command(
    name="sample",
    short_help="Make videos with a trained model, resumable and reproducible.",
    epilog="""\b
A killed run goes on where it was when the command is given again; under torchrun every
process makes its share. On a CPU a video is the same, bit for bit, whatever the batch size
and the number of processes.

\b
--out holds the videos, manifest.jsonl (prompt, label, seed, sha256, model, sampler, prior of
each), recipe.json, and samples.png to look at.

\b
Examples:
  pyoco-eval sample --ckpt runs/shapes --num 16 --out samples/ \\
      --prompt 'a small red circle slides left slowly over plain navy'
  pyoco-eval sample --ckpt runs/shapes --prompts val/manifest.jsonl --num 2048 --out samples/
  pyoco-eval sample --ckpt runs/ucf --label all --num 2020 --guidance-scale 4 --out samples/
  pyoco-eval sample --ckpt runs/ucf --sampler deis:order=2,num_steps=50 \\
      --prior progressive:alpha=2 --num 2048 --out samples/
  pyoco-eval sample --ckpt runs/ucf --size 32x64 --num-frames 24 --num 16 --out samples/
  pyoco-eval sample --ckpt diffusers:damo-vilab/text-to-video-ms-1.7b --prompts prompts.txt \\
      --num 100 --set num_inference_steps=25 --out samples/
  pyoco-eval sample --ckpt python:my_model:generate --num 64 --out samples/
  pyoco-eval sample --ckpt cascade/ --until sr256 --prompts prompts.txt --out samples/
  pyoco-eval sample --ckpt cascade/ --dry-run
  torchrun --nproc-per-node 8 -m pyoco_eval sample --ckpt runs/ucf --num-videos 10000 \\
      --out samples/""",
)
@click.option(
    "--ckpt",
    required=True,
    metavar="MODEL",
    help="A model folder or training run; embedded:shapes-video or embedded:shapes-image; a "
    "cascade; diffusers:PATH-OR-ID; python:module:callable.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the samples.  [required but for --dry-run]",
)
@click.option("--until", metavar="STAGE", help="Last stage of a cascade.  [default: all]")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Say what each stage of a cascade makes and needs; make nothing.",
)
@click.option(
    "--num",
    "--num-videos",
    "num",
    type=click.IntRange(1),
    help="Videos; torchrun knows only the longer name.  [default: one for each prompt or label]",
)
@click.option(
    "--prompts",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="One prompt a line (.txt), or a table with captions (.jsonl, .csv, .tsv); taken in turn.",
)
@click.option("--prompt", multiple=True, metavar="TEXT", help="A prompt; may be given again.")
@click.option(
    "--label",
    multiple=True,
    metavar="CLASS",
    help="A class, by number or name; may be given again. all takes every class in turn.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the run.")
@click.option(
    "--sampler", metavar="SPEC", help="e.g. deis:order=2,num_steps=32.  [default: the model's]"
)
@click.option(
    "--prior", metavar="SPEC", help="e.g. progressive:alpha=2.  [default: the model's own]"
)
@click.option("--guidance-scale", type=float, help="Classifier-free guidance.  [default: 1, none]")
@click.option("--num-frames", type=click.IntRange(1), help="[default: as trained]")
@click.option(
    "--size", type=FrameSize(), help="Side, or HEIGHTxWIDTH, in pixels.  [default: as trained]"
)
@click.option("--fps", type=click.FloatRange(0, min_open=True), help="[default: the model's]")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=NUMBER",
    help="Argument of a diffusers pipeline's call, e.g. height=256.",
)
@click.option(
    "--text-embeddings",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of `pyoco-eval embed-text`, instead of loading the text encoders.",
)
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["mp4", "gif", "npz", "png"]),
    default="mp4",
    show_default=True,
    help="mp4 is H.264 at a high bit rate; npz and png are exact.",
)
@click.option("--batch-size", type=click.IntRange(1), help="[default: 8 on CUDA, 1 elsewhere]")
@option("device")
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16"]),
    default="auto",
    show_default=True,
    help="auto: bf16 on CUDA for a model trained in it, else fp32.",
)
@click.option(
    "--tf32", is_flag=True, help="Let CUDA round factors of float32 products to ten bits; signed."
)
@click.option(
    "--compile",
    is_flag=True,
    help="torch.compile the network: minutes before the first video, faster from then on; signed.",
)
@click.option("--overwrite", is_flag=True, help="Replace samples of another recipe in --out.")
def command(ckpt: str, out: Path | None, seed: int, **given: Any) -> None:
    """Make videos and write them with everything that is needed to make them again."""
    from pyoco_eval.cli.progress import TerminalProgress
    from pyoco_eval.errors import UsageError
    from pyoco_eval.generation.open import open_generator
    from pyoco_eval.generation.prompts import Prompt, read_prompts
    from pyoco_eval.generation.request import make_requests, usual_batch_size
    from pyoco_eval.generation.write import sheet_path, write_samples

    stages = cascade_stages(ckpt, given)
    if stages is not None and given["dry_run"]:
        show_plan(stages, given)
        return
    if out is None:
        raise UsageError("--out: name the folder of the samples")
    file, texts = given["prompts"], given["prompt"]
    if file is not None and texts:
        raise UsageError("--prompts and --prompt: give one of them")
    prompts = read_prompts(file) if file is not None else [Prompt(text) for text in texts]
    options = _options(given)
    generator = None
    if stages is None:
        generator = open_generator(ckpt, options)
        if "notes" in generator.recipe:
            say(f"note: {generator.recipe['notes']}", err=True)
    labels = _labels(ckpt, prompts, given["label"])
    requests = make_requests(
        given["num"] or max(len(prompts), len(labels), 1),
        prompts=[prompt.text for prompt in prompts],
        labels=labels,
        seed=seed,
    )
    if generator is None:
        make_samples(stages or [], requests, out, options, given)
        return
    rows = write_samples(
        generator,
        requests,
        out,
        file_format=given["file_format"],
        batch_size=given["batch_size"] or usual_batch_size(options.device),
        overwrite=given["overwrite"],
        progress=TerminalProgress(),
    )
    if rows:
        say(f"{len(rows)} videos in {out}, to look at: {sheet_path(out, rows)}")


def _options(given: dict[str, Any]) -> "GeneratorOptions":
    from pyoco_eval.devices import pick_device
    from pyoco_eval.generation.request import GeneratorOptions

    same = (
        "precision", "tf32", "compile", "sampler", "prior", "guidance_scale", "num_frames", "size",
        "fps",
    )  # fmt: skip
    return GeneratorOptions(
        device=pick_device(given["device"]),
        embeddings=given["text_embeddings"],
        call=_numbers(given["settings"]),
        **{name: given[name] for name in same},
    )


def _numbers(settings: tuple[str, ...]) -> dict[str, float]:
    """`("height=256",)` as a mapping; whole numbers stay whole.

    Raises:
        UsageError: not KEY=NUMBER, or a key given twice.
    """
    from pyoco_eval.errors import UsageError

    found: dict[str, float] = {}
    for setting in settings:
        key, _, text = setting.partition("=")
        try:
            value = int(text) if text.lstrip("+-").isdecimal() else float(text)
        except ValueError:
            raise UsageError(f"--set {setting!r}: write KEY=NUMBER, e.g. height=256") from None
        if not key.isidentifier() or key in found:
            raise UsageError(f"--set {setting!r}: write KEY=NUMBER, each key once")
        found[key] = value
    return found


def _labels(ckpt: str, prompts: "list[Prompt]", wanted: tuple[str, ...]) -> list[int]:
    """Class numbers in turn: those asked for, else those of the prompt file the model can use."""
    names, count = _classes(ckpt)
    if wanted == ("all",):
        from pyoco_eval.errors import UsageError

        if not count:
            raise UsageError(f"--label all: {ckpt} states no classes; name them")
        return list(range(count))
    if wanted:
        numbers = [_number(text, names, ckpt) for text in wanted]
        return [numbers[i % len(numbers)] for i in range(max(len(prompts), len(numbers)))]
    if not count or not prompts or any(prompt.label is None for prompt in prompts):
        return []
    return [_number(str(prompt.label), names, ckpt) for prompt in prompts]


def _classes(ckpt: str) -> tuple[tuple[str, ...], int]:
    """Names of the model's classes, where it has them, and their number."""
    if ckpt.startswith(("diffusers:", "python:")):
        return (), 0
    from pyoco_eval.generation.cascade.description import is_cascade, read_cascade
    from pyoco_eval.models.ensemble import describe

    place = Path(ckpt)
    info = read_cascade(place)[0].info if is_cascade(place) else describe(place)[0]
    return info.labels, info.unet.num_classes


def _number(text: str, names: tuple[str, ...], ckpt: str) -> int:
    from pyoco_eval.errors import UsageError

    if text in names:
        return names.index(text)
    if text.isdecimal():
        return int(text)
    import difflib

    near = difflib.get_close_matches(text, names, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise UsageError(f"--label {text!r}: no class of {ckpt}{hint}")
