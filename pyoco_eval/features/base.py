"""The contract of every feature network.

Axes: B batch, T frames, C channels (RGB unless said), H, W, D feature dimension.
Frames at rest are (T, H, W, 3) uint8 RGB.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import ClassVar, Literal, Protocol, Self

import numpy as np
import torch

from pyoco_eval.devices import arithmetic
from pyoco_eval.videos.resize import ResizeRule
from pyoco_eval.videos.resize_device import resize_on_device, same_on_device
from pyoco_eval.weights import WeightFile, resolve

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class WeightsIdentity:
    """What the network's numbers come from.

    Attributes:
        short: eight hexadecimal digits, as shown in signatures (a prefix of `digest`).
        digest: the full hash, with its kind in front: `sha256:…` or `gitblob:…`.
        published: whether the content was verified to be the published file. Scores from other
            weights are labelled `unverified`.
    """

    short: str
    digest: str
    published: bool


@dataclass(frozen=True)
class ExtractorSpec:
    """Everything about an extractor that can change a score.

    Attributes:
        name: key of the extractor (`i3d`, `c3d`, `inception`, `clip`, `tiny3d`, …).
        network: which trained network it is (`k400`, `ucf101`, `fid2015`, `vitb32`, `shapes`).
        layer: where features are read (`logits`, `pool3`, `embedding`, …).
        dim: D.
        resize: how frames reach the network's input size.
        scaling: how 0..255 becomes network input, in one token (`2x/255-1`, `(x-128)/128`).
        weights: identity of the loaded numbers.
        variant: what else distinguishes this port (`bn1e-3`), empty if nothing does.
    """

    name: str
    network: str
    layer: str
    dim: int
    resize: ResizeRule
    scaling: str
    weights: WeightsIdentity
    variant: str = ""


@dataclass(frozen=True)
class LoadRequest:
    """What a network is loaded with: the argument of every `loader` of the catalogue.

    Attributes:
        name: of the network, a key of `catalogue.NETWORKS`.
        layer: where its features are read.
        resize: rule to its input size, None where it has one of its own.
        scaling: how 0..255 becomes its input, empty likewise.
        bn_eps: constant of batch normalisation, None for its own.
        weights: the user's files, by key.
        trust: keys of weights whose TorchScript program may run.
    """

    name: str
    layer: str
    resize: ResizeRule | None = None
    scaling: str = ""
    bn_eps: float | None = None
    weights: Mapping[str, Path] = field(default_factory=dict)
    trust: frozenset[str] = frozenset()

    def weight_file(self, key: str) -> WeightFile:
        """The user's file, or else the published one on this machine.

        Raises:
            MissingError: it is not there; the message says how to get it.
        """
        return resolve(key, self.weights)


class FeatureExtractor(ABC):
    """Frames in, features out, in two steps so that decoding threads can do the first.

    `kind` says what one feature row stands for: a `video` clip or a single `image` (frame).
    `num_frames` is the exact clip length a video network accepts, None for any length from
    `min_frames` on that `frame_step` divides. Networks are in evaluation mode and never track
    gradients.
    """

    kind: ClassVar[Literal["video", "image"]]
    num_frames: ClassVar[int | None] = None
    min_frames: ClassVar[int] = 1
    frame_step: ClassVar[int] = 1

    spec: ExtractorSpec
    network: torch.nn.Module
    precision: Precision = "fp32"

    @abstractmethod
    def prepare(self, frames: np.ndarray) -> torch.Tensor:
        """Resize and scale on the CPU.

        Args:
            frames: (T, H, W, 3) uint8 RGB of any size.

        Returns:
            float32 (T, 3, h, w) at the network's input size, CPU.
        """

    @abstractmethod
    def launch(self, batch: torch.Tensor) -> torch.Tensor:
        """Run the network, without waiting for the device.

        Args:
            batch: stacked outputs of `prepare`: (B, T, 3, h, w) for video networks,
                (B, 3, h, w) for image networks; any device, moved to the network's.

        Returns:
            float32 (B, D) on the network's device, still to be `checked`.
        """

    def checked(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows of `launch`, by now on the CPU, after what has to be checked or done there."""
        return rows

    def extract(self, batch: torch.Tensor) -> torch.Tensor:
        """`launch` and wait: float32 (B, D) on the CPU."""
        return self.checked(self.launch(batch).cpu())

    @property
    def rule(self) -> ResizeRule:
        """How frames are resized before the network."""
        return self.spec.resize

    def prepares_there(self, frames: np.ndarray) -> bool:
        """Whether `prepare_there` may stand for `prepare` of (T, H, W, 3) (see `resize_device`)."""
        return same_on_device(self.rule, *frames.shape[1:3])

    def scale(self, resized: torch.Tensor) -> torch.Tensor:
        """0..255 to what the network takes, in place: float32 (T, 3, h, w) or (B, T, 3, h, w)."""
        raise NotImplementedError(f"{self.spec.name} prepares its frames in one step")

    def prepare_there(self, frames: torch.Tensor) -> torch.Tensor:
        """`prepare` where the frames are, if the network `prepares_there` frames of their size.

        Every step is one elementwise operation, so that a device rounds as the CPU does: see
        `resize_device`.

        Args:
            frames: uint8 RGB, (B, T, H, W, 3) for video networks, (B, H, W, 3) for image networks.

        Returns:
            A batch for `launch`, on the same device.
        """
        with torch.inference_mode():
            resized = resize_on_device(frames.flatten(0, -4), self.rule)
            return self.scale(resized.view(*frames.shape[:-3], *resized.shape[1:]))

    def to(self, device: torch.device | str) -> Self:
        """Move the network; returns self."""
        self.network.to(device)
        return self

    def set_precision(self, precision: Precision) -> Self:
        """Choose the arithmetic of the network; returns self.

        In `bf16` convolutions and attention run in bfloat16, what follows the last pool in
        float32. Features then differ by about 1e-2 of their length and never mix with float32
        ones. There is no way back: weights are rounded.

        Raises:
            UsageError: this network has no bfloat16 form.
        """
        if precision == "bf16":
            for part in self.rounded_parts():
                part.to(torch.bfloat16)
            self.precision = precision
        return self

    def rounded_parts(self) -> Sequence[torch.nn.Module]:
        """The modules that run in bfloat16 under that precision."""
        return [self.network]

    @property
    def arithmetic(self) -> str:
        """`precision` as it is signed: `bf16-emulated` where the device lacks bfloat16."""
        return arithmetic(self.precision, self.device)

    @property
    def dtype(self) -> torch.dtype:
        """What the first layer of the network takes."""
        return torch.bfloat16 if self.precision == "bf16" else torch.float32

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(chain(self.network.parameters(), self.network.buffers())).device

    def __call__(self, clips: np.ndarray) -> np.ndarray:
        """Features of uint8 frames.

        Args:
            clips: (B, T, H, W, 3) for video networks, (B, H, W, 3) for image networks.

        Returns:
            float32 (B, D).
        """
        if self.kind == "image":
            batch = self.prepare(clips)
        else:
            batch = torch.stack([self.prepare(frames) for frames in clips])
        return self.extract(batch).numpy()


class CaptionEncoder(Protocol):
    """Captions to embeddings (N, D) in the space of the frames'."""

    truncated: int
    """Captions so far that lost their end because they were too long."""

    def encode(self, captions: Sequence[str]) -> np.ndarray:
        """float32 (N, D), one row per caption."""
        ...


def divide(values: torch.Tensor, divisor: float) -> torch.Tensor:
    """Divide in place with the CPU's rounding: CUDA multiplies by the reciprocal of a scalar."""
    return values.div_(torch.full((), divisor, device=values.device))
