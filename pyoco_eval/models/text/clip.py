"""The text tower of a CLIP, read token by token instead of as one vector.

Axes: B texts, L tokens, E width of the tower.

References:
    Radford et al., Learning Transferable Visual Models From Natural Language Supervision (2021).
    Balaji et al., eDiff-I (2022), §4: T5 and CLIP embeddings together, dropped independently.
"""

from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import torch
from torch import nn

from pyoco_eval.features.clip.architectures import VIT_B_32
from pyoco_eval.features.clip.checkpoint import import_open_clip
from pyoco_eval.features.clip.text import load_text_tower
from pyoco_eval.features.loading.state_dict import WeightsError
from pyoco_eval.models.hub import folder_digest, model_folder
from pyoco_eval.models.text.encoder import TokenEncoder
from pyoco_eval.parsing import parse_json
from pyoco_eval.weights import resolve
from pyoco_eval.weights.verify import digest_like

_FILES: Final = ("open_clip_config.json", "open_clip_model.safetensors")
VOCABULARY_SIZE: Final = 49408
_FOREIGN: Final = {"hf_model_name", "hf_tokenizer_name", "embed_cls", "no_causal_mask"}
"""Entries of towers that are built or read in another way."""


class CLIPTextEncoder(TokenEncoder):
    """`clip`, `clip:FILE` or `clip:PATH-OR-ID`: hidden states after the last normalisation.

    A token sees only those before it, so padding never reaches the text.
    """

    name = "clip"

    def __init__(self, spec: str, network: nn.Module, tokenizer: Any, source: Path) -> None:
        places: torch.Tensor = network.positional_embedding  # type: ignore[assignment]
        super().__init__(spec, places.shape[1], places.shape[0])
        self.network: Any = network
        self._tokenizer = tokenizer
        self._source = source

    @cached_property
    def digest(self) -> str:
        if self._source.is_dir():
            return folder_digest(self._source, _FILES)
        return digest_like(self._source, "sha256")

    def tokenise(self, text: str) -> list[int]:
        words = self._tokenizer.encode(text)
        return [self._tokenizer.sot_token_id, *words, self._tokenizer.eot_token_id]

    def read(self, numbers: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        length = mask.shape[1]
        x = self.network.token_embedding(numbers) + self.network.positional_embedding[:length]
        x = self.network.transformer(x, attn_mask=self.network.attn_mask[:length, :length])
        states: torch.Tensor = self.network.ln_final(x)
        return states

    def to(self, device: torch.device | str) -> Self:
        self.device = torch.device(device)
        self.network.to(self.device)
        return self


def load_clip_tokens(spec: str, where: str) -> CLIPTextEncoder:
    """A text tower on the CPU in evaluation mode, float32, without gradients.

    Args:
        spec: what the user wrote.
        where: empty for OpenAI's ViT-B/32 among the network weights (`pyoco-eval weights`), its
            file, or a folder or name on the hub with `open_clip_config.json` and
            `open_clip_model.safetensors`, as open_clip saves its models.

    Raises:
        MissingError: open_clip or the model is not there.
        WeightsError: the file holds something else; the message names the tensors that differ.
    """
    open_clip = import_open_clip()
    if not where or Path(where).expanduser().is_file():
        source = weights = Path(where).expanduser() if where else resolve("clip").path
        config = open_clip.get_model_config(VIT_B_32.open_clip)
        about = f"the text tower of {VIT_B_32.title}"
    else:
        source = model_folder(where, _FILES, spec)
        weights = source / _FILES[1]
        config, about = _read_config(source / _FILES[0], spec)
    network = load_text_tower(weights, config, about)
    tokenizer = open_clip.tokenizer.SimpleTokenizer(context_length=network.context_length)
    return CLIPTextEncoder(spec, network, tokenizer, source)


def _read_config(path: Path, spec: str) -> tuple[dict[str, Any], str]:
    """Keyword arguments of `open_clip.CLIP`, and the name of the network.

    Raises:
        WeightsError: not the description of a CLIP whose text tower this can read.
    """
    try:
        described = parse_json(path.read_text(encoding="utf-8"))["model_cfg"]
        config = {name: described[name] for name in ("embed_dim", "vision_cfg", "text_cfg")}
        config["quick_gelu"] = bool(described.get("quick_gelu", False))
        words = config["text_cfg"].get("vocab_size", VOCABULARY_SIZE)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{spec}: {path} does not describe a CLIP: {error!r}") from error
    foreign = sorted(_FOREIGN & set(config["text_cfg"]))
    if foreign or words != VOCABULARY_SIZE:
        raise WeightsError(
            f"{spec}: {path} describes a text tower with "
            f"{', '.join(foreign) or f'{words} tokens'}; only CLIP's own tokenizer "
            f"({VOCABULARY_SIZE} tokens) and transformer are supported"
        )
    return config, f"the text tower that {path} describes"
