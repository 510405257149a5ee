"""The change log in `protocols/README.md`: every version of a shipped protocol with its hash.

A line reads ``- `NAME@VERSION` `sha256`: what changed``. A protocol whose content changes needs a
new version and a line of its own, so a name and version mean one recipe for ever.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from pyoco_eval.protocol.loader import LoadedProtocol, shipped_protocols
from pyoco_eval.resources import resource_folder

_LINE = re.compile(
    r"- `(?P<name>[a-z0-9.-]+)@(?P<version>\d+)` `(?P<sha256>[0-9a-f]{64})`: (?P<what>.+)"
)


@dataclass(frozen=True)
class LoggedVersion:
    """One line."""

    name: str
    version: int
    sha256: str
    what: str


def read_change_log(path: Path | None = None) -> list[LoggedVersion]:
    """Every logged version, in order of the file; by default of the shipped protocols."""
    text = (path or resource_folder("protocols") / "README.md").read_text(encoding="utf-8")
    return [
        LoggedVersion(found["name"], int(found["version"]), found["sha256"], found["what"])
        for found in map(_LINE.fullmatch, text.splitlines())
        if found is not None
    ]


def log_problems(loaded: LoadedProtocol, log: list[LoggedVersion]) -> list[str]:
    """What the log says otherwise of this protocol; none if its version is logged with its hash."""
    protocol = loaded.protocol
    versions = [entry for entry in log if entry.name == protocol.name]
    problems = []
    same = [entry for entry in versions if entry.version == protocol.version]
    if len(same) > 1:
        problems.append(f"version: {loaded.label} stands in the change log {len(same)} times")
    newest = max((entry.version for entry in versions), default=protocol.version)
    if newest > protocol.version:
        problems.append(f"version: is {protocol.version}, the change log has {newest} already")
    if not same:
        problems.append(
            f"version: {loaded.label} is not in the change log of protocols/README.md; its line "
            f"begins with - `{loaded.label}` `{loaded.sha256}`:"
        )
    elif same[0].sha256 != loaded.sha256:
        problems.append(
            f"version: the content of {loaded.label} changed (hash {loaded.sha256[:12]}, logged "
            f"{same[0].sha256[:12]}); give it version {protocol.version + 1} and a line in the "
            "change log of protocols/README.md"
        )
    return problems


def is_shipped(loaded: LoadedProtocol) -> bool:
    """Whether it is a file of the package, whose versions are logged."""
    return loaded.path.resolve() in [path.resolve() for path in shipped_protocols()]
