"""How pleasing a picture is, as a linear function of its image embedding.

Axes: N pictures, D dimensions of the embedding.

The improved aesthetic predictor of LAION is a chain of linear layers without activations on the
embedding of CLIP ViT-L/14, scaled to length 1. A chain of linear maps is one linear map, so it is
folded into one vector and one bias.

Reference: Schuhmann et al. (2022), LAION-5B, and
https://github.com/christophschuhmann/improved-aesthetic-predictor (Apache-2.0).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from pyoco_eval.errors import PyocoEvalError
from pyoco_eval.features.base import WeightsIdentity
from pyoco_eval.features.loading.state_dict import read_state_dict, require_tensors
from pyoco_eval.weights import WeightFile

WIDTHS: Final = (768, 1024, 128, 64, 16, 1)
LAYERS: Final = (0, 2, 4, 6, 7)
"""Numbers of the linear layers among the modules of the original; the others are dropout."""
_REMEDY: Final = "Expected `pyoco-eval weights fetch aesthetic`, or a file of the same layers."


@dataclass(frozen=True)
class AestheticHead:
    """A linear head on embeddings of length 1.

    Attributes:
        name: of the head, as signatures have it.
        weight: float64 (D,).
        bias: added to the product.
        identity: of the file it comes from.
    """

    name: str
    weight: np.ndarray
    bias: float
    identity: WeightsIdentity

    def scores(self, embeddings: np.ndarray) -> np.ndarray:
        """One score for each picture.

        Args:
            embeddings: (N, D), of any length but 0; they are scaled to length 1.

        Returns:
            float64 (N,), about 1 to 10.

        Raises:
            PyocoEvalError: another D, or embeddings that are not finite or all 0.
        """
        if embeddings.ndim != 2 or embeddings.shape[1] != len(self.weight):
            raise PyocoEvalError(
                f"embeddings {embeddings.shape} do not fit {self.name}, which takes (N, "
                f"{len(self.weight)})"
            )
        rows = embeddings.astype(np.float64)
        lengths = np.linalg.norm(rows, axis=1)
        if not (np.isfinite(lengths).all() and lengths.all()):
            raise PyocoEvalError("an embedding that is not finite, or all 0, has no direction")
        return np.asarray((rows / lengths[:, None]) @ self.weight + self.bias)


def fold(layers: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, float]:
    """A chain of linear layers as one, in float64.

    Args:
        layers: (weight (out, in), bias (out,)) from the first to the last, which has one output.

    Returns:
        Weight float64 (D,) and bias.
    """
    weight, bias = np.ones((1, 1)), np.zeros(1)
    for own_weight, own_bias in reversed(layers):
        bias = bias + weight @ own_bias.astype(np.float64)
        weight = weight @ own_weight.astype(np.float64)
    return weight[0], float(bias[0])


def load_laion_head(file: WeightFile) -> AestheticHead:
    """LAION's improved aesthetic predictor from its file, which is read as data alone.

    Raises:
        MissingError: no such file.
        WeightsError: the file is damaged or holds something else.
    """
    tensors = _layers_of(file.path)
    layers = [
        (tensors[f"layers.{number}.weight"], tensors[f"layers.{number}.bias"]) for number in LAYERS
    ]
    identity = WeightsIdentity(file.short, file.digest, file.published)
    return AestheticHead("laion-improved", *fold(layers), identity)


def _layers_of(path: Path) -> Mapping[str, np.ndarray]:
    expected: dict[str, tuple[int, ...]] = {}
    for number, (inputs, outputs) in zip(LAYERS, pairwise(WIDTHS), strict=True):
        expected[f"layers.{number}.weight"] = (outputs, inputs)
        expected[f"layers.{number}.bias"] = (outputs,)
    tensors = require_tensors(
        read_state_dict(path),
        expected,
        path=path,
        network="LAION's improved aesthetic predictor",
        remedy=_REMEDY,
    )
    return {name: tensor.numpy() for name, tensor in tensors.items()}
