"""Small text encoders in the layout of the published ones, built on the spot."""

import json
import string
from pathlib import Path

import torch

from pyoco_eval.features.loading.torchvision_operators import import_torchvision

CLIP_CONFIG = {
    "embed_dim": 16,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 24, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


def save_tiny_t5(folder: Path, *, seed: int = 0) -> Path:
    """A T5 encoder of width 32 whose tokens are letters and two words."""
    import_torchvision()
    import transformers

    transformers.utils.logging.disable_progress_bar()
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -10.0), ("▁", -2.0), ("▁red", -2.5)]
    pieces += [(letter, -3.0) for letter in string.ascii_lowercase]
    transformers.T5Tokenizer(vocab=pieces, extra_ids=0).save_pretrained(folder)
    config = transformers.T5Config(
        vocab_size=32, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4,
        feed_forward_proj="gated-gelu",
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        transformers.T5EncoderModel(config).save_pretrained(folder)
    return folder


def save_tiny_clip(folder: Path) -> Path:
    """An open_clip model of width 32 and 24 tokens."""
    import_torchvision()
    import open_clip
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = open_clip.CLIP(**CLIP_CONFIG)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": CLIP_CONFIG}))
    return folder
