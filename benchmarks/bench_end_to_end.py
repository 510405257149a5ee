"""From mp4 files to I3D features: this package against cd-fvd's network and preprocessing.

Both read the same clips by the same rule with the same decoder. The bound is what no pipeline on
these cores can beat: CPU seconds of decoding plus CPU seconds of the network, over the cores.

    python benchmarks/bench_end_to_end.py --clips 32
"""

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from bench_i3d import random_state
from cdfvd.third_party.i3d.pytorch_i3d import InceptionI3d
from cdfvd.third_party.i3d.utils import preprocess_i3d

import pyoco_eval
from pyoco_eval.extraction.networks import Network
from pyoco_eval.extraction.options import Options
from pyoco_eval.shapes.dataset import MovingShapes
from pyoco_eval.videos.source import open_source
from pyoco_eval.videos.write import write_video

PEER_BATCH = 16
NUM_FRAMES = 16


def write_clips(folder: Path, count: int, size: int) -> None:
    shapes = MovingShapes("test", size, num_frames=32)
    for index in range(count):
        write_video(folder / f"{index:04d}.mp4", shapes[index].frames)


def peer(folder: Path, network: torch.nn.Module) -> np.ndarray:
    """cd-fvd: uint8 clips in batches of 16 through its resize and its I3D."""
    clips = np.stack([video.read(range(NUM_FRAMES)) for video in open_source(folder)])
    with torch.no_grad():
        rows = [
            network(preprocess_i3d(clips[start : start + PEER_BATCH]))
            for start in range(0, len(clips), PEER_BATCH)
        ]
    return torch.cat(rows).numpy()


def cpu_seconds(work: object) -> float:
    started = time.process_time()
    work()  # type: ignore[operator]
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description="mp4 files to features, seconds.")
    parser.add_argument("--clips", type=int, default=32)
    parser.add_argument("--size", type=int, default=256, help="pixels of the square videos")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    torch.set_num_threads(cores)

    with tempfile.TemporaryDirectory() as name:
        folder, weights = Path(name) / "clips", Path(name) / "i3d.pt"
        folder.mkdir()
        write_clips(folder, options.clips, options.size)
        state = random_state()
        torch.save(state, weights)
        network = InceptionI3d(400, in_channels=3)
        network.load_state_dict(state, strict=False)
        network.eval()

        def ours() -> np.ndarray:
            return pyoco_eval.extract_features(
                folder, "i3d", convention="tats", weights={"i3d": weights}, device="cpu"
            ).features

        extractor = Network.named("i3d", Options(weights={"i3d": weights}), rule="tats").load(
            Options(weights={"i3d": weights}, device="cpu")
        )
        prepared = [extractor.prepare(v.read(range(NUM_FRAMES)))[None] for v in open_source(folder)]
        found, expected = ours(), peer(folder, network)
        print(
            f"relative difference {np.linalg.norm(found - expected) / np.linalg.norm(expected):.1e}"
        )
        times: dict[str, list[float]] = {"ours": [], "peer": [], "decode": [], "network": []}
        for _ in range(options.rounds):
            for label, run in (("ours", ours), ("peer", lambda: peer(folder, network))):
                started = time.perf_counter()
                run()
                times[label].append(time.perf_counter() - started)
            times["decode"].append(
                cpu_seconds(
                    lambda: [
                        extractor.prepare(video.read(range(NUM_FRAMES)))
                        for video in open_source(folder)
                    ]
                )
            )
            times["network"].append(
                cpu_seconds(lambda: [extractor.extract(clip) for clip in prepared])
            )
    best = {label: min(values) for label, values in times.items()}
    bound = (best["decode"] + best["network"]) / cores
    print(f"{options.clips} clips of {options.size} x {options.size}, {cores} cores")
    print(
        f"pyoco-eval          {best['ours']:7.2f} s   ({options.clips / best['ours']:.2f} clips/s)"
    )
    print(f"cd-fvd's path       {best['peer']:7.2f} s   x{best['peer'] / best['ours']:.2f}")
    print(
        f"bound               {bound:7.2f} s   ours is {best['ours'] / bound:.2f} of it "
        f"(decoding {best['decode']:.2f}, network {best['network']:.2f} CPU s)"
    )
    print(
        f"peak memory         {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:7.0f} MiB"
    )


if __name__ == "__main__":
    main()
