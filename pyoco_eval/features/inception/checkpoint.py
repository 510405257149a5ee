"""Loads the published weights of the FID Inception and folds their batch normalisation.

The published file is `pt_inception-2015-12-05-6726825d.pth` of pytorch-fid (the same bytes as
torch-fidelity's); a safetensors file with the same names and shapes is read as well.

References: https://github.com/mseitzer/pytorch-fid/releases/tag/fid_weights
"""

from collections.abc import Mapping
from pathlib import Path

import torch

from pyoco_eval.features.inception.network import ConvReLU, InceptionNetwork
from pyoco_eval.features.loading.state_dict import WeightsError, read_state_dict, require_tensors

BATCH_NORM_EPS = 1e-3
_REMEDY = "Expected pt_inception-2015-12-05-6726825d.pth of pytorch-fid or torch-fidelity."


def load_inception_network(path: Path) -> InceptionNetwork:
    """The network in evaluation mode, float32, channels-last, without gradients.

    Raises:
        MissingError: no such file.
        WeightsError: the file holds something else; the message names the tensors that differ.
    """
    with torch.device("meta"):
        network = InceptionNetwork()
    found = {
        name: tensor
        for name, tensor in read_state_dict(path).items()
        if not name.endswith("num_batches_tracked")
    }
    tensors = require_tensors(
        found,
        _published_shapes(network),
        path=path,
        network="the FID Inception of 2015-12-05",
        remedy=_REMEDY,
    )
    network.load_state_dict(_fold(network, tensors, path), assign=True)
    network.requires_grad_(False)
    return network.eval()


def _published_shapes(network: InceptionNetwork) -> dict[str, tuple[int, ...]]:
    """Shapes by name in the published file, where batch normalisation is separate."""
    shapes: dict[str, tuple[int, ...]] = {
        f"fc.{name}": tuple(tensor.shape) for name, tensor in network.fc.state_dict().items()
    }
    for name, convolution in _convolutions(network).items():
        shapes[f"{name}.conv.weight"] = tuple(convolution.weight.shape)
        for statistic in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.bn.{statistic}"] = (convolution.out_channels,)
    return shapes


def _fold(
    network: InceptionNetwork, tensors: Mapping[str, torch.Tensor], path: Path
) -> dict[str, torch.Tensor]:
    """Batch normalisation as part of the convolution before it, computed in float64."""
    folded = {name: tensors[name] for name in ("fc.weight", "fc.bias")}
    for name in _convolutions(network):
        weight, gamma, beta, mean, variance = (
            tensors[f"{name}.{part}"].to(torch.float64)
            for part in ("conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var")
        )
        if bool((variance < 0).any()):
            raise WeightsError(f"{path}: {name}.bn.running_var holds a negative number. {_REMEDY}")
        scale = gamma / (variance + BATCH_NORM_EPS).sqrt()
        folded[f"{name}.weight"] = (weight * scale[:, None, None, None]).to(
            torch.float32, memory_format=torch.channels_last
        )
        folded[f"{name}.bias"] = (beta - mean * scale).to(torch.float32)
    return folded


def _convolutions(network: InceptionNetwork) -> dict[str, ConvReLU]:
    return {name: m for name, m in network.named_modules() if isinstance(m, ConvReLU)}
