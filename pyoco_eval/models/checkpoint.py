"""A model is a folder: `model.safetensors` with the weights and `model.json` with all the rest.

Nothing is unpickled. The JSON file holds the sha256 of the weights file; both are checked on load.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal

import torch
from pydantic import ConfigDict, Discriminator, Tag
from safetensors import SafetensorError
from safetensors.torch import load, save

from pyoco_eval.atomic import atomic_path
from pyoco_eval.diffusion.experts import ExpertDenoiser, TrainedExpert
from pyoco_eval.diffusion.precondition import EDMDenoiser, VPDenoiser
from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.models.building import build, count_parameters
from pyoco_eval.models.config import UNetConfig, check_ranges, validated
from pyoco_eval.models.efficient_config import EfficientConfig
from pyoco_eval.models.embedded import located
from pyoco_eval.models.latent_space import LatentSpace, network_sides
from pyoco_eval.models.motion_config import MotionConfig
from pyoco_eval.models.network import VideoNetwork
from pyoco_eval.models.state import load_state, not_finite
from pyoco_eval.parsing import parse_json

WEIGHTS: Final = "model.safetensors"
AVERAGE: Final = "ema.safetensors"
"""The weights in a checkpoint of a training run, which is a model as well."""
INFO: Final = "model.json"
_FORMAT: Final = "pyoco-eval model 1"
_REMEDY: Final = (
    f"a model is a folder with {INFO} and {WEIGHTS}, as `pyoco-eval train` writes it under model/"
)


_RANGES: Final = {
    "num_frames": (1, 100_000),
    "fps": (1e-3, 1000),
    "size": (1, 16_384),
    "sigma_data": (1e-4, 1e4),
    "step": (0, 10**12),
}


def _kind_of(values: object) -> str:
    def has(key: str) -> bool:
        return key in values if isinstance(values, Mapping) else hasattr(values, key)

    return "motion" if has("spatial") else "efficient" if has("factor") else "unet"


AnyNetworkConfig = Annotated[
    Annotated[UNetConfig, Tag("unet")]
    | Annotated[EfficientConfig, Tag("efficient")]
    | Annotated[MotionConfig, Tag("motion")],
    Discriminator(_kind_of),
]


@dataclass(frozen=True)
class ModelInfo:
    """What a network is for and how it was trained.

    Attributes:
        unet: its configuration: a U-Net of this package, one that enlarges, or one of diffusers.
        kind: `image` or `video`.
        num_frames: T it was trained on, 1 for images.
        fps: frames per second of its videos.
        size: (H, W) in pixels.
        sigma_data: standard deviation of the data, for the EDM preconditioning.
        prior: spec of the noise prior it was trained with.
        text_encoders: specs, one for each entry of `unet.text`.
        labels: names of the classes, in order of their numbers; or empty.
        sampler: spec of the sampler to use by default.
        step: optimiser steps its weights have seen.
        latent: the space it works in, where that is not the space of pixels.
        expert: the noise levels it was finetuned for; None for all.
        provenance: what else is worth knowing: plain JSON.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    unet: AnyNetworkConfig
    kind: Literal["image", "video"]
    num_frames: int
    fps: float
    size: tuple[int, int]
    sigma_data: float = 0.5
    prior: str = "independent"
    text_encoders: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    sampler: str = ""
    step: int = 0
    latent: LatentSpace | None = None
    expert: TrainedExpert | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in ("image", "video"):
            raise UsageError(f"kind {self.kind!r} must be image or video")
        if (self.kind == "video") != self.unet.temporal:
            raise UsageError(
                f"kind {self.kind} does not fit a U-Net of temporal={self.unet.temporal}"
            )
        check_ranges(self, _RANGES, "model")
        if any(side % self.size_multiple for side in self.size):
            raise UsageError(
                f"size {self.size} is no multiple of {self.size_multiple}, as the levels of "
                "the U-Net need"
            )
        if self.latent is not None and self.latent.channels != self.unet.frame_channels:
            raise UsageError(
                f"latents of {self.latent.channels} channels do not fit a U-Net of "
                f"{self.unet.frame_channels}"
            )
        if self.kind == "image" and self.num_frames != 1:
            raise UsageError(f"num_frames {self.num_frames}: an image model has 1")
        if self.labels and len(self.labels) != self.unet.num_classes:
            raise UsageError(
                f"{len(self.labels)} labels are named, the network has {self.unet.num_classes}"
            )

    @property
    def size_multiple(self) -> int:
        """Height and width of the frames, in pixels, are multiples of this."""
        return self.unet.size_multiple * (1 if self.latent is None else self.latent.downscale)

    def frame_shape(self, size: tuple[int, int] | None = None) -> tuple[int, int, int]:
        """(C, H, W) of what the network sees, pixels or latents, of frames of `size` in pixels."""
        return self.unet.frame_channels, *network_sides(size or self.size, self.latent)

    def digest(self) -> str:
        """sha256, 64 hexadecimal digits, of all that decides what comes out of the weights.

        Left out are `step`, `provenance` and the place of the VAE, which only tell where a model
        comes from.
        """
        read = ModelInfo.from_json(self.to_json())  # where 8 and 8.0 are the same
        told = {k: v for k, v in read.to_json().items() if k not in ("step", "provenance")}
        if read.latent is not None:
            told["latent"] = read.latent.decisive()
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Plain numbers, strings, lists and mappings; `from_json` reads them."""
        values = asdict(replace(self, provenance=dict(self.provenance)))
        # Descriptions from before these keys existed keep their digests.
        for name in ("latent", "expert"):
            if values[name] is None:
                del values[name]
        if values["unet"].get("patch") == 1:
            del values["unet"]["patch"]
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "ModelInfo":
        """Raises UsageError on unknown or missing keys, or values of another type."""
        return validated(cls, values, "model")


@dataclass(frozen=True)
class Model:
    """A network with weights, ready to denoise.

    Attributes:
        network: in evaluation mode.
        denoiser: the network, or several experts, behind the contract of `diffusion.denoiser`.
        info: its JSON file.
        sha256: of the weights file, 64 hexadecimal digits.
        folder: where it was read from.
        others: further experts' networks.
    """

    network: VideoNetwork
    denoiser: EDMDenoiser | VPDenoiser | ExpertDenoiser
    info: ModelInfo
    sha256: str
    folder: Path
    others: tuple[VideoNetwork, ...] = ()

    @property
    def networks(self) -> tuple[VideoNetwork, ...]:
        """All of them: one, or one for each expert."""
        return self.network, *self.others


def save_model(folder: Path, network: VideoNetwork, info: ModelInfo) -> str:
    """Write weights and description; returns the sha256 of the weights file.

    The description is written last, so a folder that has one is whole. The same weights make the
    same bytes.

    Raises:
        UsageError: `info` describes another network.
        PyocoEvalError: the system refuses to write, or a weight is infinite or no number.
    """
    if info.unet != network.config:
        raise UsageError("the model's description holds another U-Net than the network's")
    state = {
        name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()
    }
    _check_finite(folder / WEIGHTS, state)
    content = save(state)
    sha256 = hashlib.sha256(content).hexdigest()
    with atomic_path(folder / WEIGHTS) as path:
        path.write_bytes(content)
    describe_model(folder, info, sha256)
    return sha256


def describe_model(folder: Path, info: ModelInfo, sha256: str) -> None:
    """Write the description beside weights of this hash, which makes the folder a model."""
    hashes = {"sha256": sha256, "description_sha256": info.digest()}
    text = json.dumps({"format": _FORMAT, **hashes, **info.to_json()}, indent=2)
    with atomic_path(folder / INFO) as path:
        path.write_text(text + "\n", encoding="utf-8")


def load_model(folder: Path, *, device: torch.device | str = "cpu") -> Model:
    """Read a model folder, the `model` folder inside a training run, or one of its checkpoints.

    Raises:
        MissingError: there is no model at `folder`.
        PyocoEvalError: a file is damaged, foreign, or does not fit the other.
    """
    folder = model_folder(folder)
    info, sha256 = read_info(folder)
    path = weights_file(folder)
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise PyocoEvalError(
            f"{path}: sha256 {found[:12]}… is not the {sha256[:12]}… that {INFO} states. The file "
            "is damaged or was exchanged: copy both files of the folder again"
        )
    try:
        state = load(content)
    except SafetensorError as error:
        raise PyocoEvalError(f"{path}: is no safetensors file ({error}): copy it again") from error
    needed, held = count_parameters(info.unet), sum(tensor.numel() for tensor in state.values())
    if needed > 2 * held:  # before memory for them is asked for
        raise PyocoEvalError(
            f"{path}: holds {held:,} numbers, the U-Net that {INFO} describes has {needed:,}"
        )
    _check_finite(path, state)
    with torch.random.fork_rng(devices=[]):
        network = build(info.unet)
    try:
        load_state(network, state)
    except UsageError as error:
        raise PyocoEvalError(
            f"{path}: does not fit the U-Net that {INFO} describes: {error}"
        ) from error
    network.to(device).eval()
    return Model(network, network.denoiser(info.sigma_data).eval(), info, sha256, folder)


def read_info(folder: Path) -> tuple[ModelInfo, str]:
    """The description of a model folder, and the sha256 its weights file must have.

    Raises:
        MissingError: a file is not there.
        PyocoEvalError: the description is damaged or foreign.
    """
    for place in (folder / INFO, weights_file(folder)):
        if not place.is_file():
            raise MissingError(f"{folder}: has no {place.name}; {_REMEDY}")
    path = folder / INFO
    try:
        values = parse_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PyocoEvalError(f"{path}: is not JSON ({error}): copy it again") from error
    if not isinstance(values, dict) or values.pop("format", None) != _FORMAT:
        raise PyocoEvalError(f"{path}: does not say it is a {_FORMAT!r}; {_REMEDY}")
    sha256 = values.pop("sha256", None)
    if not isinstance(sha256, str):
        raise PyocoEvalError(f"{path}: states no sha256 of {WEIGHTS}: copy it again")
    stated = values.pop("description_sha256", None)
    try:
        info = ModelInfo.from_json(values)
    except UsageError as error:
        raise PyocoEvalError(f"{path}: {error}") from error
    if stated not in (None, info.digest()):  # None: written before descriptions had one
        raise PyocoEvalError(
            f"{path}: was changed after it was written (its description_sha256 is of other values)."
            " Copy it again; if the change is meant, take description_sha256 out: samples then "
            "carry the new one"
        )
    return info, sha256


def _check_finite(path: Path, state: Mapping[str, torch.Tensor]) -> None:
    bad = not_finite(state)
    if bad:
        raise PyocoEvalError(
            f"{path}: {len(bad)} of {len(state)} tensors hold values that are infinite or no "
            f"numbers, the first is {bad[0]}: the training broke down; use a checkpoint from before"
        )


def weights_file(folder: Path) -> Path:
    """Of a model, or of a checkpoint of a training run."""
    average = folder / AVERAGE
    return average if average.is_file() and not (folder / WEIGHTS).is_file() else folder / WEIGHTS


def model_folder(path: Path) -> Path:
    """`path` itself if it is a model or a checkpoint, else the `model` folder of the run `path`.

    `embedded:NAME` is the folder of that model of the package.

    Raises:
        MissingError: it is neither.
        UsageError: no embedded model has that name.
    """
    path = located(path)
    for folder in (path, path / "model"):
        if (folder / INFO).is_file():
            return folder
    if not path.exists():
        raise MissingError(f"{path}: there is no such folder; {_REMEDY}")
    raise MissingError(f"{path}: holds no {INFO}, and no model/{INFO}; {_REMEDY}")
