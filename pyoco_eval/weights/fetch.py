"""Downloading a weight file: whole and verified under its name, or not there at all."""

import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import quote

from pyoco_eval.errors import MissingError, PyocoEvalError
from pyoco_eval.locks import locked, longest_wait
from pyoco_eval.resources import is_offline
from pyoco_eval.weights.first_use import record_digest
from pyoco_eval.weights.manifest import MANIFEST, PublishedFile, WeightFile
from pyoco_eval.weights.resolve import (
    DamagedError,
    cached_file,
    cached_path,
    entry_of,
    expected_digest,
    how_to_get,
    other_ways,
)
from pyoco_eval.weights.transfer import HttpTransfer, OnBytes, TransferError, without_secrets
from pyoco_eval.weights.verify import archive_fault, digest_like, identify

MIRROR_VARIABLE = "PYOCO_EVAL_WEIGHTS_MIRROR"

OnWait = Callable[[Path, str], None]


def fetch(
    key: str,
    *,
    offline: bool = False,
    manifest: Mapping[str, PublishedFile] = MANIFEST,
    connect_timeout: float = 10,
    read_timeout: float = 30,
    attempts: int = 3,
    on_bytes: OnBytes | None = None,
    on_wait: OnWait | None = None,
) -> WeightFile:
    """The cached file for `key`, downloaded first if it is missing or damaged.

    Addresses are tried in order, the mirror named by `$PYOCO_EVAL_WEIGHTS_MIRROR` before all
    others. Of several processes that fetch the same key one downloads and the rest wait for it. An
    interrupted download goes on where it stopped. A file whose hash was never published must match
    the first one fetched on this machine, and stays unverified.

    Args:
        key: of the manifest.
        offline: open no connection, as with `$PYOCO_EVAL_OFFLINE=1`.
        manifest: the files that can be fetched.
        connect_timeout: seconds until a server must answer.
        read_timeout: seconds in which data must arrive.
        attempts: tries per address.
        on_bytes: called with the bytes there are, and the bytes there will be or None.
        on_wait: called once, with the path of the lock and who holds it, if another process is
            fetching the file. It is waited for an hour, or `$PYOCO_EVAL_LOCK_TIMEOUT` seconds.

    Raises:
        UsageError: unknown key.
        MissingError: no address gave the file, or offline and not cached; the message says what
            went wrong at each address and which other ways there are.
        PyocoEvalError: the cache cannot be written, or its file is damaged and this is offline.
    """
    entry = entry_of(key, manifest)
    no_network = offline or is_offline()
    if (cached := _whole(entry, complain=no_network)) is not None:
        _tidy(entry)
        return cached
    if no_network:
        raise MissingError(how_to_get(entry))
    try:
        with _alone(entry, on_wait) as staging:
            return _whole(entry) or _download(
                entry,
                staging,
                HttpTransfer(
                    staging / "part", entry.size, connect_timeout, read_timeout, attempts, on_bytes
                ),
            )
    except OSError as error:
        raise PyocoEvalError(
            f"cannot fetch {key} into {cached_path(entry).parent}: {error.strerror or error}; "
            "make room or name another folder in PYOCO_EVAL_CACHE"
        ) from error


def addresses_of(entry: PublishedFile) -> tuple[str, ...]:
    """Where `entry` is looked for, in order."""
    mirror = os.environ.get(MIRROR_VARIABLE)
    first = (f"{mirror.rstrip('/')}/{quote(entry.name)}",) if mirror else ()
    return (*first, *entry.addresses)


def _whole(entry: PublishedFile, *, complain: bool = False) -> WeightFile | None:
    try:
        return cached_file(entry)
    except DamagedError:
        if complain:
            raise
        return None


@contextmanager
def _alone(entry: PublishedFile, on_wait: OnWait | None) -> Iterator[Path]:
    """Hold the lock of `entry`; the folder given is for unfinished files, on the same disk."""
    staging, path = _unfinished(entry)
    staging.mkdir(parents=True, exist_ok=True)
    waiting = partial(on_wait, path) if on_wait is not None else None
    with locked(path, f"fetches {entry.name}", wait=longest_wait(), on_wait=waiting):
        staging.mkdir(exist_ok=True)
        yield staging


def _unfinished(entry: PublishedFile) -> tuple[Path, Path]:
    """The folder of what is unfinished, and its lock."""
    folder = cached_path(entry).parent / ".unfinished"
    return folder / entry.name, folder / f"{entry.name}.lock"


def _tidy(entry: PublishedFile) -> None:
    """Remove what a process left that was killed when its file had just taken its place."""
    staging, path = _unfinished(entry)
    if staging.exists() or path.with_name(f"{path.name}-holder").exists():
        # A cache that cannot be written serves all the same; who holds the lock tidies itself.
        with suppress(OSError, PyocoEvalError), locked(path, f"fetches {entry.name}"):
            shutil.rmtree(staging, ignore_errors=True)


def _download(entry: PublishedFile, staging: Path, transfer: HttpTransfer) -> WeightFile:
    failures = []
    for address in addresses_of(entry):
        try:
            found = _retrieve(entry, address, staging, transfer)
        except TransferError as error:
            failures.append(f"  {without_secrets(address)}\n    {error}")
            continue
        final = cached_path(entry)
        if entry.digest is None:
            record_digest(final, found.digest)
        found.path.replace(final)
        shutil.rmtree(staging)
        return replace(found, path=final)
    raise MissingError(
        f"could not fetch the {entry.key} weights ({entry.name}):\n"
        + "\n".join(failures)
        + f"\nTwo other ways to get them:\n{other_ways(entry)}"
    )


def _retrieve(
    entry: PublishedFile, address: str, staging: Path, transfer: HttpTransfer
) -> WeightFile:
    """Download into `staging` and verify.

    Raises:
        TransferError: no file, or not the right one; then nothing is left but what can be resumed.
    """
    import pooch

    expected = expected_digest(entry)
    sha256 = expected if expected and expected.startswith("sha256:") else None
    staged = staging / entry.name
    staged.unlink(missing_ok=True)
    try:
        with _quiet(pooch.get_logger()):
            pooch.retrieve(address, sha256, entry.name, staging, downloader=transfer)
    except ValueError as error:
        raise TransferError(str(error).partition(" Deleted download")[0]) from error
    if expected and not sha256:
        got = digest_like(staged, expected.partition(":")[0])
        if got != expected:
            staged.unlink()
            raise TransferError(f"wrong content: expected {expected}, got {got}")
    if expected is None and staged.suffix == ".npz" and (fault := archive_fault(staged)):
        staged.unlink()
        raise TransferError(fault)
    return identify(entry, staged)


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Keep pooch's account of what it does off standard error."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
