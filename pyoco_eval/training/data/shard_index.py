"""How many samples each tar shard holds: made once, so that training lists nothing at its start.

    {"format": "pyoco-eval-shards-1", "labels": ["cat", "dog"],  (null for far too many)
     "shards": [{"name": "a/000.tar", "bytes": 104857600, "samples": 1000}, ...]}

Names are relative to the file's folder. Headers alone are read; a shard that is indexed already
and has the same size is not read again, so that a killed pass goes on and new shards are added.
"""

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from pyoco_eval.atomic import atomic_path
from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.progress import Progress
from pyoco_eval.videos.listing.tar_shards import VIDEOS, ShardSample, shard_samples
from pyoco_eval.videos.readers.base import UnreadableError
from pyoco_eval.videos.readers.choose import FRAME_SUFFIXES
from pyoco_eval.videos.readers.stored_file import LocalFile

FORMAT: Final = "pyoco-eval-shards-1"
MOST_LABELS: Final = 100_000
"""More different labels than this are no classes, and are not kept."""

_SAVE_EVERY = 500


@dataclass(frozen=True)
class Shard:
    """One tar archive.

    Attributes:
        name: relative to the index, with `/`.
        bytes: its size; another size makes the index stale.
        samples: how many videos or pictures it holds.
    """

    name: str
    bytes: int
    samples: int


@dataclass(frozen=True)
class ShardIndex:
    """All shards of a set, in the order of their names.

    Attributes:
        folder: that names are relative to.
        shards: with at least one sample in all.
        labels: every label that occurs, sorted; None where there are too many to be classes.
    """

    folder: Path
    shards: tuple[Shard, ...]
    labels: tuple[str, ...] | None = ()

    @property
    def num_samples(self) -> int:
        """Of all shards."""
        return sum(shard.samples for shard in self.shards)

    def samples_of(self, shard: Shard) -> list[ShardSample]:
        """The samples of a shard, in stored order.

        Raises:
            PyocoEvalError: it is not there, damaged, or not what was indexed.
        """
        path = self.folder / shard.name
        try:
            size = path.stat().st_size
            found = shard_contents(path)
        except (OSError, UnreadableError) as error:
            reason = error.reason if isinstance(error, UnreadableError) else error.strerror
            raise PyocoEvalError(f"{path}: {reason}") from error
        if (size, len(found)) != (shard.bytes, shard.samples):
            raise PyocoEvalError(
                f"{path}: has {len(found)} samples in {size} bytes, the index says "
                f"{shard.samples} in {shard.bytes}; run `pyoco-eval index` again"
            )
        return found


def shard_contents(path: Path) -> list[ShardSample]:
    """The samples of one shard; raises OSError or UnreadableError."""
    return shard_samples(LocalFile(path), VIDEOS | FRAME_SUFFIXES)


def build_index(paths: Sequence[Path], out: Path, progress: Progress) -> ShardIndex:
    """Count the samples of shards and write the index.

    Args:
        paths: of the shards; they must lie in the folder of `out`, or below it.
        out: the index; what it holds already is used.
        progress: told of every shard.

    Raises:
        UsageError: a shard lies elsewhere, or there is none.
        PyocoEvalError: shards cannot be read; all of them are named.
    """
    folder = out.parent.resolve()
    names = sorted(_name(path, folder, out) for path in paths)
    if not names:
        raise UsageError("--shards: there is no tar archive")
    before = read_index(out) if out.is_file() else ShardIndex(folder, ())
    known = {shard.name: shard for shard in before.shards}
    labels = None if before.labels is None else set(before.labels)
    problems: list[str] = []
    done: dict[str, Shard] = {}
    threads = min(16, (os.cpu_count() or 1) * 4)
    with (
        progress.stage("index", len(names), "shards") as stage,
        ThreadPoolExecutor(threads) as pool,
    ):
        for result in pool.map(lambda name: _count(folder, name, known.get(name)), names):
            stage.advance()
            if isinstance(result, str):
                problems.append(result)
                continue
            shard, found = result
            done[shard.name] = shard
            if labels is not None:
                labels |= found
                labels = labels if len(labels) <= MOST_LABELS else None
            if len(done) % _SAVE_EVERY == 0:
                _write(out, {**known, **done}, labels)
    if done:
        _write(out, done, labels)
    if problems:
        shown = "".join(f"\n  {problem}" for problem in problems[:20])
        more = f"\n  and {len(problems) - 20} more" * (len(problems) > 20)
        raise PyocoEvalError(f"{len(problems)} shards cannot be used:{shown}{more}")
    return read_index(out)


def read_index(path: Path) -> ShardIndex:
    """An index from its file.

    Raises:
        MissingError: there is none.
        PyocoEvalError: it is damaged or something else.
    """
    if not path.is_file():
        raise MissingError(
            f"{path}: there is no index of shards; make it once:\n"
            f"  pyoco-eval index --shards '{path.parent}/*.tar' --out {path}"
        )
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        if content.get("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        shards = tuple(Shard(**row) for row in content["shards"])
        if not all(
            isinstance(shard.name, str)
            and not Path(shard.name).is_absolute()
            and ".." not in Path(shard.name).parts
            and shard.samples > 0
            for shard in shards
        ):
            raise ValueError("a shard has no name inside the folder, or no sample")
        labels = content["labels"]
        return ShardIndex(path.parent, shards, None if labels is None else tuple(map(str, labels)))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise PyocoEvalError(
            f"{path}: is no index of shards ({error}); make it again with `pyoco-eval index`"
        ) from error


def _name(path: Path, folder: Path, out: Path) -> str:
    resolved = path.parent.resolve() / path.name
    if not resolved.is_relative_to(folder):
        raise UsageError(
            f"--out {out}: names of shards are relative to it, and {path} is not below {folder}; "
            "put the index beside the shards, or above them"
        )
    return resolved.relative_to(folder).as_posix()


def _count(folder: Path, name: str, known: Shard | None) -> tuple[Shard, set[str]] | str:
    """A shard and its labels, or what is wrong with it."""
    path = folder / name
    try:
        size = path.stat().st_size
        if known is not None and known.bytes == size:
            return known, set()
        samples = shard_contents(path)
    except (OSError, UnreadableError) as error:
        return f"{name}: {error.reason if isinstance(error, UnreadableError) else error.strerror}"
    broken = next((sample.problem for sample in samples if not sample.key), None)
    if broken is not None:
        return f"{name}: {broken}"
    labels = {sample.label for sample in samples if sample.label is not None}
    return Shard(name, size, len(samples)), labels


def _write(out: Path, shards: dict[str, Shard], labels: set[str] | None) -> None:
    content = {
        "format": FORMAT,
        "labels": None if labels is None else sorted(labels),
        "shards": [asdict(shards[name]) for name in sorted(shards)],
    }
    with atomic_path(out) as path:
        path.write_text(json.dumps(content) + "\n", encoding="utf-8")
