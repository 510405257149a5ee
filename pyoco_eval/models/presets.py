"""Named U-Nets. Each is the video network; `.image()` gives the one it is inflated from.

The paper states parameter counts but prints no layer tables. The tables here are of its family
and meet the counts within one percent; docs/models.md gives the reasons.

Reference: Ge et al., Preserve Your Own Correlation (2023), §5.1, training details.
"""

from typing import Final

from pyoco_eval.models.config import TextInput, UNetConfig

_SHAPES_TEXT: Final = (TextInput("shapes", 64),)

PRESETS: Final[dict[str, UNetConfig]] = {
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
