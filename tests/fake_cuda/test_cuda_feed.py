"""Scoring on CUDA from uint8 frames on: resizes and scales there, streams, batches."""

from collections.abc import Iterator
from contextlib import nullcontext
from unittest import mock

import numpy as np
import pytest
import torch
from fake_device import Machine
from test_cuda_features import MADE

from pyoco_eval.extraction.decode_pass import run_pass
from pyoco_eval.extraction.feeding.feed import DeviceFeed, feed_for
from pyoco_eval.extraction.feeding.row_queue import NetworkInput
from pyoco_eval.extraction.feeding.transfers import CudaTransfers, Transfers
from pyoco_eval.extraction.measure import RowCollector
from pyoco_eval.extraction.options import Options
from pyoco_eval.features.clip import extractor as clip
from pyoco_eval.videos import resize, resize_device
from pyoco_eval.videos.resize import KERNELS, ResizeRule
from pyoco_eval.videos.resize_device import resize_on_device
from pyoco_eval.videos.source import open_source


class Stream:
    """Notes who waits for whom."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.waits: list[Stream] = []
        self.events = 0

    def wait_stream(self, other: "Stream") -> None:
        self.waits.append(other)

    def record_event(self) -> mock.Mock:
        self.events += 1
        return mock.Mock(query=lambda: False)


@pytest.fixture
def streams(cuda: Machine) -> Iterator[Stream]:
    """The stream that computes. Page-locked memory is ordinary; tables made here do not stay."""
    computing = Stream(torch.device("cuda", 0))
    with (
        mock.patch.object(torch.cuda, "Stream", Stream),
        mock.patch.object(torch.cuda, "stream", return_value=nullcontext()),
        mock.patch.object(torch.cuda, "current_stream", return_value=computing),
        mock.patch.object(CudaTransfers, "host", Transfers.host),
    ):
        yield computing
    for table in (resize._tf1_grid, resize_device._tables, clip._of_channels):
        table.cache_clear()  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", MADE)
def test_a_pass(cuda: Machine, streams: Stream, name: str) -> None:
    extractor = MADE[name](cuda).to("cuda")
    collector = RowCollector()
    tap = NetworkInput(extractor, [collector], "exact")
    videos = [np.zeros((16, 48, 60 + 4 * (i % 2), 3), np.uint8) for i in range(9)]
    feed = feed_for([tap])
    assert isinstance(feed, DeviceFeed)
    reads = cuda.reads
    found = run_pass(open_source(videos), [tap], Options(batch_size=2, workers=2), feed=feed)
    assert found.num_videos == 9
    rows = collector.rows()
    assert rows.shape == (9 if extractor.kind == "video" else 144, extractor.spec.dim)
    assert rows.dtype == np.float32
    assert cuda.reads == reads  # the host asks for no number while it feeds the device
    assert len(streams.waits) == streams.events > 4
    assert {wait.device.type for wait in streams.waits} == {"cuda"}


@pytest.mark.parametrize("kernel", KERNELS)
def test_resizes(cuda: Machine, streams: Stream, kernel: str) -> None:
    del streams
    frames = torch.zeros(2, 30, 40, 3, dtype=torch.uint8, device="cuda")
    reads = cuda.reads
    for rule in (ResizeRule(24, kernel), ResizeRule(16, kernel, "crop")):
        found = resize_on_device(frames, rule)
        assert found.device.type == "cuda"
        assert found.dtype == torch.float32
        assert found.shape == (2, 3, rule.size, rule.size)
    assert cuda.reads == reads
