"""What fully sharded processes gather, keep and sum, and what cannot be asked of them."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from process_runs import finish_all, start_together
from small_runs import small_config

from pyoco_eval.errors import UsageError
from pyoco_eval.models.presets import PRESETS
from pyoco_eval.models.unet import VideoUNet
from pyoco_eval.training.memory import held

POLICY = """
import json, torch
from pyoco_eval.diffusion.precondition import EDMDenoiser
from pyoco_eval.models.presets import PRESETS
from pyoco_eval.models.unet import UNetStage, VideoUNet
from pyoco_eval.training.config import HardwareConfig
from pyoco_eval.training.engine import Engine, gradient_norm, local
engine = Engine(HardwareConfig(
    device="cpu", sharding="fsdp", shard_size=2, precision="bf16", param_dtype="bf16",
    reduce_dtype="bf16"))
torch.manual_seed(0)
network = VideoUNet(PRESETS["test"])
seen = {"stages": set(), "rest": set()}
for module in network.modules():
    if isinstance(module, UNetStage):
        module.residual.register_forward_pre_hook(lambda stage, _: seen["stages"].update(
            str(parameter.dtype) for parameter in stage.parameters()))
network.noise.register_forward_pre_hook(lambda noise, given: seen["rest"].update(
    [str(given[0].dtype), *(str(parameter.dtype) for parameter in noise.parameters())]))
denoiser = engine.wrap(EDMDenoiser(network))
parameters = list(denoiser.parameters())
with engine.autocast():
    denoised = denoiser(torch.randn(1, 2, 3, 16, 16), torch.ones(1))
denoised.square().mean().backward()
print("found", json.dumps({
    "kept": [4 * local(parameter).numel() for parameter in parameters],
    "dtypes": sorted({str(kept.dtype) for p in parameters for kept in (p, p.grad)
                      if kept is not None}),
    "stages": sorted(seen["stages"]), "rest": sorted(seen["rest"]),
    "norm": float(gradient_norm(parameters)),
}))
engine.wait()
engine.end()
"""


@pytest.mark.slow
def test_stages_are_gathered_in_bfloat16_and_everything_kept_is_float32() -> None:
    runs = start_together(2, [sys.executable, "-c", POLICY])
    outputs = finish_all(runs)
    found = [json.loads(text.rpartition("found ")[2].splitlines()[0]) for text in outputs]
    for process in found:
        assert process["dtypes"] == process["rest"] == ["torch.float32"]
        assert process["stages"] == ["torch.bfloat16"]
        assert process["norm"] == found[0]["norm"] > 0
    assert found[0]["kept"] == [held(p, 2) for p in VideoUNet(PRESETS["test"]).parameters()]


@pytest.mark.parametrize(
    ("hardware", "message"),
    [
        ({"shard_size": 2}, "hardware.shard_size: is of hardware.sharding=fsdp, found ddp"),
        ({"reduce_dtype": "bf16"}, "hardware.reduce_dtype: is of hardware.sharding=fsdp"),
        (
            {"param_dtype": "bf16", "sharding": "fsdp"},
            "hardware.param_dtype: bf16 needs hardware.precision=bf16",
        ),
        ({"async_checkpoints": True}, "needs hardware.checkpoints=sharded"),
        ({"sharding": "fsdp", "shard_size": 1}, "hardware.shard_size: must be at least 2"),
    ],
)
def test_choices_that_do_not_go_together_are_refused(
    tmp_path: Path, hardware: dict[str, Any], message: str
) -> None:
    changes = {f"hardware__{key}": value for key, value in hardware.items()}
    with pytest.raises(UsageError, match=message):
        small_config(tmp_path, **changes)
