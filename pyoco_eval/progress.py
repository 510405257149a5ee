"""What long work tells whoever watches. Numerical code never prints."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Stage(Protocol):
    """One countable piece of work."""

    def advance(self) -> None:
        """One more is done."""
        ...


class Progress(Protocol):
    """Opens a stage; leaving the context ends it. `unit` is what is counted."""

    @contextmanager
    def stage(self, title: str, total: int, unit: str = "videos") -> Iterator[Stage]:
        """`total` of `unit` to be done under `title`."""
        ...


class _SilentStage:
    def advance(self) -> None:
        pass


class Silent:
    """No progress shown."""

    @contextmanager
    def stage(self, title: str, total: int, unit: str = "videos") -> Iterator[Stage]:  # noqa: ARG002
        """See `Progress.stage`."""
        yield _SilentStage()
