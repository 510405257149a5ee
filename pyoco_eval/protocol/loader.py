"""Protocol files: found by name or path, read strictly, resolved, and identified by a hash."""

import copy
import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pyoco_eval.errors import UsageError
from pyoco_eval.protocol.schema import PATTERNS, Protocol
from pyoco_eval.resources import resource_folder
from pyoco_eval.validation import in_words
from pyoco_eval.yaml_text import YamlTextError, lines_of, parse_yaml, with_line

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
    protocol = _validated(path, content)
    if protocol.name != path.stem:
        problem = f"name: {protocol.name!r}, but the file is called {path.name}"
        raise ProtocolError(path, [problem])
    return LoadedProtocol(protocol, path, bases)


def _validated(path: Path, content: Mapping[str, Any]) -> Protocol:
    try:
        return Protocol.model_validate(content)
    except ValidationError as error:
        problems = in_words(error, Protocol, patterns=PATTERNS)
        raise ProtocolError(path, with_lines(path, problems)) from error


def content_hash(protocol: Protocol) -> str:
    """sha256 over the resolved content as JSON with sorted keys."""
    content = protocol.model_dump(mode="json")
    for arm in content["arms"].values():
        if not arm["optional"]:  # a key that later versions of the schema have
            del arm["optional"]
    if content["training"] is not None and content["training"]["cascade"] is None:
        del content["training"]["cascade"]
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
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
        content = parse_yaml(text)
    except YamlTextError as error:
        raise ProtocolError(path, [str(error)]) from error
    if not isinstance(content, dict):
        raise ProtocolError(path, [f"holds {_KINDS.get(type(content), 'one value')}, not keys"])
    if others := [key for key in content if not isinstance(key, str)]:
        raise ProtocolError(path, [f"{others[0]!r}: a key is a word; put it into quotes"])
    return content


def with_lines(path: Path, problems: Sequence[str]) -> list[str]:
    """Problems that begin with dotted keys, and the lines of those keys in the file."""
    lines = lines_of(path.read_text(encoding="utf-8"))
    return [with_line(problem, lines) for problem in problems]


_KINDS = {list: "a list", type(None): "nothing"}


def _find(name: str | Path) -> Path:
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        if not path.is_file():
            raise UsageError(f"{path}: no such protocol file")
        return path
    shipped = {file.stem: file for file in shipped_protocols()}
    if str(name) not in shipped:
        near = difflib.get_close_matches(str(name), shipped, 1)
        same = [known for known in shipped if known.startswith(str(name))]
        hint = f" Did you mean {' or '.join(same or near[:1])}?" if same or near else ""
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
    base_name, dropped = content.pop(EXTENDS, None), content.pop(WITHOUT, None)
    if dropped is not None and not isinstance(dropped, list):
        raise ProtocolError(path, [f"{WITHOUT}: write a list of dotted keys, e.g. [scores.is]"])
    if base_name is None:
        if dropped:
            raise ProtocolError(path, [f"{WITHOUT}: there is no {EXTENDS} to leave out of"])
        _refuse_shipped_name(path, content)
        return content, ()
    if not isinstance(base_name, str):
        raise ProtocolError(path, [f"{EXTENDS}: {base_name!r} is no name of a protocol"])
    base_path = _base(path, base_name)
    base, bases = _resolve(base_path, (*above, own))
    for dotted in dropped or ():
        _drop(base, str(dotted), path)
    whole = _merged(base, content)
    _refuse_shipped_name(path, whole)
    return whole, (base_path, *bases)


def _base(path: Path, base_name: str) -> Path:
    """The file that another extends: a shipped one by its name before one beside it."""
    shipped = {file.stem: file for file in shipped_protocols()}
    if base_name in shipped:
        return shipped[base_name]
    beside = path.parent / f"{base_name.removesuffix('.yaml')}.yaml"
    try:
        return beside if beside.is_file() else _find(base_name)
    except UsageError as error:
        raise ProtocolError(path, [f"{EXTENDS}: {error}"]) from error


def _refuse_shipped_name(path: Path, content: Mapping[str, Any]) -> None:
    """The name of a shipped protocol belongs to its content, wherever a copy of it lies."""
    name = content.get("name")
    shipped = {file.stem: file for file in shipped_protocols()}
    if name not in shipped or path.resolve() == shipped[name].resolve():
        return
    ours, _ = _resolve(shipped[name], ())
    if content_hash(_validated(path, content)) != content_hash(_validated(shipped[name], ours)):
        raise ProtocolError(
            path,
            [
                f"name: {name} is a shipped protocol, and this file says something else; give it "
                "a name of its own"
            ],
        )


def _drop(content: dict[str, Any], dotted: str, path: Path) -> None:
    *parents, last = dotted.split(".")
    place: Any = content
    for key in parents:
        place = place.get(key) if isinstance(place, dict) else None
    if not isinstance(place, dict) or last not in place:
        raise ProtocolError(path, [f"{WITHOUT}: {dotted} is not in what it {EXTENDS}"])
    del place[last]
    if parents == ["scores"]:
        _drop_column(content, last)


def _drop_column(content: dict[str, Any], key: str) -> None:
    """A score that is left out takes its published numbers with it."""
    rows = content.get("published", [])
    for row in rows:
        row.get("values", {}).pop(key, None)
    content["published"] = [row for row in rows if row.get("values")]
    for arm in content.get("arms", {}).values():
        if isinstance(arm.get("scores"), list):
            arm["scores"] = [name for name in arm["scores"] if name != key]


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
