"""The text encoder of a text-to-image pipeline of diffusers, read as the pipeline reads it.

Every text has as many tokens as the tokenizer pads to, and all of them count: these networks were
trained so. The empty prompt is what they know of a dropped text.

Axes: B texts, L tokens, E width of an embedding.
"""

from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import torch
from torch import nn

from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.models.diffusers_parts import FILES, load_part, text_digest
from pyoco_eval.models.hub import model_folder
from pyoco_eval.models.motion_unet import PROMPT
from pyoco_eval.models.text.encoder import TextEncoder, TokenEncoder
from pyoco_eval.models.text.t5 import import_transformers

BESIDE: Final = "pipeline"
"""Folder inside a model's, or its run's, where a pipeline is found that is not where it was."""


class PipelineTextEncoder(TokenEncoder):
    """`diffusers:PATH-OR-ID`: the last hidden states of the pipeline's `CLIPTextModel`.

    Attributes:
        network, tokenizer: as transformers has them.
    """

    name = PROMPT

    def __init__(self, spec: str, network: nn.Module, tokenizer: Any, folder: Path) -> None:
        config: Any = network.config
        length = min(config.max_position_embeddings, tokenizer.model_max_length)
        super().__init__(spec, config.hidden_size, length)
        self.network: Any = network
        self.tokenizer = tokenizer
        self._folder = folder

    @cached_property
    def digest(self) -> str:
        return text_digest(self._folder)

    def tokenise(self, text: str) -> list[int]:
        numbers = list(self.tokenizer(text, verbose=False).input_ids)
        return numbers + [self.tokenizer.pad_token_id] * (self.max_tokens - len(numbers))

    def read(self, numbers: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:  # noqa: ARG002
        states: torch.Tensor = self.network(numbers).last_hidden_state
        return states

    def to(self, device: torch.device | str) -> Self:
        self.device = torch.device(device)
        self.network.to(self.device)
        return self


def load_pipeline_text(spec: str, path_or_id: str) -> PipelineTextEncoder:
    """The encoder on the CPU in evaluation mode, float32, without gradients.

    Raises:
        UsageError: an encoder that masks its padding, as those of Stable Diffusion do not.
        MissingError: transformers or the pipeline is not there.
        PyocoEvalError: damaged files.
    """
    transformers = import_transformers()
    folder = model_folder(path_or_id, FILES, spec)
    for part in ("text_encoder", "tokenizer"):
        if not (folder / part).is_dir():
            raise MissingError(f"{spec}: {folder} has no {part}; give the folder of a pipeline")
    network = load_part(
        transformers.CLIPTextModel, folder / "text_encoder", f"{spec}: its text_encoder"
    ).to(torch.float32)
    if getattr(network.config, "use_attention_mask", False):
        raise UsageError(f"{spec}: its text encoder masks its padding, which is not supported")
    try:
        tokenizer = transformers.CLIPTokenizer.from_pretrained(
            folder / "tokenizer", local_files_only=True
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise PyocoEvalError(f"{spec}: its tokenizer cannot be read: {reason}") from error
    return PipelineTextEncoder(spec, network.eval().requires_grad_(False), tokenizer, folder)


def beside(spec: str, model: Path) -> str:
    """The spec of the pipeline in, or linked from, a model's folder or its run's, if one is there.

    Args:
        spec: `diffusers:PATH-OR-ID`, where the pipeline was while the model was trained.
        model: folder of the model.
    """
    model = model.resolve()
    run = model.parent.parent if model.parent.name == "checkpoints" else model.parent
    places = [folder / BESIDE for folder in (model, run)]
    return next((f"diffusers:{place}" for place in places if place.is_dir()), spec)


def check_text(encoder: TextEncoder, sha256: str, model: Path) -> None:
    """Raises PyocoEvalError if a model was trained with a text encoder of another hash."""
    if encoder.digest != f"sha256:{sha256}":
        raise PyocoEvalError(
            f"{model}: was trained with a text encoder of sha256 {sha256[:12]}…, and "
            f"{encoder.spec} has {encoder.digest.partition(':')[2][:12]}…. Put the pipeline it was "
            f"made from, or a link to it, at {model / BESIDE}"
        )
