"""One pass over videos: order, batches, skipping, errors, memory."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from toys import MeanColour, flat_videos

from pyoco_eval.errors import UnusableVideosError
from pyoco_eval.extraction.decode_pass import Pass, run_pass
from pyoco_eval.extraction.feeding.feed import DeviceFeed
from pyoco_eval.extraction.feeding.row_queue import NetworkInput
from pyoco_eval.extraction.feeding.transfers import Transfers
from pyoco_eval.extraction.frame_rules import FrameRule
from pyoco_eval.extraction.measure import RowCollector
from pyoco_eval.extraction.options import Options
from pyoco_eval.videos.clip_rule import ClipRule
from pyoco_eval.videos.resize import ResizeRule
from pyoco_eval.videos.source import open_source


def collect(
    source: object, options: Options, kind: str = "video", device: str = "cpu"
) -> tuple[np.ndarray, list[str], Pass, MeanColour]:
    network, rows = MeanColour(kind), RowCollector()
    network.pretended_device = device
    tap = NetworkInput(network, [rows], "exact")
    opened = open_source(source)
    feed = DeviceFeed(Transfers(torch.device("cpu"))) if device == "cuda" else None
    found = run_pass(opened, [tap], options, feed=feed)
    found.settle(len(opened), options)
    assert tap.row_ids is not None
    return rows.rows(), tap.row_ids, found, network


@pytest.mark.parametrize("batch_size", [1, 3, 50])
@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_rows_come_in_video_order_for_any_batch_and_worker_count(
    batch_size: int, workers: int, device: str
) -> None:
    videos = flat_videos(17)
    options = Options(clip=ClipRule(num_frames=4), batch_size=batch_size, workers=workers)
    rows, ids, found, network = collect(videos, options, device=device)
    expected = np.stack([video[:4].reshape(-1, 3).mean(0) for video in videos])
    np.testing.assert_allclose(rows, expected, rtol=1e-6)
    assert ids == [f"array#{i}" for i in range(17)]
    assert found.num_videos == 17
    assert max(network.calls) == (1 if device == "cpu" else min(batch_size, 17))
    assert found.size_label() == "8x8"


@pytest.mark.parametrize(
    ("rule", "picked"), [("all", [0, 1, 2, 3]), ("first", [0]), ("middle", [2])]
)
def test_image_networks_see_the_frames_the_rule_names(rule: str, picked: list[int]) -> None:
    videos = flat_videos(5)
    options = Options(clip=ClipRule(num_frames=4), frames=FrameRule.parse(rule))
    rows, ids, _, _ = collect(videos, options, "image")
    np.testing.assert_allclose(
        rows, np.concatenate([video[picked, 0, 0] for video in videos]), rtol=1e-6
    )
    assert ids[: len(picked)] == [f"array#0:{index}" for index in picked]


def test_random_frames_depend_on_the_video_alone() -> None:
    rule = FrameRule.parse("random(seed=3)")
    picks = [rule.indices(16, f"v{i}.mp4", 0)[0] for i in range(200)]
    assert picks == [rule.indices(16, f"v{i}.mp4", 0)[0] for i in range(200)]
    assert set(picks) == set(range(16))


def test_all_clips_of_a_video_are_numbered() -> None:
    rows, ids, found, _ = collect(
        flat_videos(2, num_frames=9), Options(clip=ClipRule(num_frames=4, select="all"))
    )
    assert ids == ["array#0@0", "array#0@1", "array#1@0", "array#1@1"]
    assert len(rows) == 4
    assert found.num_videos == 2


@pytest.fixture
def mixed_folder(tmp_path: Path) -> Path:
    """Six array videos, two of them too short and one damaged."""
    for i, video in enumerate(flat_videos(6)):
        np.save(tmp_path / f"v{i}.npy", video[: 2 if i in (1, 4) else 6])
    (tmp_path / "v3.npy").write_bytes(b"not an array")
    return tmp_path


def test_every_unusable_video_is_named_at_once(mixed_folder: Path) -> None:
    with pytest.raises(UnusableVideosError) as raised:
        collect(mixed_folder, Options(clip=ClipRule(num_frames=4)))
    assert list(raised.value.reasons) == ["v1.npy", "v3.npy", "v4.npy"]
    assert "3 of 6 videos" in str(raised.value)
    assert "--on-error skip" in str(raised.value)


def test_skipping_leaves_the_others_and_keeps_the_reasons(mixed_folder: Path) -> None:
    options = Options(clip=ClipRule(num_frames=4), on_error="skip", batch_size=2)
    rows, ids, found, _ = collect(mixed_folder, options)
    assert ids == ["v0.npy", "v2.npy", "v5.npy"]
    videos = flat_videos(6)
    expected = [videos[i][:4].reshape(-1, 3).mean(0) for i in (0, 2, 5)]
    np.testing.assert_allclose(rows, expected, rtol=1e-6)
    assert sorted(found.skipped) == ["v1.npy", "v3.npy", "v4.npy"]
    assert found.num_videos == 3


def test_short_skip_leaves_short_videos_out_but_damage_is_still_an_error(
    mixed_folder: Path,
) -> None:
    options = Options(clip=ClipRule(num_frames=4, short="skip"))
    with pytest.raises(UnusableVideosError) as raised:
        collect(mixed_folder, options)
    assert list(raised.value.reasons) == ["v3.npy"]
    (mixed_folder / "v3.npy").unlink()
    _, ids, found, _ = collect(mixed_folder, options)
    assert ids == ["v0.npy", "v2.npy", "v5.npy"]
    assert sorted(found.skipped) == ["v1.npy", "v4.npy"]


def test_no_usable_video_is_an_error_even_when_skipping(tmp_path: Path) -> None:
    np.save(tmp_path / "short.npy", flat_videos(1)[0][:2])
    with pytest.raises(UnusableVideosError, match="1 of 1"):
        collect(tmp_path, Options(on_error="skip"))


def test_pre_resize_happens_before_the_network_and_is_rounded() -> None:
    video = np.zeros((4, 4, 4, 3), np.uint8)
    video[:, ::2] = 255
    plain = Options(clip=ClipRule(num_frames=4))
    rule = ResizeRule(2, "bilinear", quantise="truncate")
    resized = Options(clip=ClipRule(num_frames=4), pre_resize=rule)
    assert collect([video], plain)[0][0, 0] == 127.5
    assert collect([video], resized)[0][0, 0] == 127


def test_a_later_clip_that_fails_takes_the_whole_video_out(
    monkeypatch: pytest.MonkeyPatch, mixed_folder: Path
) -> None:
    from pyoco_eval.errors import VideoError
    from pyoco_eval.videos import clips_by_rule

    original: Callable = clips_by_rule.read_clips

    def breaking(video, *rest):  # type: ignore[no-untyped-def]
        for clip in original(video, *rest):
            yield clip
            if video.id == "v2.npy":
                raise VideoError(video.id, "breaks")

    monkeypatch.setattr(clips_by_rule, "read_clips", breaking)
    options = Options(clip=ClipRule(num_frames=2, select="all"), on_error="skip", batch_size=1)
    _, ids, found, _ = collect(mixed_folder, options)
    assert not any(name.startswith("v2") for name in ids)
    assert found.skipped["v2.npy"] == "breaks"


def test_the_digest_depends_on_content_and_name_only(mixed_folder: Path, tmp_path: Path) -> None:
    options = Options(clip=ClipRule(num_frames=2), on_error="skip")
    before = collect(mixed_folder, options)[2].digest()
    assert collect(mixed_folder, options)[2].digest() == before
    np.save(mixed_folder / "v0.npy", flat_videos(1, seed=9)[0])
    assert collect(mixed_folder, options)[2].digest() != before


def test_frames_of_a_clip_go_together_on_a_cpu_and_across_clips_on_a_gpu() -> None:
    videos = flat_videos(3, num_frames=50)
    options = Options(clip=ClipRule(num_frames=50), batch_size=5)
    on_cpu, _, _, network = collect(videos, options, "image")
    assert network.calls == [32, 18] * 3
    on_gpu, _, _, network = collect(videos, options, "image", "cuda")
    assert network.calls == [40, 40, 40, 30]
    np.testing.assert_array_equal(on_cpu, on_gpu)
