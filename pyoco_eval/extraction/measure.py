"""From a source of videos to one side per network, in one pass shared among all processes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pyoco_eval.devices import arithmetic
from pyoco_eval.errors import UsageError
from pyoco_eval.extraction.decode_pass import Pass, run_pass
from pyoco_eval.extraction.feature_store import FeatureStore
from pyoco_eval.extraction.feeding.row_queue import NetworkInput
from pyoco_eval.extraction.gather import Share, ShareFeatures, gather_shares
from pyoco_eval.extraction.measured_set import MeasuredSet
from pyoco_eval.extraction.networks import Network
from pyoco_eval.extraction.options import Options
from pyoco_eval.extraction.rank_check import (
    require_one_place,
    require_own_videos,
    require_same_call,
)
from pyoco_eval.features.base import FeatureExtractor
from pyoco_eval.peers import SharedStage
from pyoco_eval.processes import processes
from pyoco_eval.progress import Progress, Silent
from pyoco_eval.statistics.files import FeatureSet
from pyoco_eval.statistics.moments import MomentsAccumulator
from pyoco_eval.videos.readers.array_reader import Levels
from pyoco_eval.videos.source import VideoSource


@dataclass(frozen=True)
class FeatureRequest:
    """What a pass should produce for one network: its rows, or else only their moments."""

    network: Network
    extractor: FeatureExtractor
    keep_rows: bool


class RowCollector:
    """Keeps every row, in order."""

    def __init__(self) -> None:
        self._blocks: list[np.ndarray] = []

    def add(self, position: int, rows: np.ndarray) -> None:
        """Rows (n, D) of the video at `position`, which is the next one."""
        assert position == len(self._blocks)
        self._blocks.append(rows)

    def rows(self) -> np.ndarray:
        """(N, D) of all videos, in their order."""
        return np.concatenate(self._blocks)

    def rows_per_video(self) -> list[int]:
        """How many rows each video brought."""
        return [len(block) for block in self._blocks]


def measure(
    source: VideoSource,
    requests: Sequence[FeatureRequest],
    options: Options,
    progress: Progress,
    title: str,
    *,
    everywhere: bool = False,
    held: bool = False,
) -> list[MeasuredSet]:
    """Decode `source` once and return one side per request, in order.

    Under `torchrun` every process takes its share of the videos. The sides are returned on process
    0, or on all with `everywhere`; elsewhere the list is empty.

    Args:
        held: every process has videos of its own, in memory; all of them are measured.

    Raises:
        UnusableVideosError: videos that cannot be scored, of all processes at once.
        UsageError: processes that do not make the same call, hold a video twice or see other ones.
        PeerError: another process failed or died.
    """
    group = processes()
    held = held and group.size > 1
    if held and options.keep_features is not None:
        raise UsageError("--keep-features: videos in the memory of several processes are not kept")
    recipes = [_recipe(request, source, options) for request in requests]
    planned = [planned_recipe(r.network, r.extractor, options) for r in requests]
    require_same_call({"videos": title, "in memory": held, "recipe": planned}, group)
    if held:
        require_own_videos(source, group, options.num_workers())
    else:
        require_one_place(source, group)
    total = group.total(len(source)) if held else len(source)
    chosen = range(len(source)) if held else group.share(len(source))
    ids = [video.id for video in source]
    taps, collected = [], []
    for request, recipe in zip(requests, recipes, strict=True):
        collector = (
            RowCollector() if request.keep_rows else MomentsAccumulator(request.extractor.spec.dim)
        )
        store = None
        if options.keep_features is not None:
            with_decoder = recipe | {"dec": source.decoder_label()}
            store = FeatureStore(options.keep_features, source.name, ids, with_decoder)
            store.begin_at(chosen.start)
        row_ids: list[str] | None = [] if request.keep_rows else None
        pixels = request.network.pixels
        taps.append(NetworkInput(request.extractor, [collector], pixels, store, row_ids))
        collected.append(collector)
    shown = progress if group.is_main else Silent()
    with shown.stage(title, total) as stage:
        counter = SharedStage(stage, group)
        found = run_pass(source, taps, options, chosen=chosen, on_video=counter.advance)
        part = Share(
            found, () if _failed(found, options) else _pieces(taps, collected, len(chosen))
        )
        if held:
            part = part.of_process(group.rank)
        parts = gather_shares(part, group, everywhere=everywhere)
        counter.show(total)
    if not parts:
        return []
    whole = Pass()
    for part in parts:
        whole.merge(part.found)
    whole.settle(total, options)
    return [
        _side(source, total, recipe, whole, ShareFeatures.join(pieces), options)
        for recipe, pieces in zip(
            recipes, zip(*(p.pieces for p in parts), strict=True), strict=True
        )
    ]


def planned_recipe(
    network: Network, extractor: FeatureExtractor, options: Options
) -> dict[str, str]:
    """The part of the recipe that is known before any video is opened."""
    spec = extractor.spec
    steps = [options.pre_resize, spec.resize]
    weights = spec.weights.short + ("" if spec.weights.published else "-unverified")
    variant = f"-{spec.variant}" if spec.variant else ""
    recipe = {
        "net": f"{spec.name}-{spec.network}{variant}-{spec.layer}@{weights}",
        "conv": network.conv,
        "clip": options.clip.signed(),
        "frames": ">".join(step.spec() for step in steps if step is not None),
        "scale": spec.scaling,
        "prec": arithmetic(options.precision, extractor.device),
        "rgb": network.pixels,
    }
    if extractor.kind == "image":
        recipe["sel"] = options.frames.spec()
    stated = Levels.parse(options.value_range, options.quantise, options.layout).label()
    if stated is not None:
        recipe["input"] = stated
    return recipe


def _recipe(request: FeatureRequest, source: VideoSource, options: Options) -> dict[str, str]:
    """The planned recipe, completed by what the videos are stored as."""
    recipe = planned_recipe(request.network, request.extractor, options)
    label = source.rgb_label(request.network.pixels)
    del recipe["rgb"]
    return recipe if label is None else recipe | {"rgb": label}


def _failed(found: Pass, options: Options) -> bool:
    return bool(found.failures) and options.on_error == "error"


def _pieces(
    taps: Sequence[NetworkInput],
    collected: Sequence[RowCollector | MomentsAccumulator],
    num_videos: int,
) -> tuple[ShareFeatures, ...]:
    pieces = []
    for tap, collector in zip(taps, collected, strict=True):
        if isinstance(collector, MomentsAccumulator):
            pieces.append(ShareFeatures(moments=collector.finish(num_videos)))
            continue
        rows = collector.rows() if num_videos else np.empty((0, tap.extractor.spec.dim), np.float32)
        per_video, ids = tuple(collector.rows_per_video()), tuple(tap.row_ids or ())
        pieces.append(ShareFeatures(rows=rows, rows_per_video=per_video, ids=ids))
    return tuple(pieces)


def _side(
    source: VideoSource,
    total: int,
    recipe: dict[str, str],
    found: Pass,
    piece: ShareFeatures,
    options: Options,
) -> MeasuredSet:
    features = None if piece.rows is None else FeatureSet(piece.rows, piece.ids, {})
    recipe = recipe | {"size": found.size_label(), "dec": source.decoder_label()}
    if options.clip.short == "loop" and not found.num_looped:
        recipe["clip"] = recipe["clip"].removesuffix("-loop")
    for key, value in (("pics", source.decision.label()), ("left", source.left.label())):
        if value is not None:
            recipe[key] = value
    if found.num_timed:
        recipe["times"] = f"{found.num_timed}of{total}"
    if found.skipped:
        recipe["skip"] = f"{len(found.skipped)}of{total}"
    captions = tuple(getattr(video, "caption", None) for video in source)
    groups = tuple(getattr(video, "group", None) for video in source)
    return MeasuredSet(
        name=source.name,
        digest=found.digest(),
        recipe=recipe,
        count=len(piece.ids) if piece.moments is None else piece.moments.count,
        num_videos=found.num_videos,
        moments=piece.moments,
        features=features,
        rows_per_video=piece.rows_per_video,
        skipped=found.skipped,
        files=dict(sorted(found.digests.items())),
        captions=captions if any(captions) else (),
        notes=_notes(source, total, found),
        groups=groups if any(groups) else (),
    )


def _notes(source: VideoSource, total: int, found: Pass) -> tuple[str, ...]:
    """What was decided about the files without the user's word."""
    clipped = ""
    if found.num_clipped:
        clipped = (
            f"{found.num_clipped} of {total} hold values a rounding error outside their "
            "range, which were clipped to it."
        )
    told = (source.decision.note, source.left.sentence(all_kinds=False), clipped)
    return tuple(f"{source.name}: {note}" for note in told if note)
