"""Named U-Nets. Each is the video network; `.image()` gives the one it is inflated from.

The paper states parameter counts but prints no layer tables. The tables here are of its family
and meet the counts within one percent; docs/models.md gives the reasons.

Reference: Ge et al., Preserve Your Own Correlation (2023), §5.1, training details.
"""

from dataclasses import replace
from typing import Final

from pyoco_eval.models.config import TextInput, UNetConfig
from pyoco_eval.models.efficient_config import EfficientConfig

_SHAPES_TEXT: Final = (TextInput("shapes", 64),)

_LARGE_TEXT: Final = (TextInput("t5", 4096), TextInput("clip", 768))
"""T5-XXL and the text tower of CLIP ViT-L/14, as eDiff-I uses them together."""


def _ucf(channels: int, num_blocks: tuple[int, ...], head_channels: int) -> UNetConfig:
    """Unconditional, 64×64."""
    return UNetConfig(
        channels=channels,
        multipliers=(1, 2, 4, 6),
        num_blocks=num_blocks,
        spatial_attention=(2, 3),
        temporal_attention=(0, 1, 2, 3),
        head_channels=head_channels,
    )


_T2V_BASE: Final = UNetConfig(
    channels=256,
    multipliers=(1, 2, 4, 6),
    num_blocks=(2, 2, 2, 3),
    spatial_attention=(1, 2, 3),
    cross_attention=(1, 2, 3),
    temporal_attention=(0, 1, 2, 3),
    text=_LARGE_TEXT,
    text_width=1280,
)

PRESETS: Final[dict[str, UNetConfig | EfficientConfig]] = {
    "ucf-69m": _ucf(64, (2, 2, 2, 4), 64),
    "ucf-112m": _ucf(96, (2, 2, 2, 2), 32),
    "ucf-253m": _ucf(128, (1, 2, 3, 3), 64),
    "t2v-base": _T2V_BASE,
    "t2v-interpolation": replace(_T2V_BASE, known_frames=True, max_frame_distance=76),
    "t2v-superres": EfficientConfig(
        factor=4,
        channels=128,
        multipliers=(1, 2, 4, 6),
        num_blocks=(2, 4, 8, 6),
        cross_attention=(3,),
        text=_LARGE_TEXT,
        text_width=512,
    ),
    "tiny-superres": EfficientConfig(
        factor=4,
        channels=24,
        multipliers=(1, 2),
        num_blocks=(2, 2),
        cross_attention=(1,),
        text=_SHAPES_TEXT,
        text_width=64,
        head_channels=16,
    ),
    "test-superres": EfficientConfig(
        factor=4,
        channels=8,
        multipliers=(1, 2),
        num_blocks=(1, 1),
        cross_attention=(1,),
        text=_SHAPES_TEXT,
        text_width=16,
        head_channels=8,
    ),
    "tiny-shapes": UNetConfig(
        channels=32,
        multipliers=(1, 2, 3),
        num_blocks=(1, 1, 1),
        spatial_attention=(2,),
        cross_attention=(1, 2),
        temporal_attention=(0, 1, 2),
        text=_SHAPES_TEXT,
        text_width=64,
        head_channels=32,
        max_frame_distance=16,
    ),
    "test": UNetConfig(
        channels=8,
        multipliers=(1, 2),
        num_blocks=(1, 1),
        spatial_attention=(1,),
        cross_attention=(1,),
        temporal_attention=(0, 1),
        text=_SHAPES_TEXT,
        text_width=16,
        head_channels=8,
        max_frame_distance=8,
    ),
}
