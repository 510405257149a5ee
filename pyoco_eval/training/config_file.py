"""Training configs on disk: YAML in, complete YAML out; every mistake is named by its key."""

import copy
import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from pyoco_eval.errors import UsageError
from pyoco_eval.resources import resource_folder
from pyoco_eval.training.config import WHICH_SAMPLES, TrainConfig
from pyoco_eval.training.config_checks import PIPELINE, out_of_range
from pyoco_eval.validation import in_words
from pyoco_eval.yaml_text import YamlTextError, parse_yaml

Tree = dict[str, Any]


def find_config(path: Path, kind: str = "") -> Path:
    """`path` itself if it is there, else the config of that name that comes with pyoco-eval.

    Args:
        kind: folder within `configs`, such as `cascades`; empty for single trainings.

    Raises:
        UsageError: there is neither; lists those that come with it.
    """
    if path.is_file():
        return path
    folder = resource_folder("configs") / kind
    name = path.name if path.suffix else f"{path.name}.yaml"
    if path.parent in (Path(), Path("configs") / kind) and (folder / name).is_file():
        return folder / name
    shipped = ", ".join(sorted(file.name for file in folder.glob("*.yaml")))
    raise UsageError(f"{path}: no such file; configs that come with pyoco-eval: {shipped}")


def load_config(path: Path, settings: Sequence[str] = ()) -> TrainConfig:
    """Read a config, change it by `settings` and check it as a whole.

    Args:
        path: a YAML file with keys of `TrainConfig`; what is left out has its default.
        settings: `key=value` with dotted keys and YAML values, such as `optimizer.lr=3e-4`.

    Raises:
        UsageError: no such file, no YAML, an unknown key, a value of another type or out of
            range; the message names the key.
    """
    tree = read_tree(path)
    for setting in settings:
        set_key(tree, setting)
    return parse_config(tree, str(path))


def parse_config(tree: Mapping[str, Any], where: str) -> TrainConfig:
    """The config that a tree of plain values means; `where` begins the error messages."""
    complete = copy.deepcopy(dict(tree))
    _complete_diffusers(complete)
    _complete_joint(complete)
    _complete_validation(complete)
    try:
        text = json.dumps(complete, default=str)
        config = TypeAdapter(TrainConfig).validate_json(text, strict=True)
    except ValidationError as error:
        problems = "\n".join(f"  {line}" for line in in_words(error, TrainConfig))
        raise UsageError(f"{where}: cannot be used:\n{problems}") from error
    problems = "\n".join(f"  {line}" for line in out_of_range(config))
    if problems:
        raise UsageError(f"{where}: cannot be used:\n{problems}")
    return config


def dump_config(config: TrainConfig) -> str:
    """YAML with every key; `parse_config` gives the same config back."""
    return yaml.safe_dump(config_tree(config), sort_keys=False, allow_unicode=True)


def config_tree(config: TrainConfig) -> Tree:
    """Plain values, lists for tuples."""
    tree: Tree = json.loads(json.dumps(dataclasses.asdict(config)))
    return tree


def differences(one: TrainConfig, other: TrainConfig) -> dict[str, tuple[Any, Any]]:
    """Dotted key -> the two values, for every key that differs."""
    first, second = flat(config_tree(one)), flat(config_tree(other))
    keys = dict.fromkeys([*first, *second])
    return {
        key: (first.get(key), second.get(key)) for key in keys if first.get(key) != second.get(key)
    }


def _complete_diffusers(tree: Tree) -> None:
    """VAE, text encoder and weighting of a pipeline are its own unless something else is said."""
    model = tree.get("model")
    place = model.get("diffusers") if isinstance(model, dict) else None
    if not isinstance(place, str):
        return
    own: dict[str, Tree] = {
        "latent": {"vae": place},
        "condition": {"encoders": [f"{PIPELINE}{place}"]},
        "loss": {"weighting": "output", "sigma_data": 1.0},
    }
    for section, values in own.items():
        if tree.get(section) is None:
            tree[section] = {}
        if isinstance(tree[section], dict):
            tree[section] = {**values, **tree[section]}


def _complete_joint(tree: Tree) -> None:
    """Joint images are single frames of the size of the videos unless something else is said."""
    data, joint = tree.get("data"), tree.get("joint")
    if isinstance(joint, dict) and isinstance(joint.setdefault("data", {}), dict):
        joint["data"].setdefault("num_frames", 1)
        if isinstance(data, dict) and "size" in data:
            joint["data"].setdefault("size", data["size"])


def _complete_validation(tree: Tree) -> None:
    """Held-out samples are cut like the others, to one size; which they are has to be said."""
    data, validation = tree.get("data"), tree.get("validation")
    if isinstance(validation, dict) and isinstance(validation.setdefault("data", {}), dict):
        for key, value in data.items() if isinstance(data, dict) else ():
            if key not in (*WHICH_SAMPLES, "buckets"):
                validation["data"].setdefault(key, value)


def read_tree(path: Path) -> Tree:
    """The plain values of a YAML file; raises UsageError if it is none, or no mapping."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8"
        raise UsageError(f"{path}: cannot be read: {reason}") from error
    tree = _yaml(text, str(path))
    if not isinstance(tree, dict):
        raise UsageError(f"{path}: expected lines like `steps: 1000`, found {type(tree).__name__}")
    return tree


def _yaml(text: str, where: str) -> Any:
    try:
        return parse_yaml(text)
    except YamlTextError as error:
        raise UsageError(f"{where}: is not YAML: {error}") from error


def set_key(tree: Tree, setting: str) -> None:
    """Change a tree by `key=value` with a dotted key and a YAML value; raises UsageError."""
    key, equals, value = setting.partition("=")
    if not equals or not key:
        raise UsageError(f"--set {setting!r}: expected KEY=VALUE, such as optimizer.lr=3e-4")
    *sections, name = key.split(".")
    for section in sections:
        found = tree.get(section)
        if found is None:
            found = tree[section] = {}
        if not isinstance(found, dict):
            raise UsageError(f"--set {setting}: {section} is a value, not a section")
        tree = found
    tree[name] = _yaml(value, f"--set {setting}")


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values by dotted key."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found
