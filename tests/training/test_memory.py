"""The memory of a run, found on the meta device, against what tensors really take."""

from pathlib import Path

import pytest
import torch
from small_runs import small_config

from pyoco_eval.diffusion.denoiser import Conditioning, TextEmbedding
from pyoco_eval.diffusion.precondition import EDMDenoiser
from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.models.building import count_parameters
from pyoco_eval.models.presets import PRESETS
from pyoco_eval.models.unet import VideoUNet
from pyoco_eval.training.config_file import find_config, load_config
from pyoco_eval.training.memory import plan_memory


def test_the_base_model_of_the_paper_fits_64_processes_and_not_one() -> None:
    config = load_config(find_config(Path("t2v-base")))
    plan = plan_memory(config, 64)
    total = 4 * count_parameters(PRESETS["t2v-base"])
    memory = plan.memory
    assert plan.num_parameters == count_parameters(PRESETS["t2v-base"])
    assert total / 64 <= memory.parameters < 1.05 * total / 64
    assert memory.gradients == memory.average == memory.parameters
    assert memory.optimizer == 2 * memory.parameters
    assert total < memory.exchange < 2 * total, "two passes of 4 keep gradients whole"
    assert memory.activations > 2**30
    assert f"{plan.num_parameters:,}, float32, divided by 64" in "\n".join(plan.lines())


def test_activations_are_those_that_a_real_pass_keeps(tmp_path: Path) -> None:
    changes = {"data__num_frames": 4, "batch": 2, "condition__encoders": ["shapes"]}
    plain = plan_memory(small_config(tmp_path, **changes)).memory.activations
    network = VideoUNet(PRESETS["test"]).train()
    own = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    text = TextEmbedding(torch.zeros(2, 16, 64), torch.ones(2, 16, dtype=torch.bool))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        denoised = EDMDenoiser(network)(
            torch.zeros(2, 4, 3, 16, 16), torch.ones(2), Conditioning({"shapes": text})
        )
    saved = sum(storage.nbytes() for storage in kept.values())
    assert denoised.requires_grad
    assert saved <= plain < 1.5 * saved


def test_choices_that_save_memory_save_it(tmp_path: Path) -> None:
    def planned(size: int = 1, **changes: object) -> int:
        return plan_memory(small_config(tmp_path, data__num_frames=4, **changes), size).memory.total

    whole = planned()
    assert planned(hardware__micro_batch=2) < whole
    assert planned(hardware__gradient_checkpointing=True) < whole
    assert planned(hardware__precision="bf16") < whole
    assert planned(2, hardware__sharding="fsdp") < planned(2) < whole
    temporal = plan_memory(small_config(tmp_path, data__num_frames=4, model__train="temporal"))
    assert temporal.memory.optimizer < 2 * temporal.memory.parameters


def test_what_cannot_be_planned_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="batch: 4 samples do not divide among 3 processes"):
        plan_memory(small_config(tmp_path), 3)
    missing = small_config(tmp_path, init=str(tmp_path / "none"), model={})
    with pytest.raises(MissingError, match=r"init: the model at .*none"):
        plan_memory(missing)
