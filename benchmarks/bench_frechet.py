"""Fréchet distances: this package against scipy's square root, torch-fidelity and torchmetrics.

Every rival gets the same moments in one process; `from rows` has the feature rows instead, wherever
there are no more of them than dimensions. The truth is the singular values of the product of both
feature matrices, from QR factors of the rows themselves, never of a covariance.

    python benchmarks/bench_frechet.py --quick
    python benchmarks/bench_frechet.py --dims 2048 --counts 256 5000
"""

import argparse
import itertools
import statistics
import time
import warnings

import numpy as np
import torch

from pyoco_eval.features.loading.torchvision_operators import import_torchvision
from pyoco_eval.metrics.frechet import frechet_distance
from pyoco_eval.statistics.moments import Moments

import_torchvision()

from pytorch_fid.fid_score import calculate_frechet_distance  # noqa: E402
from torch_fidelity.metric_fid import fid_statistics_to_metric  # noqa: E402
from torchmetrics.image.fid import _compute_fid  # noqa: E402

OURS = "pyoco-eval"
OURS_FROM_ROWS = "  from rows"


def draw(rng: np.random.Generator, count: int, basis: np.ndarray, power: float) -> np.ndarray:
    """(count, dim) float32 rows of a Gaussian with covariance eigenvalues i^-power in `basis`."""
    dim = len(basis)
    deviations = np.arange(1.0, dim + 1) ** (-power / 2)
    return np.asarray((rng.normal(size=(count, dim)) * deviations) @ basis, np.float32)


def true_distance(x: np.ndarray, y: np.ndarray) -> float:
    factors, means = [], []
    for rows in (x, y):
        centred = rows - rows.mean(axis=0, dtype=np.float64)
        means.append(rows.mean(axis=0, dtype=np.float64) + centred.mean(axis=0))
        centred -= centred.mean(axis=0)
        factors.append(np.linalg.qr(centred, mode="r") / np.sqrt(len(rows) - 1))
    traces = sum(float(np.sum(factor * factor)) for factor in factors)
    singular_values = np.linalg.svd(factors[0] @ factors[1].T, compute_uv=False)
    return float(np.sum((means[0] - means[1]) ** 2)) + traces - 2 * float(singular_values.sum())


def main() -> None:
    parser = argparse.ArgumentParser(description="Fréchet distances from moments.")
    parser.add_argument("--quick", action="store_true", help="400 and 512 dimensions only")
    parser.add_argument("--dims", type=int, nargs="+", default=[400, 512, 2048])
    parser.add_argument("--counts", type=int, nargs="+", default=[256, 2048, 5000])
    parser.add_argument("--powers", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    dims = (400, 512) if options.quick else options.dims

    print("   D     N  spectrum  tool              ms   ours x  rows x  relative error")
    for dim, count, power in itertools.product(dims, options.counts, options.powers):
        rng = np.random.default_rng([dim, count])
        basis = np.linalg.qr(rng.normal(size=(dim, dim)))[0]
        x, y = draw(rng, count, basis, power), 1.2 * draw(rng, count, basis, power)
        truth = true_distance(x, y)
        moments = [Moments.of(rows) for rows in (x, y)]
        pairs = [(m.mean, m.cov()) for m in moments]
        stored = [{"mu": mean, "sigma": covariance} for mean, covariance in pairs]
        tensors = [torch.from_numpy(array) for pair in pairs for array in pair]

        rivals = {
            OURS: lambda m=moments: frechet_distance(*m).distance,
            OURS_FROM_ROWS: lambda rows=(x, y): frechet_distance(*rows).distance,
            "scipy sqrtm": lambda p=pairs: calculate_frechet_distance(*p[0], *p[1]),
            "torch-fidelity": lambda s=stored: fid_statistics_to_metric(*s, verbose=False)[
                "frechet_inception_distance"
            ],
            "torchmetrics": lambda t=tensors: _compute_fid(*t).item(),
        }
        if count > dim:
            del rivals[OURS_FROM_ROWS]
        errors: dict[str, float] = {}
        seconds: dict[str, list[float]] = {name: [] for name in rivals}
        for _ in range(2 if dim > 1000 else options.repetitions):
            for name, run in rivals.items():
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", DeprecationWarning)  # scipy on sqrtm(disp=)
                    start = time.perf_counter()
                    errors[name] = abs(run() - truth) / truth
                    seconds[name].append(time.perf_counter() - start)
        medians = {name: statistics.median(times) for name, times in seconds.items()}
        for name, value in medians.items():
            ratio = value / medians[OURS]
            few = (
                f"{value / medians[OURS_FROM_ROWS]:6.0f}" if OURS_FROM_ROWS in medians else "     -"
            )
            print(
                f"{dim:4d}  {count:4d}  i^-{power}      {name:14s} {1e3 * value:7.1f}  {ratio:6.1f}"
                f"  {few}  {errors[name]:14.0e}",
                flush=True,
            )


if __name__ == "__main__":
    main()
