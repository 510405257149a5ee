"""`pyoco-eval index`."""

from pathlib import Path

import click

from pyoco_eval.cli.terminal import say


@click.command(
    name="index",
    short_help="Count the samples of tar shards once, to train on millions of them.",
    epilog="""\b
Reads headers alone. What the index knows already is not read again: a killed pass goes on, and new
shards are added. A shard that changed its size is counted anew.

\b
Examples:
  pyoco-eval index --shards 'webvid/*.tar' --out webvid/shards.json
  pyoco-eval train t2v-base.yaml --set data.source=shards --set data.path=webvid/shards.json""",
)
@click.option(
    "--shards", "places", required=True, multiple=True, metavar="PATTERN",
    help="Tar archives as webdataset writes them: a pattern, a folder, a file.",
)  # fmt: skip
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, dir_okay=False),
    help="The index, beside the shards or above them.",
)  # fmt: skip
def command(places: tuple[str, ...], out: Path) -> None:
    """Write an index of tar shards, which `data.source: shards` trains on."""
    from pyoco_eval.cli.progress import TerminalProgress
    from pyoco_eval.errors import UsageError
    from pyoco_eval.training.data.shard_index import build_index
    from pyoco_eval.videos.listing.patterns import match_local

    paths: list[Path] = []
    for place in places:
        path = Path(place)
        found = [path] if path.is_file() else sorted(path.glob("**/*.tar"))
        found = found or match_local(place)
        if not found:
            raise UsageError(f"--shards {place}: no such file, and no tar archive below it")
        paths += found
    index = build_index(paths, out, TerminalProgress())
    labels = f", {len(index.labels):,} classes" if index.labels else ""
    say(f"{out}: {index.num_samples:,} samples in {len(index.shards):,} shards{labels}")
