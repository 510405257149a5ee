"""Rows that resemble each other count for fewer: intra-class correlation and design effect.

Axes: N rows, D feature dimension, G groups.

Clips of one source video, seeds of one prompt and frames of one video are drawn together. For the
spread of a mean, N rows in groups of m with correlation rho within groups are worth N / (1 +
(m - 1) rho) independent ones.

References: Kish (1965), design effect; Searle, Casella and McCulloch (1992), Sec. 3.6, analysis of
variance for groups of unequal size.
"""

import numpy as np

_NEIGHBOURS = (8, 12)
"""Lags at which rows are no longer clips of one source, but still of one class where a list is
sorted by class: only what is alike at lag 1 beyond that counts."""

_DEVIATIONS = 6
"""How many standard errors an unexplained correlation must exceed to be told."""


def intraclass_correlation(rows: np.ndarray, group: np.ndarray) -> float:
    """Share of the total variance (of all D features together) that lies between groups.

    Args:
        rows: (N, D).
        group: (N,) numbers of the groups, 0 to G - 1.

    Returns:
        At most 1; 0 where every row, or no row, is a group of its own; slightly negative by chance.
    """
    counts = np.bincount(group).astype(np.float64)
    num_rows, num_groups = len(rows), len(counts)
    if not 1 < num_groups < num_rows:
        return 0.0
    centred = rows - rows.mean(axis=0)
    order = np.argsort(group, kind="stable")
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.intp)
    sums = np.add.reduceat(centred[order], starts, axis=0)
    between = float(np.sum(np.square(sums) / counts[:, None]))
    within = float(np.vdot(centred, centred)) - between
    mean_between = between / (num_groups - 1)
    mean_within = max(within, 0.0) / (num_rows - num_groups)
    typical = (num_rows - float(np.sum(counts**2)) / num_rows) / (num_groups - 1)
    total = mean_between + (typical - 1) * mean_within
    return (mean_between - mean_within) / total if total > 0 else 0.0


def design_effect(rows: np.ndarray, group: np.ndarray) -> float:
    """How many times more the mean of the rows varies than that of independent ones; 1 or more.

    Args:
        rows, group: as in `intraclass_correlation`.
    """
    counts = np.bincount(group).astype(np.float64)
    size = float(np.sum(counts**2) / np.sum(counts))  # of the group of a typical row
    return max(1.0, 1 + (size - 1) * intraclass_correlation(rows, group))


def effective_rows(rows: np.ndarray, group: np.ndarray) -> float:
    """As many independent rows would vary as much."""
    return len(rows) / design_effect(rows, group)


def is_dependent(rows: np.ndarray, group: np.ndarray, least: float = 0.1) -> bool:
    """Whether rows of one group resemble each other more than `least` and more than by chance."""
    found = intraclass_correlation(rows, group)
    counts = np.bincount(group).astype(np.float64)
    pairs = float(np.sum(counts * (counts - 1))) / 2
    return found > max(least, _DEVIATIONS / np.sqrt(pairs * _spread_of(rows))) if pairs else False


def neighbour_correlation(rows: np.ndarray) -> float | None:
    """How much more rows resemble the next one than one a little further on, as a correlation.

    Returns:
        None if it is no more than chance explains, or rows are too few to tell.
    """
    if len(rows) < 64:
        return None
    centred = rows - rows.mean(axis=0)
    total = float(np.vdot(centred, centred)) / len(rows)
    if total == 0:
        return None
    near, *far = (
        float(np.einsum("nd,nd->", centred[:-lag], centred[lag:])) / (len(rows) - lag) / total
        for lag in (1, *range(*_NEIGHBOURS))
    )
    excess = near - float(np.mean(far))
    chance = _DEVIATIONS / np.sqrt(len(rows) * _spread_of(rows))
    return excess if excess > chance else None


def _spread_of(rows: np.ndarray) -> float:
    """Over how many dimensions the variance is spread: (tr S)² / tr S², 1 to D."""
    centred = rows - rows.mean(axis=0)
    wide = centred if len(rows) >= rows.shape[1] else centred.T
    scatter = wide.T @ wide
    squares = float(np.vdot(scatter, scatter))
    return float(np.trace(scatter)) ** 2 / squares if squares > 0 else 1.0
