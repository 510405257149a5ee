"""Networks that fill in frames are trained on frames that are known, or not at all."""

from pathlib import Path
from typing import Any

import pytest
import torch
from small_runs import small_config

from pyoco_eval.diffusion.denoiser import Conditioning, KnownFrames
from pyoco_eval.diffusion.loss import EDMLoss
from pyoco_eval.errors import UsageError
from pyoco_eval.models.checkpoint import load_model
from pyoco_eval.priors import IndependentPrior
from pyoco_eval.seeding import torch_generator
from pyoco_eval.training.config import TrainConfig
from pyoco_eval.training.run import train

FILLS_IN: dict[str, Any] = {
    "steps": 4,
    "model": {"preset": "test", "overrides": {"known_frames": True}},
    "data": {"source": "shapes", "size": 16, "num_frames": 5},
    "joint": {"per_video": 1, "data": {"source": "shapes", "size": 16}},
}


def kernels_of_known_frames(config: TrainConfig) -> torch.Tensor:
    return load_model(Path(config.out)).network.input.weight[:, 3:]


def test_the_kernels_of_known_frames_learn(tmp_path: Path) -> None:
    """From an image model they start at zero. The sheet is drawn with known frames, too."""
    image = small_config(tmp_path / "image", steps=1)
    train(image)
    config = small_config(
        tmp_path / "run", **FILLS_IN | {"model": {"overrides": {"known_frames": True}}},
        init=image.out, condition__known_every=2, log__samples_every=4, log__guidance_scale=2,
    )  # fmt: skip
    train(config)
    moved = kernels_of_known_frames(config).abs().amax((2, 3))
    assert (moved > 0).all(), "of all three colours and of the channel that says which are known"
    assert (tmp_path / "run" / "samples" / "step-00000004.png").is_file()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "model.preset: test fills in frames.*would never see one.*condition.known_every"),
        (
            {"model": {"preset": "test"}, "condition__known_every": 2},
            "condition.known_every: test takes no known frames; use preset t2v-interpolation",
        ),
    ],
)
def test_what_the_data_cannot_train_is_refused(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        train(small_config(tmp_path / "run", **FILLS_IN | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"condition__known_every": 1}, "1 tells all frames"),
        ({"condition__known_every": 2, "model__train": "temporal"}, "does not train"),
        ({"condition__known_every": 2, "data__num_frames": 1, "joint": {}}, "num_frames is 1"),
        ({"condition__text_dropout": 1.0}, "text_dropout: 1 drops it from every sample"),
        ({"condition": {"labels": True, "label_dropout": 1.0}}, "label_dropout: 1 drops it"),
        ({"condition": {}, "log__guidance_scale": 4}, "log.guidance_scale: 4 guides by texts"),
    ],
)
def test_what_is_never_learnt_is_refused_with_its_key(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        small_config(tmp_path / "run", **FILLS_IN | changes)


def test_the_loss_is_of_the_frames_that_are_not_known() -> None:
    clean = torch.randn(2, 4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[True, False, False, True], [True, False, True, False]])
    cond = Conditioning(known=KnownFrames(clean, mask))
    wrong = torch.where(mask[:, :, None, None, None], 100.0, 0.5).expand_as(clean)

    def denoiser(x: torch.Tensor, sigma: torch.Tensor, cond: Conditioning | None) -> torch.Tensor:
        return clean + wrong

    def losses(cond: Conditioning | None) -> torch.Tensor:
        generators = [torch_generator(row) for row in range(2)]
        return EDMLoss(IndependentPrior())(denoiser, clean, cond, generators)

    loss = EDMLoss(IndependentPrior())
    weight = loss.weight(loss.draw_sigmas([torch_generator(row) for row in range(2)]))
    torch.testing.assert_close(losses(cond), 0.25 * weight)
    assert (losses(None) > 1000 * losses(cond)).all()
