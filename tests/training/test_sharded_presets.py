"""Every preset, small, in two processes, then in one, then in three: the run of one process."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from process_runs import (
    SEVERAL,
    assert_close_weights,
    final,
    finish_all,
    start_together,
    written,
)

from pyoco_eval.diffusion.denoiser import TextEmbedding
from pyoco_eval.models.efficient_config import EfficientConfig
from pyoco_eval.models.presets import PRESETS
from pyoco_eval.models.text.store import precompute_embeddings
from pyoco_eval.shapes.dataset import MovingShapes

SMALL = {"channels": 8, "head_channels": 8, "text_width": 8, "max_frame_distance": 8}
"""Level 0 has one head, so its table of positions is one row: the whole of it on one process."""

STEPS = (1, 2, 3)
"""Done by two processes, then by one, then by three."""


def structures() -> list[str]:
    """One preset of each kind of layers and inputs; numbers apart, the others are like them."""
    found: dict[object, str] = {}
    for name, unet in PRESETS.items():
        spatial = getattr(unet, "spatial_attention", ())
        kinds = [type(unet).__name__, bool(spatial), bool(unet.cross_attention)]
        found.setdefault(str((bool(unet.text), kinds, unet.known_frames)), name)
    return list(found.values())


@dataclass
class Letters:
    """A text encoder without a network: one token a text, its letters counted."""

    name: str
    width: int
    max_tokens = 1
    precision = "float32"
    truncated = 0
    digest = "none"

    @property
    def spec(self) -> str:
        return f"{self.name}:small" if self.name == "t5" else self.name

    def encode(self, texts: list[str]) -> TextEmbedding:
        letters = [[text.count(letter) for letter in "abcdefgh"[: self.width]] for text in texts]
        mask = torch.ones(len(texts), 1, dtype=torch.bool)
        return TextEmbedding(torch.tensor(letters).float()[:, None], mask)


def changes_for(preset: str, texts: Path) -> dict[str, Any]:
    """A small run of a preset, on its own kinds of text."""
    unet = PRESETS[preset]
    encoders = [Letters(source.name, 8) for source in unet.text]
    captions = [MovingShapes("train", 16)[number].caption for number in range(6)]
    for encoder in encoders:
        precompute_embeddings(captions, encoder, texts)
    levels = [1] * len(unet.num_blocks)
    overrides = {**SMALL, "multipliers": levels, "num_blocks": levels}
    if isinstance(unet, EfficientConfig):
        del overrides["max_frame_distance"]
    return {
        "steps": STEPS[-1],
        "batch": 6,
        "model": {"preset": preset, "overrides": overrides},
        "data": {"source": "shapes", "size": 16, "num_frames": 3, "limit": 6},
        "condition": {
            "encoders": [encoder.spec for encoder in encoders],
            "embeddings": str(texts) if encoders else None,
            "known_every": 2 if unet.known_frames else 0,
        },
        "log__checkpoint_every": 100,
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sharding", "presets"), [("fsdp", structures()), ("ddp", ["tiny-shapes"])], ids=["fsdp", "ddp"]
)
def test_every_preset_goes_on_with_another_number_of_processes(
    tmp_path: Path, sharding: str, presets: list[str]
) -> None:
    wholes, parts = {}, {}
    for preset in presets:
        changes = changes_for(preset, tmp_path / "texts")
        wholes[preset] = written(tmp_path / "whole" / preset, **changes)
        for size, steps in zip((2, 1, 3), STEPS, strict=True):
            changes |= {"steps": steps, "hardware__sharding": sharding if size > 1 else "ddp"}
            parts[preset, size] = written(tmp_path / "parts" / preset, **changes)
            parts[preset, size][0].rename(tmp_path / f"{preset}-{size}.yaml")
    command = [sys.executable, "-c", SEVERAL]
    finish_all(start_together(1, [*command, *(str(config) for config, _ in wholes.values())]))
    for size in (2, 1, 3):
        configs = [str(tmp_path / f"{preset}-{size}.yaml") for preset in presets]
        finish_all(start_together(size, [*command, *configs]))
    for preset, (_, whole) in wholes.items():
        assert_close_weights(final(parts[preset, 3][1]), final(whole))
