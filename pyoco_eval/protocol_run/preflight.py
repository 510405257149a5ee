"""Checks that cost next to nothing, done before those that do, and told all at once."""

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pyoco_eval.errors import MissingError, PyocoEvalError, UsageError
from pyoco_eval.extraction.networks import dim_of, sees_frames
from pyoco_eval.features.catalogue import NETWORKS
from pyoco_eval.generation.cascade.description import is_cascade, read_cascade
from pyoco_eval.metrics.catalogue import METRICS
from pyoco_eval.metrics.conventions import CONVENTIONS, Convention
from pyoco_eval.models.embedded import PREFIX, located
from pyoco_eval.protocol_run.arm_sources import ArmSource
from pyoco_eval.protocol_run.score_groups import ScoreGroup
from pyoco_eval.scoring.metric import metric_under
from pyoco_eval.weights import resolve

PACKAGES: Final[Mapping[str, tuple[str, str]]] = {
    "decord": ("decord", "decord"),
    "diffusers": ("diffusers", "diffusers"),
}
"""What needs a package beside networks -> the package, and the extra that brings it."""


class Hindrances:
    """Everything that hinders a run."""

    def __init__(self) -> None:
        self._found: dict[str, PyocoEvalError] = {}

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Keep what is raised inside and go on."""
        try:
            yield
        except PyocoEvalError as error:
            self._found.setdefault(str(error), error)

    def __bool__(self) -> bool:
        return bool(self._found)

    def refuse(self) -> None:
        """Raise what was found: one error as it is, several as one that has all of them.

        Raises:
            PyocoEvalError: and its kinds. Wrong usage, if any is among them, else what is
                missing, decides the exit code.
        """
        errors = list(self._found.values())
        if not errors:
            return
        if len(errors) == 1:
            raise errors[0]
        text = "\n".join(f"- {error}" for error in errors)
        message = f"{len(errors)} things hinder this run:\n{text}"
        for kind in (UsageError, MissingError):
            if any(isinstance(error, kind) for error in errors):
                raise kind(message)
        raise PyocoEvalError(message)


def check_groups(
    groups: Sequence[ScoreGroup], totals: Mapping[str, int], found: Hindrances
) -> None:
    """Packages, weights and counts of what is scored together; nothing is decoded or loaded.

    Args:
        totals: videos of every split of the dataset.
    """
    for group in groups:
        if group.options.decoder in PACKAGES:
            with found.gathered():
                require_package(group.options.decoder)
        for _, name in group.columns.values():
            rule = CONVENTIONS[name]
            network = NETWORKS[rule.extractor]
            if network.package is not None:
                with found.gathered():
                    _require(*network.package)
            for key in network.weights:
                with found.gathered():
                    resolve(key, group.options.weights)
            with found.gathered():
                _check_counts(group, rule, totals)


def _check_counts(group: ScoreGroup, rule: Convention, totals: Mapping[str, int]) -> None:
    """Floors of samples, of splits and of intervals, from the numbers of videos alone."""
    options = group.options
    whole = sees_frames(rule) and options.frames.select == "all"
    theirs = None
    if group.reference is not None and METRICS[rule.metric].needs_reference:
        clip = options.reference_clip or options.clip
        videos = group.num_real or group.reference.limit() or totals[group.reference.split]
        theirs = None if clip.select == "all" else videos * (clip.num_frames if whole else 1)
    ours = group.count * (options.clip.num_frames if whole else 1)
    dim = dim_of(rule)
    try:
        metric_under(rule, options).check_counts(dim, ours, theirs)
    except PyocoEvalError as error:
        raise UsageError(f"{' and '.join(group.columns)}: {error}") from error


def require_package(name: str) -> None:
    """Raises MissingError with the way to get a package that is not installed."""
    _require(*PACKAGES[name])


def _require(package: str, extra: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise MissingError(f"{package} is not installed: pip install 'pyoco-eval[{extra}]'")


def check_model(source: ArmSource) -> None:
    """Whether the models of an arm are there; none is loaded.

    Raises:
        MissingError: they are not.
        UsageError: a generator that names none.
    """
    for value in source.values:
        kind, _, place = value.partition(":")
        if source.kind == "ckpt":
            _check_checkpoint(value)
        elif source.kind == "generator" and kind == "python":
            from pyoco_eval.generation.python_callable import load_callable

            load_callable(value)
        elif source.kind == "generator" and kind == "diffusers":
            require_package("diffusers")
            if not place or (place.startswith((".", "/", "~")) and not Path(place).is_dir()):
                raise MissingError(f"--generator {value}: there is no folder {place or '(none)'}")


def _check_checkpoint(value: str) -> None:
    if ":" not in value and is_cascade(Path(value)):
        read_cascade(Path(value))
        return
    names = ("model.json", "model/model.json", "experts.json")
    places = [located(Path(value)) / name for name in names]
    named = ":" not in value or value.startswith(PREFIX)
    if named and not any(place.is_file() for place in places):
        raise MissingError(
            f"--ckpt {value}: holds no model.json; give a model folder, the folder of a "
            "training run, experts or a cascade"
        )
