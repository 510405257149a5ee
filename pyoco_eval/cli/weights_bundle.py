"""`pyoco-eval weights bundle` and `unbundle`: weights for machines without a network."""

from dataclasses import asdict
from pathlib import Path

import click

from pyoco_eval.cli.terminal import say, say_json


@click.command(
    epilog="""\b
Examples:
  pyoco-eval weights bundle weights.tar
  pyoco-eval weights bundle weights.tar i3d c3d c3d-mean""",
)
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
def bundle(out: Path, keys: tuple[str, ...], as_json: bool) -> None:
    """Write the weight files of this machine into one archive, OUT.

    Without KEY: every published file that a score would use here and whose licence is stated.
    Files whose licence is not stated are included only by name. The same files give the same bytes.
    """
    from pyoco_eval.weights.bundle import write_bundle

    written = write_bundle(out, keys)
    if as_json:
        document = {
            "path": str(written.path),
            "size": written.path.stat().st_size,
            "sha256": written.sha256,
            "files": [asdict(file) for file in written.files],
            "left_out": dict(written.left_out),
        }
        say_json(document)
        return
    for file in written.files:
        hashed = "published hash" if file.published_digest else "no published hash"
        say(f"{file.key}: {file.name}, {file.size / 1e6:,.1f} MB, {hashed}")
        say(f"  licence: {file.licence} ({file.source})")
    say(f"{out}: {out.stat().st_size:,} bytes, {written.sha256}")
    say(f"On the other machine: pyoco-eval weights unbundle {out.name}")
    for key, reason in written.left_out.items():
        say(f"left out: {key}: {reason}", err=True)


@click.command(
    epilog="""\b
Examples:
  pyoco-eval weights unbundle weights.tar
  pyoco-eval weights unbundle weights.tar --force --json""",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace files that are here and differ.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
def unbundle(file: Path, force: bool, as_json: bool) -> None:
    """Put the weight files of the archive FILE where scores find them.

    Every hash is verified before anything is written. Files that are here already are kept; if
    they differ, nothing is unpacked.
    """
    from pyoco_eval.weights.unbundle import read_bundle

    unpacked = read_bundle(file, force=force)
    if as_json:
        documents = [
            {
                "key": found.file.key,
                "path": str(found.path),
                "digest": found.file.published_digest or found.file.sha256,
                "published": found.published,
                "licence": found.file.licence,
                "action": found.action,
            }
            for found in unpacked
        ]
        say_json(documents)
        return
    for found in unpacked:
        state = "the published file" if found.published else "no hash was ever published for it"
        say(f"{found.file.key}: {found.action}: {found.path}")
        say(f"  {state}; licence: {found.file.licence}")
