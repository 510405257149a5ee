"""A text-to-image pipeline of diffusers, the kind of Stable Diffusion, to make a video model of."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.models.config import TextInput
from pyoco_eval.models.diffusers_parts import (
    FILES,
    import_diffusers,
    load_part,
    part_folder,
    read_index,
    read_schedule,
    text_digest,
    weight_patterns,
)
from pyoco_eval.models.hub import folder_digest, model_folder
from pyoco_eval.models.motion_config import MotionConfig, spatial_config
from pyoco_eval.models.motion_unet import PROMPT
from pyoco_eval.parsing import parse_json

_CLASSES: Final = {
    "unet": "UNet2DConditionModel",
    "vae": "AutoencoderKL",
    "text_encoder": "CLIPTextModel",
    "tokenizer": "CLIPTokenizer",
}


@dataclass(frozen=True)
class Pipeline:
    """A pipeline whose parts are there and of the right kinds.

    Attributes:
        folder: on this machine.
        argument: for messages, what the user wrote.
    """

    folder: Path
    argument: str

    def config(self, *, told: bool = True, heads: int = 8, max_frames: int = 32) -> MotionConfig:
        """The video network; no weights are loaded, but those of U-Net and texts are hashed.

        Args:
            told: whether the network is told a text.
            heads, max_frames: of the temporal layers.

        Raises:
            UsageError: a U-Net that cannot be one with temporal layers; says why.
            PyocoEvalError: damaged files.
        """
        schedule, prediction = read_schedule(
            self.folder, self.argument, "temporal layers are trained in"
        )
        text = self._read("text_encoder", "config.json")
        tokenizer = self._read("tokenizer", "tokenizer_config.json")
        try:
            width, length = int(text["hidden_size"]), int(text["max_position_embeddings"])
            length = min(length, int(tokenizer.get("model_max_length", length)))
            return MotionConfig(
                spatial=spatial_config(self._read("unet", "config.json")),
                schedule=schedule,
                prediction=prediction,
                text=(TextInput(PROMPT, width),) if told else (),
                text_tokens=length,
                text_width=width,
                pipeline={"unet": self._unet_digest(), "text_encoder": self._text_digest()},
                heads=heads,
                max_frames=max_frames,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise PyocoEvalError(f"{self.argument}: its configs do not fit: {error!r}") from error
        except UsageError as error:
            raise UsageError(f"{self.argument}: {error}") from error

    def unet(self) -> Any:
        """The `UNet2DConditionModel` on the CPU, float32.

        Raises:
            PyocoEvalError: damaged files.
        """
        place, argument = part_folder(self.folder, "unet"), f"{self.argument}: its unet"
        return load_part(import_diffusers().UNet2DConditionModel, place, argument)

    def _unet_digest(self) -> str:
        digest = folder_digest(self.folder, weight_patterns(self.folder, ["unet"]))
        return digest.partition(":")[2]

    def _text_digest(self) -> str:
        return text_digest(self.folder).partition(":")[2]

    def _read(self, part: str, name: str) -> Mapping[str, Any]:
        path = self.folder / part / name
        try:
            found = parse_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise PyocoEvalError(f"{self.argument}: {path} cannot be read ({error})") from error
        if not isinstance(found, dict):
            raise PyocoEvalError(f"{self.argument}: {path} holds no settings: copy it again")
        return found


def open_pipeline(path_or_id: str, argument: str) -> Pipeline:
    """A pipeline's folder, looked through; no file of it is unpickled and no code of it is run.

    Args:
        path_or_id: its folder, or its name on the Hugging Face hub.
        argument: for messages, what the user wrote.

    Raises:
        UsageError: a pipeline of another kind; names every part that is.
        MissingError: diffusers or files are not there; names every part that is missing.
    """
    import_diffusers()
    folder = model_folder(path_or_id, FILES, argument)
    parts = read_index(folder, argument)
    if "transformer" in parts or "text_encoder_2" in parts:
        raise UsageError(
            f"{argument}: is a pipeline of {parts.get('transformer') or 'two text encoders (SDXL)'}"
            "; temporal layers are trained in pipelines of the kind of Stable Diffusion 1 and 2: "
            "one UNet2DConditionModel, one CLIPTextModel"
        )
    foreign = [
        f"its {part} is {parts[part]}, not {kind}"
        for part, kind in _CLASSES.items()
        if part in parts and parts[part] not in (kind, f"{kind}Fast")
    ]
    if foreign:
        raise UsageError(f"{argument}: {'; '.join(foreign)}")
    needed = (*_CLASSES, "scheduler")
    missing = [part for part in needed if part not in parts or not (folder / part).is_dir()]
    if missing:
        raise MissingError(
            f"{argument}: {folder} has no {', '.join(missing)}; save the whole pipeline there with "
            "save_pretrained"
        )
    return Pipeline(folder, argument)
