"""Train the three embedded networks on moving shapes and write their weights.

    python scripts/train_embedded.py                    # those whose file is missing
    python scripts/train_embedded.py --only tiny2d --force

Each network is written as soon as it is trained, so an interrupted run continues with the next.
Frames are seen as they are, only mirrored: a network trained to overlook noise, blur or the order
of frames could not measure them. Seeds fix the clips, their order and the initial weights; the
arithmetic of another machine still gives slightly other weights.
"""

import hashlib
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from pyoco_eval.features.tiny.extractor import WEIGHTS_FOLDER
from pyoco_eval.features.tiny.networks import (
    FRAME_HEADS,
    TinyFrameNetwork,
    TinyImageTextNetwork,
    TinyVideoNetwork,
    word_numbers,
)
from pyoco_eval.shapes import captions as grammar
from pyoco_eval.shapes.dataset import MovingShapes

CHOICES = {
    "shape": grammar.SHAPES,
    "colour": grammar.COLOURS,
    "size": grammar.SIZES,
    "texture": grammar.TEXTURES,
    "background": grammar.BACKGROUNDS,
    "background_colour": grammar.BACKGROUND_COLOURS,
}
Loss = Callable[[nn.Module, np.ndarray, np.random.Generator], torch.Tensor]


class TrainingSet:
    """The first clips of the training split, in memory."""

    def __init__(self, num_clips: int) -> None:
        shapes = MovingShapes("train")
        self.frames = np.empty((num_clips, shapes.num_frames, 64, 64, 3), np.uint8)
        labels, sentences, answers = [], [], []
        for index in range(num_clips):
            clip = shapes[index]
            self.frames[index] = clip.frames
            labels.append(clip.label)
            sentences.append(clip.caption)
            told = [CHOICES[head].index(getattr(clip.attributes, head)) for head in FRAME_HEADS]
            answers.append(told)
        self.labels = torch.tensor(labels)
        self.captions = sentences
        self.answers = torch.tensor(answers)

    def __len__(self) -> int:
        return len(self.frames)

    def clips(self, indices: np.ndarray, generator: np.random.Generator) -> torch.Tensor:
        """(B, T, 3, 64, 64), half of them mirrored."""
        frames = self.frames[indices]
        mirrored = generator.random(len(indices)) < 0.5
        frames[mirrored] = frames[mirrored, :, :, ::-1]
        return to_input(frames)

    def single_frames(
        self, indices: np.ndarray, generator: np.random.Generator, mirror: bool
    ) -> torch.Tensor:
        """One random frame of each clip, (B, 3, 64, 64)."""
        frames = self.frames[indices, generator.integers(self.frames.shape[1], size=len(indices))]
        if mirror:
            mirrored = generator.random(len(indices)) < 0.5
            frames[mirrored] = frames[mirrored, :, ::-1]
        return to_input(frames)


def to_input(frames: np.ndarray) -> torch.Tensor:
    """uint8 (..., H, W, 3) to float32 (..., 3, H, W) in [-1, 1]."""
    return torch.from_numpy(frames).movedim(-1, -3).float().mul_(2 / 255).sub_(1)


def video_loss(data: TrainingSet) -> Loss:
    def loss(
        network: nn.Module, indices: np.ndarray, generator: np.random.Generator
    ) -> torch.Tensor:
        return F.cross_entropy(
            network(data.clips(indices, generator)).float(), data.labels[indices]
        )

    return loss


def frame_loss(data: TrainingSet) -> Loss:
    def loss(
        network: nn.Module, indices: np.ndarray, generator: np.random.Generator
    ) -> torch.Tensor:
        assert isinstance(network, TinyFrameNetwork)
        answers = network.answers(data.single_frames(indices, generator, mirror=True))
        truth = data.answers[indices]
        losses = [
            F.cross_entropy(logits.float(), truth[:, head])
            for head, logits in enumerate(answers.values())
        ]
        return torch.stack(losses).sum()

    return loss


def contrastive_loss(data: TrainingSet) -> Loss:
    def loss(
        network: nn.Module, indices: np.ndarray, generator: np.random.Generator
    ) -> torch.Tensor:
        # Not mirrored: captions tell left from right.
        frames = data.single_frames(indices, generator, mirror=False)
        tokens = word_numbers([data.captions[index] for index in indices])
        cosines = network(frames, tokens).float()
        truth = torch.arange(len(indices))
        return (F.cross_entropy(cosines, truth) + F.cross_entropy(cosines.T, truth)) / 2

    return loss


# Network, loss, passes over the clips, clips per step, highest learning rate.
RECIPES: dict[str, tuple[type[nn.Module], Callable[[TrainingSet], Loss], int, int, float]] = {
    "tiny3d": (TinyVideoNetwork, video_loss, 5, 32, 6e-3),
    "tiny2d": (TinyFrameNetwork, frame_loss, 30, 128, 6e-3),
    "tinyclip": (TinyImageTextNetwork, contrastive_loss, 30, 192, 4e-3),
}


def train(name: str, data: TrainingSet, seed: int) -> nn.Module:
    """A trained network, in evaluation mode."""
    build, make_loss, num_passes, batch_size, top_rate = RECIPES[name]
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    network = build().train()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    loss_of = make_loss(data)
    optimizer = torch.optim.AdamW(network.parameters(), lr=top_rate, weight_decay=0.02)
    num_steps = num_passes * (len(data) // batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step / num_steps))
    running = 0.0
    for step, indices in enumerate(batches(len(data), batch_size, num_passes, generator)):
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(network, indices, generator)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        running = loss.item() if step == 0 else 0.98 * running + 0.02 * loss.item()
        if step % 50 == 0 or step == num_steps - 1:
            click.echo(f"{name}  step {step + 1}/{num_steps}  loss {running:.3f}")
    return network.eval()


def rate(progress: float) -> float:
    """Learning rate over its highest: up for a twentieth of the steps, then down a cosine."""
    return min(progress / 0.05, 0.5 + 0.5 * math.cos(math.pi * progress)) + 1e-3


def batches(
    total: int, size: int, num_passes: int, generator: np.random.Generator
) -> Iterator[np.ndarray]:
    """Whole batches of indices; each pass has an order of its own."""
    for _ in range(num_passes):
        order = generator.permutation(total)
        for start in range(0, total - size + 1, size):
            yield order[start : start + size]


def save(network: nn.Module, file: Path, note: dict[str, str]) -> None:
    """Write float32 weights, without the counters of batch normalisation."""
    tensors = {
        name: tensor.detach().float().contiguous()
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    part = file.with_suffix(".part")
    save_file(tensors, part, metadata=note)
    part.replace(file)


@click.command(help=__doc__)
@click.option("--only", type=click.Choice(list(RECIPES)), multiple=True, help="Default: all.")
@click.option("--force", is_flag=True, help="Train even if the file is there.")
@click.option("--num-clips", default=12_000, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=WEIGHTS_FOLDER)
def main(
    only: tuple[str, ...], force: bool, num_clips: int, seed: int, threads: int, out: Path
) -> None:
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    wanted = [
        name for name in only or RECIPES if force or not (out / f"{name}.safetensors").exists()
    ]
    if not wanted:
        click.echo("nothing to train; use --force to train again")
        return
    click.echo(f"rendering {num_clips} clips")
    data = TrainingSet(num_clips)
    for name in wanted:
        file = out / f"{name}.safetensors"
        network = train(name, data, seed)
        save(
            network,
            file,
            {"dataset": f"moving shapes, train 0..{num_clips - 1}", "seed": str(seed)},
        )
        click.echo(f"{file}: sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
