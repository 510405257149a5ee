"""Which clips to show: nearest to the reference, farthest from it, and drawn at random.

Axes: N generated rows, M reference rows, D feature dimension.

The distance of a generated row is the Euclidean one to its nearest reference row, in the feature
space of the network that made both. A very near clip may be a copy of its neighbour, which is
therefore named; a very far one is unlike everything in the reference.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from pyoco_eval.errors import PyocoEvalError, UsageError

Role = Literal["nearest", "farthest", "random"]

ROLES: Final[tuple[Role, ...]] = ("nearest", "farthest", "random")
_BLOCK = 1024
"""Rows of either side whose distances are held at once: 8 MiB."""


@dataclass(frozen=True)
class Choice:
    """One clip of the gallery.

    Attributes:
        id: of the generated video.
        role: why it is shown.
        distance: to the nearest reference row, the mean over the video's rows; None where no
            reference rows are at hand.
        neighbour: id of the reference video nearest to the nearest of its rows, None likewise.
    """

    id: str
    role: Role
    distance: float | None = None
    neighbour: str | None = None


def choose_clips(
    ids: Sequence[str],
    features: np.ndarray | None = None,
    reference: np.ndarray | None = None,
    reference_ids: Sequence[str] | None = None,
    *,
    num: int = 8,
    seed: int = 0,
) -> list[Choice]:
    """Choose `num` clips of each role; with features missing, random ones alone.

    Args:
        ids: the video of every generated row; a video with several rows (clips, frames) is one.
        features: (N, D), a row for every id.
        reference: (M, D) rows of the same network.
        reference_ids: the video of every reference row.
        num: clips of each role, fewer where fewer videos are there. Nearest and farthest do not
            overlap: of few videos each gets half.
        seed: of the random ones, which are drawn from all videos, the others' among them.

    Returns:
        Nearest (the nearest first), farthest (the farthest first), random (in order of ids).

    Raises:
        UsageError: `num` below 1, or only one side's features.
        PyocoEvalError: shapes do not fit, or features are not finite.
    """
    if num < 1:
        raise UsageError(f"a gallery of {num} clips is none: give 1 or more")
    if (features is None) != (reference is None):
        raise UsageError("distances need the features of both sides")
    videos = list(dict.fromkeys(ids))
    picked = np.random.default_rng(seed).permutation(len(videos))[:num]
    distances: dict[str, float] = {}
    neighbours: dict[str, str | None] = {}
    chosen: list[Choice] = []
    if features is not None and reference is not None:
        distances, neighbours = _by_video(ids, features, reference, reference_ids)
        ranked = sorted(videos, key=lambda video: distances[video])
        each = min(num, (len(ranked) + 1) // 2)
        far = [video for video in reversed(ranked) if video not in ranked[:each]][:each]
        for role, group in (("nearest", ranked[:each]), ("farthest", far)):
            chosen += [
                Choice(video, role, distances[video], neighbours[video])  # type: ignore[arg-type]
                for video in group
            ]
    chosen += [
        Choice(videos[i], "random", distances.get(videos[i]), neighbours.get(videos[i]))
        for i in sorted(picked)
    ]
    return chosen


def nearest_rows(features: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each row's distance to its nearest reference row, and that row's index.

    Args:
        features, reference: (N, D) and (M, D), M at least 1; compared in float64.

    Returns:
        (N,) float64 distances, computed from differences, and (N,) indices.

    Raises:
        PyocoEvalError: other shapes, or features that are not finite.
    """
    for rows in (features, reference):
        if rows.ndim != 2 or not len(rows) or not np.isfinite(rows).all():
            raise PyocoEvalError(f"features {rows.shape} must be (N, D) without NaN or infinity")
    if features.shape[1] != reference.shape[1]:
        raise PyocoEvalError(
            f"features of {features.shape[1]} and {reference.shape[1]} dimensions have no "
            "distance: give rows of one network"
        )
    # Distances do not depend on the origin; their rounding does.
    origin = reference.mean(axis=0, dtype=np.float64)
    theirs = reference.astype(np.float64) - origin
    lengths = np.einsum("md,md->m", theirs, theirs)
    distances = np.empty(len(features))
    indices = np.empty(len(features), np.intp)
    for start in range(0, len(features), _BLOCK):
        ours = features[start : start + _BLOCK].astype(np.float64) - origin
        least = np.full(len(ours), np.inf)
        found = np.zeros(len(ours), np.intp)
        for j in range(0, len(theirs), _BLOCK):
            # |a - b|² less the constant |a|²
            excess = lengths[j : j + _BLOCK] - 2 * (ours @ theirs[j : j + _BLOCK].T)
            best = excess.argmin(axis=1)
            values = excess[np.arange(len(ours)), best]
            closer = values < least
            least[closer], found[closer] = values[closer], best[closer] + j
        distances[start : start + _BLOCK] = np.linalg.norm(ours - theirs[found], axis=1)
        indices[start : start + _BLOCK] = found
    return distances, indices


def _by_video(
    ids: Sequence[str],
    features: np.ndarray,
    reference: np.ndarray,
    reference_ids: Sequence[str] | None,
) -> tuple[dict[str, float], dict[str, str | None]]:
    if len(features) != len(ids):
        raise PyocoEvalError(f"{len(features)} feature rows do not fit {len(ids)} ids")
    if reference_ids is not None and len(reference_ids) != len(reference):
        raise PyocoEvalError(f"{len(reference)} reference rows do not fit {len(reference_ids)} ids")
    distances, indices = nearest_rows(features, reference)
    rows: dict[str, list[int]] = {}
    for row, video in enumerate(ids):
        rows.setdefault(video, []).append(row)
    means, neighbours = {}, {}
    for video, own in rows.items():
        means[video] = float(distances[own].mean())
        closest = own[int(distances[own].argmin())]
        neighbours[video] = None if reference_ids is None else reference_ids[indices[closest]]
    return means, neighbours
