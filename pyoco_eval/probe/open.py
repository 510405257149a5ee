"""From the name of an image model to the model."""

from pathlib import Path

import torch

from pyoco_eval.errors import UsageError
from pyoco_eval.probe.image_model import DIFFUSERS, ImageModel


def open_image_model(spec: str, *, device: torch.device | str = "cpu") -> ImageModel:
    """Load an image model.

    Args:
        spec: the folder of a model or training run of this package, or `diffusers:` and the folder
            or hub id of a pipeline.
        device: where it computes.

    Raises:
        UsageError: a model of videos, or a pipeline of a kind that cannot be inverted frame by
            frame.
        MissingError: nothing there, or diffusers is not installed.
        PyocoEvalError: damaged files.
    """
    if spec.startswith(DIFFUSERS):
        from pyoco_eval.probe.diffusers_model import open_diffusers_model

        return open_diffusers_model(spec.removeprefix(DIFFUSERS), torch.device(device))
    if (Path(spec) / "model_index.json").is_file():
        raise UsageError(f"--model {spec}: is a diffusers pipeline; write {DIFFUSERS}{spec}")
    from pyoco_eval.probe.own_model import open_own_model

    return open_own_model(Path(spec), torch.device(device))
