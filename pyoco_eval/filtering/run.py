"""From a set of videos to the manifest of those that reach the thresholds.

Reference: Ge et al. (2023), Preserve Your Own Correlation, §5.1: "All data was filtered using
preset CLIP and aesthetic scores." The paper states neither networks nor thresholds.
"""

import shutil
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from pyoco_eval import provenance
from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.extraction.networks import refuse_captions
from pyoco_eval.extraction.open_samples import open_samples
from pyoco_eval.extraction.options import Options
from pyoco_eval.extraction.rank_check import require_one_place, require_same_call
from pyoco_eval.filtering.choices import CONVENTIONS, FilterChoices
from pyoco_eval.filtering.figure import check_drawable
from pyoco_eval.filtering.judge import Judge
from pyoco_eval.filtering.kept_rows import require_captions, require_places
from pyoco_eval.filtering.outputs import Files, Outcome, write_figure, write_recipe, write_tables
from pyoco_eval.filtering.score_pass import Passed, score_videos
from pyoco_eval.filtering.score_store import (
    VideoScores,
    journals,
    open_journal,
    read_scores,
    recipe_digest,
)
from pyoco_eval.filtering.verdict import Tally
from pyoco_eval.locks import locked
from pyoco_eval.metrics.conventions import convention
from pyoco_eval.metrics.signature import Signature
from pyoco_eval.peers import Processes
from pyoco_eval.processes import processes
from pyoco_eval.progress import Progress, Silent
from pyoco_eval.version import __version__
from pyoco_eval.videos.listing.attach import attach_captions
from pyoco_eval.videos.outcome import set_digest, settle
from pyoco_eval.videos.source import VideoSource


def run_filter(
    samples: str,
    out: Path,
    choices: FilterChoices,
    *,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Outcome | None:
    """Score every video and write the manifest of those that reach the thresholds.

    Under `torchrun` the processes share the videos; `out` must lie in a folder that all of them
    see. Scores are noted in `OUT.parts` as they are found, and stay in the table: a run that was
    killed goes on, and one with other thresholds decodes nothing.

    Args:
        samples: folder, shards, manifest or pattern of videos.
        out: manifest to write (.jsonl); the table of scores, recipe and figure lie beside it.
        choices: what is kept.
        options: how videos are read, device and weights; clip rule and frames are those of
            `choices`.
        progress: told about every finished video.

    Returns:
        What it came to, on process 0; None on others.

    Raises:
        UsageError: arguments that cannot be meant, or videos without captions that need them.
        MissingError: weights or a package are not there.
        UnusableVideosError: videos that cannot be read, all at once, unless `on_error` is `skip`.
        PyocoEvalError: no video reaches the thresholds.
    """
    options = replace(options or Options(), clip=choices.rule)
    if choices.figure:
        check_drawable()
    files = Files.of(out)
    if Path(samples).resolve() == out.resolve():
        raise UsageError(f"--out {out}: is --samples too, which would be lost; choose another name")
    group = processes()
    lock = out.with_name(f".{out.name}.lock")
    alone = locked(lock, f"filters into {out}") if group.is_main else nullcontext()
    with group.announcing_failure(), alone:
        source = _open(samples, choices, options)
        judge = Judge(choices, options)
        signatures = judge.signatures(options, source.decoder_label())
        recipe = recipe_digest((name, str(one)) for name, one in signatures.items())
        require_same_call({"recipe": recipe, "choices": str(choices)}, group)
        require_one_place(source, group)
        passed = _score(source, judge, options, files, recipe, group=group, progress=progress)
        if passed is None:
            return None
        return _finish(source, judge, options, choices, files, passed, signatures)


def _open(samples: str, choices: FilterChoices, options: Options) -> VideoSource:
    source = open_samples(samples, "--samples", options)
    require_places(source, samples)
    if choices.captions is not None:
        source = attach_captions(source, choices.captions)
    network = choices.similarity_network
    if network is not None:
        require_captions(source)
        rule = convention(CONVENTIONS[network])
        refuse_captions(rule, [video.caption or "" for video in source])
    return source


def _score(
    source: VideoSource,
    judge: Judge,
    options: Options,
    files: Files,
    recipe: str,
    *,
    group: Processes,
    progress: Progress | None,
) -> Passed | None:
    own = {source[index].id for index in group.share(len(source))}
    known = read_scores([files.scores, *journals(files.parts)], recipe, own)
    with open_journal(files.parts, group.rank, recipe) as journal:
        return score_videos(
            source, judge, options, known, journal, group=group, progress=progress or Silent()
        )


def _finish(
    source: VideoSource,
    judge: Judge,
    options: Options,
    choices: FilterChoices,
    files: Files,
    passed: Passed,
    signatures: Mapping[str, Signature],
) -> Outcome:
    recipe = recipe_digest((name, str(one)) for name, one in signatures.items())
    usable = len(source) - len(passed.failures)
    settle({}, passed.failures, num_usable=usable, total=len(source), on_error=options.on_error)
    known = read_scores([files.scores, *journals(files.parts)], recipe)
    known = {v.id: known[v.id] for v in source if v.id in known and v.id not in passed.failures}
    tally = write_tables(source, known, passed.failures, choices, files, recipe)
    outcome = Outcome(tally, passed.failures, passed.reused, passed.scored)
    outcome.record = write_recipe(
        _record(source, judge, options, choices, known, tally)
        | {"score_recipe": recipe, "signatures": {n: str(s) for n, s in signatures.items()}},
        files,
    )
    files.figure.unlink(missing_ok=True)  # that of earlier thresholds would contradict the table
    if choices.figure:
        write_figure(known, choices, tally, files)
    shutil.rmtree(files.parts)
    outcome.notes = _notes(source, judge, tally)
    if not tally.kept:
        raise PyocoEvalError(_none_kept(known, choices, files))
    return outcome


def _record(
    source: VideoSource,
    judge: Judge,
    options: Options,
    choices: FilterChoices,
    known: Mapping[str, VideoScores],
    tally: Tally,
) -> dict[str, Any]:
    """What the recipe file says; the same for any number of processes and kills."""
    digest = set_digest((scores.id, scores.sha256) for scores in known.values())
    limits = [
        f"{name}>={least:g}"
        for name, least in (("clip", choices.min_clip), ("aesthetic", choices.min_aesthetic))
        if least is not None
    ]
    signature = " | ".join(
        ["filter", *limits, f"kept:{tally.kept}of{tally.total}", f"samples:{digest[:8]}",
         f"v:{__version__}"]
    )  # fmt: skip
    return {
        "signature": signature,
        "samples": {"name": source.name, "sha256": digest, "videos": len(source)},
        "thresholds": {"min_clip": choices.min_clip, "min_aesthetic": choices.min_aesthetic},
        "frames": choices.rule.spec(),
        "profile": choices.profile,
        "networks": judge.describe(),
        "on_error": options.on_error,
        "counts": tally.as_dict(),
        "code": provenance.code_state(),
        "libraries": provenance.library_versions(),
    }


def _notes(source: VideoSource, judge: Judge, tally: Tally) -> list[str]:
    left = source.left.sentence(all_kinds=False)
    notes = [f"{source.name}: {left}"] if left else []
    if tally.cut:
        notes.append(f"{tally.cut} captions are longer than the text tower reads; it saw no end.")
    unverified = [name for name, found in judge.describe().items() if not found["published"]]
    if unverified:
        notes.append(f"weights of {', '.join(unverified)} are not the published file: -unverified.")
    return notes


def _none_kept(known: Mapping[str, VideoScores], choices: FilterChoices, files: Files) -> str:
    best = [
        f"{option} {least:g} (the highest score is "
        f"{max(getattr(scores.found, name) for scores in known.values()):g})"
        for option, name, least in (
            ("--min-clip", "clip", choices.min_clip),
            ("--min-aesthetic", "aesthetic", choices.min_aesthetic),
        )
        if least is not None
    ]
    return (
        f"none of {len(known)} videos reaches {' and '.join(best)}; {files.kept} is empty. Lower "
        f"the thresholds: the scores in {files.scores} are used again"
    )
