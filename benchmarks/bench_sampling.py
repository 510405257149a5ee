"""What sampling costs beyond its network: sampler and noise, and the files.

The same number of network evaluations three times: alone on one input; by the checkpoint generator,
with text, noise from the progressive prior, guidance and DEIS; and by `write_samples`, which also
encodes H.264, hashes and notes each video. The first is the least that any sampler can take.

    python benchmarks/bench_sampling.py --threads 2
    python benchmarks/bench_sampling.py --device cuda --preset ucf-69m --size 64 --batch 8
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import torch
from interleaved import median_seconds, print_table

from pyoco_eval.diffusion.denoiser import Conditioning
from pyoco_eval.diffusion.samplers.spec import SamplerSpec
from pyoco_eval.generation.open import open_generator
from pyoco_eval.generation.request import GeneratorOptions, make_requests
from pyoco_eval.generation.write import write_samples
from pyoco_eval.models.checkpoint import ModelInfo, load_model, save_model
from pyoco_eval.models.presets import PRESETS
from pyoco_eval.models.text import load_text_encoder
from pyoco_eval.models.unet import VideoUNet

PROMPT = "a small red circle slides left slowly over plain navy"
FRAMES = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--preset", default="tiny-shapes")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--num-steps", type=int, default=16)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    config = PRESETS[options.preset]
    spec = SamplerSpec.parse(f"deis:order=2,num_steps={options.num_steps}")
    text = bool(config.text)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        info = ModelInfo(
            config, "video", FRAMES, 8.0, (options.size, options.size), sampler=str(spec),
            prior="progressive:alpha=2", text_encoders=("shapes",) if text else (),
        )  # fmt: skip
        save_model(folder / "model", VideoUNet(config), info)
        generator = open_generator(
            folder / "model",
            GeneratorOptions(options.device, guidance_scale=2 if text else 1),
        )
        requests = make_requests(options.batch, prompts=[PROMPT] if text else [])
        network = load_model(folder / "model", device=options.device).network
        rows = options.batch * (2 if text else 1)
        x = torch.randn(rows, FRAMES, 3, options.size, options.size, device=options.device)
        level = torch.zeros(rows, device=options.device)
        cond = None
        if text:
            embedding = load_text_encoder("shapes").encode([PROMPT] * rows)
            cond = Conditioning({"shapes": embedding}).to(options.device)

        def alone() -> None:
            with torch.inference_mode():
                for _ in range(spec.nfe):
                    network(x, level, cond)
            if x.is_cuda:
                torch.cuda.synchronize()

        def to_files() -> None:
            shutil.rmtree(folder / "out", ignore_errors=True)
            write_samples(generator, requests, folder / "out", batch_size=options.batch)

        seconds = median_seconds(
            {
                "network alone": alone,
                "generate": lambda: generator.generate(requests),
                "generate and write": to_files,
            },
            repetitions=options.repetitions,
        )
    print(f"{options.preset}, {FRAMES}x{options.size}x{options.size}, {spec}, {options.device}")
    print_table(seconds, ours="network alone", items=options.batch, unit="video")


if __name__ == "__main__":
    main()
