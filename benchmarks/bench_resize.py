"""Resizing to 224: every kernel of this package, with its peer where one is installed.

python benchmarks/bench_resize.py --threads 1 --height 240 --width 320
"""

import argparse
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from interleaved import median_seconds, print_table

from pyoco_eval.features.loading.torchvision_operators import import_torchvision
from pyoco_eval.videos.resize import KERNELS, ResizeRule, resize_frames

import_torchvision()

from cleanfid.resize import make_resizer  # noqa: E402
from torch_fidelity.interpolate_compat_tensorflow import (  # noqa: E402
    interpolate_bilinear_2d_like_tensorflow1x,
)

SIZE = 224


def channels_inside(frames: np.ndarray, **options: bool) -> torch.Tensor:
    """Frames as a permuted view, which is how the FVD ports hand them to PyTorch."""
    images = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    return F.interpolate(images, size=(SIZE, SIZE), mode="bilinear", **options)


def torch_fidelity_tf1(frames: np.ndarray, method: str) -> torch.Tensor:
    images = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    return interpolate_bilinear_2d_like_tensorflow1x(
        images, size=(SIZE, SIZE), align_corners=False, method=method
    )


def clean_fid(frames: np.ndarray) -> np.ndarray:
    resize = make_resizer("PIL", False, "bicubic", (SIZE, SIZE))
    return np.stack([resize(frame) for frame in frames])


PEERS: dict[str, dict[str, Callable[[np.ndarray], object]]] = {
    "tf1-bilinear": {
        "torch-fidelity, exact": lambda frames: torch_fidelity_tf1(frames, "slow"),
        "torch-fidelity, fast": lambda frames: torch_fidelity_tf1(frames, "fast"),
    },
    "bilinear": {"as FVD ports": lambda frames: channels_inside(frames, align_corners=False)},
    "bilinear-antialias": {
        "as FVD ports": lambda frames: channels_inside(frames, align_corners=False, antialias=True)
    },
    "align-corners-bilinear": {
        "permuted view": lambda frames: channels_inside(frames, align_corners=True)
    },
    "pil-bicubic-float": {"clean-fid": clean_fid},
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Resize, milliseconds per frame.")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--height", type=int, default=240)
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--repetitions", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    shape = (options.frames, options.height, options.width, 3)
    frames = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)

    for kernel in KERNELS:
        rule = ResizeRule(SIZE, kernel)
        rivals = {kernel: lambda rule=rule: resize_frames(frames, rule)}
        for name, peer in PEERS.get(kernel, {}).items():
            rivals[f"  {name}"] = lambda peer=peer: peer(frames)
        seconds = median_seconds(rivals, repetitions=options.repetitions)
        print_table(seconds, ours=kernel, items=options.frames, unit="frame")


if __name__ == "__main__":
    main()
