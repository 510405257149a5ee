"""Tables with a row for everything of one kind that has a name; other packages can add rows.

A package adds a row by an entry point that bears the row's name. Nothing of it is imported before
its name is asked for, or all rows are.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pyoco_eval.errors import PyocoEvalError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


class _Named(Protocol):
    @property
    def name(self) -> str: ...


Row = TypeVar("Row", bound=_Named)


class Catalogue(Mapping[str, Row]):
    """Rows by name: those of this package, then those of others in the order of their names.

    Args:
        group: of the entry points by which packages add rows.
        kind: of the rows.
        rows: of this package.
    """

    def __init__(self, group: str, kind: type[Row], rows: Iterable[Row]) -> None:
        self.group = group
        self.own: Mapping[str, Row] = {row.name: row for row in rows}
        """The rows of this package alone; reading them looks for no other package."""
        self._kind = kind
        self._loaded: dict[str, Row] = {}

    def __getitem__(self, name: str) -> Row:
        """The row of this name.

        Raises:
            KeyError: there is none.
            PyocoEvalError: another package promises it and does not keep its word.
        """
        if name in self.own:
            return self.own[name]
        if name not in self._loaded:
            self._loaded[name] = self._load(self._registered[name])
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        return name in self.own or name in self._registered

    def __iter__(self) -> Iterator[str]:
        yield from self.own
        yield from self._registered

    def __len__(self) -> int:
        return len(self.own) + len(self._registered)

    @cached_property
    def _registered(self) -> Mapping[str, "EntryPoint"]:
        """The entry points of other packages, found once.

        Raises:
            PyocoEvalError: a name is registered that this package or another one has.
        """
        from importlib.metadata import entry_points

        found: dict[str, EntryPoint] = {}
        for point in sorted(entry_points(group=self.group), key=lambda point: point.name):
            other = found.get(point.name)
            if point.name in self.own or (other is not None and other.value != point.value):
                owner = "pyoco-eval" if other is None else _package(other)
                raise PyocoEvalError(
                    f"{_package(point)} registers {point.name!r} in {self.group}, a name that "
                    f"{owner} has; one of the two must go or take another name"
                )
            found[point.name] = point
        return found

    def _load(self, point: "EntryPoint") -> Row:
        try:
            row = point.load()
        except Exception as error:
            raise PyocoEvalError(
                f"{point.name}: {_package(point)} registers it in {self.group} as {point.value}, "
                f"which cannot be imported ({type(error).__name__}: {error}); update or remove "
                "that package"
            ) from error
        if not isinstance(row, self._kind) or row.name != point.name:
            raise PyocoEvalError(
                f"{point.name}: {_package(point)} registers {point.value} in {self.group}, which "
                f"is no {self._kind.__name__} named {point.name!r}; update or remove that package"
            )
        return row


def object_at(place: str) -> Any:
    """What a row names as `package.module:name`.

    Raises:
        PyocoEvalError: it is not there.
    """
    module, _, name = place.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ModuleNotFoundError, AttributeError) as error:
        raise PyocoEvalError(f"{place}: there is no such thing to import ({error})") from error


def _package(point: "EntryPoint") -> str:
    """Name of the distribution an entry point belongs to."""
    return "a package" if point.dist is None else f"the package {point.dist.name}"
