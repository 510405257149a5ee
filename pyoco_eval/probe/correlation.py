"""How alike noise maps are: cosine similarity within and between videos, with intervals.

Axes: V videos, T frames of a video, D numbers in a noise map, R resamples.

Everything follows from cosines of pairs of frames: T x T of them within every video, and all of
them among the frames of some videos. Videos are the independent units: intervals come from a
bootstrap that draws whole videos, so the many pairs of one video never count as many witnesses.

References: Ge et al., Preserve Your Own Correlation (2023), Table 1; Davison and Hinkley,
Bootstrap Methods and their Application (1997), §3.8 (cluster bootstrap), §4.3 (permutation tests).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pyoco_eval.errors import UsageError

FEW_VIDEOS = 10
"""Below this number of videos, bootstrap intervals are visibly too narrow."""

_RETRIES = 1000
_DRAWN_AT_ONCE = 1 << 22
"""Numbers in the table of who is drawn how often: 32 MiB."""


@dataclass(frozen=True)
class PairCorrelation:
    """Mean and standard deviation over pairs, with the interval of the mean over videos.

    Attributes:
        mean, std: over all pairs of frames, as Table 1 of the paper gives them.
        interval: (low, high) of the mean, of a bootstrap over videos.
        num_pairs: how many pairs.
    """

    mean: float
    std: float
    interval: tuple[float, float]
    num_pairs: int


@dataclass(frozen=True)
class Null:
    """Same-video similarity after frames were dealt to videos at random.

    Attributes:
        mean, std: over shuffles, of the mean within a made-up video.
        interval: where the level's share of shuffles lies.
        p_value: share of shuffles at least as similar as what was measured, the measurement itself
            counted as one of them.
        num_shuffles: how many.
    """

    mean: float
    std: float
    interval: tuple[float, float]
    p_value: float
    num_shuffles: int


@dataclass(frozen=True)
class Similarity:
    """Table 1 of the paper, and what it rests on.

    Attributes:
        same: pairs of frames of one video.
        different: pairs of frames of two videos.
        excess: interval of the mean of `same` less that of `different`.
        null: of `same` under shuffled frames.
        by_distance: (T-1,) mean similarity of frames 1, 2, … apart.
        by_distance_interval: (2, T-1) low and high.
        by_distance_resampled: (R, T-1) the means of every bootstrap sample.
        frame_correlation: (T, T) mean over videos, positive semidefinite with unit diagonal.
        num_videos, num_frames: V and T.
        num_videos_between: videos whose frames were compared with those of others.
        level: nominal confidence of every interval.
    """

    same: PairCorrelation
    different: PairCorrelation
    excess: tuple[float, float]
    null: Null
    by_distance: np.ndarray
    by_distance_interval: np.ndarray
    by_distance_resampled: np.ndarray
    frame_correlation: np.ndarray
    num_videos: int
    num_frames: int
    num_videos_between: int
    level: float


def frame_cosines(maps: np.ndarray) -> np.ndarray:
    """Cosine similarity of every pair of noise maps.

    Args:
        maps: (T, ...) noise maps.

    Returns:
        float64 (T, T), symmetric, ones on the diagonal.
    """
    unit = _unit_rows(maps.astype(np.float64))
    cosines: np.ndarray = unit @ unit.T
    np.fill_diagonal(cosines, 1)
    return cosines


def cosines_among(
    load: Callable[[int], np.ndarray], videos: Sequence[int], block: int = 16
) -> np.ndarray:
    """Cosine similarity of all frames of some videos, reading `block` videos at a time.

    Args:
        load: number of a video -> its noise maps (T, ...).
        videos: whose frames to compare.

    Returns:
        float32 (V, T, V, T).
    """
    frames = len(load(videos[0]))
    whole = np.empty((len(videos) * frames,) * 2, np.float32)
    for start in range(0, len(videos), block):
        ours = _load_units(load, videos[start : start + block])
        rows = slice(start * frames, start * frames + len(ours))
        whole[rows, rows] = ours @ ours.T
        for other in range(start + block, len(videos), block):
            theirs = _load_units(load, videos[other : other + block])
            columns = slice(other * frames, other * frames + len(theirs))
            whole[rows, columns] = ours @ theirs.T
            whole[columns, rows] = whole[rows, columns].T
    return whole.reshape(len(videos), frames, len(videos), frames)


def measure_similarity(
    within: np.ndarray,
    among: np.ndarray,
    compared: Sequence[int],
    *,
    num_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Similarity:
    """Table 1 with intervals and null, and similarity against frame distance.

    Args:
        within: (V, T, T) cosines of the frames of every video.
        among: (S, T, S, T) cosines of all frames of S videos.
        compared: (S,) which of the V videos they are.
        num_resamples: bootstrap samples, and shuffles of the null.
        level: nominal confidence, in (0, 1).
        seed: of the draws.

    Raises:
        UsageError: fewer than two videos or two frames, or arguments out of range.
    """
    videos, frames = within.shape[:2]
    if videos < 2 or len(compared) < 2 or frames < 2:
        raise UsageError(
            f"{videos} videos of {frames} frames: a comparison within and between videos needs "
            "two of each"
        )
    if num_resamples < 20 or not 0 < level < 1:
        raise UsageError(f"{num_resamples} resamples at level {level}: use 20 or more, level < 1")
    rng = np.random.Generator(np.random.PCG64(seed))
    upper = np.triu_indices(frames, 1)
    pairs = within[:, upper[0], upper[1]]  # (V, T (T-1) / 2)
    between = among.astype(np.float64).sum((1, 3))  # (S, S)
    squares = np.einsum("atbs,atbs->ab", among, among, dtype=np.float64)
    others = ~np.eye(len(compared), dtype=bool)
    num_between = others.sum() // 2 * frames**2

    off_diagonal, per_video = np.where(others, between, 0), pairs.mean(1)
    lags = _by_distance(within)  # (V, T-1)
    same, different = np.empty(num_resamples), np.empty(num_resamples)
    resampled = np.empty((num_resamples, frames - 1))
    block = max(1, _DRAWN_AT_ONCE // videos)
    for start in range(0, num_resamples, block):
        part = slice(start, min(start + block, num_resamples))
        weights = _draw_videos(rng, videos, compared, part.stop - part.start)
        drawn = weights[:, compared]
        total = ((drawn @ off_diagonal) * drawn).sum(1)
        different[part] = total / (drawn.sum(1) ** 2 - (drawn**2).sum(1)) / frames**2
        same[part] = weights @ per_video / videos
        resampled[part] = weights @ lags / videos
    mean_between = between[others].mean() / frames**2
    variance_between = squares[others].mean() / frames**2 - mean_between**2
    return Similarity(
        same=PairCorrelation(
            float(pairs.mean()), float(pairs.std()), _interval(same, level), int(pairs.size)
        ),
        different=PairCorrelation(
            float(mean_between),
            float(np.sqrt(max(variance_between, 0))),
            _interval(different, level),
            int(num_between),
        ),
        excess=_interval(same - different, level),
        null=_null(among, num_resamples, level, rng),
        by_distance=lags.mean(0),
        by_distance_interval=np.stack(_bounds(resampled, level)),
        by_distance_resampled=resampled,
        frame_correlation=within.mean(0),
        num_videos=videos,
        num_frames=frames,
        num_videos_between=len(compared),
        level=level,
    )


def _draw_videos(
    rng: np.random.Generator, videos: int, compared: Sequence[int], num_resamples: int
) -> np.ndarray:
    """(R, V) how often every video is drawn; at least two of the compared ones each time."""
    chance = np.full(videos, 1 / videos)
    weights = rng.multinomial(videos, chance, num_resamples)
    for _ in range(_RETRIES):
        poor = np.count_nonzero(weights[:, compared], axis=1) < 2
        if not poor.any():
            break
        weights[poor] = rng.multinomial(videos, chance, int(poor.sum()))
    return weights.astype(np.float64)


def _by_distance(within: np.ndarray) -> np.ndarray:
    """(V, T-1) mean cosine of the frames 1, 2, … apart."""
    frames = within.shape[1]
    return np.stack(
        [np.diagonal(within, d, axis1=1, axis2=2).mean(1) for d in range(1, frames)], axis=1
    )


def _null(among: np.ndarray, num_shuffles: int, level: float, rng: np.random.Generator) -> Null:
    videos, frames = among.shape[:2]
    flat = among.reshape(videos * frames, videos * frames)
    first, second = np.triu_indices(frames, 1)

    def mean_within(order: np.ndarray) -> float:
        dealt = order.reshape(videos, frames)
        return float(flat[dealt[:, first], dealt[:, second]].mean(dtype=np.float64))

    measured = mean_within(np.arange(videos * frames))
    shuffled = np.array(
        [mean_within(rng.permutation(videos * frames)) for _ in range(num_shuffles)]
    )
    return Null(
        mean=float(shuffled.mean()),
        std=float(shuffled.std()),
        interval=_interval(shuffled, level),
        p_value=float((1 + (shuffled >= measured).sum()) / (1 + num_shuffles)),
        num_shuffles=num_shuffles,
    )


def _bounds(values: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def _interval(values: np.ndarray, level: float) -> tuple[float, float]:
    low, high = _bounds(values, level)
    return float(low), float(high)


def _load_units(load: Callable[[int], np.ndarray], videos: Sequence[int]) -> np.ndarray:
    return np.concatenate([_unit_rows(load(video).astype(np.float32)) for video in videos])


def _unit_rows(maps: np.ndarray) -> np.ndarray:
    """(T, D) rows of length one; a map of zeros has no direction and is similar to none."""
    rows = maps.reshape(len(maps), -1)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)
