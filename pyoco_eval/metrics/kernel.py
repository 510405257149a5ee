"""Kernel distances between feature sets: KID and KVD (polynomial kernel), CMMD (Gaussian kernel).

Axes: N generated rows, M reference rows, D feature dimension, S subsets.

    MMD² = mean k(x, x') + mean k(y, y') - 2 mean k(x, y)

Unbiased, the first two means leave out pairs of a row with itself: then it can be negative, and
scatters around 0 where both sets come from one distribution. Kernels are evaluated block by block,
so memory does not grow with N and M; every subset of the rows is summed in the same pass.

References: Bińkowski et al. (2018), KID; Unterthiner et al. (2019), KVD; Gretton et al. (2012),
Eqs. 3 and 5; Jayasumana et al. (2024), arXiv:2401.09603, CMMD. Tools: toshas/torch-fidelity,
GaParmar/clean-fid, Lightning-AI/torchmetrics, google-research/cmmd.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.metrics.sample_floor import SmallSampleError

_NAME = re.compile(
    r"rbf10|poly3-(?:unbiased|(?P<subsets>[1-9][0-9]*)x(?P<size>[1-9][0-9]*)-seed(?P<seed>[0-9]+))"
)

_BLOCK = 1024
"""Rows of either side whose kernel is held at once: 8 MiB."""

_RBF_BANDWIDTH: Final = 10.0
_RBF_SCALE: Final = 1000.0


@dataclass(frozen=True)
class KernelRule:
    """How a kernel distance is estimated.

    - `poly3-unbiased`: (x·y / D + 1)³, unbiased over all rows.
    - `poly3-100x1000-seed2020`: mean and standard deviation over 100 subsets of 1000 rows of each
      side. Each subset takes `choice(N, size, replace=False)` and then `choice(M, ...)` of one
      numpy RandomState with that seed. It is torch-fidelity's KID for input 1 the generated side
      (its default seed is 2020), and clean-fid's after `np.random.seed`, which it does not call
      itself. torchmetrics estimates alike but draws with torch's generator: its draws cannot be
      repeated here. torch-fidelity and torchmetrics compute in float32.
    - `rbf10`: exp(-|x - y|² / 200) of rows scaled to unit length, over all rows and pairs, times
      1000. It is CMMD where the features are CLIP ViT-L/14-336 embeddings. Never negative, and
      biased upwards by about 1/N.
    """

    kernel: str = "poly3"
    subsets: int = 0
    size: int = 0
    seed: int | None = None

    @classmethod
    def parse(cls, name: str) -> "KernelRule":
        """Raises UsageError if `name` is no kernel estimator."""
        match = _NAME.fullmatch(name)
        if match is None or int(match["seed"] or 0) >= 2**32 or match["size"] == "1":
            raise UsageError(
                f"estimator {name!r}: use poly3-unbiased, rbf10, or like poly3-100x1000-seed2020 "
                "(two or more rows each, seeds below 2**32)"
            )
        kernel = name.partition("-")[0]
        if match["subsets"] is None:
            return cls(kernel)
        return cls(kernel, int(match["subsets"]), int(match["size"]), int(match["seed"]))

    def spec(self) -> str:
        """In one token: `poly3-unbiased`, `poly3-100x1000-seed0`, `rbf10`."""
        if self.subsets:
            return f"{self.kernel}-{self.subsets}x{self.size}-seed{self.seed}"
        return self.kernel if self.kernel == "rbf10" else f"{self.kernel}-unbiased"

    @property
    def floor(self) -> int:
        """Rows each side needs."""
        return max(self.size, 2)

    @property
    def unbiased(self) -> bool:
        """Whether its expectation does not depend on the number of rows."""
        return self.kernel != "rbf10"

    def draws(self, num_generated: int, num_reference: int) -> Iterator[tuple[np.ndarray, ...]]:
        """Row indices of each subset, of the generated and of the reference side."""
        rng = np.random.RandomState(self.seed)
        for _ in range(self.subsets):
            yield tuple(
                rng.choice(count, self.size, replace=False)
                for count in (num_generated, num_reference)
            )


@dataclass(frozen=True)
class KernelDistance:
    """Value over all rows, or mean and standard deviation (divisor S) over the subsets."""

    value: float
    std: float | None = None
    per_subset: tuple[float, ...] = ()


def kernel_distance(
    generated: np.ndarray, reference: np.ndarray, rule: KernelRule
) -> KernelDistance:
    """KID or KVD, by the features given. Not a distance in the strict sense: it may be negative.

    Args:
        generated, reference: (N, D) and (M, D), float32 or float64; computed in float64.
        rule: kernel, and the subsets if any.

    Raises:
        SmallSampleError: fewer rows than one subset takes, or than two.
        PyocoEvalError: features of different D, or not finite.
    """
    _check(generated, reference, rule)
    counts = len(generated), len(reference)
    if not rule.subsets:
        all_generated, all_reference = (np.ones((count, 1)) for count in counts)
        found = kernel_distances(generated, reference, all_generated, all_reference, rule)
        return KernelDistance(float(found[0]))
    if counts[0] * counts[1] <= rule.subsets * rule.size**2:
        # The kernel of all rows costs less than those of all subsets.
        members = [np.zeros((count, rule.subsets)) for count in counts]
        for subset, indices in enumerate(rule.draws(*counts)):
            for side in (0, 1):
                members[side][indices[side], subset] = 1
        found = kernel_distances(generated, reference, members[0], members[1], rule)
    else:
        one = np.ones((rule.size, 1))
        found = np.array(
            [
                kernel_distances(generated[first], reference[second], one, one, rule)[0]
                for first, second in rule.draws(*counts)
            ]
        )
    return KernelDistance(float(found.mean()), float(found.std()), tuple(found.tolist()))


def kernel_distances(
    generated: np.ndarray,
    reference: np.ndarray,
    members_generated: np.ndarray,
    members_reference: np.ndarray,
    rule: KernelRule,
) -> np.ndarray:
    """(S,) distances between subsets of the rows, all in one pass over the kernel.

    Args:
        generated, reference: (N, D), (M, D).
        members_generated, members_reference: (N, S), (M, S) of zeros and ones: which rows are in
            each subset, two of each side at least.
        rule: its kernel and bias; its subsets are not used.

    Raises:
        PyocoEvalError: features of different D, or not finite.
    """
    _check(generated, reference, rule, floor=2)
    x, y = (np.asarray(m, np.float64) for m in (members_generated, members_reference))
    kernel = _KERNELS[rule.kernel]
    n, m = x.sum(axis=0), y.sum(axis=0)
    itself = 0 if rule.unbiased else 1
    between = _kernel_sums(generated, reference, x, y, kernel) / (n * m)
    among_generated = _kernel_sums_within(generated, x, kernel, itself) / (n * (n - 1 + itself))
    among_reference = _kernel_sums_within(reference, y, kernel, itself) / (m * (m - 1 + itself))
    scale = 1.0 if rule.unbiased else _RBF_SCALE
    return np.asarray(scale * (among_generated + among_reference - 2 * between))


def _check(
    generated: np.ndarray, reference: np.ndarray, rule: KernelRule, floor: int | None = None
) -> None:
    for rows in (generated, reference):
        if rows.ndim != 2 or not np.isfinite(rows).all():
            raise PyocoEvalError(f"features {rows.shape} must be (N, D) without NaN or infinity")
    if generated.shape[1] != reference.shape[1]:
        raise PyocoEvalError(
            f"features of {generated.shape[1]} and {reference.shape[1]} dimensions have no distance"
        )
    floor = rule.floor if floor is None else floor
    if min(len(generated), len(reference)) < floor:
        raise SmallSampleError(
            f"{len(generated)} generated and {len(reference)} reference feature rows are too few: "
            f"the estimator {rule.spec()} takes {floor} of each side. Give more videos, or "
            "another estimator, such as poly3-unbiased, which uses all rows"
        )


def _kernel_sums(
    x: np.ndarray, y: np.ndarray, members_x: np.ndarray, members_y: np.ndarray, kernel: "_Kernel"
) -> np.ndarray:
    """(S,) sums of k(x, y) over the members of each subset."""
    total = np.zeros(members_x.shape[1])
    for i in range(0, len(x), _BLOCK):
        rows, members = x[i : i + _BLOCK].astype(np.float64), members_x[i : i + _BLOCK]
        for j in range(0, len(y), _BLOCK):
            block = kernel(rows, y[j : j + _BLOCK].astype(np.float64))
            total += np.einsum("is,is->s", members, block @ members_y[j : j + _BLOCK])
    return total


def _kernel_sums_within(
    x: np.ndarray, members: np.ndarray, kernel: "_Kernel", itself: int
) -> np.ndarray:
    """(S,) sums of k(x, x') over ordered pairs of each subset's members.

    Blocks below the diagonal equal those above. `itself` 0 leaves out pairs of a row with itself.
    """
    total = np.zeros(members.shape[1])
    for i in range(0, len(x), _BLOCK):
        rows = x[i : i + _BLOCK].astype(np.float64)
        for j in range(i, len(x), _BLOCK):
            block = kernel(rows, x[j : j + _BLOCK].astype(np.float64))
            if i == j and not itself:
                np.fill_diagonal(block, 0)
            pairs = np.einsum("is,is->s", members[i : i + _BLOCK], block @ members[j : j + _BLOCK])
            total += pairs if i == j else 2 * pairs
    return total


def _cubic(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(x·y / D + 1)³: scikit-learn's polynomial kernel with its defaults."""
    product = x @ y.T
    product /= x.shape[1]
    product += 1
    return np.asarray(product * product * product)


def _gaussian(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """exp(-|x - y|² / (2·10²)) of rows scaled to unit length, where |x - y|² = 2 - 2 x·y."""
    smallest = np.finfo(np.float64).tiny
    lengths = (np.linalg.norm(rows, axis=1, keepdims=True).clip(smallest) for rows in (x, y))
    x, y = (rows / length for rows, length in zip((x, y), lengths, strict=True))
    exponent = x @ y.T
    exponent -= 1
    exponent /= _RBF_BANDWIDTH**2
    return np.asarray(np.exp(exponent))


_Kernel = Callable[[np.ndarray, np.ndarray], np.ndarray]

_KERNELS: Final[dict[str, _Kernel]] = {"poly3": _cubic, "rbf10": _gaussian}
