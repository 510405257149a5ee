"""A diffusers pipeline of images as an image model for the probe: of pixels or of latents.

Axes: T frames (a batch of images here), C channels, H, W of pixels; c, h, w of the model's space.

Of the scheduler only its noise levels and its prediction type are used. Its own steps are not,
since an inversion with them is not the inverse of sampling (seen in diffusers 0.35 to 0.42):

- `DDIMInverseScheduler` asks the network about the level a step leads to while the image is still
  at the level it starts from: off by one on the way up, right on the way down.
- It clamps the denoised image where `clip_sample` is set, the default; nothing undoes that.
- With `timestep_spacing="leading"`, the default, the last level is not the noisiest the network
  knows (timestep 980 of 999 for 50 steps), yet the result is taken for noise of unit variance.
- `DDIMScheduler` with `set_alpha_to_one=False`, as in Stable Diffusion, stops at the first noise
  level instead of at the clean image.

References: Song et al., Denoising Diffusion Implicit Models (2021), §4.3; Lin et al., Common
Diffusion Noise Schedules and Sample Steps are Flawed (2024).
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import torch

from pyoco_eval.diffusion.denoiser import Conditioning, TextEmbedding
from pyoco_eval.diffusion.precondition import VPDenoiser
from pyoco_eval.errors import UsageError
from pyoco_eval.models.diffusers_parts import (
    FILES,
    import_diffusers,
    load_part,
    part_folder,
    read_index,
    read_schedule,
    weight_patterns,
)
from pyoco_eval.models.hub import folder_digest, model_folder
from pyoco_eval.probe.image_model import DIFFUSERS, ImageModel, same

_UNETS: Final = ("UNet2DModel", "UNet2DConditionModel")
_PROMPT: Final = "prompt"
"""Name of the text embedding in `Conditioning.text`."""


def open_diffusers_model(path_or_id: str, device: torch.device) -> ImageModel:
    """Read a pipeline; no file of it is unpickled and no code of it is run.

    Raises:
        UsageError: not a pipeline of a U-Net on images, or one with further conditions.
        MissingError: diffusers or the files are not there.
        PyocoEvalError: damaged files.
    """
    argument = f"--model {DIFFUSERS}{path_or_id}"
    diffusers = import_diffusers()
    folder = model_folder(path_or_id, FILES, argument)
    parts = read_index(folder, argument)
    _check_parts(parts, argument)
    alphas_cumprod, prediction = _levels(diffusers, folder, argument)
    unet = _load(getattr(diffusers, parts["unet"]), folder, "unet", argument).to(device).eval()
    _refuse_conditions(unet.config, argument)
    vae = None
    if parts.get("vae") is not None:
        vae = _load(getattr(diffusers, parts["vae"]), folder, "vae", argument).to(device).eval()
    conditional = parts["unet"] == "UNet2DConditionModel"
    encode_text = _text_encoder(parts, folder, device, argument) if conditional else None
    weights = weight_patterns(folder, ("unet", "vae", "text_encoder"))
    digest = folder_digest(folder, weights).partition(":")[2]
    denoiser = VPDenoiser(_Network(unet, conditional), alphas_cumprod, prediction)
    factor = 1 if vae is None else 2 ** (len(vae.config.block_out_channels) - 1)
    return ImageModel(
        name=f"diffusers-{parts['unet'].lower()}@{digest[:8]}",
        digest=digest,
        denoiser=denoiser,
        size=_side(unet.config.sample_size, argument) * factor,
        sigma_min=denoiser.sigma_min,
        sigma_max=denoiser.sigma_max,
        encode=same if vae is None else _encoder(vae),
        decode=same if vae is None else _decoder(vae),
        condition=_no_text if encode_text is None else encode_text,
        latent=vae is not None,
        device=device,
    )


class _Network:
    """A diffusers U-Net on videos of one frame, its images."""

    def __init__(self, unet: torch.nn.Module, conditional: bool) -> None:
        self._unet = unet
        self._conditional = conditional

    def __call__(
        self, y: torch.Tensor, timestep: torch.Tensor, cond: Conditioning | None
    ) -> torch.Tensor:
        images = y.flatten(0, 1)  # (T, c, h, w)
        if self._conditional:
            assert cond is not None
            text = cond.text[_PROMPT]
            found = self._unet(images, timestep, encoder_hidden_states=text.tokens).sample
        else:
            found = self._unet(images, timestep).sample
        predicted: torch.Tensor = found[:, : y.shape[2]]  # a learned variance is left out
        return predicted.reshape(y.shape)


def _check_parts(parts: Mapping[str, str], argument: str) -> None:
    if parts.get("unet") not in _UNETS:
        raise UsageError(
            f"{argument}: its network is {parts.get('unet') or parts.get('transformer')}; the "
            f"probe inverts pipelines of {' and '.join(_UNETS)}"
        )
    if parts.get("vae", "AutoencoderKL") != "AutoencoderKL":
        raise UsageError(f"{argument}: its autoencoder is {parts['vae']}, not AutoencoderKL")


def _levels(diffusers: Any, folder: Path, argument: str) -> tuple[torch.Tensor, Any]:
    """`alphas_cumprod` (N,) and the prediction type."""
    schedule, prediction = read_schedule(folder, argument, "the probe inverts")
    try:
        return diffusers.DDPMScheduler(**schedule).alphas_cumprod, prediction
    except (NotImplementedError, TypeError, ValueError) as error:
        raise UsageError(f"{argument}: {folder}: its scheduler: {error}") from error


def _load(kind: Any, folder: Path, part: str, argument: str) -> Any:
    return load_part(kind, part_folder(folder, part), f"{argument}: its {part}")


def _side(sample_size: object, argument: str) -> int:
    if isinstance(sample_size, list | tuple) and len(set(sample_size)) == 1:
        sample_size = sample_size[0]
    if not isinstance(sample_size, int):
        raise UsageError(f"{argument}: its images of {sample_size} are not square")
    return sample_size


def _refuse_conditions(config: Mapping[str, Any], argument: str) -> None:
    for name in ("class_embed_type", "num_class_embeds", "addition_embed_type"):
        if config.get(name) is not None:
            raise UsageError(
                f"{argument}: its network asks for more than a prompt ({name}="
                f"{config[name]!r}), which the probe does not know how to give"
            )


def _encoder(vae: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    def encode(images: torch.Tensor) -> torch.Tensor:
        latents: torch.Tensor = vae.encode(images.to(vae.dtype)).latent_dist.mode()
        return (latents.float() - float(vae.config.shift_factor or 0)) * float(
            vae.config.scaling_factor
        )

    return encode


def _decoder(vae: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    def decode(latents: torch.Tensor) -> torch.Tensor:
        latents = latents / vae.config.scaling_factor + (vae.config.shift_factor or 0)
        images: torch.Tensor = vae.decode(latents.to(vae.dtype)).sample
        return images.float()

    return decode


def _no_text(prompt: str | None, count: int) -> None:  # noqa: ARG001
    if prompt is not None:
        raise UsageError("--prompt: this model takes no text; leave it out")


def _text_encoder(
    parts: Mapping[str, str], folder: Path, device: torch.device, argument: str
) -> Callable[[str | None, int], Conditioning]:
    """Prompts as the pipeline reads them; without one the empty prompt, as in training."""
    if parts.get("text_encoder") != "CLIPTextModel" or parts.get("tokenizer") != "CLIPTokenizer":
        raise UsageError(
            f"{argument}: reads text with {parts.get('text_encoder')}; the probe knows "
            "CLIPTextModel alone"
        )
    import transformers

    tokenizer = transformers.CLIPTokenizer.from_pretrained(folder / "tokenizer")
    network = _load(transformers.CLIPTextModel, folder, "text_encoder", argument)
    network = network.to(device).eval()

    def condition(prompt: str | None, count: int) -> Conditioning:
        numbers = tokenizer(
            prompt or "",
            padding="max_length",
            max_length=tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        ).input_ids.to(device)
        tokens = network(numbers).last_hidden_state.expand(count, -1, -1)
        mask = torch.ones(tokens.shape[:2], dtype=torch.bool, device=device)
        return Conditioning({_PROMPT: TextEmbedding(tokens, mask)})

    return condition
