"""Three small convolutional networks for moving shapes; weights and use are in `tiny`.

Axes: B batch, T frames, C channels, H, W, D feature dimension, L words.
Inputs are RGB in [-1, 1] of 64 x 64 pixels.
"""

from itertools import pairwise

import torch
from torch import nn

from pyoco_eval.shapes.captions import (
    BACKGROUND_COLOURS,
    BACKGROUNDS,
    COLOURS,
    SHAPES,
    SIZES,
    TEXTURES,
    VOCABULARY,
)
from pyoco_eval.shapes.dataset import CLASS_NAMES

INPUT_SIZE = 64
WIDTHS = (16, 32, 48, 64)
DIM = WIDTHS[-1]
MAX_WORDS = 16

FRAME_HEADS = {
    "shape": len(SHAPES),
    "colour": len(COLOURS),
    "size": len(SIZES),
    "texture": len(TEXTURES),
    "background": len(BACKGROUNDS),
    "background_colour": len(BACKGROUND_COLOURS),
}
"""What `TinyFrameNetwork` tells of a frame, with the number of answers."""


class _Convolution(nn.Sequential):
    """Convolution that keeps the size over its stride, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int], stride: int = 1) -> None:
        padding = (kernel[0] // 2, kernel[1] // 2)
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        )


class TinyVideoNetwork(nn.Module):
    """Clips of any length to the 48 classes of moving shapes.

    Each stage halves the frames (2-D) and then looks one frame back and ahead (1-D over time).
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = _Convolution(3, WIDTHS[0], (5, 5), stride=2)
        pairs = list(pairwise(WIDTHS))
        self.space = nn.ModuleList(_Convolution(*pair, (3, 3), stride=2) for pair in pairs)
        self.time = nn.ModuleList(_Convolution(width, width, (3, 1)) for _, width in pairs)
        self.head = nn.Linear(DIM, len(CLASS_NAMES))

    def embed(self, videos: torch.Tensor) -> torch.Tensor:
        """(B, T, 3, 64, 64) to (B, D)."""
        batch, length = videos.shape[:2]
        x = self.stem(videos.flatten(0, 1))
        for space, time in zip(self.space, self.time, strict=True):
            x = space(x)  # (B*T, C, H, W)
            channels, height, width = x.shape[1:]
            x = x.view(batch, length, channels, height * width).transpose(1, 2)
            x = time(x)  # (B, C, T, H*W)
            x = x.transpose(1, 2).reshape(batch * length, channels, height, width)
        embedding: torch.Tensor = x.view(batch, length, DIM, -1).mean((1, 3))
        return embedding

    def forward(self, videos: torch.Tensor) -> torch.Tensor:
        """(B, T, 3, 64, 64) to logits (B, 48)."""
        logits: torch.Tensor = self.head(self.embed(videos))
        return logits


class _FrameTrunk(nn.Sequential):
    """(B, 3, 64, 64) to (B, D)."""

    def __init__(self) -> None:
        layers: list[nn.Module] = [_Convolution(3, WIDTHS[0], (5, 5), stride=2)]
        for inputs, outputs in pairwise(WIDTHS):
            layers.append(_Convolution(inputs, outputs, (3, 3), stride=2))
            layers.append(_Convolution(outputs, outputs, (3, 3)))
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


class TinyFrameNetwork(nn.Module):
    """Frames to what they show: one linear answer per entry of `FRAME_HEADS`."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = _FrameTrunk()
        self.heads = nn.Linear(DIM, sum(FRAME_HEADS.values()))

    def embed(self, frames: torch.Tensor) -> torch.Tensor:
        """(B, 3, 64, 64) to (B, D)."""
        embedding: torch.Tensor = self.trunk(frames)
        return embedding

    def answers(self, frames: torch.Tensor) -> dict[str, torch.Tensor]:
        """(B, 3, 64, 64) to logits (B, n) for each entry of `FRAME_HEADS`."""
        parts = self.heads(self.embed(frames)).split(list(FRAME_HEADS.values()), dim=1)
        return dict(zip(FRAME_HEADS, parts, strict=True))

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """(B, 3, 64, 64) to logits (B, 48) of shape and colour together, colour fastest."""
        answers = self.answers(frames)
        return (answers["shape"][:, :, None] + answers["colour"][:, None, :]).flatten(1)


class TinyImageTextNetwork(nn.Module):
    """Frames and captions in one space of D dimensions, where a cosine tells how well they fit."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = _FrameTrunk()
        self.image_projection = nn.Linear(DIM, DIM)
        # Full rank from the start: a direction that begins near zero stays there.
        nn.init.orthogonal_(self.image_projection.weight)
        # Index 0 pads captions to one length.
        self.words = nn.Embedding(1 + len(VOCABULARY), DIM, padding_idx=0)
        self.places = nn.Parameter(0.1 * torch.randn(MAX_WORDS, DIM))
        self.mixer = nn.TransformerEncoderLayer(
            DIM, nhead=4, dim_feedforward=2 * DIM, dropout=0.0, batch_first=True, norm_first=True
        )
        self.text_projection = nn.Linear(DIM, DIM)
        self.log_scale = nn.Parameter(torch.tensor(2.3))

    def embed(self, frames: torch.Tensor) -> torch.Tensor:
        """(B, 3, 64, 64) to (B, D), not normalised."""
        embedding: torch.Tensor = self.image_projection(self.trunk(frames))
        return embedding

    def embed_words(self, tokens: torch.Tensor) -> torch.Tensor:
        """Word numbers (B, L), 0 for none, to a vector of each word in its place (B, L, D)."""
        x = self.words(tokens) + self.places[: tokens.shape[1]]
        mixed: torch.Tensor = self.mixer(x, src_key_padding_mask=tokens == 0)
        return mixed

    def embed_text(self, tokens: torch.Tensor) -> torch.Tensor:
        """Word numbers (B, L), 0 for none, to (B, D), not normalised."""
        present = (tokens != 0)[..., None]
        mean = (self.embed_words(tokens) * present).sum(1) / present.sum(1)
        embedding: torch.Tensor = self.text_projection(mean)
        return embedding

    def forward(self, frames: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Scaled cosines (B, B) of every frame (rows) with every caption (columns)."""
        images = nn.functional.normalize(self.embed(frames).float(), dim=1)
        texts = nn.functional.normalize(self.embed_text(tokens).float(), dim=1)
        return self.log_scale.exp() * images @ texts.T


def word_numbers(captions: list[str]) -> torch.Tensor:
    """Captions as numbers of words.

    Returns:
        int64 (B, L), positions in `VOCABULARY` plus one, padded with 0 to the longest.

    Raises:
        KeyError: a word outside `VOCABULARY`.
    """
    numbers = [[_NUMBERS[word] for word in caption.split()] for caption in captions]
    longest = max(map(len, numbers))
    return torch.tensor([row + [0] * (longest - len(row)) for row in numbers])


_NUMBERS = {word: number for number, word in enumerate(VOCABULARY, start=1)}
