"""Latents of frames: ours, from the cache, and diffusers' encoder on all frames at once.

The VAE has the layers of Stable Diffusion's at a quarter of its widths, with random weights.

    python benchmarks/bench_latents.py --num-frames 8 --size 64
"""

import argparse
import tempfile
from pathlib import Path

import torch
from interleaved import median_seconds, print_table

from pyoco_eval.features.loading.torchvision_operators import import_torchvision
from pyoco_eval.models.first_stage import open_first_stage
from pyoco_eval.training.data.latent_cache import LatentCache

PEER = "diffusers"


def main() -> None:
    parser = argparse.ArgumentParser(description="Encoding the frames of a clip.")
    parser.add_argument("--num-frames", type=int, default=8)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    import_torchvision()
    import diffusers

    vae = diffusers.AutoencoderKL(
        block_out_channels=(32, 64, 128, 128),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
    ).eval()
    frames = torch.randint(
        256, (options.num_frames, options.size, options.size, 3), dtype=torch.uint8
    )
    images = frames.permute(0, 3, 1, 2).float() / 127.5 - 1
    with tempfile.TemporaryDirectory() as name:
        vae.save_pretrained(Path(name) / "vae")
        stage = open_first_stage(str(Path(name) / "vae"), "cpu", "vae")
        cache = LatentCache(str(Path(name) / "latents"), stage.space)
        cache.moments(frames, lambda _: stage.moments(images))

        def peer() -> torch.Tensor:
            with torch.no_grad():
                found: torch.Tensor = vae.encode(images).latent_dist.mean
            return found

        rivals = {
            PEER: peer,
            "ours": lambda: stage.moments(images),
            "cache": lambda: cache.moments(frames, lambda _: stage.moments(images)),
        }
        seconds = median_seconds(rivals, repetitions=options.repetitions)
    print(f"{options.num_frames} frames of {options.size}, {torch.get_num_threads()} threads")
    print_table(seconds, ours=PEER, items=options.num_frames, unit="frame")


if __name__ == "__main__":
    main()
