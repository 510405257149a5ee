"""Every feature network in one row: what must be known of it before it is loaded.

This imports neither NumPy nor PyTorch. Another package adds a network by an entry point in the
group `pyoco_eval.networks` that names a `KnownNetwork`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from pyoco_eval.catalogue import Catalogue


@dataclass(frozen=True)
class KnownNetwork:
    """One feature network.

    Attributes:
        name: as given to `features --extractor`, and first in a signature's `net` key.
        kind: what a feature row stands for: a `video` clip, or a single `image` (frame).
        layers: where features can be read -> D there.
        convention: whose input rule it follows when none is named.
        loader: `module:function` that takes a `features.base.LoadRequest`, returns an extractor.
        min_frames: of a clip.
        num_frames: of a clip, where the network takes one length alone.
        weights: keys of the weight files it needs; none for networks that come with a package.
        package: the package it needs beyond the usual ones, and the extra that brings it.
        resizable: whether its resize rule can be replaced.
        resizes_inside: whether it may take frames of any size and resize them itself.
        program: whether its weights are a TorchScript program, which `--trust` allows to run.
        text: `module:function` that loads the text encoder in the space of its features, likewise.
        refuses_text: `module:function` that raises UsageError for captions which that encoder does
            not read, without loading it; None where it reads every text.
    """

    name: str
    kind: Literal["video", "image"]
    layers: Mapping[str, int]
    convention: str
    loader: str
    min_frames: int = 1
    num_frames: int | None = None
    weights: tuple[str, ...] = ()
    package: tuple[str, str] | None = None
    resizable: bool = False
    resizes_inside: bool = False
    program: bool = False
    text: str | None = None
    refuses_text: str | None = None


_ALL: Final = (
    KnownNetwork(
        "i3d", "video", {"logits": 400, "probs": 400, "pool": 1024}, "tf-fvd",
        "pyoco_eval.features.i3d.extractor:open_i3d",
        min_frames=9, weights=("i3d",), resizable=True,
    ),
    KnownNetwork(
        "c3d", "video", {"logits": 101, "probs": 101, "fc6": 4096, "fc7": 4096}, "tgan2",
        "pyoco_eval.features.c3d.extractor:open_c3d", min_frames=16, num_frames=16,
        weights=("c3d", "c3d-mean"),
    ),
    KnownNetwork(
        "inception", "image",
        {"64": 64, "192": 192, "768": 768, "pool3": 2048, "logits": 1008, "logits-unbiased": 1008,
         "probs": 1008}, "clean",
        "pyoco_eval.features.inception.extractor:open_inception",
        weights=("inception",), resizable=True,
    ),
    KnownNetwork(
        "clip", "image", {"embedding": 512}, "clean-fid-clip",
        "pyoco_eval.features.clip.extractor:open_clip",
        weights=("clip",), package=("open_clip", "clip"), resizable=True,
        text="pyoco_eval.features.clip.text:open_clip_text",
    ),
    KnownNetwork(
        "clip-vitl14", "image", {"embedding": 768}, "clipsim-vitl14",
        "pyoco_eval.features.clip.extractor:open_clip",
        weights=("clip-vitl14",), package=("open_clip", "clip"), resizable=True,
        text="pyoco_eval.features.clip.text:open_clip_text",
    ),
    KnownNetwork(
        "i3d-torchscript", "video", {"logits": 400}, "stylegan-v",
        "pyoco_eval.features.i3d.torchscript:open_i3d_torchscript", min_frames=9,
        weights=("i3d-torchscript",), resizable=True, resizes_inside=True, program=True,
    ),
    KnownNetwork(
        "c3d-torchscript", "video", {"log-probs": 101}, "stylegan-v-is",
        "pyoco_eval.features.c3d.torchscript:open_c3d_torchscript", min_frames=16, num_frames=16,
        weights=("c3d-torchscript",), resizes_inside=True, program=True,
    ),
    KnownNetwork(
        "tiny3d", "video", {"embedding": 64, "logits": 48, "probs": 48}, "embedded-fvd",
        "pyoco_eval.features.tiny.extractor:open_tiny", min_frames=4,
    ),
    KnownNetwork(
        "tiny2d", "image", {"embedding": 64, "logits": 48, "probs": 48}, "embedded-fid",
        "pyoco_eval.features.tiny.extractor:open_tiny",
    ),
    KnownNetwork(
        "tinyclip", "image", {"embedding": 64}, "embedded-clip-fid",
        "pyoco_eval.features.tiny.extractor:open_tiny",
        text="pyoco_eval.features.tiny.extractor:open_tiny_text",
        refuses_text="pyoco_eval.features.tiny.extractor:checked_sentences",
    ),
)  # fmt: skip

NETWORKS: Final = Catalogue("pyoco_eval.networks", KnownNetwork, _ALL)
EMBEDDED: Final = tuple(row.name for row in _ALL if not row.weights)
"""Networks that come with this package."""
