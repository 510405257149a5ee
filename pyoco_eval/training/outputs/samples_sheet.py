"""Samples of the averaged model while it trains, on one picture.

Axes: B samples, T frames, C channels, H, W.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from pyoco_eval.atomic import atomic_path
from pyoco_eval.diffusion.denoiser import Conditioning, KnownFrames, LowResolution
from pyoco_eval.diffusion.samplers.spec import SamplerSpec
from pyoco_eval.models.efficient_config import EfficientConfig
from pyoco_eval.models.latent_space import network_sides
from pyoco_eval.models.network import VideoNetwork
from pyoco_eval.priors import NoisePrior
from pyoco_eval.seeding import torch_generator
from pyoco_eval.training.conditions import Conditioner
from pyoco_eval.training.config import TrainConfig
from pyoco_eval.training.data.enlarging import made_small
from pyoco_eval.training.data.latents import Latents
from pyoco_eval.training.data.samples import Batch
from pyoco_eval.videos.contact_sheet import contact_sheet
from pyoco_eval.videos.frame_size import sides


class SampleSheet:
    """Draws the same samples, from the same noise, whenever it is asked.

    Args:
        config: of the run.
        prior: of the noise.
        conditioner: of the run.
        first: samples whose captions and labels are used, `config.log.num_samples` of them.
        class_names: of the labels.
        latents: of the run, where it is not of pixels; its first stage decodes the samples.
    """

    def __init__(
        self,
        config: TrainConfig,
        prior: NoisePrior,
        conditioner: Conditioner,
        first: Batch,
        class_names: tuple[str, ...],
        latents: Latents | None = None,
    ) -> None:
        self._config = config
        self._prior = prior
        self._conditioner = conditioner
        self._captions = first.captions
        self._labels = first.labels
        clean = None if latents is None or not config.condition.known_every else latents(first)
        self._known = conditioner.known(first, clean)
        self._frames = first.frames[:, : config.data.num_frames]
        self._first_stage = None if latents is None else latents.first_stage
        self._class_names = class_names
        self._sampler = SamplerSpec.parse(config.log.sampler)

    @torch.no_grad()
    def sample(self, network: VideoNetwork) -> np.ndarray | None:
        """Frames uint8 (B, T, H, W, 3) by a network in evaluation mode; None if not finite."""
        config = self._config
        device = next(network.parameters()).device
        num_frames = config.data.num_frames
        space = None if self._first_stage is None else self._first_stage.space
        frame = network_sides(sides(config.data.size), space)
        generators = [
            torch_generator(config.seed, "sheet", number) for number in range(len(self._captions))
        ]
        shape = network.config.frame_channels, *frame
        noise = self._prior.sample(shape, num_frames, generators).to(device)
        with torch.autocast(device.type, torch.bfloat16, config.hardware.precision == "bf16"):
            x = self._sampler.within(network.config.sigma_range).sample(
                network.denoiser(config.loss.sigma_data),
                noise,
                cond=self._told(network).to(device),
                prior=self._prior,
                generators=generators,
                guidance_scale=config.log.guidance_scale,
            )
        if self._first_stage is not None:
            x = self._first_stage.decode(x)
        if not bool(x.isfinite().all()):
            return None
        levels = ((x.permute(0, 1, 3, 4, 2) + 1) * 127.5).round().clamp(0, 255)
        return levels.to("cpu", torch.uint8).numpy()

    def _told(self, network: VideoNetwork) -> Conditioning:
        cond = self._conditioner.describe(self._captions, self._labels)
        if isinstance(network.config, EfficientConfig):
            large = self._frames.movedim(-1, 2).float() / 127.5 - 1
            small = [made_small(frames, network.config.factor) for frames in large]
            return replace(cond, low=LowResolution(torch.stack(small), torch.zeros(len(small))))
        if self._known is None:
            return cond
        frames = self._config.data.num_frames  # the pictures that follow are left out
        known = KnownFrames(self._known.frames[:, :frames], self._known.mask[:, :frames])
        return replace(cond, known=known)

    def write(self, network: VideoNetwork, path: Path, note: str = "") -> np.ndarray | None:
        """Write the sheet as PNG; its pixels, uint8 (H, W, 3), or None for samples not finite.

        Args:
            note: about the data; stands above the first sample.
        """
        videos = self.sample(network)
        if videos is None:
            return None
        texts: list[str] = []
        if self._config.condition.encoders:
            texts = list(self._captions)
        elif self._config.condition.labels:
            texts = [self._class_names[label] if label >= 0 else "" for label in self._labels]
        if note:
            texts = texts or [""] * len(videos)
            texts[0] = f"[{note}] {texts[0]}".strip()
        side = 96 if self._config.data.num_frames == 1 else 64
        sheet = contact_sheet(list(videos), texts, least_side=side)
        with atomic_path(path) as part:
            sheet.save(part, format="PNG")
        return np.asarray(sheet)
