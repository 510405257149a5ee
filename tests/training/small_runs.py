"""Small runs for tests: the `test` network on moving shapes of 16 pixels, on the CPU."""

from pathlib import Path
from typing import Any

from pyoco_eval.training.config import TrainConfig
from pyoco_eval.training.config_file import parse_config

SMALL: dict[str, Any] = {
    "seed": 3,
    "steps": 20,
    "batch": 4,
    "model": {"preset": "test"},
    "data": {"source": "shapes", "size": 16, "num_frames": 1},
    "condition": {"encoders": ["shapes"]},
    "optimizer": {"lr": 2e-3, "warmup_steps": 5},
    "ema": {"halflife_samples": 40},
    "hardware": {"device": "cpu", "workers": 0, "threads": 1},
    "log": {
        "every": 1,
        "checkpoint_every": 6,
        "samples_every": 0,
        "num_samples": 2,
        "sampler": "deis:order=1,num_steps=3",
    },
}


def small_tree(out: Path, **changes: Any) -> dict[str, Any]:
    """The config of a small run; dotted keys are written with two underscores."""
    tree: dict[str, Any] = {
        key: dict(value) if isinstance(value, dict) else value for key, value in SMALL.items()
    }
    tree["out"] = str(out)
    for key, value in changes.items():
        section, _, name = key.partition("__")
        if name:
            tree.setdefault(section, {})[name] = value
        else:
            tree[section] = value
    return tree


def small_config(out: Path, **changes: Any) -> TrainConfig:
    """See `small_tree`."""
    return parse_config(small_tree(out, **changes), "test")
