"""Speed of the FID Inception against pytorch-fid's own network, on the same random weights.

Run: python benchmarks/bench_inception.py [--batch 16] [--repeats 7]

Both start from a resized float batch, in turns within one process, so that only the network
counts and other load falls on both. The ratio is the result; times depend on the machine.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from pyoco_eval.features.inception.extractor import load_inception
from pyoco_eval.features.loading.torchvision_operators import import_torchvision
from pyoco_eval.weights import WeightFile

import_torchvision()

import pytorch_fid.inception  # noqa: E402
import torchvision  # noqa: E402


def random_weights(path: Path) -> None:
    """A file in the published format, with activations that neither vanish nor grow."""
    torch.manual_seed(0)
    network = torchvision.models.inception_v3(
        weights=None, num_classes=1008, aux_logits=False, init_weights=False
    )
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
    torch.save(network.state_dict(), path)


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32", help="of ours")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "inception.pth"
        random_weights(path)
        state = torch.load(path, weights_only=True)
        ours = load_inception(WeightFile("inception", path, "sha256:" + "0" * 64, published=False))
    ours.set_precision(arguments.precision)
    pytorch_fid.inception.load_state_dict_from_url = lambda *_, **__: state
    peer = pytorch_fid.inception.InceptionV3([3], resize_input=False, normalize_input=False).eval()

    batch = torch.rand(arguments.batch, 3, 299, 299) * 2 - 1

    def run_peer() -> torch.Tensor:
        with torch.no_grad():
            return peer(batch)[0].flatten(1)

    expected, found = run_peer(), ours.extract(batch)
    error = ((found - expected).norm() / expected.norm()).item()
    rounds = [
        (seconds(run_peer), seconds(lambda: ours.extract(batch))) for _ in range(arguments.repeats)
    ]
    peer_time, our_time = (statistics.median(times) for times in zip(*rounds, strict=True))
    ratios = sorted(theirs / mine for theirs, mine in rounds)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    print(f"pytorch-fid  {peer_time:.3f} s per batch of {arguments.batch}")
    print(f"pyoco-eval   {our_time:.3f} s per batch of {arguments.batch}")
    print(
        f"ratio        {statistics.median(ratios):.2f} (rounds {ratios[0]:.2f} to {ratios[-1]:.2f})"
    )
    print(f"relative L2 of the features  {error:.1e}")


if __name__ == "__main__":
    main()
