"""What a text-to-image U-Net of diffusers with temporal layers is built from.

Only what a `UNetMotionModel` of diffusers does exactly as the `UNet2DConditionModel` is taken: a
setting that it would drop in silence is refused.
"""

import inspect
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Final, Literal

import torch
from pydantic import ConfigDict

from pyoco_eval.diffusion.precondition import OUTPUT_WEIGHTINGS, Prediction, VPDenoiser
from pyoco_eval.errors import UsageError
from pyoco_eval.models.config import TextInput, check_ranges, validated
from pyoco_eval.models.diffusers_parts import import_diffusers

_RANGES: Final = {"heads": (1, 1 << 10), "max_frames": (2, 1 << 12), "text_tokens": (1, 1 << 12)}

_BLOCKS: Final = {
    "CrossAttnDownBlock2D": "CrossAttnDownBlockMotion",
    "DownBlock2D": "DownBlockMotion",
    "CrossAttnUpBlock2D": "CrossAttnUpBlockMotion",
    "UpBlock2D": "UpBlockMotion",
}
_ABSENT: Final = {
    "addition_embed_type": "it asks for more than a prompt, as SDXL does",
    "class_embed_type": "it asks for a class",
    "num_class_embeds": "it asks for a class",
    "encoder_hid_dim": "it asks for embeddings of pictures",
    "encoder_hid_dim_type": "it asks for embeddings of pictures",
    "time_cond_proj_dim": "it is distilled to a few steps and asks for the guidance scale",
    "projection_class_embeddings_input_dim": "it asks for more than a prompt",
}
"""Settings that must not be there, and what they mean."""

_HARMLESS: Final = ("attention_head_dim", "upcast_attention")
"""Read otherwise by diffusers, or of half precision alone."""


@dataclass(frozen=True)
class MotionConfig:
    """A `UNetMotionModel` of diffusers: a text-to-image U-Net and temporal layers.

    Attributes:
        spatial: configuration of the `UNet2DConditionModel`.
        schedule: of its scheduler, what makes the noise levels.
        prediction: what it predicts.
        text: the text encoder it listens to; none for a network that is told nothing.
        text_tokens, text_width: L and E of a text.
        pipeline: sha256 of the files of `unet` and `text_encoder` that it was made from.
        heads: of the temporal attention; a divisor of every width.
        max_frames: most frames that it can tell apart.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    spatial: Mapping[str, Any]
    schedule: Mapping[str, Any]
    prediction: Prediction
    text: tuple[TextInput, ...]
    text_tokens: int
    text_width: int
    pipeline: Mapping[str, str]
    heads: int = 8
    max_frames: int = 32
    network: Literal["UNetMotionModel"] = "UNetMotionModel"

    def __post_init__(self) -> None:
        check_ranges(self, _RANGES, "model")
        _check_spatial(self.spatial)
        _check_widths(self.spatial, self.text_width, self.heads)
        VPDenoiser(torch.nn.Identity(), self.alphas_cumprod(), self.prediction)

    @property
    def temporal(self) -> bool:
        """It is a network of videos."""
        return True

    @property
    def num_classes(self) -> int:
        """It knows no class labels."""
        return 0

    @property
    def known_frames(self) -> bool:
        """It sees no given frames."""
        return False

    @property
    def frame_channels(self) -> int:
        """c of the latents."""
        return int(self.spatial["in_channels"])

    @property
    def size_multiple(self) -> int:
        """Height and width of the latents are multiples of this."""
        return 1 << (len(self.spatial["block_out_channels"]) - 1)

    @property
    def sigma_range(self) -> tuple[float, float]:
        """The noise levels of its timesteps."""
        return self.levels[0], self.levels[-1]

    @property
    def output_weighting(self) -> str:
        """The loss weighting that gives the network's output unit weight."""
        return OUTPUT_WEIGHTINGS[self.prediction]

    @property
    def levels(self) -> tuple[float, ...]:
        """Noise level of each timestep, rising; pure noise, which has none, is left out."""
        return VPDenoiser(torch.nn.Identity(), self.alphas_cumprod()).levels

    def alphas_cumprod(self) -> torch.Tensor:
        """Of the schedule, (N,)."""
        try:
            found: torch.Tensor = import_diffusers().DDPMScheduler(**self.schedule).alphas_cumprod
        except (NotImplementedError, TypeError, ValueError) as error:
            raise UsageError(f"the schedule {dict(self.schedule)} is none: {error}") from error
        return found

    def arguments(self) -> dict[str, Any]:
        """Of `UNetMotionModel`."""
        known = inspect.signature(import_diffusers().UNetMotionModel.__init__).parameters
        spatial = self.spatial
        return {
            **{name: value for name, value in spatial.items() if name in known},
            "down_block_types": [_BLOCKS[name] for name in spatial["down_block_types"]],
            "up_block_types": [_BLOCKS[name] for name in spatial["up_block_types"]],
            "num_attention_heads": spatial.get("num_attention_heads")
            or spatial["attention_head_dim"],
            "motion_num_attention_heads": self.heads,
            "motion_max_seq_length": self.max_frames,
        }

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and mappings; `from_json` reads them."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "MotionConfig":
        """Raises UsageError on unknown or missing keys, or values no network can have."""
        return validated(cls, values, "model")


def spatial_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of a `UNet2DConditionModel`, those that its `config.json` leaves out included.

    Raises:
        UsageError: one that diffusers does not know.
    """
    known = _spatial_defaults()
    stated = {name: value for name, value in config.items() if not name.startswith("_")}
    unknown = sorted(set(stated) - set(known))
    if unknown:
        raise UsageError(f"{unknown[0]} is no setting of a UNet2DConditionModel")
    complete = {**known, **stated}
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in complete.items()
    }


def _spatial_defaults() -> dict[str, Any]:
    made = inspect.signature(import_diffusers().UNet2DConditionModel.__init__).parameters
    return {name: made[name].default for name in made if name != "self"}


def _check_spatial(config: Mapping[str, Any]) -> None:
    """Raises UsageError where temporal layers would change more than they add."""
    defaults = _spatial_defaults()
    if set(config) != set(defaults):
        raise UsageError("spatial: these are not all settings of a UNet2DConditionModel")
    for name, meaning in _ABSENT.items():
        if config[name] is not None:
            raise UsageError(f"{meaning} ({name}={config[name]!r})")
    for name in ("down_block_types", "up_block_types"):
        foreign = [block for block in config[name] if block not in _BLOCKS]
        if foreign:
            raise UsageError(f"its layers are {foreign[0]}; known are {', '.join(_BLOCKS)}")
    kept = inspect.signature(import_diffusers().UNetMotionModel.__init__).parameters
    for name, default in defaults.items():
        if name not in (*kept, *_HARMLESS) and config[name] not in (default, None):
            raise UsageError(
                f"{name}={config[name]!r}: diffusers' UNetMotionModel has no such setting, and "
                "would not start as the same network"
            )
    if config["in_channels"] != config["out_channels"]:
        raise UsageError(
            f"it reads {config['in_channels']} channels and makes {config['out_channels']}: it "
            "inpaints, or learns a variance"
        )


def _check_widths(config: Mapping[str, Any], text_width: int, heads: int) -> None:
    for width in config["block_out_channels"]:
        if width % heads:
            raise UsageError(
                f"model.overrides.heads: {heads} do not divide the width {width}; give another "
                "number"
            )
    if config["cross_attention_dim"] != text_width:
        raise UsageError(
            f"its layers read text of width {config['cross_attention_dim']}, its text encoder "
            f"writes {text_width}"
        )
