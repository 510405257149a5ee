"""Protocol files: found by name or path, read strictly, resolved, and identified by a hash."""

import copy
import difflib
import hashlib
import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pyoco_eval.errors import UsageError
from pyoco_eval.protocol.schema import Protocol
from pyoco_eval.resources import resource_folder

EXTENDS, WITHOUT = "extends", "without"


class ProtocolError(UsageError):
    """A protocol file that is not one. Lists everything that is wrong with it."""

    def __init__(self, path: Path, problems: list[str]) -> None:
        self.path = path
        self.problems = tuple(problems)
        super().__init__("\n  ".join([f"{path} is not a valid protocol:", *problems]))


@dataclass(frozen=True)
class LoadedProtocol:
    """A protocol with where it was read and what it is made of.

    Attributes:
        protocol: resolved.
        path: of its file.
        bases: paths of the files it extends, the nearest first.
    """

    protocol: Protocol
    path: Path
    bases: tuple[Path, ...] = ()

    @property
    def sha256(self) -> str:
        """Of the resolved content: the same for equal recipes, whatever file they were split in."""
        return content_hash(self.protocol)

    @property
    def label(self) -> str:
        """`ucf101-uncond@1`."""
        return f"{self.protocol.name}@{self.protocol.version}"


def shipped_protocols() -> list[Path]:
    """Files of all protocols that come with the package, by name."""
    return sorted(resource_folder("protocols").glob("*.yaml"))


def load_protocol(name: str | Path) -> LoadedProtocol:
    """A shipped protocol by name, or any by the path of its file.

    Raises:
        UsageError: no such protocol; the message has the nearest name.
        ProtocolError: the file is no valid protocol; the message lists every problem.
    """
    path = _find(name)
    content, bases = _resolve(path, ())
    try:
        protocol = Protocol.model_validate(content)
    except ValidationError as error:
        raise ProtocolError(path, [_sentence(dict(item)) for item in error.errors()]) from error
    if protocol.name != path.stem:
        problem = f"name: {protocol.name!r}, but the file is called {path.name}"
        raise ProtocolError(path, [problem])
    return LoadedProtocol(protocol, path, bases)


def content_hash(protocol: Protocol) -> str:
    """sha256 over the resolved content as JSON with sorted keys."""
    text = json.dumps(protocol.model_dump(mode="json"), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping without repeated keys.

    Raises:
        UsageError: the file cannot be read.
        ProtocolError: it is no YAML, no mapping, or has a key twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as a protocol: {error}") from error
    try:
        content = yaml.load(text, _StrictLoader)  # noqa: S506  (a SafeLoader)
    except yaml.YAMLError as error:
        raise ProtocolError(path, [" ".join(str(error).split())]) from error
    if not isinstance(content, dict):
        raise ProtocolError(path, [f"holds a {type(content).__name__}, not a mapping of keys"])
    return content


class _StrictLoader(yaml.SafeLoader):
    """Refuses a key that is given twice, of which YAML would keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _find(name: str | Path) -> Path:
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        if not path.is_file():
            raise UsageError(f"{path}: no such protocol file")
        return path
    shipped = {file.stem: file for file in shipped_protocols()}
    if str(name) not in shipped:
        near = difflib.get_close_matches(str(name), shipped, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError(
            f"no protocol {name!r}.{hint} `pyoco-eval protocol list` shows all; a file of your "
            "own is named by its path, ending in .yaml"
        )
    return shipped[str(name)]


def _resolve(path: Path, above: tuple[Path, ...]) -> tuple[dict[str, Any], tuple[Path, ...]]:
    """Content with everything it extends filled in, and the files of that."""
    own = path.resolve()
    if own in above:
        raise ProtocolError(path, [f"{EXTENDS}: goes round in a circle back to {path.name}"])
    content = read_yaml(path)
    base_name, dropped = content.pop(EXTENDS, None), content.pop(WITHOUT, [])
    if base_name is None:
        if dropped:
            raise ProtocolError(path, [f"{WITHOUT}: there is no {EXTENDS} to leave out of"])
        return content, ()
    if not isinstance(base_name, str):
        raise ProtocolError(path, [f"{EXTENDS}: {base_name!r} is no name of a protocol"])
    beside = path.parent / f"{base_name.removesuffix('.yaml')}.yaml"
    try:
        base_path = beside if beside.is_file() else _find(base_name)
    except UsageError as error:
        raise ProtocolError(path, [f"{EXTENDS}: {error}"]) from error
    base, bases = _resolve(base_path, (*above, own))
    for dotted in dropped:
        _drop(base, str(dotted), path)
    return _merged(base, content), (base_path, *bases)


def _drop(content: dict[str, Any], dotted: str, path: Path) -> None:
    *parents, last = dotted.split(".")
    place: Any = content
    for key in parents:
        place = place.get(key) if isinstance(place, dict) else None
    if not isinstance(place, dict) or last not in place:
        raise ProtocolError(path, [f"{WITHOUT}: {dotted} is not in what it {EXTENDS}"])
    del place[last]


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings are merged key by key; everything else takes the place of what was there."""
    found = copy.deepcopy(dict(base))
    for key, value in changes.items():
        there = found.get(key)
        if isinstance(there, dict) and isinstance(value, dict):
            found[key] = _merged(there, value)
        else:
            found[key] = copy.deepcopy(value)
    return found


def _sentence(error: Mapping[str, Any]) -> str:
    """One problem as pydantic found it, in words."""
    place = ".".join(str(part) for part in error["loc"]) or "the file"
    kind = error["type"]
    if kind == "missing":
        return f"{place}: is required and not there"
    if kind == "extra_forbidden":
        return f"{place}: is no key of a protocol"
    return f"{place}: {error['msg']} (found {error['input']!r})"
