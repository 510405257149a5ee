"""Precision, recall, density and coverage: how far two sets of features lie within each other.

Axes: N generated rows, M reference rows, D feature dimension, k neighbours.

Every row carries a ball that reaches to its k-th nearest neighbour in its own set.

    precision  share of generated rows in a ball of some reference row
    recall     share of reference rows in a ball of some generated row
    density    balls of reference rows that hold a generated row, on average, over k
    coverage   share of reference rows whose ball holds a generated row

Distances come from scalar products of centred rows, block by block. Where rounding of these could
decide on which side of a ball's surface a row lies, the distance is computed anew from the
difference, so ties and repeated rows count as they do in exact arithmetic.

References: Kynkäänniemi et al. (2019), Eq. 1 and 2, with rows on the surface inside, as in
toshas/torch-fidelity; Naeem et al. (2020), Eq. 3 to 5, with rows on the surface outside, as in
clovaai/generative-evaluation-prdc, whose precision and recall leave them out too: `k5` follows each
paper, `k5-open` the package. They part where rows repeat.
"""

import re
from dataclasses import dataclass

import numpy as np

from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.metrics.sample_floor import SmallSampleError

_NAME = re.compile(r"k([1-9][0-9]{0,5})(-open)?")

_BLOCK = 1024
"""Rows of either side whose distances are held at once: 8 MiB."""

_ROUNDING = 64 * float(np.finfo(np.float64).eps)
"""Error of a squared distance, as a share of the larger squared lengths, that is never exceeded in
practice: sums of D products err by about epsilon √D / 2 of the lengths, and D = 4096 gives 32."""

_PAIRS = 4096
"""Doubtful pairs computed anew at once."""


@dataclass(frozen=True)
class Prdc:
    """Shares in [0, 1], except density, which is 0 or more and about 1 for one distribution."""

    precision: float
    recall: float
    density: float
    coverage: float


def neighbours(name: str) -> int:
    """k of a token such as `k5` or `k5-open`.

    Raises:
        UsageError: not such a token.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise UsageError(
            f"estimator {name!r}: use k and a number of neighbours, such as k5 or k5-open"
        )
    return int(match[1])


def has_open_balls(name: str) -> bool:
    """Whether a row on the surface of a ball is outside it for precision and recall too."""
    return name.endswith("-open")


def prdc(generated: np.ndarray, reference: np.ndarray, k: int, *, open_balls: bool = False) -> Prdc:
    """The four shares.

    Args:
        generated, reference: (N, D) and (M, D), float32 or float64; compared in float64.
        k: neighbours that a ball reaches to, the row itself not counted.
        open_balls: a row on the surface is outside for precision and recall too, as in the package
            `prdc`; density and coverage always leave it out.

    Raises:
        SmallSampleError: a side has no k neighbours.
        PyocoEvalError: features of different D, or not finite.
    """
    for rows in (generated, reference):
        if rows.ndim != 2 or not np.isfinite(rows).all():
            raise PyocoEvalError(f"features {rows.shape} must be (N, D) without NaN or infinity")
    if generated.shape[1] != reference.shape[1]:
        raise PyocoEvalError(
            f"features of {generated.shape[1]} and {reference.shape[1]} dimensions have no distance"
        )
    if min(len(generated), len(reference)) <= k:
        raise SmallSampleError(
            f"{len(generated)} generated and {len(reference)} reference feature rows are too few: "
            f"every row needs {k} neighbours on its own side. Give more videos or a smaller k"
        )
    # Distances do not depend on the origin; their rounding does.
    origin = reference.mean(axis=0, dtype=np.float64)
    ours, theirs = (rows.astype(np.float64) - origin for rows in (generated, reference))
    our_radii, their_radii = (_squared_radii(rows, k) for rows in (ours, theirs))
    precise = np.zeros(len(ours), bool)
    recalled, covered = (np.zeros(len(theirs), bool) for _ in range(2))
    balls = 0
    for i in range(0, len(ours), _BLOCK):
        for j in range(0, len(theirs), _BLOCK):
            here, there = slice(i, i + _BLOCK), slice(j, j + _BLOCK)
            rows, others = ours[here], theirs[there]
            squared, error = _squared_distances(rows, others)
            radii = np.broadcast_to(their_radii[there], squared.shape)
            inside, surface = _compare(rows, others, squared, radii, error)
            precise[here] |= (inside if open_balls else inside | surface).any(axis=1)
            covered[there] |= inside.any(axis=0)
            balls += int(np.count_nonzero(inside))
            radii = np.broadcast_to(our_radii[here, None], squared.shape)
            inside, surface = _compare(rows, others, squared, radii, error)
            recalled[there] |= (inside if open_balls else inside | surface).any(axis=0)
    return Prdc(
        precision=float(precise.mean()),
        recall=float(recalled.mean()),
        density=balls / (k * len(ours)),
        coverage=float(covered.mean()),
    )


def _squared_distances(rows: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, m) squared distances by scalar products, and (n, 1) bounds of their rounding."""
    lengths, other_lengths = (np.einsum("id,id->i", x, x) for x in (rows, others))
    squared = rows @ others.T
    squared *= -2
    squared += lengths[:, None]
    squared += other_lengths
    return squared, _ROUNDING * (lengths[:, None] + other_lengths.max())


def _compare(
    rows: np.ndarray,
    others: np.ndarray,
    squared: np.ndarray,
    radii: np.ndarray,
    error: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """(n, m) which pairs are closer than the squared radius, and which as close exactly."""
    excess = squared - radii
    inside = excess < 0
    surface = np.zeros_like(inside)
    np.abs(excess, out=excess)
    doubtful = np.nonzero(excess <= error)
    for start in range(0, len(doubtful[0]), _PAIRS):
        i, j = (indices[start : start + _PAIRS] for indices in doubtful)
        difference = rows[i] - others[j]
        exact = np.einsum("pd,pd->p", difference, difference)
        inside[i, j] = exact < radii[i, j]
        surface[i, j] = exact == radii[i, j]
    return inside, surface


def _squared_radii(rows: np.ndarray, k: int) -> np.ndarray:
    """(N,) squared distance of each row to its k-th nearest neighbour in the same set."""
    radii = np.empty(len(rows))
    for i in range(0, len(rows), _BLOCK):
        block = rows[i : i + _BLOCK]
        near = np.empty((len(block), 0))
        indices = np.empty((len(block), 0), np.intp)
        for j in range(0, len(rows), _BLOCK):
            squared, _ = _squared_distances(block, rows[j : j + _BLOCK])
            if i == j:
                np.fill_diagonal(squared, -np.inf)  # the row itself is always among the nearest
            columns = np.arange(j, j + squared.shape[1])
            near = np.concatenate([near, squared], axis=1)
            indices = np.concatenate([indices, np.broadcast_to(columns, squared.shape)], axis=1)
            if near.shape[1] > k + 1:
                nearest = np.argpartition(near, k, axis=1)[:, : k + 1]
                near = np.take_along_axis(near, nearest, axis=1)
                indices = np.take_along_axis(indices, nearest, axis=1)
        for start in range(0, len(block), _PAIRS // (k + 1) + 1):
            chosen = slice(start, start + _PAIRS // (k + 1) + 1)
            difference = block[chosen, None] - rows[indices[chosen]]
            exact = np.einsum("nkd,nkd->nk", difference, difference)
            radii[i : i + _BLOCK][chosen] = exact.max(axis=1)
    return radii
