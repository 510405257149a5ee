"""The route of a device, on one that does everything as late as it may."""

from pathlib import Path

import numpy as np
import pytest
import torch
from late_device import LateTransfers
from toys import MeanColour, flat_videos

from pyoco_eval.errors import VideoError
from pyoco_eval.extraction.decode_pass import run_pass
from pyoco_eval.extraction.feature_store import UNIT, FeatureStore
from pyoco_eval.extraction.feeding.device_queue import BATCHES_IN_FLIGHT
from pyoco_eval.extraction.feeding.feed import DeviceFeed, Feed
from pyoco_eval.extraction.feeding.row_queue import NetworkInput
from pyoco_eval.extraction.frame_rules import FrameRule
from pyoco_eval.extraction.measure import RowCollector
from pyoco_eval.extraction.options import Options
from pyoco_eval.features.base import FeatureExtractor
from pyoco_eval.features.tiny.extractor import load_tiny
from pyoco_eval.metrics.frechet import frechet_distance
from pyoco_eval.shapes.dataset import MovingShapes
from pyoco_eval.statistics.moments import Moments
from pyoco_eval.videos import clips_by_rule
from pyoco_eval.videos.clip_rule import ClipRule
from pyoco_eval.videos.resize import ResizeRule
from pyoco_eval.videos.source import open_source


class OnDevice(MeanColour):
    """Batched as on a GPU, though it computes here."""

    def __init__(self, kind: str = "video", resize: ResizeRule | None = None) -> None:
        super().__init__(kind, resize=resize)
        self.pretended_device = "cuda"


def rows_of(
    source: object, networks: list[FeatureExtractor], options: Options, feed: Feed
) -> list[np.ndarray]:
    collectors = [RowCollector() for _ in networks]
    taps = [NetworkInput(n, [c], "exact") for n, c in zip(networks, collectors, strict=True)]
    opened = open_source(source)
    run_pass(opened, taps, options, feed=feed).settle(len(opened), options)
    return [collector.rows() for collector in collectors]


@pytest.fixture
def late() -> LateTransfers:
    return LateTransfers()


@pytest.mark.parametrize("batch_size", [1, 2, 5])
@pytest.mark.parametrize("select", ["first", "all"])
def test_rows_are_those_of_the_cpu(late: LateTransfers, batch_size: int, select: str) -> None:
    videos = flat_videos(23, num_frames=9)
    options = Options(clip=ClipRule(num_frames=4, select=select), batch_size=batch_size, workers=3)  # type: ignore[arg-type]
    (expected,) = rows_of(videos, [MeanColour()], options, Feed())
    network = OnDevice()
    (found,) = rows_of(videos, [network], options, DeviceFeed(late))
    np.testing.assert_array_equal(found, expected)
    assert set(network.calls[:-1]) == {batch_size}
    assert late.most_at_work == BATCHES_IN_FLIGHT + 1
    assert late.at_work == 0


def test_features_and_scores_of_real_networks_are_those_of_the_cpu(late: LateTransfers) -> None:
    videos = [MovingShapes("test")[index].frames for index in range(24)]
    networks: list[FeatureExtractor] = [load_tiny("tiny3d"), load_tiny("tiny2d")]
    expected = rows_of(videos, networks, Options(), Feed())
    found = rows_of(videos, networks, Options(), DeviceFeed(late))
    for here, there in zip(expected, found, strict=True):
        np.testing.assert_allclose(there, here, rtol=0, atol=2e-6 * np.abs(here).max())
    halves = [(rows[: len(rows) // 2], rows[len(rows) // 2 :]) for rows in (expected[1], found[1])]
    here, there = (
        frechet_distance(Moments.of(first), Moments.of(second)).distance for first, second in halves
    )
    assert there == pytest.approx(here, rel=1e-6)


def test_host_memory_is_used_again(late: LateTransfers) -> None:
    feed = DeviceFeed(late)
    options = Options(clip=ClipRule(num_frames=4), batch_size=2, workers=2)
    rows_of(flat_videos(200), [OnDevice()], options, feed)
    assert feed.staging.made <= 20


def test_frames_are_copied_once_for_all_networks(late: LateTransfers) -> None:
    networks: list[FeatureExtractor] = [OnDevice(), OnDevice("image"), OnDevice("image")]
    options = Options(clip=ClipRule(num_frames=4))
    rows_of(flat_videos(6), networks, options, DeviceFeed(late))
    assert late.copies == 6


def test_only_the_frames_that_are_seen_are_copied(late: LateTransfers) -> None:
    options = Options(clip=ClipRule(num_frames=4), frames=FrameRule.parse("middle"))
    videos = flat_videos(6)
    (found,) = rows_of(videos, [OnDevice("image")], options, DeviceFeed(late))
    np.testing.assert_allclose(found, [video[2, 0, 0] for video in videos], rtol=1e-6)


def test_videos_of_several_sizes_share_a_batch(late: LateTransfers) -> None:
    videos = [np.full((4, 8 + i % 3, 8, 3), i, np.uint8) for i in range(12)]
    network = OnDevice()
    options = Options(clip=ClipRule(num_frames=4), batch_size=6)
    (found,) = rows_of(videos, [network], options, DeviceFeed(late))
    np.testing.assert_allclose(found[:, 0], range(12), atol=1e-5)
    assert network.calls == [6, 6]


def test_a_resize_that_a_device_would_do_otherwise_is_done_here(late: LateTransfers) -> None:
    rule = ResizeRule(8, "bilinear", quantise="round")
    network = OnDevice(resize=rule)
    prepared: list[int] = []
    plain = network.prepare

    def counted(frames: np.ndarray) -> torch.Tensor:
        prepared.append(len(frames))
        return plain(frames)

    network.prepare = counted  # type: ignore[method-assign]
    options = Options(clip=ClipRule(num_frames=4))
    (expected,) = rows_of(flat_videos(5), [MeanColour()], options, Feed())
    (found,) = rows_of(flat_videos(5), [network], options, DeviceFeed(late))
    np.testing.assert_array_equal(found, expected)
    assert prepared == [4] * 5


def test_a_pre_resize_comes_before(late: LateTransfers) -> None:
    rule = ResizeRule(8, "pil-bicubic", quantise="round")
    options = Options(clip=ClipRule(num_frames=4), pre_resize=rule)
    videos = [np.full((4, 20, 30, 3), i, np.uint8) for i in range(9)]
    feed = DeviceFeed(late)
    (found,) = rows_of(videos, [OnDevice()], options, feed)
    np.testing.assert_allclose(found[:, 0], range(9), atol=1e-5)


def test_rows_at_work_of_a_video_that_fails_are_dropped(
    late: LateTransfers, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = clips_by_rule.read_clips

    def breaking(video, *rest):  # type: ignore[no-untyped-def]
        yield from original(video, *rest)
        if video.index == 2:
            raise VideoError(video.id, "breaks")

    monkeypatch.setattr(clips_by_rule, "read_clips", breaking)
    videos = flat_videos(7, num_frames=9)
    options = Options(
        clip=ClipRule(num_frames=2, select="all"), on_error="skip", batch_size=2, workers=1
    )
    (found,) = rows_of(videos, [OnDevice()], options, DeviceFeed(late))
    kept = [video[:8, 0, 0] for index, video in enumerate(videos) if index != 2]
    expected = np.concatenate([colours.reshape(4, 2, 3).mean(1) for colours in kept])
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_rows_come_back_in_order_from_stored_features_and_the_network(
    late: LateTransfers, tmp_path: Path
) -> None:
    """Videos whose rows are known overtake none that are at work."""
    videos = flat_videos(UNIT + 9)
    source = open_source(videos)
    options = Options(clip=ClipRule(num_frames=4), batch_size=2)
    ids = [video.id for video in source]
    for chosen in (range(UNIT), range(len(videos))):
        store = FeatureStore(tmp_path, "memory", ids, {"net": "toy"})
        store.begin_at(chosen.start)
        collector = RowCollector()
        tap = NetworkInput(OnDevice(), [collector], "exact", store)
        found = run_pass(source, [tap], options, chosen=chosen, feed=DeviceFeed(late))
    assert found.num_from_store == UNIT
    expected = np.stack([video[:4, 0, 0].mean(0) for video in videos])
    np.testing.assert_allclose(collector.rows(), expected, rtol=1e-6)
