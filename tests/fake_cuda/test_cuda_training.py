"""Training on CUDA: steps, average, checkpoints, validation and sheets of samples."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fake_device import Machine

from pyoco_eval.models.checkpoint import save_model
from pyoco_eval.models.text.load import load_text_encoder
from pyoco_eval.models.text.store import precompute_embeddings
from pyoco_eval.shapes.dataset import MovingShapes
from pyoco_eval.training.config import TrainConfig
from pyoco_eval.training.data.samples import Batch, collate
from pyoco_eval.training.engine import Engine
from pyoco_eval.training.outputs.checkpoints import load_state, save_state
from pyoco_eval.training.outputs.run_writer import Window
from pyoco_eval.training.outputs.samples_sheet import SampleSheet
from pyoco_eval.training.setup import RunSetup, make_parts

sys.path[:0] = [
    str(Path(__file__).parents[1] / folder) for folder in ("training", "models", "models/text")
]
from small_runs import small_config  # noqa: E402
from small_vaes import save_vae  # noqa: E402
from text_models import save_tiny_clip, save_tiny_t5  # noqa: E402

VIDEOS = {"data__num_frames": 4}
PICTURES = {"source": "shapes", "split": "val", "size": 16, "num_frames": 1}
RUNS: dict[str, dict[str, Any]] = {
    "images": {},
    "joint": {
        **VIDEOS, "joint": {"per_video": 2, "data": PICTURES}, "hardware__micro_batch": 1,
        "condition__labels": True,
    },
    "some frames known": {
        **VIDEOS, "condition__known_every": 2,
        "model": {"preset": "test", "overrides": {"known_frames": True}},
    },
    "frames to enlarge": {
        **VIDEOS, "superres": {"crop": 8, "degradation": "random"},
        "model": {"preset": "test-superres"},
        "joint": {"per_video": 1, "data": PICTURES},
    },
    "an expert": {**VIDEOS, "loss": {"expert": {"level": 1, "index": 1}}},
    "temporal layers alone": {**VIDEOS, "model": {"preset": "test", "train": "temporal"}},
}  # fmt: skip


def config_of(out: Path, **changes: Any) -> TrainConfig:
    return small_config(
        out, hardware__device="cuda", hardware__precision="bf16",
        hardware__gradient_checkpointing=True, batch=2, validation__every=2,
        validation__samples=2, validation__sigmas=[1.0], validation__data={"split": "val"},
        log__sampler="deis:order=1,num_steps=2", **changes,
    )  # fmt: skip


@contextmanager
def made(config: TrainConfig) -> Iterator[tuple[Engine, RunSetup, Batch]]:
    engine = Engine(config.hardware)
    try:
        assert engine.device.type == "cuda"
        parts = make_parts(config, engine)
        batch = collate([parts.samples[number] for number in range(config.batch)])
        assert isinstance(batch, Batch)
        yield engine, parts, batch
    finally:
        engine.end()


@pytest.mark.parametrize("name", RUNS)
def test_a_step(cuda: Machine, tmp_path: Path, name: str) -> None:
    with made(config_of(tmp_path, **RUNS[name])) as (_, parts, batch):
        result = parts.trainer.train_on(batch)
        assert result is not None
        assert result.loss.device.type == "cuda"
        parts.trainer.check_finite()
        assert all(average.device.type == "cuda" for average in parts.trainer.ema)


def test_checkpoints_and_the_log(cuda: Machine, tmp_path: Path) -> None:
    with made(config_of(tmp_path)) as (engine, parts, batch):
        trainer = parts.trainer
        result = trainer.train_on(batch)
        assert result is not None
        place = save_state(tmp_path / "checkpoints", trainer.state(), keep=1)
        trainer.restore(load_state(place))
        assert trainer.train_on(batch) is not None
        window = Window(0.0, 0, engine.device)
        window.add(result, batch, 0, 0)
        assert window.glance() == 1
        assert engine.sum(2) == 1  # nothing that was on the device is known
        save_model(tmp_path / "model", parts.averaged(trainer.averages()), parts.info(1))


@pytest.mark.parametrize("name", ["joint", "some frames known", "frames to enlarge"])
def test_validation_and_the_sheet(cuda: Machine, tmp_path: Path, name: str) -> None:
    config = config_of(tmp_path, **RUNS[name])
    with made(config) as (_, parts, batch):
        assert parts.validation is not None
        assert parts.validation.losses()
        sheet = SampleSheet(config, parts.prior, parts.conditioner, batch, ())
        assert sheet.sample(parts.averaged(parts.trainer.averages())) is not None


@pytest.mark.parametrize("name", RUNS)
def test_a_step_on_a_batch_that_was_moved_ahead(cuda: Machine, tmp_path: Path, name: str) -> None:
    """Nothing of it comes from the host again."""
    with made(config_of(tmp_path, **RUNS[name])) as (engine, parts, _):
        numbers = range(parts.trainer.config.batch)
        drawn = collate([parts.samples[number] for number in numbers], parts.samples.drawing)
        assert isinstance(drawn, Batch)
        moved = drawn.moved(lambda values: values.to(engine.device))
        assert moved.draws is not None
        assert moved.draws.noise.device.type == moved.frames.device.type == "cuda"
        result = parts.trainer.train_on(moved)
        assert result is not None
        assert result.loss.device.type == "cuda"


@pytest.mark.parametrize("stored", [False, True])
def test_a_step_on_texts_of_two_encoders(cuda: Machine, tmp_path: Path, stored: bool) -> None:
    """Each is dropped alone and both together, encoded here or read from a folder."""
    folders = save_tiny_t5(tmp_path / "t5"), save_tiny_clip(tmp_path / "clip")
    specs = [f"t5:{folders[0]}", f"clip:{folders[1]}"]
    config = config_of(
        tmp_path / "run", **VIDEOS, data__limit=8, hardware__micro_batch=1,
        joint={"per_video": 2, "data": {**PICTURES, "limit": 8}},
        condition={
            "encoders": specs, "text_dropout": 0.5, "all_dropout": 0.5,
            "embeddings": str(tmp_path / "stored") if stored else None,
        },
    )  # fmt: skip
    if stored:
        captions = [
            shapes[i].caption
            for shapes in (MovingShapes("train", 16, 4), MovingShapes("val", 16, 1))
            for i in range(8)
        ]
        for spec in specs:
            precompute_embeddings(captions, load_text_encoder(spec, "cpu"), tmp_path / "stored")
    with made(config) as (_, parts, batch):
        result = parts.trainer.train_on(batch)
        assert result is not None
        assert result.loss.device.type == "cuda"


@pytest.mark.parametrize("cached", [False, True])
def test_a_step_on_latents(cuda: Machine, tmp_path: Path, cached: bool) -> None:
    vae = save_vae(tmp_path / "vae")
    config = config_of(
        tmp_path / "run", **VIDEOS, latent__vae=str(vae), loss={"sigma_data": 0.35},
        latent__cache=str(tmp_path / "latents") if cached else None,
    )  # fmt: skip
    with made(config) as (_, parts, batch):
        for _ in range(2):
            result = parts.trainer.train_on(batch)
            assert result is not None
            assert result.loss.device.type == "cuda"
