"""`pyoco-eval weights`: list, fetch, verify, find and bundle the published networks' weights."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from pyoco_eval.cli.suggesting import SuggestingGroup
from pyoco_eval.cli.terminal import open_console, say, say_json
from pyoco_eval.cli.weights_bundle import bundle, unbundle

if TYPE_CHECKING:
    from pathlib import Path

    from pyoco_eval.weights import WeightFile

_PUBLISHED = "verified: the published file"
_UNPUBLISHED = "unverified: no hash was ever published for it"
_OTHER = "unverified: not the published file"
_MISSING = "missing"


@click.group(
    cls=SuggestingGroup,
    name="weights",
    short_help="List, fetch, verify and bundle network weights.",
    epilog="""\b
Examples:
  pyoco-eval weights list
  pyoco-eval weights fetch i3d inception
  pyoco-eval weights verify
  pyoco-eval weights path i3d
  pyoco-eval weights bundle weights.tar

\b
Environment:
  PYOCO_EVAL_CACHE           folder of weights/ (default ~/.cache/pyoco-eval)
  PYOCO_EVAL_WEIGHTS_MIRROR  base address that is tried first
  PYOCO_EVAL_WEIGHTS_I3D     a file to use for i3d; alike for the other keys
  PYOCO_EVAL_OFFLINE=1       never open a connection""",
)
def command() -> None:
    """Weights of the published networks. Nothing is downloaded unless `fetch` is called."""


command.add_command(bundle)
command.add_command(unbundle)


@command.command(
    name="list",
    epilog="""\b
Example:
  pyoco-eval weights list --json""",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
def list_weights(as_json: bool) -> None:
    """Say what each weight file is, its licence, and whether it is here."""
    from pyoco_eval.weights import MANIFEST
    from pyoco_eval.weights.fetch import addresses_of
    from pyoco_eval.weights.resolve import located_path, weights_folder

    places = {key: located_path(key) for key in MANIFEST}
    if as_json:
        _print_json(
            {
                "key": key,
                "name": entry.name,
                "about": entry.about,
                "size": entry.size,
                "licence": entry.licence,
                "digest": entry.digest,
                "source": entry.source,
                "addresses": addresses_of(entry),
                "path": None if places[key] is None else str(places[key]),
            }
            for key, entry in MANIFEST.items()
        )
        return
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(box=SIMPLE, pad_edge=False)
    for title in ("Key", "Weights", "Licence", "Hash", "Here"):
        table.add_column(title, no_wrap=title != "Weights")
    for key, entry in MANIFEST.items():
        size = f", {entry.size / 1e6:.0f} MB" if entry.size else ""
        known = "known" if entry.digest else "none"
        here = "yes" if places[key] else "no"
        table.add_row(key, entry.about + size, entry.licence, known, here)
    open_console().print(table)
    say(f"Kept in {weights_folder()}")


@command.command(
    epilog="""\b
Examples:
  pyoco-eval weights fetch i3d inception
  pyoco-eval weights fetch --all
  PYOCO_EVAL_WEIGHTS_MIRROR=https://mirror.example/weights \\
    pyoco-eval weights fetch clip""",
)
@click.argument("keys", nargs=-1, metavar="KEY...")
@click.option("--all", "everything", is_flag=True, help="Every key.")
@click.option("--offline", is_flag=True, help="Open no connection: succeed only for what is here.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
def fetch(keys: tuple[str, ...], everything: bool, offline: bool, as_json: bool) -> None:
    """Download the weights of each KEY and verify them.

    What is here and whole is not downloaded again; an interrupted download goes on where it
    stopped. If one key fails the others are still fetched, and the exit code is 3.
    """
    from pyoco_eval.cli.weights_progress import fetch_progress
    from pyoco_eval.errors import MissingError, UsageError
    from pyoco_eval.weights import fetch as fetch_file
    from pyoco_eval.weights.manifest import MANIFEST

    if bool(keys) == everything:
        raise UsageError("name the weights to fetch, or pass --all (not both)")
    _check_keys(keys)
    wanted = list(MANIFEST if everything else dict.fromkeys(keys))
    found, failures = [], []
    with fetch_progress(wanted, [MANIFEST[key].size for key in wanted]) as progress:
        for key in wanted:
            try:
                with progress.file(key) as on_bytes:
                    file = fetch_file(key, offline=offline, on_bytes=on_bytes, on_wait=_say_waiting)
            except MissingError as error:
                failures.append(str(error))
                continue
            found.append(file)
            if as_json:
                continue
            with progress.aside():
                say(f"{key}: {file.path}\n  {_status(file)}, {file.digest}")
    if as_json:
        _print_json(_as_document(file) for file in found)
    if failures:
        raise MissingError("\n\n".join(failures))


@command.command(
    epilog="""\b
Examples:
  pyoco-eval weights verify
  pyoco-eval weights verify i3d c3d --json
  pyoco-eval weights verify clip=/data/ViT-B-32.pt

\b
Exit codes: 0 nothing wrong, 1 a file is not what it should be, 3 a KEY that was
named is missing.""",
)
@click.argument("names", nargs=-1, metavar="[KEY|KEY=FILE]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
def verify(names: tuple[str, ...], as_json: bool) -> None:
    """Hash weights and compare them with what is published.

    For each KEY, or all that are here, the file that a score would use; KEY=FILE asks about FILE.
    """
    from pyoco_eval.errors import MissingError, PyocoEvalError
    from pyoco_eval.weights import resolve
    from pyoco_eval.weights.manifest import MANIFEST

    files = _named_files(names)
    keys = tuple(name.partition("=")[0] for name in names)
    _check_keys(keys)
    documents: list[dict[str, object]] = []
    wrong, missing = [], []
    for key in dict.fromkeys(keys) or MANIFEST:
        document: dict[str, object] = {"key": key, "path": None, "digest": None, "published": None}
        try:
            file = resolve(key, files)
            document = _as_document(file)
            status = _status(file)
            if status == _OTHER:
                wrong.append(key)
        except MissingError:
            status = _MISSING
            missing.append(key)
        except PyocoEvalError as error:
            status = str(error)
            wrong.append(key)
        documents.append(document | {"status": status})
        if not as_json:
            say(f"{key}: {status}")
    if as_json:
        _print_json(documents)
    if wrong:
        raise PyocoEvalError(f"not what they should be: {', '.join(wrong)}")
    if keys and missing:
        raise MissingError(f"missing: {', '.join(missing)}; see `pyoco-eval weights fetch --help`")


@command.command(
    epilog="""\b
Example:
  cp "$(pyoco-eval weights path i3d)" /media/stick/""",
)
@click.argument("key")
def path(key: str) -> None:
    """Print where the weights of KEY are, the way a score would find them."""
    from pyoco_eval.weights import resolve

    say(str(resolve(key).path))


def _say_waiting(lock: "Path", holder: str) -> None:
    say(f"waiting for another process that fetches the same file: {holder} (lock {lock})", err=True)


def _named_files(names: tuple[str, ...]) -> "dict[str, Path]":
    from pyoco_eval.errors import UsageError
    from pyoco_eval.weights import parse_overrides

    files = parse_overrides([name for name in names if "=" in name])
    for key, file in files.items():
        if not file.is_file():
            raise UsageError(f"{key}={file}: no such file")
    return files


def _check_keys(keys: tuple[str, ...]) -> None:
    from pyoco_eval.weights.resolve import entry_of

    for key in keys:
        entry_of(key)


def _status(file: "WeightFile") -> str:
    from pyoco_eval.weights import MANIFEST

    if file.published:
        return _PUBLISHED
    return _OTHER if MANIFEST[file.key].digest else _UNPUBLISHED


def _as_document(file: "WeightFile") -> dict[str, object]:
    return {
        "key": file.key,
        "path": str(file.path),
        "digest": file.digest,
        "published": file.published,
    }


def _print_json(documents: "Iterator[dict[str, object]] | list[dict[str, object]]") -> None:
    say_json(list(documents))
