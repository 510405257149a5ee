"""What a report shows beside the scores: curves, classes one by one, clips to look at.

Axes: N generated rows, M reference rows, D feature dimension, K classes.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from pyoco_eval.extraction.extract_features import extract_features
from pyoco_eval.extraction.measured_set import MeasuredSet
from pyoco_eval.extraction.networks import sees_frames
from pyoco_eval.metrics.conventions import CONVENTIONS
from pyoco_eval.processes import processes
from pyoco_eval.progress import Progress
from pyoco_eval.protocol_run.planned_videos import PlannedVideo
from pyoco_eval.protocol_run.score_groups import ScoreGroup
from pyoco_eval.records.record import ScoreRecord
from pyoco_eval.records.results import ClassScore, Curve, CurvePoint, GalleryEntry
from pyoco_eval.report.gallery.choose_clips import choose_clips
from pyoco_eval.videos.source import VideoSource
from pyoco_eval.videos.video import Video
from pyoco_eval.videos.write import write_video

GALLERY_ROWS = 200_000
"""Feature rows of either side up to which a gallery looks for the nearest ones."""


def curve_of(key: str, limit: ScoreRecord) -> Curve:
    """The curve that an extrapolated score carries."""
    extras = limit.extras
    points = [
        CurvePoint(num_rows=int(size), mean=float(mean), std=float(std))
        for size, mean, std in zip(extras["sizes"], extras["mean"], extras["std"], strict=True)
    ]
    return Curve(
        key=key,
        points=points,
        limit=limit.value,
        slope=float(extras["slope"]),
        standard_error=float(extras["standard_error"]),
        signature=limit.signature,
    )


def class_scores(
    source: VideoSource,
    wished: Sequence[PlannedVideo],
    names: Sequence[str],
    group: ScoreGroup,
    convention: str,
    progress: Progress,
) -> list[ClassScore]:
    """How often the classifier of an Inception Score sees the class that was asked for.

    Args:
        source: the scored videos, in order of the wishes.
        names: of the classes, in the order of the classifier's answers.
    """
    side = _features(source, group, convention, progress)
    assert side.features is not None
    logits = side.features.features.astype(np.float64)
    labels = np.array([wish.label for wish in wished])[side.row_groups()]
    if CONVENTIONS[convention].layer == "log-probs":
        probabilities = np.exp(logits)
    else:
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = shifted / shifted.sum(axis=1, keepdims=True)
    return per_class(probabilities, labels, names)


def per_class(
    probabilities: np.ndarray, labels: np.ndarray, names: Sequence[str]
) -> list[ClassScore]:
    """Accuracy and mean probability of every class that occurs.

    Args:
        probabilities: (N, K), rows sum to 1.
        labels: (N,) in 0..K-1, what each row should be.
    """
    found = []
    answers = probabilities.argmax(axis=1)
    for label in np.unique(labels):
        rows = labels == label
        values = {
            "accuracy": float((answers[rows] == label).mean()),
            "probability": float(probabilities[rows, label].mean()),
        }
        name, count = names[int(label)], int(rows.sum())
        found.append(ClassScore(label=int(label), name=name, num_videos=count, values=values))
    return found


def gallery(
    source: VideoSource,
    wished: Sequence[PlannedVideo],
    names: Sequence[str],
    group: ScoreGroup | None,
    convention: str,
    reference: VideoSource | None,
    folder: Path,
    num: int,
    progress: Progress,
) -> tuple[list[GalleryEntry], str | None]:
    """Clips nearest to the reference, farthest from it, and at random; and why not, if so.

    Args:
        group, convention: whose features tell distance; None for random clips alone.
        reference: real videos of that group.
        folder: of the results, to which paths are relative.
        num: clips of each role. Arms of as many videos have the same random ones.
    """
    told = None
    ours = theirs = None
    if group is not None and reference is not None:
        rows = max(len(source), len(reference)) * _rows_of_video(group, convention)
        if rows > GALLERY_ROWS:
            told = f"The gallery shows random clips alone: {rows:,} feature rows are too many."
        else:
            ours = _features(source, group, convention, progress)
            theirs = _features(reference, group, convention, progress, is_reference=True)
    if ours is None or theirs is None or ours.features is None or theirs.features is None:
        choices = choose_clips([video.id for video in source], num=num)
    else:
        choices = choose_clips(
            _videos_of(ours, source),
            ours.features.features,
            theirs.features.features,
            _videos_of(theirs, reference) if reference is not None else None,
            num=num,
        )
    places = {video.id: place for place, video in enumerate(source)}
    real = {video.id: video for video in reference or ()}
    entries = []
    for choice in choices:
        place = places[choice.id]
        video, wish = source[place], wished[place]
        if video.path is None or "#" in video.id:
            continue
        neighbour = real.get(choice.neighbour or "")
        beside = None if neighbour is None else _readable(neighbour, folder)
        entries.append(
            GalleryEntry(
                file=relative(video.path, folder),
                video=choice.id,
                role=choice.role,
                caption=wish.prompt,
                class_name=names[wish.label] if wish.label is not None and names else None,
                distance=choice.distance,
                neighbour=choice.neighbour,
                neighbour_file=None if beside is None else relative(beside, folder),
                index=wish.index,
                seed=wish.seed,
            )
        )
    return entries, told


def _readable(video: Video, folder: Path) -> Path | None:
    """Where a real video can be read; a rendered one is written into the run's folder first."""
    if video.path is not None:
        return video.path if "#" not in video.id else None
    path = folder / "reference" / f"{video.id}.npz"
    if processes().is_main and not path.is_file():
        facts = video.probe()
        frames = video.read(range(facts.header_frames or 1))
        write_video(path, frames)
    return path


def relative(path: Path, folder: Path) -> str:
    """Relative to `folder` for what lies in it, else absolute."""
    whole = path.resolve()
    root = folder.resolve()
    return whole.relative_to(root).as_posix() if whole.is_relative_to(root) else str(whole)


def _features(
    source: VideoSource,
    group: ScoreGroup,
    convention: str,
    progress: Progress,
    *,
    is_reference: bool = False,
) -> MeasuredSet:
    """Rows of every video; those that scoring kept are taken from there."""
    rule, options = CONVENTIONS[convention], group.options
    if is_reference and options.reference_clip is not None:
        options = replace(options, clip=options.reference_clip)
    options = replace(options, reference_clip=None)
    return extract_features(
        source,
        rule.extractor,
        convention=convention,
        layer=rule.layer,
        options=options,
        progress=progress,
    )


def _rows_of_video(group: ScoreGroup, convention: str) -> int:
    frames = sees_frames(CONVENTIONS[convention])
    return group.options.clip.num_frames if frames and group.options.frames.select == "all" else 1


def _videos_of(side: MeasuredSet, source: VideoSource) -> list[str]:
    """The video of every row."""
    return [source[int(place)].id for place in side.row_groups()]
