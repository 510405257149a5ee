"""Speed of the CLIP extractor, and what of it is input preparation, against bare open_clip.

Run: python benchmarks/bench_clip.py [--batch 32] [--repeats 7]

The network is open_clip's own, so its ratio to `encode_image` should be 1; the benchmark shows that
the extractor adds nothing to it, and what resizing costs beside it.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from pyoco_eval.features.clip.extractor import load_clip
from pyoco_eval.features.loading.torchvision_operators import import_torchvision
from pyoco_eval.weights import WeightFile

import_torchvision()

import open_clip  # noqa: E402


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="of ours")
    arguments = parser.parse_args()

    torch.manual_seed(0)
    peer = open_clip.CLIP(**open_clip.get_model_config("ViT-B-32-quickgelu")).eval()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.safetensors"
        save_file(peer.state_dict(), path)
        weight_file = WeightFile("clip", path, "sha256:" + "0" * 64, published=False)
        loading = seconds(lambda: load_clip(weight_file))
        ours = load_clip(weight_file).set_precision(arguments.precision)

    frames = np.random.default_rng(0).integers(0, 256, (arguments.batch, 256, 340, 3), np.uint8)
    batch = ours.prepare(frames)

    def run_peer() -> torch.Tensor:
        with torch.no_grad():
            features: torch.Tensor = peer.encode_image(batch)
            return features

    expected, found = run_peer(), ours.extract(batch)
    error = ((found - expected).norm() / expected.norm()).item()
    rounds = [
        (
            seconds(run_peer),
            seconds(lambda: ours.extract(batch)),
            seconds(lambda: ours.prepare(frames)),
        )
        for _ in range(arguments.repeats)
    ]
    peer_time, our_time, preparing = (statistics.median(t) for t in zip(*rounds, strict=True))
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    print(f"open_clip    {arguments.batch / peer_time:.1f} images/s, batch of {arguments.batch}")
    print(f"pyoco-eval   {arguments.batch / our_time:.1f} images/s")
    print(f"ratio        {statistics.median(p / o for p, o, _ in rounds):.2f}")
    print(f"preparing 256x340 frames  {arguments.batch / preparing:.1f} images/s")
    print(f"loading the weights  {loading:.1f} s")
    print(f"relative L2 of the features  {error:.1e}")


if __name__ == "__main__":
    main()
