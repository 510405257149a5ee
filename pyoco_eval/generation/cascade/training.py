"""The training of all stages of a cascade, and of experts of them, as one plan.

    format: pyoco-eval cascade training 1
    out: runs/cascade
    shared: {condition: {encoders: [shapes]}}        # keys of every training
    stages:
      base:
        train: {steps: 1000, data: {...}}            # keys of this training; `out` is set
        sample: {guidance_scale: 2}                  # keys of the stage in cascade.yaml
        experts: {steps: 200}                        # keys that change for level-1 experts
    cascades:
      cascade: []                                    # which stages use experts
      config-b: [base]

Every stage is trained in `out/STAGE`, from `init` where its keys name one; `init: STAGE` means an
earlier stage. A stage with `model` in place of `train` is not trained: its model is there, such as
`embedded:shapes-video`. Experts go on from their stage. Each cascade is a file beside them.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

import yaml
from pydantic import ConfigDict

from pyoco_eval.atomic import atomic_path
from pyoco_eval.errors import UsageError
from pyoco_eval.generation.cascade.description import FORMAT
from pyoco_eval.models.config import validated
from pyoco_eval.models.ensemble import save_ensemble
from pyoco_eval.training.config import TrainConfig
from pyoco_eval.training.config_file import Tree, parse_config, read_tree, set_key

TRAINING_FORMAT: Final = "pyoco-eval cascade training 1"


@dataclass(frozen=True)
class StageTraining:
    """How a stage is trained and sampled; see the text above."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    train: dict[str, Any] | None = None
    model: str | None = None
    sample: dict[str, Any] | None = field(default_factory=dict)
    experts: dict[str, Any] | None = None


@dataclass(frozen=True)
class CascadeTraining:
    """The whole plan.

    Attributes:
        stages: in order; one whose `sample` is null is trained for others to start from.
        cascades: name of a file -> the stages that use experts in it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    format: str
    out: str
    stages: dict[str, StageTraining]
    shared: dict[str, Any] = field(default_factory=dict)
    cascades: dict[str, tuple[str, ...]] = field(default_factory=lambda: {"cascade": ()})

    def problems(self) -> Iterator[str]:
        """One line for each key that does not fit another."""
        if self.format != TRAINING_FORMAT:
            yield f"format: must be {TRAINING_FORMAT!r}, found {self.format!r}"
        for name, experts in self.cascades.items():
            for stage in experts:
                if stage not in self.stages or self.stages[stage].experts is None:
                    yield f"cascades.{name}: {stage} is no stage with experts"
        before: list[str] = []
        for name, training in self.stages.items():
            if (training.train is None) == (training.model is None):
                yield f"stages.{name}: give train, or the model if it is there already"
            if training.model is not None and training.experts is not None:
                yield f"stages.{name}.experts: go on from a stage that is trained here"
            init = (training.train or {}).get("init")
            if init in self.stages and init not in before:
                yield f"stages.{name}.train.init: {init} is no stage before it"
            before.append(name)


@dataclass(frozen=True)
class Training:
    """One of the runs.

    Attributes:
        name: `base`, or `base-expert-0`.
        config: of the run.
    """

    name: str
    config: TrainConfig


def load_training(path: Path, settings: Sequence[str] = ()) -> CascadeTraining:
    """Read a plan, and change it by `key=value`, such as `stages.base.train.steps=100`.

    Raises:
        UsageError: no such file, or keys that are unknown or of another type; names them.
    """
    return parse_training(read_tree(path), str(path), settings)


def parse_training(tree: Tree, where: str, settings: Sequence[str] = ()) -> CascadeTraining:
    """The plan of a tree of plain values, changed by `settings`; see `load_training`."""
    for setting in settings:
        set_key(tree, setting)
    try:
        plan = validated(CascadeTraining, tree, "")
    except UsageError as error:
        raise UsageError(f"{where}: {str(error).lstrip('.')}") from error
    if problems := list(plan.problems()):
        raise UsageError("\n  ".join([f"{where}:", *problems]))
    return plan


def trainings(plan: CascadeTraining, where: str) -> Iterator[Training]:
    """All runs in order, experts after their stage; every config is checked here.

    Raises:
        UsageError: keys of a config; names the stage.
    """
    out = Path(plan.out)
    used = {stage for experts in plan.cascades.values() for stage in experts}
    for name, stage in plan.stages.items():
        if stage.train is None:
            continue
        tree = merged(plan.shared, stage.train, {"out": str(out / name)})
        if tree.get("init") in plan.stages:
            tree["init"] = str(out / tree["init"])
        yield Training(name, parse_config(tree, f"{where}: stages.{name}.train"))
        if name not in used:
            continue
        for index in (0, 1):
            own = {
                "out": str(out / f"{name}-expert-{index}"),
                "init": str(out / name),
                "loss": {"expert": {"level": 1, "index": index}},
            }
            config = parse_config(
                merged(tree, stage.experts or {}, own), f"{where}: stages.{name}.experts"
            )
            yield Training(f"{name}-expert-{index}", config)


def write_cascades(plan: CascadeTraining) -> list[Path]:
    """Join experts with their stages and write the cascades' files; the runs are done.

    Raises:
        UsageError, MissingError: a run is not done.
    """
    out = Path(plan.out)
    for name in {stage for experts in plan.cascades.values() for stage in experts}:
        runs = [out / name, *(out / f"{name}-expert-{index}" for index in (0, 1))]
        save_ensemble(out / f"{name}-experts", runs)
    written = []
    for cascade, experts in plan.cascades.items():
        stages: Tree = {}
        for name, stage in plan.stages.items():
            if stage.sample is not None:
                model = stage.model or (f"{name}-experts" if name in experts else name)
                stages[name] = {"model": model, **stage.sample}
        path = out / f"{cascade}.yaml"
        with atomic_path(path) as temporary:
            text = yaml.safe_dump({"format": FORMAT, "stages": stages}, sort_keys=False)
            temporary.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def merged(*trees: Mapping[str, Any]) -> Tree:
    """Trees of plain values, later ones over earlier ones, sections key by key."""
    whole: Tree = {}
    for tree in trees:
        for key, value in tree.items():
            if isinstance(value, Mapping) and isinstance(whole.get(key), dict):
                whole[key] = merged(whole[key], value)
            else:
                whole[key] = deepcopy(value)
    return whole
