"""From the spec of a text encoder to the encoder."""

from pathlib import Path
from typing import Final

import torch

from pyoco_eval.errors import UsageError
from pyoco_eval.models.text.encoder import TextEncoder

KINDS: Final = (
    "t5:PATH-OR-ID",
    "clip",
    "clip:FILE",
    "clip:PATH-OR-ID",
    "shapes",
    "diffusers:PATH-OR-ID",
)


def load_text_encoder(
    spec: str,
    device: torch.device | str = "cpu",
    *,
    half: bool = False,
    embeddings: Path | None = None,
) -> TextEncoder:
    """A text encoder, ready to use.

    Args:
        spec: `t5:PATH-OR-ID` in the layout of transformers; `clip` for OpenAI's ViT-B/32 among the
            network weights, `clip:FILE` for another copy of it, `clip:PATH-OR-ID` for a model saved
            by open_clip; `shapes` for moving-shapes captions; `diffusers:PATH-OR-ID` for that of a
            text-to-image pipeline.
        device: where the network runs, and embeddings go.
        half: compute T5 in bfloat16; embeddings are float32 in any case.
        embeddings: folder of `precompute_embeddings`; the network is then never loaded.

    Raises:
        UsageError: another spec.
        MissingError: a package or the model is not there; the message says how to get it.
        WeightsError: the files hold another network.
    """
    kind, _, where = spec.partition(":")
    needs_place = kind in ("t5", "diffusers")
    if kind not in ("t5", "clip", "shapes", "diffusers") or needs_place > bool(where):
        raise UsageError(f"text encoder {spec!r} is not one of {', '.join(KINDS)}")
    if kind == "shapes" and where:
        raise UsageError(f"text encoder {spec!r}: shapes takes no path")
    if embeddings is not None:
        from pyoco_eval.models.text.store import StoredTextEncoder

        return StoredTextEncoder(embeddings, spec).to(device)
    if kind == "t5":
        from pyoco_eval.models.text.t5 import load_t5

        return load_t5(spec, where, dtype=torch.bfloat16 if half else torch.float32).to(device)
    if kind == "diffusers":
        from pyoco_eval.models.text.pipeline import load_pipeline_text

        return load_pipeline_text(spec, where).to(device)
    if kind == "clip":
        from pyoco_eval.models.text.clip import load_clip_tokens

        return load_clip_tokens(spec, where).to(device)
    from pyoco_eval.models.text.shapes import ShapesTextEncoder

    return ShapesTextEncoder().to(device)
