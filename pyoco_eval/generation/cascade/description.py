"""A cascade is a folder, or a file, that names its stages in order.

    format: pyoco-eval cascade 1
    stages:
      base: {model: base}
      interpolation: {model: interpolation, every: 5}
      sr256: {model: sr256, augmentation: 0.1}

Reference: Ge et al., Preserve Your Own Correlation (2023), Figure 3.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from pydantic import ConfigDict

from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.generation.upsampling import Shape, UpsamplingTask, task_of
from pyoco_eval.models.checkpoint import ModelInfo
from pyoco_eval.models.config import validated
from pyoco_eval.models.efficient_config import EfficientConfig
from pyoco_eval.models.embedded import PREFIX as EMBEDDED
from pyoco_eval.models.ensemble import describe, refuse_lone_expert
from pyoco_eval.models.presets import PRESETS
from pyoco_eval.training.config_file import find_config
from pyoco_eval.yaml_text import YamlTextError, parse_yaml

FILE: Final = "cascade.yaml"
PRESET: Final = "preset:"
FORMAT: Final = "pyoco-eval cascade 1"


@dataclass(frozen=True)
class StageConfig:
    """How a stage makes videos; what is left out is the model's own.

    Attributes:
        model: folder of the model, of experts, or of a training run, beside the cascade's file;
            `embedded:NAME`; or `preset:NAME`, which has no weights and can be planned only.
        sampler, prior, guidance_scale: see `GeneratorOptions`.
        num_frames, size, fps: of the first stage's videos.
        every: distance of known frames, of a stage that fills in frames.
        augmentation: share of noise in the frames that a stage enlarges.
        frames_at_once: of the layers of a stage that enlarges; fewer need less memory.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    model: str
    sampler: str | None = None
    prior: str | None = None
    guidance_scale: float | None = None
    num_frames: int | None = None
    size: int | tuple[int, int] | None = None
    fps: float | None = None
    every: int | None = None
    augmentation: float | None = None
    frames_at_once: int = 0


@dataclass(frozen=True)
class Stage:
    """A stage with its model's description.

    Attributes:
        name: for `--until` and folders.
        config: of the stage.
        info: of the model; of a preset, one that it could have.
        folder: of the model; None for a preset.
        task: what it makes of the videos of the stage before; None for the first.
        shape: T, H, W of its videos.
        fps: of its videos.
    """

    name: str
    config: StageConfig
    info: ModelInfo
    folder: Path | None
    task: UpsamplingTask | None
    shape: Shape
    fps: float


def is_cascade(place: Path) -> bool:
    """Whether a place is a cascade: its file, also one that is shipped, or a folder with one."""
    return place.suffix == ".yaml" or (place / FILE).is_file()


def read_cascade(place: Path, until: str | None = None) -> list[Stage]:
    """The stages up to one, with the shapes of what they make.

    Args:
        place: the folder, or its file.
        until: name of the last stage wanted; None for all.

    Raises:
        UsageError: no such stage, a key that is unknown or of another type, or stages that do not
            fit one another; names the key.
        MissingError: the file or a model is not there.
        PyocoEvalError: a damaged model.
    """
    path = place / FILE if place.is_dir() else find_config(place, "cascades")
    if not path.is_file():
        raise MissingError(f"{place}: has no {FILE}; a cascade is a folder that names its stages")
    configs = stage_configs(path)
    if until is not None and until not in configs:
        raise UsageError(f"--until {until}: {path} has the stages {', '.join(configs)}")
    stages: list[Stage] = []
    for name, config in configs.items():
        try:
            stages.append(_stage(name, config, path.parent, stages[-1] if stages else None))
        except UsageError as error:
            raise UsageError(f"{path}: stages.{name}: {error}") from error
        if name == until:
            break
    return stages


def stage_configs(path: Path) -> dict[str, StageConfig]:
    """Name of each stage -> its keys, as the file has them; no model is looked for.

    Raises:
        UsageError: keys that are unknown or of another type; names them.
        PyocoEvalError: the file cannot be read, or is no YAML.
    """
    try:
        tree: Any = parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YamlTextError) as error:
        raise PyocoEvalError(f"{path}: {error}") from error
    stages = tree.get("stages") if isinstance(tree, Mapping) else None
    if not isinstance(stages, Mapping) or not stages or set(tree) != {"format", "stages"}:
        raise UsageError(f"{path}: a cascade has the keys format and stages, and nothing else")
    if tree["format"] != FORMAT:
        raise UsageError(f"{path}: format: must be {FORMAT!r}, found {tree['format']!r}")
    found = {}
    for name, values in stages.items():
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", str(name)):
            raise UsageError(f"{path}: stages.{name}: use small letters, digits and hyphens")
        if not isinstance(values, Mapping):
            raise UsageError(f"{path}: stages.{name}: must be a mapping with a model")
        try:
            found[str(name)] = validated(StageConfig, values, f"stages.{name}")
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from error
    return found


def _stage(name: str, config: StageConfig, beside: Path, before: Stage | None) -> Stage:
    info, folder = _model(config, beside)
    if before is None:
        return _first(name, config, info, folder)
    given = [key for key in ("num_frames", "size", "fps") if getattr(config, key) is not None]
    if given:
        raise UsageError(f"{given[0]}: follows from the stage before; leave it out")
    task = task_of(info, config.model, every=config.every, augmentation=config.augmentation)
    shape = task.shape(before.shape)
    multiple = info.size_multiple
    if any(side % multiple for side in shape[1:]):
        raise UsageError(
            f"frames of {shape[1]}x{shape[2]}: its network takes multiples of {multiple}"
        )
    fps = before.fps * (shape[0] - 1) / max(1, before.shape[0] - 1)
    return Stage(name, config, info, folder, task, shape, fps)


def _first(name: str, config: StageConfig, info: ModelInfo, folder: Path | None) -> Stage:
    for key in ("every", "augmentation"):
        if getattr(config, key) is not None:
            raise UsageError(f"{key}: is of stages that are given videos, and the first is not")
    if info.unet.known_frames or isinstance(info.unet, EfficientConfig):
        raise UsageError(f"model: {config.model} needs videos, and the first stage is given none")
    size = config.size or info.size
    height, width = (size, size) if isinstance(size, int) else size
    shape = config.num_frames or info.num_frames, height, width
    return Stage(name, config, info, folder, None, shape, float(config.fps or info.fps))


def _model(config: StageConfig, beside: Path) -> tuple[ModelInfo, Path | None]:
    if not config.model.startswith(PRESET):
        own = config.model.startswith(EMBEDDED)
        info, folder = describe(Path(config.model) if own else beside / config.model)
        refuse_lone_expert(info, folder)
        return info, folder
    name = config.model.removeprefix(PRESET)
    if name not in PRESETS:
        raise UsageError(f"model: preset {name!r} is none of {', '.join(PRESETS)}")
    size = config.size or 64
    sides = (size, size) if isinstance(size, int) else size
    text = tuple(source.name for source in PRESETS[name].text)
    return (
        ModelInfo(
            PRESETS[name], "video", config.num_frames or 16, config.fps or 8.0, sides,
            text_encoders=text,
        ),
        None,
    )  # fmt: skip


def stage_options(config: StageConfig) -> dict[str, Any]:
    """Fields of `GeneratorOptions` that a stage decides."""
    names = ("sampler", "prior", "guidance_scale", "num_frames", "size", "fps")
    return {name: getattr(config, name) for name in names}
