"""FVD features by the I3D of StyleGAN-V's TorchScript archive, for the conventions that use it.

Its port to plain PyTorch gives the numbers: tensors are read from the archive, the program in it
is not run. The program itself runs on request, as a check while PyTorch has TorchScript.

Axes: B batch, T frames, C channels (RGB), H, W, D features.

References: universome/stylegan-v (resizes and scales inside); JunyaoHu/
common_metrics_on_video_quality (does both outside).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import torch

from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.features.base import (
    ExtractorSpec,
    FeatureExtractor,
    LoadRequest,
    WeightsIdentity,
    divide,
)
from pyoco_eval.features.i3d.archive import FRAME_STEP, load_archived_i3d
from pyoco_eval.features.i3d.archive import MIN_FRAMES as PORT_MIN_FRAMES
from pyoco_eval.features.i3d.extractor import I3DExtractor
from pyoco_eval.features.layers.exact_inference import exact_inference
from pyoco_eval.features.loading.state_dict import WeightsError
from pyoco_eval.features.loading.torchscript import load_torchscript, run_torchscript
from pyoco_eval.videos.resize import IN_NETWORK, ResizeRule, resize_frames
from pyoco_eval.weights import WeightFile

KEY: Final = "i3d-torchscript"
INPUT_SIZE: Final = 224
MIN_FRAMES: Final = 9
DIM: Final = 400
INSIDE: Final = ResizeRule(INPUT_SIZE, "bilinear", "squash")
"""What the program does to frames of any size."""
_REMEDY: Final = (
    f"--trust {KEY} runs the program in the file as it is; pyoco-eval weights fetch {KEY} gets the "
    "published file"
)


class PortedI3DExtractor(I3DExtractor):
    """Logits by plain PyTorch, one row per clip of a multiple of four frames, from twelve on."""

    min_frames = PORT_MIN_FRAMES
    frame_step = FRAME_STEP

    @property
    def rule(self) -> ResizeRule:
        return INSIDE if self.spec.resize.kernel == IN_NETWORK else self.spec.resize

    def prepare(self, frames: np.ndarray) -> torch.Tensor:
        _check_length(len(frames))
        return self.scale(resize_frames(frames, self.rule))

    def scale(self, resized: torch.Tensor) -> torch.Tensor:
        return divide(resized, 255).mul_(2).sub_(1)

    def launch(self, batch: torch.Tensor) -> torch.Tensor:
        _check_length(batch.shape[1])
        return super().launch(batch)


class TorchScriptI3DExtractor(FeatureExtractor):
    """Logits by the program in the archive, one row per clip of at least nine frames.

    With a resize rule `in-network` frames go in as uint8 of their own size, and `prepare` keeps
    both.
    """

    kind = "video"
    min_frames = MIN_FRAMES

    network: torch.nn.Module

    def __init__(self, module: torch.nn.Module, spec: ExtractorSpec) -> None:
        self.network = module
        self.spec = spec
        self._inside = spec.resize.kernel == IN_NETWORK

    def rounded_parts(self) -> Sequence[torch.nn.Module]:
        raise UsageError(f"--precision bf16: {KEY} runs only as it is, in fp32")

    def prepare(self, frames: np.ndarray) -> torch.Tensor:
        if self._inside:
            return torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2)))
        return self.scale(resize_frames(frames, self.spec.resize))

    def scale(self, resized: torch.Tensor) -> torch.Tensor:
        return divide(resized, 255).sub_(0.5).mul_(2)

    def launch(self, batch: torch.Tensor) -> torch.Tensor:
        clips = batch.transpose(1, 2).contiguous().to(self.device)
        inside = self._inside
        with exact_inference():
            features = run_torchscript(
                self.network, clips, KEY, rescale=inside, resize=inside, return_features=True
            )
        if features.shape != (len(batch), DIM):
            raise WeightsError(
                f"the {KEY} TorchScript gave {tuple(features.shape)} for {len(batch)} clips, not "
                f"({len(batch)}, {DIM}): it is another network"
            )
        return features.float()


def load_i3d_torchscript(
    weight_file: WeightFile, *, resize: ResizeRule, layer: str = "logits", trusted: bool = False
) -> FeatureExtractor:
    """StyleGAN-V's I3D on the CPU: its port, or the program itself.

    Args:
        weight_file: `i3d_torchscript.pt`.
        resize: `224-innetwork-squash` (StyleGAN-V), or any rule of size 224 to resize before.
        layer: `logits`, the only one.
        trusted: run the program in the file in place of the port; the spec's variant says so.

    Raises:
        UsageError: another layer or size.
        MissingError: no such file, or a PyTorch without TorchScript.
        WeightsError: see `load_archived_i3d` and `load_torchscript`.
    """
    if layer != "logits":
        raise UsageError(f"{KEY} layer {layer!r} is not one of logits")
    if resize.size != INPUT_SIZE:
        raise UsageError(f"{KEY} takes frames of {INPUT_SIZE} pixels, not {resize.spec()}")
    spec = ExtractorSpec(
        name=KEY,
        network="k400",
        layer=layer,
        dim=DIM,
        resize=resize,
        scaling="2x/255-1",
        weights=WeightsIdentity(weight_file.short, weight_file.digest, weight_file.published),
    )
    if trusted:
        module = load_torchscript(weight_file, trusted=True)
        return TorchScriptI3DExtractor(module, replace(spec, variant="executed"))
    if not weight_file.path.is_file():
        raise MissingError(
            f"{weight_file.path}: no such file; pyoco-eval weights fetch {KEY} gets it"
        )
    inside = resize.kernel == IN_NETWORK
    network = load_archived_i3d(weight_file.path, inside=inside, remedy=_REMEDY)
    return PortedI3DExtractor(network, spec)


def open_i3d_torchscript(request: LoadRequest) -> FeatureExtractor:
    """`load_i3d_torchscript` for the catalogue of networks."""
    assert request.resize is not None
    return load_i3d_torchscript(
        request.weight_file(KEY),
        resize=request.resize,
        layer=request.layer,
        trusted=KEY in request.trust,
    )


def _check_length(num_frames: int) -> None:
    if num_frames < PORT_MIN_FRAMES or num_frames % FRAME_STEP:
        raise UsageError(
            f"{KEY} in plain PyTorch takes clips of a multiple of {FRAME_STEP} frames, from "
            f"{PORT_MIN_FRAMES} on, found {num_frames}: how its program pads others is not known. "
            f"--trust {KEY} runs the program itself"
        )
