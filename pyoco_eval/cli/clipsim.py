"""`pyoco-eval clipsim`."""

from typing import Any

import click

from pyoco_eval.cli.scoring import captions_option, convention_options, run_and_print, score_options


@click.command("clipsim")
@score_options(*convention_options, captions_option)
def command(samples: str, convention: str | None, **choices: Any) -> None:
    """Mean cosine between frames and the caption of their video, under CLIP.

    Captions come with a manifest, with tar shards, or from --captions. Higher is better.

    \b
    Examples:
      pyoco-eval clipsim --samples manifest.csv
      pyoco-eval clipsim --samples generated/ --captions prompts.csv
      pyoco-eval clipsim --samples shards/ --frames middle
    """
    conventions = {"clipsim": convention} if convention else {}
    run_and_print(["clipsim"], samples, None, conventions=conventions, **choices)
