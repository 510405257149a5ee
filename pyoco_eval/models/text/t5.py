"""T5's encoder: one vector per token of a text.

Axes: B texts, L tokens, E width of an embedding.

References:
    Raffel et al., Exploring the Limits of Transfer Learning with a Unified Text-to-Text
    Transformer (2020).
    Ge et al., Preserve Your Own Correlation (2023), §4.2: T5 and CLIP embeddings together.
"""

import importlib
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import torch
from safetensors import SafetensorError
from torch import nn

from pyoco_eval.errors import MissingError
from pyoco_eval.features.loading.state_dict import WeightsError
from pyoco_eval.features.loading.torchvision_operators import import_torchvision
from pyoco_eval.models.hub import folder_digest, model_folder
from pyoco_eval.models.text.encoder import TokenEncoder

MAX_TOKENS: Final = 128
_FILES: Final = (
    "config.json",
    "*.safetensors",
    "*.safetensors.index.json",
    "spiece.model",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
)


class T5TextEncoder(TokenEncoder):
    """`t5:PATH-OR-ID`: the last hidden states of a T5 encoder."""

    name = "t5"

    def __init__(self, spec: str, network: nn.Module, tokenizer: Any, folder: Path) -> None:
        super().__init__(spec, network.config.d_model, MAX_TOKENS)  # type: ignore[union-attr, arg-type]
        self.network = network
        self.precision = str(network.dtype).removeprefix("torch.")
        self._tokenizer = tokenizer
        self._folder = folder

    @cached_property
    def digest(self) -> str:
        return folder_digest(self._folder, _FILES)

    def tokenise(self, text: str) -> list[int]:
        return list(self._tokenizer(text, verbose=False).input_ids)

    def read(self, numbers: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        states: torch.Tensor = self.network(input_ids=numbers, attention_mask=mask)[0]
        return states

    def to(self, device: torch.device | str) -> Self:
        self.device = torch.device(device)
        self.network.to(self.device)
        return self


def load_t5(spec: str, path_or_id: str, *, dtype: torch.dtype = torch.float32) -> T5TextEncoder:
    """A T5 encoder on the CPU in evaluation mode, without gradients.

    Args:
        spec: what the user wrote.
        path_or_id: folder in the layout of transformers, or a name on the hub.
        dtype: of the network; bfloat16 halves the memory of the large ones.

    Raises:
        MissingError: transformers or the model is not there.
        WeightsError: the folder holds no safetensors, or another network.
    """
    transformers = import_transformers()
    folder = model_folder(path_or_id, _FILES, spec)
    if not any(folder.glob("*.safetensors")):
        raise WeightsError(
            f"{spec}: {folder} holds no *.safetensors, and pickled weights are not read. Take a "
            "copy that has them, or convert once on a machine you trust: "
            "T5EncoderModel.from_pretrained(ID).save_pretrained(FOLDER)"
        )
    try:
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
        if config.model_type not in ("t5", "mt5", "umt5"):
            raise WeightsError(f"{spec}: {folder} holds a {config.model_type}, not a T5")
        network, told = transformers.T5EncoderModel.from_pretrained(
            folder,
            dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        reason = str(error).strip().split("\n")[0]
        raise WeightsError(f"{spec}: {folder} cannot be read as a T5 encoder: {reason}") from error
    if absent := told["missing_keys"]:
        raise WeightsError(
            f"{spec}: {folder} lacks {len(absent)} tensors of a T5 encoder "
            f"({', '.join(sorted(absent)[:3])}, …)"
        )
    return T5TextEncoder(spec, network.eval().requires_grad_(False), tokenizer, folder)


def import_transformers() -> Any:
    """The package, without progress bars of its own; raises MissingError where it is not there."""
    import_torchvision()
    try:
        transformers = importlib.import_module("transformers")
    except ImportError as error:
        raise MissingError(
            f"transformers cannot be imported ({error}): pip install 'pyoco-eval[text]'"
        ) from error
    transformers.utils.logging.disable_progress_bar()
    return transformers
