"""Which samples of several folders belong together: those of one number, prompt and class."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pyoco_eval.errors import UsageError
from pyoco_eval.report.grid.sample_folder import Sample, SampleFolder
from pyoco_eval.videos.listing.manifest_rows import listed
from pyoco_eval.videos.listing.numbers import numbers_of, without_suffix
from pyoco_eval.visible import one_line

Scheme = Literal["index", "number", "name"]

DEFAULT_NUM: Final = 4


@dataclass(frozen=True)
class Matched:
    """Samples of several folders, side by side.

    Attributes:
        scheme: how they were told: by the manifests' `index`, the number in the names of files, or
            the whole name.
        keys: one for each set of samples that belong together.
        rows: for each key a sample of every folder, in the order of the folders.
        notes: sentences on what a reader must know, such as seeds that differ.
    """

    folders: tuple[SampleFolder, ...]
    scheme: Scheme
    keys: tuple[str, ...]
    rows: tuple[tuple[Sample, ...], ...]
    notes: tuple[str, ...]

    def captions(self) -> list[str]:
        """What stands over each set: prompt or class, else the seed, else number or name."""
        return [_caption(key, row) for key, row in zip(self.keys, self.rows, strict=True)]


def match_samples(
    folders: Sequence[SampleFolder], num: int | None = None, pick: Sequence[str] = ()
) -> Matched:
    """The samples to show: the first of the first folder, or those picked, and their counterparts.

    Args:
        folders: at least one.
        num: how many; by default `DEFAULT_NUM`, or as many as there are.
        pick: numbers or names of the samples, instead of the first ones.

    Raises:
        UsageError: samples are missing or show something else in another folder; the message
            lists all of them.
    """
    scheme = _scheme(folders)
    keyed, notes = _keyed(folders, scheme)
    keys = _chosen(folders[0], keyed[0], num, pick)
    problems = [
        f"{folder.name} ({folder.place}) has no sample {key}"
        for key in keys
        for folder, samples in zip(folders, keyed, strict=True)
        if key not in samples
    ]
    for key in keys:
        row = [samples[key] for samples in keyed if key in samples]
        problems += _disagreements(
            key, [f for f, s in zip(folders, keyed, strict=True) if key in s], row
        )
    if problems:
        raise UsageError(_report(problems, scheme, keyed))
    rows = tuple(tuple(samples[key] for samples in keyed) for key in keys)
    return Matched(
        tuple(folders), scheme, tuple(keys), rows, (*notes, *_seed_notes(folders, keys, rows))
    )


def _scheme(folders: Sequence[SampleFolder]) -> Scheme:
    """The surest that all folders have."""
    if all(_indices(folder) for folder in folders):
        return "index"
    if all(_indices(folder) or _numbers(folder) for folder in folders):
        return "number"
    return "name"


def _indices(folder: SampleFolder) -> dict[int, Sample]:
    found = {sample.index: sample for sample in folder.samples if sample.index is not None}
    return found if len(found) == len(folder.samples) else {}


def _numbers(folder: SampleFolder) -> dict[int, Sample]:
    numbers = numbers_of(sample.video.id for sample in folder.samples)
    return {numbers[s.video.id]: s for s in folder.samples} if numbers else {}


def _keyed(
    folders: Sequence[SampleFolder], scheme: Scheme
) -> tuple[list[dict[str, Sample]], list[str]]:
    """Key -> sample of every folder, and what was assumed for it."""
    if scheme == "name":
        return [{without_suffix(s.video.id): s for s in f.samples} for f in folders], []
    numbered = [_indices(folder) or _numbers(folder) for folder in folders]
    starts = [min(samples) for samples in numbered]
    notes = []
    found = []
    for folder, samples, start in zip(folders, numbered, starts, strict=True):
        shift = 1 if start == 1 and 0 in starts else 0
        if shift:
            notes.append(
                f"The files of {folder.name} are numbered from 1: its number 1 stands for 0."
            )
        found.append({str(n - shift): samples[n] for n in sorted(samples)})
    return found, notes


def _chosen(
    first: SampleFolder, samples: Mapping[str, Sample], num: int | None, pick: Sequence[str]
) -> list[str]:
    if pick and num is not None:
        raise UsageError("--num and --pick: give one of them")
    if pick:
        keys = [_canonical(key, samples) for key in pick]
        if twice := sorted({key for key in keys if keys.count(key) > 1}):
            raise UsageError(f"--pick: {', '.join(map(one_line, twice))} is given twice")
        return keys
    if num is not None and num > len(samples):
        raise UsageError(
            f"--num {num}: {first.name} ({first.place}) holds {len(samples)} samples; ask for as "
            "many, or make more"
        )
    return list(samples)[: num or DEFAULT_NUM]


def _canonical(key: str, samples: Mapping[str, Sample]) -> str:
    """`000003` and `000003.mp4` mean sample 3 too."""
    plain = without_suffix(key)
    for name in (key, plain, plain.lstrip("0") or "0"):
        if name in samples:
            return name
    return key


def _disagreements(
    key: str, folders: Sequence[SampleFolder], row: Sequence[Sample]
) -> Iterable[str]:
    for what in ("caption", "label"):
        stated = {
            folder.name: text
            for folder, sample in zip(folders, row, strict=True)
            if (text := getattr(sample.video, what)) is not None
        }
        if len(set(stated.values())) > 1:
            told = ", ".join(f"{text!r} in {name}" for name, text in stated.items())
            yield f"sample {key} has another {what}: {told}"


def _report(problems: Sequence[str], scheme: Scheme, keyed: Sequence[Mapping[str, Sample]]) -> str:
    how = {
        "index": "the index in their manifests",
        "number": "the number in the names of their files",
        "name": "the names of their files",
    }[scheme]
    common = [key for key in keyed[0] if all(key in samples for samples in keyed)]
    shared = ", ".join(map(one_line, common[:8])) + (", …" if len(common) > 8 else "")
    remedy = f"all folders have {shared}; choose with --pick" if common else "they share none"
    return (
        f"samples do not match (they are told by {how}):{listed(problems)}\n"
        f"Make the missing ones with the same prompts and --seed; {remedy}."
    )


def _seed_notes(
    folders: Sequence[SampleFolder], keys: Sequence[str], rows: Sequence[Sequence[Sample]]
) -> list[str]:
    if len(folders) == 1:
        return []
    notes = []
    if differing := [
        key
        for key, row in zip(keys, rows, strict=True)
        if len({sample.seed for sample in row if sample.seed is not None}) > 1
    ]:
        shown = ", ".join(differing[:8]) + (", …" if len(differing) > 8 else "")
        notes.append(
            f"Seeds differ between folders at {len(differing)} of {len(keys)} samples ({shown}): "
            "the same requests from other noise."
        )
    silent = [
        folder.name
        for place, folder in enumerate(folders)
        if any(row[place].seed is None for row in rows)
    ]
    if silent:
        notes.append(
            f"No seeds are stated by {', '.join(silent)}: whether the noise is the same is not "
            "known."
        )
    return notes


def _caption(key: str, row: Sequence[Sample]) -> str:
    if stated := [sample.caption for sample in row if sample.caption]:
        return stated[0]
    seeds = {sample.seed for sample in row}
    seed = next(iter(seeds))
    return f"seed {seed}" if len(seeds) == 1 and seed is not None else f"sample {key}"
