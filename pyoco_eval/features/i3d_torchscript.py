"""FVD features by StyleGAN-V's TorchScript of I3D, for the conventions that used that very file.

Axes: B batch, T frames, C channels (RGB), H, W, D features.

References: universome/stylegan-v (resizes and scales inside); JunyaoHu/
common_metrics_on_video_quality (does both outside).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch

from pyoco_eval.errors import UsageError
from pyoco_eval.features.base import ExtractorSpec, FeatureExtractor, WeightsIdentity
from pyoco_eval.features.exact_inference import exact_inference
from pyoco_eval.features.state_dict import WeightsError
from pyoco_eval.features.torchscript import load_torchscript, run_torchscript
from pyoco_eval.videos.resize import IN_NETWORK, ResizeRule, resize_frames
from pyoco_eval.weights import WeightFile

KEY: Final = "i3d-torchscript"
INPUT_SIZE: Final = 224
MIN_FRAMES: Final = 9
DIM: Final = 400


class TorchScriptI3DExtractor(FeatureExtractor):
    """Logits of the TorchScript I3D, one row per clip of at least nine frames.

    With a resize rule `in-network` frames go in as uint8 of their own size, and `prepare` keeps
    both.
    """

    kind = "video"
    min_frames = MIN_FRAMES

    network: torch.jit.ScriptModule

    def __init__(self, module: torch.jit.ScriptModule, spec: ExtractorSpec) -> None:
        self.network = module
        self.spec = spec
        self._inside = spec.resize.kernel == IN_NETWORK

    def rounded_parts(self) -> Sequence[torch.nn.Module]:
        raise UsageError(f"--precision bf16: {KEY} runs only as it is, in fp32")

    def prepare(self, frames: np.ndarray) -> torch.Tensor:
        if self._inside:
            return torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2)))
        return resize_frames(frames, self.spec.resize).div_(255).sub_(0.5).mul_(2)

    def extract(self, batch: torch.Tensor) -> torch.Tensor:
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
        return features.float().cpu()


def load_i3d_torchscript(
    weight_file: WeightFile, *, resize: ResizeRule, layer: str = "logits", trusted: bool = False
) -> TorchScriptI3DExtractor:
    """The TorchScript I3D as an extractor on the CPU.

    Args:
        weight_file: `i3d_torchscript.pt`.
        resize: `224-innetwork-squash` (StyleGAN-V), or any rule of size 224 to resize before.
        layer: `logits`, the only one.
        trusted: execute the file although its hash is not the pinned one.

    Raises:
        UsageError: another layer or size, or a file that is neither pinned nor trusted.
        MissingError, WeightsError: see `load_torchscript`.
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
    return TorchScriptI3DExtractor(load_torchscript(weight_file, trusted=trusted), spec)
