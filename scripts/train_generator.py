"""Train the models that come with the package, `embedded:shapes-image` and `embedded:shapes-video`.

    python scripts/train_generator.py --out runs/embedded

Two runs of `pyoco-eval train`, of configs/embedded-image.yaml and configs/embedded-video.yaml,
about two hours on one CPU core; after a kill the same command goes on. The averaged weights are
rounded to bfloat16 and written into the package. At the end each model makes pictures or clips for
captions that it has not seen, and the embedded classifiers say how many show what they should.
"""

import argparse
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch

from pyoco_eval.features.tiny.agreement import caption_agreement
from pyoco_eval.generation.open import open_generator
from pyoco_eval.generation.request import GeneratorOptions, Request
from pyoco_eval.models.checkpoint import load_model, save_model
from pyoco_eval.models.embedded import FOLDER
from pyoco_eval.shapes.dataset import MovingShapes

ROOT: Final = Path(__file__).resolve().parents[1]
SUBSET: Final = {"size": ["large"], "texture": ["plain"], "background": ["plain", "gradient"]}
SAMPLER: Final = "deis:order=2,num_steps=24"
GUIDANCE: Final = 2.0
PAGE: Final = "docs/embedded.md"


def train(kind: str, out: Path) -> Path:
    """One run; returns its folder."""
    run = out / kind
    settings = [f"out={run}"] + ([] if kind == "image" else [f"init={out / 'image'}"])
    words = [word for setting in settings for word in ("--set", setting)]
    config = ROOT / "configs" / f"embedded-{kind}.yaml"
    command = [sys.executable, "-m", "pyoco_eval", "train", str(config), *words]
    subprocess.run(command, check=True)  # noqa: S603
    return run


def ship(run: Path, name: str) -> Path:
    """Write the run's model into the package, rounded to bfloat16; returns its folder."""
    model = load_model(run)
    # Places on the machine of the training are nobody's business; what it was trained on is.
    config = model.info.provenance["config"]
    told = {key: config[key] for key in ("seed", "steps", "batch", "data", "loss", "optimizer")}
    info = replace(model.info, sampler=SAMPLER, provenance={"config": told, "more": PAGE})
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    save_model(folder, model.network.to(torch.bfloat16), info)
    return folder


def measure(folder: Path, num: int) -> str:
    """How many of `num` samples show what held-out captions say."""
    shapes = MovingShapes("val")
    captions = [shapes.attributes(index).caption for index in shapes.matching(SUBSET)[:num]]
    generator = open_generator(folder, GeneratorOptions(guidance_scale=GUIDANCE))
    requests = [Request(i, prompt=text, seed=i) for i, text in enumerate(captions)]
    videos = [generator.generate([request])[0] for request in requests]
    return str(caption_agreement(videos, captions))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "embedded")
    parser.add_argument("--num", type=int, default=200, help="samples to judge each model by")
    parser.add_argument("--only-measure", action="store_true", help="the models as shipped")
    given = parser.parse_args()
    for kind in ("image", "video"):
        name = f"shapes-{kind}"
        if not given.only_measure:
            ship(train(kind, given.out), name)
        megabytes = sum(f.stat().st_size for f in (FOLDER / name).iterdir()) / 1e6
        print(f"embedded:{name}: {megabytes:.1f} MB; {measure(FOLDER / name, given.num)}")


if __name__ == "__main__":
    main()
