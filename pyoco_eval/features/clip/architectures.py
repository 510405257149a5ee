"""The CLIPs of OpenAI that can be loaded: what must be known of each, one row a network."""

from dataclasses import dataclass
from typing import Final

from pyoco_eval.weights import MANIFEST


@dataclass(frozen=True)
class ClipArchitecture:
    """One CLIP.

    Attributes:
        name: of the network in the catalogue, and key of its weights.
        title: as people write it.
        open_clip: what open_clip calls the architecture; with QuickGELU, as OpenAI trained it.
        network: as signatures name it.
        dim: D of image and text embeddings.
    """

    name: str
    title: str
    open_clip: str
    network: str
    dim: int

    @property
    def published(self) -> str | None:
        """Digest of OpenAI's file, `sha256:<hex>`."""
        return MANIFEST[self.name].digest

    @property
    def remedy(self) -> str:
        """Which file to get, for messages about another one."""
        return (
            f"Expected OpenAI's {MANIFEST[self.name].name}, or open_clip's {self.open_clip} with "
            "OpenAI's weights (not the layout of transformers)."
        )


VIT_B_32: Final = ClipArchitecture(
    "clip", "CLIP ViT-B/32", "ViT-B-32-quickgelu", "vitb32-openai", 512
)
VIT_L_14: Final = ClipArchitecture(
    "clip-vitl14", "CLIP ViT-L/14", "ViT-L-14-quickgelu", "vitl14-openai", 768
)
ARCHITECTURES: Final = {row.name: row for row in (VIT_B_32, VIT_L_14)}
