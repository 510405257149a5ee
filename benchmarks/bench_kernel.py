"""Kernel distances, and precision and recall, against torch-fidelity and clean-fid.

All get the same float32 rows in one process. This package computes in float64, the others in
float32. clean-fid's subsets are those of this package after `np.random.seed`.

    python benchmarks/bench_kernel.py --counts 2048 5000
"""

import argparse

import numpy as np
import torch
from interleaved import median_seconds, print_table

from pyoco_eval.features.loading.torchvision_operators import import_torchvision
from pyoco_eval.metrics.kernel import KernelRule, kernel_distance
from pyoco_eval.metrics.manifold import prdc

import_torchvision()

from cleanfid.fid import kernel_distance as clean_fid_distance  # noqa: E402
from torch_fidelity.metric_kid import kid_features_to_metric  # noqa: E402
from torch_fidelity.metric_prc import prc_features_to_metric  # noqa: E402

OURS = "pyoco-eval"


def clean_fid(x: np.ndarray, y: np.ndarray, subsets: int, size: int) -> float:
    np.random.seed(2020)  # noqa: NPY002
    return float(clean_fid_distance(y, x, num_subsets=subsets, max_subset_size=size))


def main() -> None:
    parser = argparse.ArgumentParser(description="Kernel distances and neighbourhoods.")
    parser.add_argument("--counts", type=int, nargs="+", default=[2048, 5000])
    parser.add_argument("--dims", type=int, nargs="+", default=[400, 2048])
    parser.add_argument("--subsets", type=int, default=100)
    parser.add_argument("--size", type=int, default=1000)
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    subsets, size = options.subsets, options.size
    rule = KernelRule.parse(f"poly3-{subsets}x{size}-seed2020")
    unbiased = KernelRule.parse("poly3-unbiased")

    for dim in options.dims:
        for count in options.counts:
            rng = np.random.default_rng([dim, count])
            x, y = (rng.normal(size=(count, dim)).astype(np.float32) + s for s in (0, 0.1))
            tensors = [torch.from_numpy(rows) for rows in (x, y)]

            def torch_fidelity(tensors: list[torch.Tensor] = tensors) -> float:
                found = kid_features_to_metric(
                    *tensors, kid_subsets=subsets, kid_subset_size=size, rng_seed=2020,
                    verbose=False,
                )  # fmt: skip
                return float(found["kernel_inception_distance_mean"])

            def torch_fidelity_prc(tensors: list[torch.Tensor] = tensors) -> float:
                found = prc_features_to_metric(
                    *tensors, prc_neighborhood=5, prc_batch_size=10_000, save_cpu_ram=True,
                    verbose=False,
                )  # fmt: skip
                return float(found["precision"])

            kid = {
                OURS: lambda x=x, y=y: kernel_distance(x, y, rule).value,
                "pyoco-eval, all rows": lambda x=x, y=y: kernel_distance(x, y, unbiased).value,
                "torch-fidelity": torch_fidelity,
                "clean-fid": lambda x=x, y=y: clean_fid(x, y, subsets, size),
            }
            prc = {
                OURS: lambda x=x, y=y: prdc(x, y, 5).precision,
                "torch-fidelity (precision, recall)": torch_fidelity_prc,
            }
            for title, rivals in ((f"KID {rule.spec()}", kid), ("neighbourhoods k5", prc)):
                print(f"{title}: N = {count}, D = {dim}")
                print("  values:", ", ".join(f"{name} {run():.8g}" for name, run in rivals.items()))
                seconds = median_seconds(rivals, repetitions=options.repetitions)
                print_table(seconds, ours=OURS, items=1, unit="score")


if __name__ == "__main__":
    main()
