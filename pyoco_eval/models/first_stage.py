"""A VAE of diffusers as the first stage of a latent model: frames to latents and back.

Axes: N frames, T frames of a video, H, W in pixels; c channels, h, w of the latents.

Reference: Rombach et al., High-Resolution Image Synthesis with Latent Diffusion Models (2022), §3.1
and Appendix G (the scaling of latents to unit variance).
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch

from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.models.diffusers_parts import import_diffusers, load_part
from pyoco_eval.models.hub import folder_digest, model_folder
from pyoco_eval.models.latent_space import LatentSpace
from pyoco_eval.parsing import parse_json

KIND: Final = "AutoencoderKL"
BESIDE: Final = "vae"
"""Folder inside a model's, or its run's, where a VAE is found that is not where it was."""
FRAMES_AT_ONCE: Final = 8

_FILES: Final = (
    "config.json",
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model-*-of-*.safetensors",
    "diffusion_pytorch_model.safetensors.index.json",
)


_DEFAULTS: Final = {
    "latent_channels": 4,
    "block_out_channels": [64],
    "scaling_factor": 0.18215,
    "shift_factor": None,
}
"""Of `AutoencoderKL`, for what a config leaves out."""


class FirstStage:
    """A frozen VAE, always in float32.

    Frames pass it in groups of `frames_at_once`; on a CPU one by one, where the last bits of a
    frame would otherwise depend on what goes with it.

    Attributes:
        space: of its latents.
        device: where it computes.
        encoded: frames encoded so far.

    Args:
        vae: an `AutoencoderKL` in float32.
        space: what is known of it.
        device: where it is to compute.
    """

    def __init__(
        self,
        vae: torch.nn.Module,
        space: LatentSpace,
        device: torch.device | str = "cpu",
        *,
        frames_at_once: int = FRAMES_AT_ONCE,
    ) -> None:
        self.space = space
        self.device = torch.device(device)
        self.encoded = 0
        self._vae: Any = vae.to(self.device).eval().requires_grad_(False)
        self._at_once = 1 if self.device.type == "cpu" else frames_at_once

    def network(self) -> Any:
        """The `AutoencoderKL`, its config with the scaling factor that is used."""
        self._vae.register_to_config(scaling_factor=self.space.scaling_factor)
        return self._vae

    @torch.no_grad()
    def moments(self, images: torch.Tensor) -> torch.Tensor:
        """Mean and standard deviation of the latents' posterior, scaled: (N, 2, c, h, w).

        Args:
            images: (N, 3, H, W) in [-1, 1].
        """
        space = self.space
        found = []
        with torch.autocast(self.device.type, enabled=False):
            for part in _groups(images, self._at_once):
                posterior = self._vae.encode(part.to(self.device, torch.float32)).latent_dist
                mean = (posterior.mean - space.shift_factor) * space.scaling_factor
                found.append(torch.stack([mean, posterior.std * abs(space.scaling_factor)], dim=1))
        self.encoded += len(images)
        return torch.cat(found)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Images (N, 3, H, W) in [-1, 1] to the means of their latents (N, c, h, w), float32."""
        return self.moments(images)[:, 0].contiguous()

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents (N, c, h, w), or of videos (B, T, c, h, w), to float32 of about [-1, 1]."""
        space = self.space
        flat = latents.reshape(-1, *latents.shape[-3:])
        found = []
        with torch.autocast(self.device.type, enabled=False):
            for part in _groups(flat, self._at_once):
                z = part.to(self.device, torch.float32) / space.scaling_factor + space.shift_factor
                found.append(self._vae.decode(z).sample)
        images = torch.cat(found)
        return images.reshape(*latents.shape[:-3], *images.shape[-3:])


def _groups(images: torch.Tensor, size: int) -> list[torch.Tensor]:
    return [images[start : start + size] for start in range(0, len(images), size)]


def open_first_stage(
    path_or_id: str,
    device: torch.device | str,
    argument: str,
    *,
    scaling_factor: float | None = None,
    frames_at_once: int = FRAMES_AT_ONCE,
) -> FirstStage:
    """Read a VAE; no file of it is unpickled.

    Args:
        path_or_id: folder of an `AutoencoderKL` or of a pipeline that has one, or the name of
            either on the Hugging Face hub.
        argument: for messages, what the user wrote.
        scaling_factor: in place of the VAE's own.

    Raises:
        UsageError: it is no VAE of this kind.
        MissingError: diffusers or the files are not there.
        PyocoEvalError: damaged files.
    """
    diffusers = import_diffusers()
    space, folder = read_space(path_or_id, argument, scaling_factor=scaling_factor)
    vae = load_part(getattr(diffusers, KIND), folder, argument)
    return FirstStage(vae, space, device, frames_at_once=frames_at_once)


def read_space(
    path_or_id: str, argument: str, *, scaling_factor: float | None = None
) -> tuple[LatentSpace, Path]:
    """What a VAE's latents are, and its folder; its network is not loaded.

    Args, Raises: as `open_first_stage`.
    """
    patterns = [*_FILES, *(f"vae/{name}" for name in _FILES)]
    folder = model_folder(path_or_id, patterns, argument)
    local = Path(path_or_id).expanduser().is_dir()
    if not (folder / "config.json").is_file() and (folder / "vae").is_dir():
        folder = folder / "vae"
    config = _read_config(folder, argument)
    try:
        space = LatentSpace(
            vae=str(folder.resolve()) if local else path_or_id,
            sha256=folder_digest(folder, _FILES).partition(":")[2],
            channels=int(config["latent_channels"]),
            downscale=2 ** (len(config["block_out_channels"]) - 1),
            scaling_factor=float(
                config["scaling_factor"] if scaling_factor is None else scaling_factor
            ),
            shift_factor=float(config["shift_factor"] or 0),
        )
    except (TypeError, ValueError) as error:
        raise PyocoEvalError(f"{argument}: {folder / 'config.json'}: {error}") from error
    return space, folder


def find_first_stage(space: LatentSpace, model: Path, device: torch.device | str) -> FirstStage:
    """The VAE a latent model was trained with: where it was, or `vae/` in the model's folder.

    Args:
        space: of the model's description.
        model: folder of the model.

    Raises:
        MissingError: it is in neither place.
        PyocoEvalError: what is there has other files than the model was trained with.
    """
    model = model.resolve()
    run = model.parent.parent if model.parent.name == "checkpoints" else model.parent
    beside = [folder / BESIDE for folder in (model, run)]
    place = next((str(folder) for folder in beside if folder.is_dir()), space.vae)
    argument = f"{model}: the VAE of its latents, {place},"
    try:
        found = open_first_stage(place, device, argument, scaling_factor=space.scaling_factor)
    except MissingError as error:
        raise MissingError(
            f"{error}. Put its folder, or a link to it, at {model / BESIDE}; its files must have "
            f"sha256 {space.sha256[:12]}…"
        ) from error
    stated = replace(found.space, vae=space.vae)
    if stated != space:
        raise PyocoEvalError(
            f"{argument} has sha256 {found.space.sha256[:12]}…, the model was trained with "
            f"{space.sha256[:12]}…: samples would be decoded from a space they are not of. Put the "
            f"right one, or a link to it, at {model / BESIDE}"
        )
    return found


def _read_config(folder: Path, argument: str) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        config = parse_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MissingError(
            f"{argument}: {path} cannot be read ({error.strerror}); give the folder of a saved "
            f"{KIND}"
        ) from error
    except ValueError as error:
        raise PyocoEvalError(f"{argument}: {path} is not JSON ({error}): copy it again") from error
    kind = config.get("_class_name") if isinstance(config, dict) else None
    if kind != KIND:
        raise UsageError(f"{argument}: {path} is of {kind}; the first stage must be {KIND}")
    if config.get("in_channels", 3) != 3 or config.get("out_channels", 3) != 3:
        raise UsageError(f"{argument}: {path}: its images are not of three channels")
    return {**_DEFAULTS, **config}
