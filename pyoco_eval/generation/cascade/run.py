"""Runs the stages of a cascade one after another; each is resumable by itself.

Stages before the last keep exact frames under `.stages/NAME`, where listings of samples do not
look; the last one's videos are the folder's own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from pyoco_eval.errors import PyocoEvalError, UsageError
from pyoco_eval.generation.cascade.description import Stage, stage_options
from pyoco_eval.generation.checkpoint import load_checkpoint
from pyoco_eval.generation.ledger import Row, sample_name
from pyoco_eval.generation.open_sampler import model_sampler, refuse_mps
from pyoco_eval.generation.request import GeneratorOptions, Request, VideoGenerator
from pyoco_eval.generation.upsampling import UpsamplingGenerator, set_frames_at_once
from pyoco_eval.generation.write import write_samples
from pyoco_eval.models.ensemble import open_model
from pyoco_eval.progress import Progress
from pyoco_eval.videos.source import open_source

STAGES: Final = ".stages"
_EXACT: Final = "npz"


@dataclass(frozen=True)
class StageFiles:
    """Reads the videos that the stage before has made.

    Attributes:
        folder: of that stage.
    """

    folder: Path

    def __call__(self, request: Request) -> np.ndarray:
        """uint8 (T, H, W, 3)."""
        path = self.folder / sample_name(request, _EXACT)
        video = open_source(path)[0]
        return video.read(range(video.count_frames()))


def sample_cascade(
    stages: Sequence[Stage],
    requests: Sequence[Request],
    out: Path,
    options: GeneratorOptions,
    *,
    file_format: str = "mp4",
    batch_size: int = 1,
    overwrite: bool = False,
    progress: Progress | None = None,
    told: Callable[[str], None] = lambda _: None,
) -> list[Row]:
    """Videos of the last of `stages`, in `out`.

    Under `torchrun` every process calls this.

    Args:
        stages: see `read_cascade`.
        options: device, precision and the like; what a stage states goes before. `fps` is that of
            the last stage's videos; None for what follows from the first.
        told: of what is unusual about a stage, before it begins.

    Returns:
        See `write_samples`.

    Raises:
        UsageError, MissingError, PyocoEvalError: as of `write_samples` and the models.
    """
    refuse_mps(options.device)
    _check_weights(stages)
    given: dict[str, str] = {}
    rows: list[Row] = []
    before: Stage | None = None
    for stage in stages:
        last = stage is stages[-1]
        asked = replace(options, fps=options.fps if last else None)
        generator = open_stage(stage, asked, before, out, given)
        if "notes" in generator.recipe:
            told(f"{stage.name}: {generator.recipe['notes']}")
        rows = write_samples(
            generator,
            requests,
            out if last else out / STAGES / stage.name,
            file_format=file_format if last else _EXACT,
            batch_size=batch_size,
            overwrite=overwrite,
            progress=progress,
        )
        own = {k: v for k, v in generator.recipe.items() if not k.startswith("from:")}
        given |= {f"{stage.name}:{key}": value for key, value in own.items()}
        before = stage
    return rows


def open_stage(
    stage: Stage,
    options: GeneratorOptions,
    before: Stage | None,
    out: Path,
    given: Mapping[str, str],
) -> VideoGenerator:
    """A stage as a generator.

    Args:
        before: the stage before, whose videos lie under `out`; None for the first.
        given: its recipe, and those before.
    """
    assert stage.folder is not None
    own = replace(options, **stage_options(stage.config))
    if stage.task is None or before is None:
        return load_checkpoint(stage.folder, replace(own, fps=options.fps or own.fps))
    model = open_model(stage.folder, device=options.device)
    set_frames_at_once(model, stage.config.frames_at_once)
    generator = UpsamplingGenerator(
        model_sampler(model, own), stage.task, StageFiles(out / STAGES / before.name),
        [before.shape], fps=before.fps, given=given,
    )  # fmt: skip
    generator.fps = options.fps or generator.fps
    return generator


def _check_weights(stages: Sequence[Stage]) -> None:
    for stage in stages:
        if stage.folder is None:
            raise UsageError(
                f"stage {stage.name}: {stage.config.model} has no weights; --dry-run plans it, and "
                "`pyoco-eval train` makes a model of it"
            )
    if not stages:
        raise PyocoEvalError("a cascade without stages")
