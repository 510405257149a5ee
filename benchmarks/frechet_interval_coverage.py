"""How often the interval of a Fréchet distance holds the true one, on laws of known moments.

python benchmarks/frechet_interval_coverage.py --trials 400
python benchmarks/frechet_interval_coverage.py --trials 200 --dims 16 40 --law student
"""

import argparse
from collections.abc import Callable

import numpy as np

from pyoco_eval.metrics.frechet import frechet_distance
from pyoco_eval.metrics.resampling import frechet_interval
from pyoco_eval.statistics.moments import Moments

CASES = {
    "same population": (0.0, 1.0),
    "other mean": (0.3, 1.0),
    "other mean and spread": (0.3, 1.3),
}


Law = Callable[[np.random.Generator, tuple[int, int, int]], np.ndarray]


def gaussian(rng: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    return rng.normal(size=shape)


def student(rng: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    """Multivariate t with 5 degrees of freedom: whole rows are large together."""
    radius = np.sqrt(3 / rng.chisquare(5, size=(*shape[:2], 1)))
    return rng.normal(size=shape) * radius


def clusters(rng: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    """Ten classes whose centres carry half of the variance."""
    centres = np.random.default_rng(0).normal(size=(10, shape[-1]))
    centres = (centres - centres.mean(axis=0)) / centres.std(axis=0)
    return np.sqrt(0.5) * (centres[rng.integers(10, size=shape[:2])] + rng.normal(size=shape))


LAWS: dict[str, Law] = {"gaussian": gaussian, "student": student, "clusters": clusters}
"""Rows (videos, frames, D) of mean 0 and variance 1 in every dimension."""


def draw(
    rng: np.random.Generator,
    shift: float,
    scale: float,
    deviations: np.ndarray,
    shape: tuple[int, int],
    law: Law = gaussian,
) -> np.ndarray:
    """(videos * frames, D) rows; the frames of one video share half of their variance."""
    videos, frames = shape
    dim = len(deviations)
    shared = law(rng, (videos, 1, dim)) if frames > 1 else 0
    own = law(rng, (videos, frames, dim))
    mixed = np.sqrt(0.5) * (shared + own) if frames > 1 else own
    return (mixed.reshape(-1, dim) * scale + shift) * deviations


def main() -> None:
    parser = argparse.ArgumentParser(description="Coverage of nominal 95 % intervals.")
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--dims", type=int, nargs="+", default=[16, 40])
    parser.add_argument("--resamples", type=int, default=100)
    parser.add_argument("--law", choices=LAWS, default="gaussian")
    options = parser.parse_args()
    law = LAWS[options.law]

    print("D    videos   spectrum  case                    truth  reported  centre  coverage")
    settings = [
        (d, n * d, frames) for d in options.dims for n, frames in ((3, 1), (4, 1), (10, 1), (4, 4))
    ]
    for dim, videos, frames in settings:
        for power in (0, 1):
            deviations = np.arange(1.0, dim + 1) ** (-power / 2)
            for case, (shift, scale) in CASES.items():
                truth = float(np.sum(((scale - 1) ** 2 + shift**2) * deviations**2))
                found = []
                for trial in range(options.trials):
                    rng = np.random.default_rng([dim, videos, trial])
                    x = draw(rng, shift, scale, deviations, (videos, frames), law)
                    y = draw(rng, 0, 1, deviations, (videos, frames), law)
                    groups = np.repeat(np.arange(videos), frames)
                    interval = frechet_interval(
                        x,
                        y,
                        groups_generated=groups,
                        groups_reference=groups,
                        num_resamples=options.resamples,
                    )
                    value = frechet_distance(Moments.of(x), Moments.of(y)).distance
                    holds = interval.low <= truth <= interval.high
                    found.append((value, interval.centre, holds))
                value, centre, coverage = np.mean(found, axis=0)
                print(
                    f"{dim:<4d} {videos:>4d} x{frames:<3d} i^-{power}      {case:22s} "
                    f"{truth:6.3f}  {value:8.3f}  {centre:6.3f}  {coverage:8.3f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
