"""How clips reach the networks: prepared by threads on the CPU, or as stored frames to a device."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from pyoco_eval.extraction.feeding.device_queue import DeviceRowQueue
from pyoco_eval.extraction.feeding.row_queue import Inputs, NetworkInput, RowQueue
from pyoco_eval.extraction.feeding.staging import Load, Staging
from pyoco_eval.extraction.feeding.transfers import CudaTransfers, Transfers
from pyoco_eval.extraction.options import Options
from pyoco_eval.features.base import FeatureExtractor
from pyoco_eval.videos.readers.pixels import PixelRule


class Feed:
    """Resized and scaled by the threads that decode, for networks on the CPU."""

    def queue(self, tap: NetworkInput, options: Options) -> RowQueue:
        """Where the inputs of a tap wait for each other."""
        return RowQueue(tap, options)

    def memory(self, shape: tuple[int, ...]) -> np.ndarray:
        """uint8 memory for the frames of a clip."""
        return np.empty(shape, np.uint8)

    def inputs(
        self, extractor: FeatureExtractor, frames: np.ndarray, stored: dict[int, Load]
    ) -> Inputs:
        """What frames, uint8 (T, H, W, 3), are to a network; called from any thread.

        Args:
            stored: by `id` of the frames, those that another network sends as they are.
        """
        del stored
        return Inputs(Load(extractor.prepare(frames)), as_clip=extractor.kind == "video")

    def release(self, frames: np.ndarray) -> None:
        """All inputs of these frames are made."""


class DeviceFeed(Feed):
    """As uint8 in memory that is used again, copied while the device computes, resized there.

    Frames that a device would resize to other digits are prepared here all the same.
    """

    def __init__(self, transfers: Transfers) -> None:
        self.staging = Staging(transfers)
        self._transfers = transfers

    def queue(self, tap: NetworkInput, options: Options) -> RowQueue:
        return DeviceRowQueue(tap, options, self.staging, self._transfers)

    def memory(self, shape: tuple[int, ...]) -> np.ndarray:
        return self.staging.frames(shape)

    def inputs(
        self, extractor: FeatureExtractor, frames: np.ndarray, stored: dict[int, Load]
    ) -> Inputs:
        as_clip = extractor.kind == "video"
        if not extractor.prepares_there(frames):
            return Inputs(self.staging.load(extractor.prepare(frames)), as_clip=as_clip)
        load = stored.get(id(frames)) or self.staging.load(frames)
        stored[id(frames)] = load
        return Inputs(load, as_clip=as_clip, stored=True)

    def release(self, frames: np.ndarray) -> None:
        self.staging.release(frames)


class PickedFrames:
    """The frames of one clip, and those that some networks see of them, each sent once."""

    def __init__(self, frames: Mapping[PixelRule, np.ndarray], feed: Feed) -> None:
        """Args: frames: uint8 (T, H, W, 3) as read by each rule."""
        self._feed = feed
        self._whole = frames
        self._picked: dict[tuple[PixelRule, tuple[int, ...]], np.ndarray] = {}
        self._stored: dict[int, Load] = {}

    def inputs(self, tap: NetworkInput, chosen: tuple[int, ...]) -> Inputs:
        """The frames `chosen`, as the network of the tap takes them."""
        whole = self._whole[tap.pixels]
        key = (tap.pixels, chosen)
        if key not in self._picked:
            every = chosen == tuple(range(len(whole)))
            self._picked[key] = whole if every else whole[list(chosen)]
        return self._feed.inputs(tap.extractor, self._picked[key], self._stored)


def feed_for(taps: Sequence[NetworkInput]) -> Feed:
    """The feed of networks, which are all on one device."""
    devices = {tap.extractor.device for tap in taps}
    (device,) = devices or {torch.device("cpu")}
    return DeviceFeed(CudaTransfers(device)) if device.type == "cuda" else Feed()
