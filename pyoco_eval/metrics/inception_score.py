"""Inception Score: exp of the mean KL divergence from p(y|x) to p(y), over named splits.

Axes: N samples, K classes.

References: Salimans et al. (2016), Eq. 1; split rules of pfnet-research/tgan2, openai/improved-gan
(sequential), universome/stylegan-v (`10-shuffle42`), toshas/torch-fidelity (`10-permute2020`).
"""

import re
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pyoco_eval.errors import PyocoEvalError, UsageError

_NAME = re.compile(
    r"(?P<count>[1-9][0-9]*)(?:-(?P<order>sequential|shuffle|permute)(?P<seed>[0-9]*))?"
)

_BLOCK = 1024
"""Samples whose probabilities are held at once."""


@dataclass(frozen=True)
class SplitRule:
    """How samples are divided: `1`, `10-sequential`, `10-shuffle42`, `10-permute2020`.

    `shuffle` and `permute` draw from numpy's legacy RandomState, as the tools of that name do:
    shuffling the samples in place, or indexing them by a permutation.
    """

    count: int
    order: str = "sequential"
    seed: int | None = None

    @classmethod
    def parse(cls, name: str) -> "SplitRule":
        """Raises UsageError if `name` is no split rule."""
        match = _NAME.fullmatch(name)
        random = match is not None and match["order"] in ("shuffle", "permute")
        if match is None or random != bool(match["seed"]) or int(match["seed"] or 0) >= 2**32:
            raise UsageError(
                f"--splits {name!r}: use a count alone, or like 10-sequential, 10-shuffle42, "
                "10-permute2020 (seeds below 2**32)"
            )
        return cls(
            int(match["count"]),
            match["order"] or "sequential",
            int(match["seed"]) if random else None,
        )

    def spec(self) -> str:
        """In one token: `1`, `10-sequential`, `10-shuffle42`."""
        if self.count == 1 and self.order == "sequential":
            return "1"
        return f"{self.count}-{self.order}{'' if self.seed is None else self.seed}"

    def split(self, num_samples: int) -> list[np.ndarray]:
        """Sample indices of every split, sizes as equal as integer division makes them.

        Raises:
            PyocoEvalError: fewer samples than splits.
        """
        if num_samples < self.count:
            raise PyocoEvalError(
                f"{num_samples} samples cannot be divided into {self.count} splits"
            )
        indices = np.arange(num_samples)
        if self.order == "shuffle":
            np.random.RandomState(self.seed).shuffle(indices)
        elif self.order == "permute":
            indices = np.random.RandomState(self.seed).permutation(num_samples)
        bounds = [i * num_samples // self.count for i in range(self.count + 1)]
        return [indices[start:stop] for start, stop in pairwise(bounds)]


@dataclass(frozen=True)
class InceptionScore:
    """Mean and standard deviation (divisor N) over the splits, with each split's own score."""

    mean: float
    std: float
    per_split: tuple[float, ...]


def inception_score(logits: np.ndarray, splits: SplitRule, eps: float = 0.0) -> InceptionScore:
    """The score of class logits.

    Args:
        logits: (N, K) before the softmax, in the order of the samples.
        splits: how the samples are divided.
        eps: added to every probability before the logarithms (tgan2: 1e-20); with 0, terms with
            p(y|x) = 0 count as 0.

    Raises:
        PyocoEvalError: not (N, K), not finite, or fewer samples than splits.
    """
    _check(logits)
    scores = []
    for indices in splits.split(len(logits)):
        summed, information = 0.0, 0.0
        for start in range(0, len(indices), _BLOCK):
            p = softmax(logits[indices[start : start + _BLOCK]]) + eps
            summed = summed + p.sum(axis=0)
            information += float(_informations(p).sum())
        scores.append(_score(np.asarray(summed), information, len(indices)))
    return InceptionScore(float(np.mean(scores)), float(np.std(scores)), tuple(scores))


def score_of_sets(logits: np.ndarray, members: np.ndarray, eps: float = 0.0) -> np.ndarray:
    """(S,) scores, each of one split, of many sets of the samples in one pass.

    Args:
        logits: (N, K) before the softmax.
        members: (N, S) zeros and ones: which samples are in each set; every set has one or more.
        eps: as in `inception_score`.

    Raises:
        PyocoEvalError: not (N, K), or not finite.
    """
    _check(logits)
    sets = np.asarray(members, np.float64)
    summed = np.zeros((sets.shape[1], logits.shape[1]))
    information = np.zeros(sets.shape[1])
    for start in range(0, len(logits), _BLOCK):
        p = softmax(logits[start : start + _BLOCK]) + eps
        block = sets[start : start + _BLOCK]
        summed += block.T @ p
        information += _informations(p) @ block
    counts = sets.sum(axis=0)
    return np.array([_score(*one) for one in zip(summed, information, counts, strict=True)])


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities (N, K) float64, rows summing to 1."""
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    np.exp(shifted, out=shifted)
    shifted /= shifted.sum(axis=1, keepdims=True)
    return np.asarray(shifted)


def _check(logits: np.ndarray) -> None:
    if logits.ndim != 2 or not logits.size or not np.isfinite(logits).all():
        raise PyocoEvalError(f"class logits {logits.shape} must be (N, K) without NaN or infinity")


def _informations(p: np.ndarray) -> np.ndarray:
    """(N,) sums of p log p, where 0 log 0 is 0."""
    logarithms = np.log(p, out=np.zeros_like(p), where=p > 0)
    return np.asarray(np.einsum("nk,nk->n", p, logarithms))


def _score(summed: np.ndarray, information: float, count: float) -> float:
    """exp of the mean of Σ p log p less Σ p log of the marginal: the mean divergence from it."""
    marginal = summed / count
    return float(np.exp(information / count - _informations(marginal[None])[0]))
