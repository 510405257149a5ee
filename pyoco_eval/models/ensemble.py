"""Models of one kind for several intervals of noise levels, as one: a folder of experts.

    experts.json     which model begins at which noise level, from 0 upwards
    expert-0/, …     models: model.json and model.safetensors
    NAME.npz         their noise prior, where it was measured

The models agree in everything but their weights and what those were finetuned for.

Reference: Balaji et al., eDiff-I (2022), §4.1.
"""

import hashlib
import json
import math
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch

from pyoco_eval.atomic import atomic_path
from pyoco_eval.diffusion.experts import ExpertDenoiser
from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.models.checkpoint import (
    INFO,
    WEIGHTS,
    Model,
    ModelInfo,
    load_model,
    model_folder,
    read_info,
    weights_file,
)
from pyoco_eval.parsing import parse_json
from pyoco_eval.priors import parse_prior

INDEX: Final = "experts.json"
_FORMAT: Final = "pyoco-eval experts 1"
_OWN: Final = ("expert", "step", "provenance", "sampler")
"""Of the description, what experts need not have in common."""


@dataclass(frozen=True)
class Part:
    """A model of an ensemble.

    Attributes:
        folder: of the model.
        start: the noise level from which on it is asked; the next one's start ends it.
    """

    folder: Path
    start: float


def parts_of(models: Sequence[Path]) -> list[Part]:
    """Which of some models is asked where: the deepest expert that knows a noise level.

    Args:
        models: experts, and a model of all noise levels if they leave any out.

    Raises:
        UsageError: noise levels that nobody knows, two models for the same ones, or models that
            differ in more than their weights; says which.
    """
    folders = [model_folder(path) for path in models]
    infos = [read_info(folder)[0] for folder in folders]
    _check_alike(folders, infos)
    known = [
        (0, 0.0, math.inf) if e is None else (e.node.level, *e.interval)
        for e in (info.expert for info in infos)
    ]
    for number, entry in enumerate(known):
        if entry in known[:number]:
            raise UsageError(
                f"{folders[number]} and {folders[known.index(entry)]} are for the same noise levels"
            )
    starts = sorted({0.0, *(end for _, low, high in known for end in (low, high))} - {math.inf})
    parts: list[Part] = []
    for start in starts:
        able = [n for n, (_, low, high) in enumerate(known) if low <= start < high]
        if not able:
            raise UsageError(
                f"no model knows noise of sigma {start:.4g} upwards; name its expert, or the model "
                "that all were finetuned from"
            )
        folder = folders[max(able, key=lambda n: known[n][0])]
        if not parts or parts[-1].folder != folder:
            parts.append(Part(folder, start))
    return parts


def save_ensemble(out: Path, models: Sequence[Path]) -> list[Part]:
    """Copy models into a folder that is one model of all noise levels; its parts.

    Raises:
        UsageError: as `parts_of`, or `out` holds something else.
    """
    parts = parts_of(models)
    if out.exists() and any(_is_foreign(path) for path in out.iterdir()):
        raise UsageError(f"--out {out}: holds something else than experts; choose another folder")
    (out / INDEX).unlink(missing_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    first = parts[0].folder
    parse_prior(read_info(first)[0].prior, folder=first).save(out)
    rows = []
    for number, part in enumerate(parts):
        place = out / f"expert-{number}"
        place.mkdir(parents=True, exist_ok=True)
        for file, name in ((weights_file(part.folder), WEIGHTS), (part.folder / INFO, INFO)):
            with atomic_path(place / name) as path:
                shutil.copyfile(file, path)
        rows.append({"model": place.name, "start": part.start})
    with atomic_path(out / INDEX) as path:
        content = {"format": _FORMAT, "experts": rows}
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return parts


def _is_foreign(path: Path) -> bool:
    """Whether it is nothing that `save_ensemble` writes, also when it is killed."""
    return path.name != INDEX and not re.fullmatch(r"expert-[0-9]+|.*\.npz|\..*", path.name)


def is_ensemble(folder: Path) -> bool:
    """Whether a folder holds experts."""
    return (folder / INDEX).is_file()


def read_parts(folder: Path) -> list[Part]:
    """The models of an ensemble, from the lowest noise upwards.

    Raises:
        PyocoEvalError: the index is damaged or foreign, or names a place outside the folder.
        MissingError: a model is not there.
    """
    path = folder / INDEX
    try:
        content: Any = parse_json(path.read_text(encoding="utf-8"))
        if content["format"] != _FORMAT:
            raise ValueError(f"format {content['format']!r}")
        rows = [(str(row["model"]), float(row["start"])) for row in content["experts"]]
        starts = [start for _, start in rows]
        if not rows or starts[0] != 0 or sorted(set(starts)) != starts:
            raise ValueError("the experts must start at 0 and rise")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PyocoEvalError(f"{path}: is no index of experts ({error}): write it again") from error
    parts = []
    for name, start in rows:
        place = folder / name
        if not place.resolve().is_relative_to(folder.resolve()):
            raise PyocoEvalError(f"{path}: {name!r} leads out of the folder; write it again")
        if not (place / INFO).is_file():
            raise MissingError(f"{folder}: has no {name}/{INFO}; copy the whole folder again")
        parts.append(Part(place, start))
    return parts


def load_ensemble(folder: Path, *, device: torch.device | str = "cpu") -> Model:
    """All experts behind one denoiser. `info` is the first one's, of all noise levels.

    Raises:
        MissingError, PyocoEvalError: see `read_parts` and `load_model`.
    """
    parts = read_parts(folder)
    models = [load_model(part.folder, device=device) for part in parts]
    _check_alike([part.folder for part in parts], [model.info for model in models])
    starts = [part.start for part in parts]
    denoiser = ExpertDenoiser([model.denoiser for model in models], starts[1:])
    told = [
        f"{start!r} {m.sha256} {m.info.digest()}" for start, m in zip(starts, models, strict=True)
    ]
    return Model(
        models[0].network,
        denoiser.eval(),
        replace(models[0].info, expert=None),
        hashlib.sha256("\n".join(told).encode()).hexdigest(),
        folder,
        tuple(model.network for model in models[1:]),
    )


def open_model(folder: Path, *, device: torch.device | str = "cpu") -> Model:
    """A model, or an ensemble; see `load_model` and `load_ensemble`."""
    return (load_ensemble if is_ensemble(folder) else load_model)(folder, device=device)


def refuse_lone_expert(info: ModelInfo, place: Path) -> None:
    """Raises UsageError for a model that was finetuned for a part of the noise levels."""
    if info.expert is not None:
        raise UsageError(
            f"{place}: is the expert {info.expert} and knows no other noise; join it with others "
            "by `pyoco-eval experts`"
        )


def describe(folder: Path) -> tuple[ModelInfo, Path]:
    """What `open_model` would give: the description, and the folder that holds it."""
    if is_ensemble(folder):
        first = read_parts(folder)[0].folder
        return replace(read_info(first)[0], expert=None), folder
    place = model_folder(folder)
    return read_info(place)[0], place


def _check_alike(folders: Sequence[Path], infos: Sequence[ModelInfo]) -> None:
    first = {k: v for k, v in infos[0].to_json().items() if k not in _OWN}
    for folder, info in zip(folders, infos, strict=True):
        other = {k: v for k, v in info.to_json().items() if k not in _OWN}
        keys = sorted(k for k in {*first, *other} if first.get(k) != other.get(k))
        if keys:
            raise UsageError(
                f"{folder} and {folders[0]} differ in {', '.join(keys)}; experts are finetuned "
                "from one model"
            )
