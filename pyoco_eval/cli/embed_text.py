"""`pyoco-eval embed-text`."""

from contextlib import nullcontext
from pathlib import Path

import click

from pyoco_eval.cli.options import option
from pyoco_eval.cli.terminal import say


@click.command(
    name="embed-text",
    short_help="Embed prompts once, so that training and sampling need no text encoder.",
    epilog="""\b
What is there already is not embedded again, so a killed run goes on when the command is given
again; under torchrun every process embeds its share. Models find the embeddings by --encoder
and the text, letter by letter.

\b
Encoders:
  t5:PATH-OR-ID     a T5 in the layout of transformers, as safetensors
  clip              OpenAI's ViT-B/32 among the network weights (pyoco-eval weights)
  clip:PATH-OR-ID   a model saved by open_clip
  shapes            moving-shapes captions, embedded in the package

\b
Examples:
  pyoco-eval embed-text --encoder shapes --prompts shapes/manifest.jsonl --out embeddings/
  pyoco-eval embed-text --encoder t5:google/flan-t5-xxl --encoder clip --precision bf16 \\
      --prompts captions.txt --out embeddings/
  pyoco-eval sample --ckpt runs/t2v --text-embeddings embeddings/ --prompts captions.txt \\
      --out samples/""",
)
@click.option("--encoder", "encoders", multiple=True, required=True, metavar="SPEC")
@click.option(
    "--prompts",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="One text a line (.txt), or a table with captions (.jsonl, .csv, .tsv).",
)
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False))
@option("device")
@option("precision", help="Arithmetic of T5.")
def command(
    encoders: tuple[str, ...], prompts: tuple[Path, ...], out: Path, device: str, precision: str
) -> None:
    """Embed every distinct text of the files with every encoder."""
    from pyoco_eval.cli.progress import TerminalProgress
    from pyoco_eval.devices import pick_device
    from pyoco_eval.generation.prompts import read_prompts
    from pyoco_eval.locks import LOCK, locked
    from pyoco_eval.models.text import load_text_encoder
    from pyoco_eval.models.text.store import precompute_embeddings
    from pyoco_eval.processes import processes
    from pyoco_eval.progress import Silent

    group = processes()
    texts = list(dict.fromkeys(prompt.text for file in prompts for prompt in read_prompts(file)))
    progress = TerminalProgress() if group.is_main else Silent()
    alone = locked(out / LOCK, "embeds texts here") if group.is_main else nullcontext()
    with group.announcing_failure(), alone:
        for spec in encoders:
            encoder = load_text_encoder(spec, pick_device(device), half=precision == "bf16")
            made = precompute_embeddings(texts[group.rank :: group.size], encoder, out, progress)
            counts = group.gather(f"{made} {encoder.truncated}".encode())
            if counts is not None:
                made, cut = (sum(int(c.split()[i]) for c in counts) for i in (0, 1))
                say(
                    f"{spec}: {made} of {len(texts)} texts embedded, {cut} lost their end, "
                    f"the others were there: {out}"
                )
