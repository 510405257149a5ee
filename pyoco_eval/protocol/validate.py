"""Everything that can be said against a protocol file."""

from dataclasses import dataclass
from pathlib import Path

from pyoco_eval.protocol.change_log import is_shipped, log_problems, read_change_log
from pyoco_eval.protocol.checks import problems_of
from pyoco_eval.protocol.loader import LoadedProtocol, ProtocolError, load_protocol, with_lines


@dataclass(frozen=True)
class ProtocolProblems:
    """What was found.

    Attributes:
        name: as it was given.
        loaded: None if it could not be read as a protocol.
        problems: as `key: sentence`.
    """

    name: str
    loaded: LoadedProtocol | None
    problems: tuple[str, ...]


def examine(name: str | Path) -> ProtocolProblems:
    """Read a protocol and hold it to everything that `checks.PROMISES` lists.

    Raises:
        UsageError: there is no such protocol or file.
    """
    try:
        loaded = load_protocol(name)
    except ProtocolError as error:
        return ProtocolProblems(str(name), None, error.problems)
    problems = problems_of(loaded.protocol)
    if is_shipped(loaded):
        problems += log_problems(loaded, read_change_log())
    return ProtocolProblems(str(name), loaded, tuple(with_lines(loaded.path, problems)))


def require_protocol(name: str | Path) -> LoadedProtocol:
    """A protocol that stands every check but that of the change log.

    Raises:
        UsageError: there is no such protocol or file.
        ProtocolError: it is not valid; the message lists every problem.
    """
    loaded = load_protocol(name)
    if problems := problems_of(loaded.protocol):
        raise ProtocolError(loaded.path, with_lines(loaded.path, problems))
    return loaded
