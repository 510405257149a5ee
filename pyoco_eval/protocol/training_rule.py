"""The training that a protocol asks for: what each arm is trained with, and whether it can be."""

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyoco_eval.errors import UsageError
from pyoco_eval.protocol.schema import Protocol
from pyoco_eval.videos.frame_size import sides, size_text
from pyoco_eval.yaml_text import YamlTextError, parse_yaml

if TYPE_CHECKING:
    from pyoco_eval.generation.cascade.training import CascadeTraining


def training_tree(
    protocol: Protocol,
    arm: str,
    *,
    out: Path | str,
    repeat: int,
    init: Path | str | None = None,
    data_root: Path | str | None = None,
    settings: Sequence[str] = (),
) -> dict[str, Any]:
    """The configuration of an arm's training, as the YAML file of `pyoco-eval train` has it.

    Args:
        out: folder of the run.
        repeat: changes the seed.
        init: model that its `init_from` arm ended with.
        data_root: copy of the dataset, where it is read from one.
        settings: `KEY=VALUE` of the user, which come last.

    Raises:
        UsageError: a setting that is none.
    """
    assert protocol.training is not None
    tree: dict[str, Any] = copy.deepcopy(dict(protocol.training.config))
    own = [f"{key}={_text(value)}" for key, value in protocol.arms[arm].training.items()]
    for setting in (*own, *settings):
        key, mark, value = setting.partition("=")
        if not mark or not key:
            raise UsageError(f"--set {setting}: write KEY=VALUE, e.g. steps=1000")
        _put(tree, key.split("."), _value(value), setting)
    tree["out"] = str(out)
    tree[protocol.training.seed_key] = int(tree.get(protocol.training.seed_key, 0)) + repeat
    if init is not None:
        tree["init"] = str(init)
    if data_root is not None and tree.get("data", {}).get("source") == "ucf101":
        tree["data"]["path"] = str(data_root)
    return tree


def check_training(protocol: Protocol, settings: Sequence[str] = ()) -> list[str]:
    """What hinders any arm of being trained, as `key: sentence`."""
    from pyoco_eval.models.presets import PRESETS
    from pyoco_eval.training.config_file import parse_config

    if protocol.training is None:
        return []
    if protocol.training.cascade is not None:
        return _check_cascade(protocol, settings)
    problems = []
    for name in protocol.arms:
        try:
            tree = training_tree(
                protocol, name, out="run", repeat=0, data_root="videos", settings=settings
            )
            config = parse_config(tree, "training")
        except UsageError as error:
            problems.append(f"arms.{name}: {error}")
            continue
        preset = config.model.preset
        if preset is not None and preset not in PRESETS:
            problems.append(f"arms.{name}: model.preset: {preset} is none of {', '.join(PRESETS)}")
        samples, arm = protocol.samples, protocol.arms[name]
        length = arm.num_frames or samples.num_frames
        if config.data.num_frames != length:
            problems.append(
                f"arms.{name}: data.num_frames is {config.data.num_frames}, its videos have "
                f"{length}"
            )
        if sides(config.data.size) != (samples.height, samples.width):
            problems.append(
                f"arms.{name}: data.size is {size_text(config.data.size)}, samples are "
                f"{samples.height} pixels high and {samples.width} wide"
            )
    return problems


def cascade_training(
    protocol: Protocol, *, out: Path | str, repeat: int, settings: Sequence[str] = ()
) -> "CascadeTraining":
    """The stages that a protocol trains, as `pyoco-eval train-cascade` has them.

    Args:
        out: folder of all runs.
        repeat: changes the seed.
        settings: `KEY=VALUE` of the user, such as `stages.base.train.steps=100`.

    Raises:
        UsageError: a setting or a stage that is none.
    """
    from pyoco_eval.generation.cascade.training import parse_training

    assert protocol.training is not None
    tree: dict[str, Any] = copy.deepcopy(dict(protocol.training.cascade or {}))
    shared = tree.setdefault("shared", {})
    shared["seed"] = int(shared.get("seed", 0)) + repeat
    tree["out"] = str(out)
    return parse_training(tree, f"{protocol.name}: training.cascade", settings)


def _check_cascade(protocol: Protocol, settings: Sequence[str]) -> list[str]:
    from pyoco_eval.generation.cascade.training import trainings

    try:
        plan = cascade_training(protocol, out="run", repeat=0, settings=settings)
        list(trainings(plan, "training.cascade"))
    except UsageError as error:
        return [str(error)]
    known = ", ".join(plan.cascades)
    return [
        f"arms.{name}: training must be {{cascade: NAME}} with one of {known}"
        for name, arm in protocol.arms.items()
        if set(arm.training) != {"cascade"} or arm.training["cascade"] not in plan.cascades
    ]


def _put(tree: dict[str, Any], keys: Sequence[str], value: object, setting: str) -> None:
    place = tree
    for key in keys[:-1]:
        inner = place.setdefault(key, {})
        if not isinstance(inner, dict):
            raise UsageError(f"--set {setting}: {key} has no keys inside")
        place = inner
    place[keys[-1]] = value


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(text: str) -> object:
    """As YAML, with numbers like 1e-4 as JSON reads them."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return parse_yaml(text)
    except YamlTextError as error:
        raise UsageError(f"--set {text}: is no value: {error}") from error
