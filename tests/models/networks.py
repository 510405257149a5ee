"""Small networks whose every layer takes part."""

from typing import TypeVar

import torch
from torch import nn

from pyoco_eval.diffusion.denoiser import Conditioning, TextEmbedding

_Network = TypeVar("_Network", bound=nn.Module)


def perturbed(network: _Network, *, seed: int = 0) -> _Network:
    """No weight is zero any more: layers that start as nothing do something."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return network


def text(*lengths: int, num_tokens: int = 4, width: int = 64) -> Conditioning:
    """Random tokens of the `shapes` encoder, the first `lengths` of each row counting."""
    tokens = torch.randn(len(lengths), num_tokens, width)
    mask = torch.arange(num_tokens) < torch.tensor(lengths)[:, None]
    return Conditioning({"shapes": TextEmbedding(tokens, mask)})
