"""What a network that enlarges is trained on."""

from pathlib import Path

import pytest
import torch
from small_runs import small_config

from pyoco_eval.errors import UsageError
from pyoco_eval.models.checkpoint import read_info
from pyoco_eval.seeding import torch_generator
from pyoco_eval.training.config import SuperResolutionConfig
from pyoco_eval.training.data.enlarging import KERNELS, EnlargingTask, made_small
from pyoco_eval.training.network import build_network
from pyoco_eval.training.run import train

CROPS = {"model": {"preset": "test-superres"}, "data__size": 32, "superres": {"crop": 16}}


def smooth(size: int, count: int = 2) -> torch.Tensor:
    """Frames (B, 3, 3, size, size) of slow waves."""
    place = torch.linspace(0, 3, size)
    waves = torch.sin(place[:, None] + 2 * place[None] + torch.arange(9.0)[:, None, None])
    return waves.view(1, 3, 3, size, size).expand(count, -1, -1, -1, -1)


def generators(count: int) -> list[torch.Generator]:
    return [torch_generator("small", number) for number in range(count)]


def test_small_frames_of_a_crop_are_those_of_the_whole_there() -> None:
    task = EnlargingTask(SuperResolutionConfig(crop=16, augmentation=0.0), 4)
    frames = smooth(32)
    drawn = task.draw(generators(2), 3, (32, 32))
    crops, low = task(frames, drawn)
    assert crops.shape == (2, 3, 3, 16, 16)
    assert low.frames.shape == (2, 3, 3, 4, 4)
    for row, (top, left) in enumerate(drawn["place"].tolist()):
        large = frames[row][..., 4 * top : 4 * top + 16, 4 * left : 4 * left + 16]
        assert torch.equal(crops[row], large)
        whole = made_small(frames[row], 4)
        assert torch.equal(low.frames[row], whole[..., top : top + 4, left : left + 4])


def test_draws_are_the_samples_own_and_cover_all_places() -> None:
    task = EnlargingTask(SuperResolutionConfig(crop=16, degradation="random"), 4)
    many = task.draw(generators(60), 2, (32, 24))
    alone = task.draw(generators(60)[41:42], 2, (32, 24))
    for name, values in alone.items():
        assert torch.equal(many[name][41:42], values), name
    assert {tuple(place) for place in many["place"].tolist()} == {
        (top, left) for top in range(5) for left in range(3)
    }
    assert set(many["kernel"].tolist()) == set(range(len(KERNELS)))
    assert 0 < float(many["share"].max()) <= 0.5
    assert many["noise"].shape == (60, 2, 3, 4, 4)


def test_noise_is_mixed_in_by_its_share() -> None:
    task = EnlargingTask(SuperResolutionConfig(), 4)
    drawn = dict(task.draw(generators(1), 3, (16, 16)))
    drawn["share"] = torch.tensor([0.6])
    _, low = task(smooth(16, 1), drawn)
    clean = made_small(smooth(16, 1)[0], 4)
    torch.testing.assert_close(low.frames[0], 0.8 * clean + 0.6 * drawn["noise"][0])


@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels_keep_what_is_flat_and_blur_takes_away_detail(kernel: str) -> None:
    flat = torch.full((1, 3, 16, 16), 0.25)
    for blur in (0.0, 0.5):
        torch.testing.assert_close(
            made_small(flat, 4, kernel, blur), torch.full((1, 3, 4, 4), 0.25)
        )
    step = torch.zeros(1, 3, 32, 32)
    step[..., 13:] = 1.0
    sharp, soft = (made_small(step, 4, kernel, blur) for blur in (0.0, 0.6))
    assert soft.diff(dim=3).abs().max() < sharp.diff(dim=3).abs().max()


def test_a_run_ends_in_a_model_of_whole_frames(tmp_path: Path) -> None:
    image = train(small_config(tmp_path / "image", **CROPS, data__num_frames=1))
    video = train(
        small_config(
            tmp_path / "video", **CROPS, data__num_frames=3, init=str(tmp_path / "image"),
            joint={"per_video": 1, "data": {"source": "shapes", "size": 32, "num_frames": 1}},
            loss={"expert": {"level": 1, "index": 1}},
        )
    )  # fmt: skip
    assert read_info(image)[0].size == (32, 32)
    info = read_info(video)[0]
    assert info.num_frames == 3
    assert str(info.expert) == "1/1 (sigma 0.3012 to inf)"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"superres": {"crop": 12}}, None),
        ({"superres": {"crop": 10}}, r"superres\.crop: 10 is no multiple of 4"),
        ({"superres": {"crop": 64}}, "within frames of 32"),
        ({"model": {"preset": "test"}}, "enlarges no frames"),
    ],
)
def test_crops_that_fit(tmp_path: Path, changes: dict[str, object], message: str | None) -> None:
    config = small_config(tmp_path, **{**CROPS, **changes})
    if message is None:
        assert build_network(config, (), 0).config.size_multiple == 4
        return
    with pytest.raises(UsageError, match=message):
        build_network(config, (), 0)
