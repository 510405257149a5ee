"""What a training run tells whoever watches it."""

from collections.abc import Mapping
from typing import Any, Protocol


class RunMonitor(Protocol):
    """Told about a run as it goes, by its first process alone."""

    def started(self, step: int, steps: int, about: Mapping[str, str]) -> None:
        """Steps done before, steps in all, and facts worth a line each."""
        ...

    def advanced(self, step: int, loss: float | None) -> None:
        """A step is done; the mean loss of late, where it was looked at."""
        ...

    def logged(self, entry: Mapping[str, Any]) -> None:
        """An entry went to the log."""
        ...

    def noted(self, text: str) -> None:
        """Something was written, or goes otherwise than usual."""
        ...


class NobodyWatches:
    """Implements `RunMonitor` in silence."""

    def started(self, step: int, steps: int, about: Mapping[str, str]) -> None: ...
    def advanced(self, step: int, loss: float | None) -> None: ...
    def logged(self, entry: Mapping[str, Any]) -> None: ...
    def noted(self, text: str) -> None: ...
