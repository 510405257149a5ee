"""Inception Score features by StyleGAN-V's TorchScript of C3D.

Axes: B batch, T frames, C channels (RGB), H, W, D features.

The script takes uint8 frames of any size and returns class probabilities; resizing, channel order
and the mean are inside. What it does there was never published, nor a hash of the file, so there is
no port to plain PyTorch: the program runs, and only when the user says so.

References: universome/stylegan-v (`isv2048_ucf`).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch

from pyoco_eval.errors import UsageError
from pyoco_eval.features.base import (
    ExtractorSpec,
    FeatureExtractor,
    LoadRequest,
    WeightsIdentity,
)
from pyoco_eval.features.layers.exact_inference import exact_inference
from pyoco_eval.features.loading.state_dict import WeightsError
from pyoco_eval.features.loading.torchscript import load_torchscript, run_torchscript
from pyoco_eval.videos.resize import IN_NETWORK, ResizeRule
from pyoco_eval.weights import WeightFile

KEY: Final = "c3d-torchscript"
NUM_FRAMES: Final = 16
NUM_CLASSES: Final = 101
RESIZE: Final = ResizeRule(112, IN_NETWORK)
_ROUNDING = 1e-3
"""How far the probabilities of one clip may sum from 1."""


class TorchScriptC3DExtractor(FeatureExtractor):
    """Logarithms of class probabilities, one row per clip of exactly sixteen frames."""

    kind = "video"
    num_frames = NUM_FRAMES
    min_frames = NUM_FRAMES

    network: torch.nn.Module

    def __init__(self, module: torch.nn.Module, spec: ExtractorSpec) -> None:
        self.network = module
        self.spec = spec

    def rounded_parts(self) -> Sequence[torch.nn.Module]:
        raise UsageError(f"--precision bf16: {KEY} runs only as it is, in fp32")

    def prepare(self, frames: np.ndarray) -> torch.Tensor:
        """uint8 (T, 3, H, W), the frames as they are."""
        if len(frames) != NUM_FRAMES:
            raise UsageError(
                f"{KEY} needs clips of exactly {NUM_FRAMES} frames, found {len(frames)}"
            )
        return torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2)))

    def launch(self, batch: torch.Tensor) -> torch.Tensor:
        clips = batch.transpose(1, 2).contiguous().to(self.device)
        with exact_inference():
            found = run_torchscript(self.network, clips, KEY).float()
        if found.shape[:1] != (len(batch),):
            raise WeightsError(
                f"the {KEY} TorchScript gave {tuple(found.shape)} for {len(batch)} clips: "
                "another network"
            )
        return found

    def checked(self, rows: torch.Tensor) -> torch.Tensor:
        sums = rows.sum(dim=-1)
        if rows.shape[1:] != (NUM_CLASSES,) or ((sums - 1).abs() > _ROUNDING).any():
            raise WeightsError(
                f"the {KEY} TorchScript gave {tuple(rows.shape)} with sums from {sums.min():g} to "
                f"{sums.max():g}, not probabilities of {NUM_CLASSES} classes: another network"
            )
        return rows.clamp(min=torch.finfo(torch.float32).tiny).log()


def load_c3d_torchscript(
    weight_file: WeightFile, *, layer: str = "log-probs", trusted: bool = False
) -> TorchScriptC3DExtractor:
    """The TorchScript C3D as an extractor on the CPU.

    Args:
        weight_file: `c3d_ucf101.pt`; no hash of it was ever published.
        layer: `log-probs` (101), the only one: its softmax is what the script returns, except that
            probabilities below 1.2e-38 become that.
        trusted: the user asks for this program to be run.

    Raises:
        UsageError: another layer, or a file that is not trusted.
        MissingError, WeightsError: see `load_torchscript`.
    """
    if layer != "log-probs":
        raise UsageError(f"{KEY} layer {layer!r} is not one of log-probs")
    spec = ExtractorSpec(
        name=KEY,
        network="ucf101",
        layer=layer,
        dim=NUM_CLASSES,
        resize=RESIZE,
        scaling="x",
        weights=WeightsIdentity(weight_file.short, weight_file.digest, weight_file.published),
    )
    return TorchScriptC3DExtractor(load_torchscript(weight_file, trusted=trusted), spec)


def open_c3d_torchscript(request: LoadRequest) -> TorchScriptC3DExtractor:
    """`load_c3d_torchscript` for the catalogue of networks."""
    return load_c3d_torchscript(
        request.weight_file(KEY), layer=request.layer, trusted=KEY in request.trust
    )
