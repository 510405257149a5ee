"""How often `prior check` calls right noise wrong, and how often it names each slip.

    python scripts/prior_check_rates.py --checks 2000

Draws noise of every kind again and again, with new seeds, and prints the table of
docs/prior_check.md. The kinds are those of tests/noise_check/implementations.py.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "noise_check"))
from test_check import RIGHT, WRONG

from pyoco_eval.noise_check.check import check_prior
from pyoco_eval.noise_check.sources import Shape
from pyoco_eval.noise_check.verdict import FALSE_ALARMS

SHAPES = {"small": Shape(8, 3, 8, 8), "default": Shape(16, 4, 16, 16)}


def name_of(target: object) -> str:
    return getattr(target, "__qualname__", str(target)).split(".")[0].replace("_", " ")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checks", type=int, default=2000, help="of right noise, of every kind")
    parser.add_argument("--misses", type=int, default=50, help="checks of every slip")
    given = parser.parse_args()
    for size, shape in SHAPES.items():
        values = shape.rows * shape.channels * shape.size**2
        print(f"\n{size}: {values:,} values of each of {shape.num_frames} frames")
        alarms = total = 0
        for target, against in RIGHT:
            for seed in range(given.checks // len(RIGHT)):
                found = check_prior(target, against=against, shape=shape, seed=seed)
                alarms += not found.right
                total += 1
        print(f"right noise: {alarms} false alarms in {total} checks, {FALSE_ALARMS:.1%} allowed")
        for target, against, slug in WRONG:
            found = Counter(
                check_prior(target, against=against, shape=shape, seed=seed).diagnosis
                for seed in range(given.misses)
            )
            others = ", ".join(f"{k} {v}" for k, v in found.items() if k != slug)
            row = f"| {name_of(target)} | {against or '-'} | `{slug}` "
            print(f"{row}| {found[slug]}/{given.misses} | {others} |", flush=True)


if __name__ == "__main__":
    main()
