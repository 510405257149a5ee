"""Building references: one pass over real videos, one stored file per network and recipe."""

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyoco_eval import provenance
from pyoco_eval.atomic import check_writable
from pyoco_eval.datasets.catalogue import KNOWN_SETS, known_set
from pyoco_eval.datasets.dataset import Dataset
from pyoco_eval.datasets.msrvtt import open_msrvtt
from pyoco_eval.datasets.ucf101 import open_ucf101
from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.extraction.measure import FeatureRequest, measure
from pyoco_eval.extraction.measured_set import MeasuredSet
from pyoco_eval.extraction.networks import Network
from pyoco_eval.extraction.open_samples import Samples, open_samples, options_for
from pyoco_eval.extraction.options import Options
from pyoco_eval.extraction.pixel_recipes import with_pixels
from pyoco_eval.locks import LOCK, locked
from pyoco_eval.metrics.catalogue import METRICS
from pyoco_eval.processes import processes
from pyoco_eval.progress import Progress, Silent
from pyoco_eval.references.files import check_name, own_folder
from pyoco_eval.references.find import KNOWN_REFERENCES, SHIPPED
from pyoco_eval.references.recipes import file_name, recipe_differences
from pyoco_eval.scoring.tasks import Networks, Task, rules_of, same_features
from pyoco_eval.statistics.files import FeatureSet, StatisticsFile, kind_of, read_header
from pyoco_eval.videos.source import VideoSource


@dataclass(frozen=True)
class ReferenceVideos:
    """What a reference is built from: `samples` or `data_root`.

    Attributes:
        samples: videos of any kind, for a name of the user's own.
        data_root: a copy of a known dataset.
        split: of the dataset, where the name does not say it.
        split_lists: folder of UCF-101's split lists, where they are not beside the copy.
        annotations: MSR-VTT's annotation file, likewise.
        allow_incomplete: build although the copy is not the published set.
    """

    samples: Samples | None = None
    data_root: Path | None = None
    split: str | None = None
    split_lists: Path | None = None
    annotations: Path | None = None
    allow_incomplete: bool = False


@dataclass(frozen=True)
class Built:
    """One file of a reference.

    Attributes:
        header: what it says of itself.
        is_new: whether it was made now; False if an equal one was there.
    """

    path: Path
    header: Mapping[str, Any]
    is_new: bool


@dataclass(frozen=True)
class _Job:
    """One network's file: what to ask of the pass, under which recipe, written where."""

    request: FeatureRequest
    recipe: Mapping[str, str]
    path: Path


def build_reference(
    name: str,
    videos: ReferenceVideos,
    *,
    metrics: Sequence[str] = ("fvd", "fid", "clip-fid"),
    profile: str = "published",
    conventions: Mapping[str, str] | None = None,
    also_as: Sequence[str] = (),
    keep_rows: bool = False,
    force: bool = False,
    options: Options | None = None,
    progress: Progress | None = None,
) -> list[Built]:
    """Store what `metrics` need of real videos, from one decoding pass.

    Files appear whole or not at all, under `references/NAME` of the user's cache. Until the pass is
    done, feature rows are kept beside them, so that a build that was killed goes on. Under
    `torchrun` process 0 writes and returns; the others return an empty list.

    Args:
        name: of the reference: `ucf101`, `ucf101-train01`, `msrvtt` and such from a copy of that
            dataset, any other name from any videos.
        videos: where they are.
        metrics: those to compare under, which need a reference.
        profile, conventions, also_as: as for `evaluate`.
        keep_rows: store feature rows, which intervals need; otherwise mean and covariance, except
            for metrics of rows (`kvd`, `kid`, `prdc`).
        force: build again although an equal file is there.
        options: how videos become features.
        progress: told about every finished video.

    Raises:
        UsageError: a name that is taken or does not fit, or arguments that do not fit each other.
        PyocoEvalError: the copy of the dataset is not the published set.
        MissingError: weights, a package or split lists are not there.
        UnusableVideosError: videos that cannot be used, all at once.
    """
    options, progress, group = options or Options(), progress or Silent(), processes()
    with group.announcing_failure():
        rules = rules_of(_compared(metrics), profile, conventions or {}, also_as)
        name = set_name(name, videos)
        dataset = _open_dataset(name, videos, options)
        if dataset is None:
            assert videos.samples is not None
            source = open_samples(videos.samples, "--samples", options, rules)
            options = options_for(source, options)
        else:
            source = dataset.videos
        networks = Networks(options)
        tasks = [Task(rule, options, networks) for rule in rules]
        alone = (
            locked(own_folder(name) / LOCK, f"builds {name}") if group.is_main else nullcontext()
        )
        with alone:
            jobs = _jobs(own_folder(name), tasks, source, keep_rows=keep_rows)
            told: dict[str, Any] = {}
            if group.is_main:
                check_writable(jobs[0].path, "PYOCO_EVAL_CACHE")
                told["dataset"] = _facts(dataset, videos, options, progress)
                told["present"] = [not force and _is_present(job, source) for job in jobs]
            told = json.loads(group.broadcast(json.dumps(told).encode() if group.is_main else None))
            waiting = [
                job for job, is_there in zip(jobs, told["present"], strict=True) if not is_there
            ]
            sides: list[MeasuredSet] = []
            parts = own_folder(name) / ".parts"
            if waiting:
                if options.keep_features is None:
                    options = replace(options, keep_features=parts)
                requests = [job.request for job in waiting]
                sides = measure(source, requests, options, progress, f"reference {name}")
            if not group.is_main:
                return []
            for job, side in zip(waiting, sides, strict=True):
                _write(job.path, name, side, told["dataset"])
            if parts.is_dir():
                shutil.rmtree(parts)
            return [Built(job.path, read_header(job.path), is_new=job in waiting) for job in jobs]


def set_name(name: str, videos: ReferenceVideos) -> str:
    """The name a reference is stored under: that given, or that of the split given with it.

    Raises:
        UsageError: a name that is taken or cannot be one, or sources that do not fit it.
    """
    check_name(name)
    if (videos.samples is None) == (videos.data_root is None):
        raise UsageError(
            "give --data-root DIR for a copy of a known dataset, or --samples PATH for other videos"
        )
    if name == SHIPPED:
        raise UsageError(f"{name} is the name of {KNOWN_REFERENCES[name]}; choose another one")
    known = KNOWN_SETS.get(name)
    if known is None and videos.data_root is not None:
        raise UsageError(
            f"--data-root: {name} is no part of a known dataset ({', '.join(KNOWN_SETS)}); give "
            "other videos as --samples"
        )
    if known is not None and videos.samples is not None:
        raise UsageError(
            f"{name} is the name of {known.about}: give a copy of it as --data-root, or choose "
            "another name"
        )
    for option, value, dataset in (
        ("--split", videos.split, ""),
        ("--split-lists", videos.split_lists, "ucf101"),
        ("--annotations", videos.annotations, "msrvtt"),
    ):
        if value is not None and (known is None or (dataset and known.dataset != dataset)):
            raise UsageError(f"{option} {value}: {name} has none")
    if known is None or videos.split is None:
        return name
    found = known_set(known.dataset, videos.split)
    if found != known and known != known_set(known.dataset):
        raise UsageError(f"--split {videos.split}: {name} is another split")
    return found.name


def _compared(metrics: Sequence[str]) -> Sequence[str]:
    """Raises UsageError if one of them has no reference."""
    unsuited = [name for name in metrics if name in METRICS and not METRICS[name].needs_reference]
    if unsuited:
        raise UsageError(
            f"--metrics {','.join(metrics)}: {', '.join(unsuited)} has no reference; use some of "
            f"{', '.join(name for name, row in METRICS.items() if row.needs_reference)}"
        )
    return metrics


def _open_dataset(name: str, videos: ReferenceVideos, options: Options) -> Dataset | None:
    root, known = videos.data_root, KNOWN_SETS.get(name)
    if root is None or known is None:
        return None
    if known.dataset == "ucf101":
        return open_ucf101(
            root, known.split, split_lists=videos.split_lists, decoder=options.decoder
        )
    return open_msrvtt(root, known.split, annotations=videos.annotations, decoder=options.decoder)


def _facts(
    dataset: Dataset | None, videos: ReferenceVideos, options: Options, progress: Progress
) -> dict[str, Any] | None:
    """What the header says of a dataset, once every file of the copy was looked at.

    Raises:
        PyocoEvalError: the copy is not the published set; everything that is wrong at once.
    """
    if dataset is None:
        return None
    with progress.stage(f"checking {dataset.known.name}", len(dataset.videos)) as stage:
        findings = dataset.check(workers=options.num_workers(), on_video=stage.advance)
    hindering = [finding for finding in findings if finding.hinders]
    if hindering and not videos.allow_incomplete:
        lines = "\n".join(f"  {finding}" for finding in findings)
        raise PyocoEvalError(
            f"{dataset.root} is not {dataset.known.about}:\n{lines}\n"
            "Complete it, or build from what is there with --allow-incomplete; every score against "
            "it then says so."
        )
    return {
        "name": dataset.name,
        "split": dataset.split,
        "num_published": dataset.known.num_videos,
        "lists": dict(dataset.lists),
        "is_complete": not hindering,
        "findings": [vars(finding) for finding in findings],
    }


def _jobs(
    folder: Path, tasks: Sequence[Task], source: VideoSource, *, keep_rows: bool
) -> list[_Job]:
    """One for each network, whatever number of metrics share its features."""
    by_network: dict[Network, list[Task]] = {}
    for task in tasks:
        by_network.setdefault(same_features(task.network), []).append(task)
    jobs = []
    for sharing in by_network.values():
        rows = keep_rows or any(task.needs_rows(source) for task in sharing)
        request = FeatureRequest(sharing[0].network, sharing[0].extractor(), keep_rows=rows)
        recipe = sharing[0].recipe(None)
        jobs.append(_Job(request, recipe, folder / file_name(recipe)))
    return jobs


def _is_present(job: _Job, source: VideoSource) -> bool:
    """Whether the file is there, made of these very videos, with rows if they are asked for."""
    kind = kind_of(job.path) if job.path.is_file() else None
    if kind is None or (job.request.keep_rows and kind != "features"):
        return False
    try:
        header = read_header(job.path)
        files, recipe = header.get("files"), header.get("recipe")
        if not isinstance(files, dict) or not isinstance(recipe, dict):
            return False
        is_same = not recipe_differences(job.recipe, with_pixels(recipe))
        ids = {video.id for video in source}
        return is_same and set(files) == ids and files == source.file_digests()
    except PyocoEvalError:
        return False


def _write(path: Path, name: str, side: MeasuredSet, dataset: Mapping[str, Any] | None) -> None:
    header = side.header() | {
        "name": name,
        "source": side.name,
        "signature": str(side.signature()),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "environment": provenance.environment(),
        "code": provenance.code_state(),
    }
    if dataset is not None:
        header["dataset"] = dataset
    if side.features is not None:
        FeatureSet(side.features.features, side.features.ids, header).save(path)
    else:
        StatisticsFile(side.to_moments(), header | {"captions": []}).save(path)
