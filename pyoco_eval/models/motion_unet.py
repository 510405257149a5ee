"""A text-to-image U-Net of diffusers as a video network.

The network is diffusers' `UNetMotionModel`, so that what is learnt is a `MotionAdapter`: after
every residual and attention block of the image network stands a transformer over time. Its last
layer starts at zero, hence the network starts as the image network, frame by frame.

Axes: B videos, T frames, N pictures among them, c channels, h, w of latents, L tokens, E width.

References:
    Ge et al., Preserve Your Own Correlation (2023), §4: temporal layers in an image model.
    Guo et al., AnimateDiff (2023), §4.2: the temporal transformer, its output zero-initialised.
    Rombach et al., High-Resolution Image Synthesis with Latent Diffusion Models (2022).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from pyoco_eval.diffusion.denoiser import Conditioning
from pyoco_eval.diffusion.precondition import VPDenoiser
from pyoco_eval.errors import UsageError
from pyoco_eval.models.diffusers_parts import import_diffusers
from pyoco_eval.models.inflation import temporal_names
from pyoco_eval.models.motion_config import MotionConfig
from pyoco_eval.models.network import VideoNetwork
from pyoco_eval.models.state import load_state

PROMPT: Final = "prompt"
"""Name of the text encoder of a pipeline in `Conditioning.text`."""

_EMPTY: Final = "empty_text"
_UNET: Final = "unet."
MOTION: Final = ".motion_modules."
"""In the names of parameters of the temporal layers, as diffusers has them."""

Forward = Callable[..., Any]


class MotionUNet(VideoNetwork):
    """What a pipeline's U-Net predicts, for videos; never changes it frame by frame at its start.

    A text that is dropped is the empty prompt, as in the training of these pipelines.
    """

    config: MotionConfig
    fixed = frozenset({_EMPTY})

    def __init__(self, config: MotionConfig) -> None:
        super().__init__()
        self.config = config
        self.gradient_checkpointing = False
        try:
            self.unet: Any = import_diffusers().UNetMotionModel(**config.arguments())
        except (TypeError, ValueError, ZeroDivisionError) as error:
            raise UsageError(f"model: diffusers makes no U-Net of this: {error}") from error
        empty = torch.zeros(config.text_tokens, config.text_width)
        self.empty_text = nn.Parameter(empty, requires_grad=False)
        self.stages, self.temporal_layers = _layers()
        self._num_images = 0
        for module in self.modules():
            if isinstance(module, self.stages):
                module.forward = self._recomputed(module.forward)
            if isinstance(module, self.temporal_layers):
                for parameter in module.get_submodule("proj_out").parameters():
                    nn.init.zeros_(parameter)
                module.forward = self._without_images(module.forward)
        _keep_out_of_state(self.unet)

    def start_from(self, unet: nn.Module, empty_text: torch.Tensor) -> None:
        """Load an image network; temporal layers keep the weights they have.

        Args:
            unet: the `UNet2DConditionModel`.
            empty_text: (L, E), what the text encoder makes of the empty prompt.

        Raises:
            UsageError: tensors do not fit.
        """
        state = {f"{_UNET}{name}": tensor for name, tensor in unet.state_dict().items()}
        load_state(self, {**state, _EMPTY: empty_text}, keep=temporal_names(self))

    def denoiser(self, sigma_data: float) -> VPDenoiser:  # noqa: ARG002
        """By the pipeline's schedule; the deviation of the data has no part in it."""
        config = self.config
        return VPDenoiser(self, config.alphas_cumprod(), config.prediction)

    def forward(
        self,
        x: torch.Tensor,
        noise: torch.Tensor,
        cond: Conditioning | None = None,
        *,
        num_images: int = 0,
        image_cond: Conditioning | None = None,
    ) -> torch.Tensor:
        """One evaluation.

        Args:
            x: (B, T, c, h, w), noisy latents of variance about 1.
            noise: (B,), timesteps, which may lie between two.
            cond: what is known of the B videos.
            num_images: how many of the T frames, the last ones, are independent images: temporal
                layers neither see nor change them.
            image_cond: what is known of the B · num_images images, those of the first video
                first; the empty prompt where it is None.

        Returns:
            (B, T, c, h, w), what the network predicts.

        Raises:
            UsageError: shapes or conditioning this network was not built for.
        """
        self._check(x, num_images)
        num_frames = x.shape[1] - num_images
        tokens = self._tokens(cond, len(x))[:, None].expand(-1, num_frames, -1, -1)
        if num_images:
            images = self._tokens(image_cond, len(x) * num_images)
            tokens = torch.cat([tokens, _grouped(images, num_images)], 1)
        self._num_images = num_images
        found: torch.Tensor = self.unet(
            x.transpose(1, 2), noise, encoder_hidden_states=tokens.flatten(0, 1)
        ).sample
        return found.transpose(1, 2)

    def _tokens(self, cond: Conditioning | None, rows: int) -> torch.Tensor:
        """(rows, L, E); texts that were dropped are the empty one."""
        empty = self.empty_text.expand(rows, -1, -1)
        known = {source.name for source in self.config.text}
        cond = cond or Conditioning()
        if set(cond.text) - known or cond.labels is not None or cond.known is not None:
            raise UsageError(
                f"the network takes {', '.join(known) or 'no text'}, and no label or known frame"
            )
        text = cond.text.get(PROMPT)
        if text is None:
            return empty
        dropped = ~text.mask.any(1)
        if text.tokens.shape[1:] != empty.shape[1:] or len(text.tokens) != rows:
            if len(dropped) == rows and bool(dropped.all()):
                return empty
            raise UsageError(
                f"texts have tokens {tuple(text.tokens.shape)}; the network needs "
                f"{tuple(empty.shape)}"
            )
        return torch.where(dropped[:, None, None], empty, text.tokens.to(empty.dtype))

    def _check(self, x: torch.Tensor, num_images: int) -> None:
        config = self.config
        if x.ndim != 5 or x.shape[2] != config.frame_channels:
            raise UsageError(
                f"latents have shape {tuple(x.shape)}; the network takes "
                f"(B, T, {config.frame_channels}, h, w)"
            )
        if any(side % config.size_multiple for side in x.shape[3:]):
            raise UsageError(
                f"latents of {x.shape[3]}x{x.shape[4]}: the network takes multiples of "
                f"{config.size_multiple}"
            )
        if not 1 <= x.shape[1] - num_images <= config.max_frames or num_images < 0:
            raise UsageError(
                f"{x.shape[1] - num_images} frames: the temporal layers tell 1 to "
                f"{config.max_frames} apart (model.overrides.max_frames, when they are trained)"
            )

    def _recomputed(self, forward: Forward) -> Forward:
        """With gradient checkpointing, which diffusers has for residual blocks alone."""

        def run(*inputs: Any, **options: Any) -> Any:
            if self.gradient_checkpointing and torch.is_grad_enabled():
                return checkpoint(forward, *inputs, use_reentrant=False, **options)
            return forward(*inputs, **options)

        return run

    def _without_images(self, forward: Forward) -> Forward:
        """A layer over time that leaves the last frames, independent images, as they are."""

        def run(
            hidden_states: torch.Tensor,
            encoder_hidden_states: None = None,  # noqa: ARG001
            timestep: None = None,  # noqa: ARG001
            class_labels: None = None,  # noqa: ARG001
            num_frames: int = 1,
            cross_attention_kwargs: None = None,  # noqa: ARG001
        ) -> torch.Tensor:
            images = self._num_images
            if not images:
                whole: torch.Tensor = forward(hidden_states, num_frames=num_frames)
                return whole
            frames = _grouped(hidden_states, num_frames)
            video = frames[:, :-images].flatten(0, 1)
            found: torch.Tensor = forward(video, num_frames=num_frames - images)
            kept = frames[:, -images:]
            return torch.cat([_grouped(found, num_frames - images), kept], 1).flatten(0, 1)

        return run


def spatial_state(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Of the weights of a `MotionUNet`, those of the image network, by its own names."""
    return {
        name.removeprefix(_UNET): tensor
        for name, tensor in state.items()
        if name.startswith(_UNET) and MOTION not in name
    }


def motion_state(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Of the weights of a `MotionUNet`, those of the temporal layers, by diffusers' names."""
    return {name.removeprefix(_UNET): tensor for name, tensor in state.items() if MOTION in name}


def _grouped(rows: torch.Tensor, size: int) -> torch.Tensor:
    """(R, ...) as (R / size, size, ...)."""
    return rows.reshape(-1, size, *rows.shape[1:])


def _layers() -> tuple[tuple[type[nn.Module], ...], tuple[type[nn.Module], ...]]:
    """Types of the stages, and of those among them that work over time."""
    from diffusers.models.resnet import ResnetBlock2D
    from diffusers.models.transformers.transformer_2d import Transformer2DModel
    from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D

    return (
        (ResnetBlock2D, Transformer2DModel, AnimateDiffTransformer3D),
        (AnimateDiffTransformer3D,),
    )


def _keep_out_of_state(module: nn.Module) -> None:
    """Tables of positions follow from the config; they are no weights."""
    for part in module.modules():
        for name, table in list(part.named_buffers(recurse=False)):
            delattr(part, name)
            part.register_buffer(name, table, persistent=False)
