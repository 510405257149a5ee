"""A cascade of small models with random weights: 4 frames, then 10, then 64 x 64."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from small_models import save_checkpoint

from pyoco_eval.diffusion.experts import ExpertNode, TrainedExpert
from pyoco_eval.models.presets import PRESETS

SPEC = "deis:order=2,num_steps=3"


def save_stages(folder: Path) -> Path:
    """Models `base`, `between` and `large` in a folder."""
    save_checkpoint(folder / "base", sampler=SPEC)
    between = replace(PRESETS["test"], known_frames=True)
    save_checkpoint(folder / "between", unet=between, num_frames=10, sampler=SPEC, seed=1)
    large = PRESETS["test-superres"]
    save_checkpoint(
        folder / "large", unet=large, num_frames=10, size=(64, 64), sampler=SPEC, seed=2
    )
    return folder


def save_cascade(folder: Path, name: str = "cascade", **changes: dict[str, Any]) -> Path:
    """The file of a cascade beside its models; `changes` are keys of its stages."""
    stages: dict[str, dict[str, Any]] = {
        "base": {"model": "base"},
        "between": {"model": "between", "every": 3},
        "large": {"model": "large", "augmentation": 0.2},
    }
    for stage, keys in changes.items():
        stages.setdefault(stage, {}).update(keys)
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump({"format": "pyoco-eval cascade 1", "stages": stages},
                                   sort_keys=False))  # fmt: skip
    return path


def save_expert(folder: Path, level: int, index: int, seed: int = 0) -> Path:
    """A finetuned `base`, of the same weights if the seed is the same."""
    expert = TrainedExpert(ExpertNode(level, index), -1.2, 1.2)
    return save_checkpoint(folder, expert=expert, sampler=SPEC, seed=seed)
