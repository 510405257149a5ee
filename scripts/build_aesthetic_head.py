"""Fit the embedded aesthetic head and write its weights.

    python scripts/build_aesthetic_head.py
    python scripts/build_aesthetic_head.py --check     # how well it tells levels of held-out clips

A ridge regression in closed form, from the embeddings of `tinyclip`, scaled to length 1, to the
strength of noise and blur on clips of the training split: 10 for a clean frame, 2 less for each
level. Freezing, shuffling and dropping change no single frame, so nothing of them can be learnt.
The clips and their noise follow from the seed; another machine's arithmetic moves last digits.
"""

import hashlib
from pathlib import Path

import click
import numpy as np
from safetensors.numpy import save_file

from pyoco_eval.features.aesthetic.embedded import FILE, NETWORK
from pyoco_eval.features.tiny.extractor import load_tiny
from pyoco_eval.seeding import numpy_generator
from pyoco_eval.shapes.corruptions import LADDERS, add_noise, blur
from pyoco_eval.shapes.dataset import MovingShapes

FRAMES = 4
RIDGE = 1e-5
LEVELS = len(LADDERS["noise"])
KINDS = ("noise", "blur")


def embeddings(split: str, num_clips: int) -> np.ndarray:
    """Unit embeddings of frames, float64 (clips, kinds, levels, frames, D)."""
    network = load_tiny(NETWORK)
    shapes = MovingShapes(split, 64, FRAMES)
    found = []
    for index in range(num_clips):
        frames = shapes[index].frames
        noise = [
            add_noise(frames, strength, numpy_generator("aesthetic", split, index))
            for strength in LADDERS["noise"]
        ]
        blurred = [blur(frames, strength) for strength in LADDERS["blur"]]
        found.append(network(np.concatenate([*noise, *blurred])))
    rows = np.asarray(found, np.float64)
    rows /= np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows.reshape(num_clips, len(KINDS), LEVELS, FRAMES, -1)


def fit(rows: np.ndarray) -> tuple[np.ndarray, float]:
    """Weight (D,) and bias of the ridge regression on rows of `embeddings`."""
    wanted = 10 - 2.0 * np.arange(LEVELS)
    targets = np.broadcast_to(wanted[:, None], rows.shape[:-1]).ravel()
    flat = rows.reshape(-1, rows.shape[-1])
    mean, level = flat.mean(0), targets.mean()
    centred = flat - mean
    covariance = centred.T @ centred / len(flat) + RIDGE * np.eye(len(mean))
    weight = np.linalg.solve(covariance, centred.T @ (targets - level) / len(flat))
    return weight, float(level - mean @ weight)


def check(weight: np.ndarray, bias: float) -> None:
    """Print the scores of held-out clips, means over their frames, level by level."""
    scores = (embeddings("test", 512) @ weight + bias).mean(-1)
    floor = float(np.quantile(scores[:, 0, 0], 0.02))
    click.echo(f"2 % of clean clips lie below {floor:.2f}")
    for kind, part in zip(KINDS, np.moveaxis(scores, 1, 0), strict=True):
        for level, column in enumerate(part.T):
            click.echo(
                f"{kind}:{level}  mean {column.mean():5.2f}  std {column.std():.2f}  "
                f"below {floor:.2f}: {(column < floor).mean():.1%}"
            )


@click.command(help=__doc__)
@click.option("--num-clips", default=1_024, show_default=True)
@click.option("--check", "only_check", is_flag=True, help="Of the file that is there.")
@click.option("--out", type=click.Path(path_type=Path), default=FILE)
def main(num_clips: int, only_check: bool, out: Path) -> None:
    if only_check:
        from pyoco_eval.features.aesthetic.embedded import load_embedded_head

        head = load_embedded_head()
        check(head.weight, head.bias)
        return
    weight, bias = fit(embeddings("train", num_clips))
    part = out.with_suffix(".part")
    save_file(
        {"weight": weight.astype(np.float32), "bias": np.array([bias], np.float32)},
        part,
        metadata={"dataset": f"moving shapes, train 0..{num_clips - 1}", "network": NETWORK},
    )
    part.replace(out)
    click.echo(f"{out}: sha256:{hashlib.sha256(out.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
