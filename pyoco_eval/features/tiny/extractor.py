"""The embedded networks: features of moving shapes, with no download.

Scores from them carry the label `embedded` and compare with no published number. How they were
trained and what they see is in `docs/embedded.md`.

Axes: B batch, T frames, C channels (RGB), H, W, D feature dimension, K classes, L words.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Final, Literal, overload

import numpy as np
import torch
from safetensors.torch import load
from torch import nn

from pyoco_eval.errors import MissingError, UsageError
from pyoco_eval.features.base import (
    ExtractorSpec,
    FeatureExtractor,
    LoadRequest,
    WeightsIdentity,
)
from pyoco_eval.features.layers.exact_inference import exact_inference
from pyoco_eval.features.tiny.networks import (
    DIM,
    INPUT_SIZE,
    MAX_WORDS,
    TinyFrameNetwork,
    TinyImageTextNetwork,
    TinyVideoNetwork,
    word_numbers,
)
from pyoco_eval.shapes.captions import COLOURS, SHAPES, VOCABULARY
from pyoco_eval.shapes.dataset import CLASS_NAMES
from pyoco_eval.videos.resize import ResizeRule, resize_frames

WEIGHTS_FOLDER: Final = Path(__file__).with_name("embedded")
RESIZE: Final = ResizeRule(INPUT_SIZE, "bilinear-antialias", "squash")
FRAME_CLASS_NAMES: Final = tuple(f"{colour} {shape}" for shape in SHAPES for colour in COLOURS)
"""What the K = 48 `logits` and `probs` of `tiny2d` stand for."""

# sha256 of the weights that docs/embedded.md describes; others are labelled unverified.
_DIGESTS: Final = {
    "tiny3d": "d18707014e5f278606ceb1578db46599a34d68a2b8807a8af493d92f8097e1d2",
    "tiny2d": "bddf385b2357c79d2f8d3ded3f0ff61a02243fdf5f11960140d8e085b82893b1",
    "tinyclip": "9a6f8b0a4543419422085dbd16fce888cc556551a311e219db74cf9206b68608",
}


class _TinyExtractor(FeatureExtractor):
    name: ClassVar[str]
    layers: ClassVar[dict[str, int]]
    """Layers by name, the default first, with their dimension."""
    build: ClassVar[type[nn.Module]]

    def __init__(self, layer: str | None = None) -> None:
        layer = layer or next(iter(self.layers))
        if layer not in self.layers:
            raise UsageError(f"{self.name} has no layer {layer!r}; it has {', '.join(self.layers)}")
        content = _weights_file(self.name).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        self.spec = ExtractorSpec(
            name=self.name,
            network="shapes",
            layer=layer,
            dim=self.layers[layer],
            resize=RESIZE,
            scaling="2x/255-1",
            weights=WeightsIdentity(digest[:8], f"sha256:{digest}", digest == _DIGESTS[self.name]),
        )
        self.network = _with_weights(self.build(), load(content), self.name)

    def prepare(self, frames: np.ndarray) -> torch.Tensor:
        """uint8 (T, H, W, 3) to float32 (T, 3, 64, 64) in [-1, 1]."""
        return self.scale(resize_frames(frames, RESIZE))

    def scale(self, resized: torch.Tensor) -> torch.Tensor:
        return resized.mul_(2 / 255).sub_(1)

    def launch(self, batch: torch.Tensor) -> torch.Tensor:
        """Prepared frames, (B, T, 3, 64, 64) of videos or (B, 3, 64, 64), to float32 (B, D)."""
        with exact_inference():
            return self._read(batch.to(self.device, self.dtype)).float()

    def _read(self, batch: torch.Tensor) -> torch.Tensor:
        """The layer of the spec."""
        if self.spec.layer == "embedding":
            embed: Callable[[torch.Tensor], torch.Tensor] = self.network.embed  # type: ignore[assignment]
            return embed(batch)
        logits: torch.Tensor = self.network(batch)
        return logits if self.spec.layer == "logits" else logits.softmax(1)


class TinyVideoExtractor(_TinyExtractor):
    """`tiny3d`: clips of 4 frames or more, for FVD (`embedding`) and IS (`logits`, `probs`)."""

    name = "tiny3d"
    kind = "video"
    min_frames = 4
    build = TinyVideoNetwork
    layers: ClassVar[dict[str, int]] = {
        "embedding": DIM,
        "logits": len(CLASS_NAMES),
        "probs": len(CLASS_NAMES),
    }


class TinyFrameExtractor(_TinyExtractor):
    """`tiny2d`: frames, for FID (`embedding`); `probs` are those of `FRAME_CLASS_NAMES`."""

    name = "tiny2d"
    kind = "image"
    build = TinyFrameNetwork
    layers: ClassVar[dict[str, int]] = {
        "embedding": DIM,
        "logits": len(FRAME_CLASS_NAMES),
        "probs": len(FRAME_CLASS_NAMES),
    }
    network: TinyFrameNetwork


class TinyImageTextExtractor(_TinyExtractor):
    """`tinyclip`: frames and captions in one space, for CLIP-FID and text-image agreement."""

    name = "tinyclip"
    kind = "image"
    build = TinyImageTextNetwork
    layers: ClassVar[dict[str, int]] = {"embedding": DIM}
    network: TinyImageTextNetwork
    truncated = 0
    """Captions that lost their end: none, they are refused."""

    def encode(self, captions: Sequence[str]) -> np.ndarray:
        """`encode_text`, under the name that text encoders share."""
        return self.encode_text(captions)

    def encode_text(self, captions: Sequence[str]) -> np.ndarray:
        """One vector per caption, in the space of the frames' embedding; not normalised.

        Args:
            captions: words of `pyoco_eval.shapes.captions.VOCABULARY`, at most 16 each, in any
                order; upper case and a final full stop are ignored.

        Returns:
            float32 (N, D).

        Raises:
            UsageError: an unknown word, or none or too many of them.
        """
        tokens = self._tokens(captions)
        with exact_inference():
            return self.network.embed_text(tokens).float().cpu().numpy()

    def encode_words(self, captions: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """One vector per word, for networks that attend to words.

        Args:
            captions: as for `encode_text`.

        Returns:
            float32 (N, L, D), L the words of the longest caption, and bool (N, L), where a
            caption has a word.

        Raises:
            UsageError: as for `encode_text`.
        """
        tokens = self._tokens(captions)
        with exact_inference():
            words = self.network.embed_words(tokens)
        return words.float().cpu().numpy(), (tokens != 0).cpu().numpy()

    def _tokens(self, captions: Sequence[str]) -> torch.Tensor:
        return word_numbers(checked_sentences(captions)).to(self.device)


def checked_sentences(captions: Sequence[str]) -> list[str]:
    """Captions as `tinyclip` reads them: lower case, without a final full stop.

    Raises:
        UsageError: an unknown word, or none or too many of them.
    """
    sentences = [caption.lower().rstrip(".") for caption in captions]
    for caption in sentences:
        words = caption.split()
        unknown = [word for word in words if word not in VOCABULARY]
        if unknown:
            raise UsageError(f"tinyclip does not know the word {unknown[0]!r} of {caption!r}")
        if not 1 <= len(words) <= MAX_WORDS:
            raise UsageError(f"tinyclip reads 1 to {MAX_WORDS} words, not those of {caption!r}")
    return sentences


@overload
def load_tiny(name: Literal["tinyclip"], *, layer: str | None = None) -> TinyImageTextExtractor: ...


@overload
def load_tiny(name: str, *, layer: str | None = None) -> FeatureExtractor: ...


def load_tiny(name: str, *, layer: str | None = None) -> FeatureExtractor:
    """An embedded network, ready to use.

    Args:
        name: `tiny3d`, `tiny2d` or `tinyclip`.
        layer: `embedding` (the default), `logits` or `probs`; `tinyclip` has only the first.

    Raises:
        UsageError: an unknown name or layer.
        MissingError: the package was installed without its weights.
    """
    if name not in _EXTRACTORS:
        raise UsageError(f"no embedded network {name!r}; there are {', '.join(_EXTRACTORS)}")
    return _EXTRACTORS[name](layer)


def open_tiny(request: LoadRequest) -> FeatureExtractor:
    """`load_tiny` for the catalogue of networks."""
    return load_tiny(request.name, layer=request.layer)


def open_tiny_text(_request: LoadRequest) -> TinyImageTextExtractor:
    """`tinyclip` as the encoder of captions, for the catalogue of networks."""
    return load_tiny("tinyclip")


def _with_weights(network: nn.Module, state: dict[str, torch.Tensor], name: str) -> nn.Module:
    # Counters of batch normalisation serve training only and are not stored.
    missing, unexpected = network.load_state_dict(state, strict=False)
    absent = [key for key in missing if not key.endswith("num_batches_tracked")]
    if absent or unexpected:
        raise MissingError(f"{_weights_file(name)}: not the weights of this version of {name}")
    return network.eval().requires_grad_(False)


def _weights_file(name: str) -> Path:
    file = WEIGHTS_FOLDER / f"{name}.safetensors"
    if not file.is_file():
        raise MissingError(f"{file} is missing; install the package again")
    return file


_EXTRACTORS: Final[dict[str, type[_TinyExtractor]]] = {
    "tiny3d": TinyVideoExtractor,
    "tiny2d": TinyFrameExtractor,
    "tinyclip": TinyImageTextExtractor,
}
