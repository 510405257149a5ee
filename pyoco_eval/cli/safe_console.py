"""A console of rich on which foreign text cannot act."""

from collections.abc import Iterable, Iterator

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from pyoco_eval.visible import visible


class SafeConsole(Console):
    """Brackets in text are text, not markup; escapes, direction marks and C1 become visible.

    Only what rich itself makes (colours, the cursor of progress bars) reaches the terminal as
    control sequences.
    """

    def __init__(self, *, stderr: bool = False, soft_wrap: bool = False) -> None:
        super().__init__(
            stderr=stderr, soft_wrap=soft_wrap, markup=False, emoji=False, highlight=False
        )

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Everything printed comes through here, tables cell by cell."""
        if isinstance(renderable, str):
            renderable = visible(renderable)
        elif isinstance(renderable, Text) and visible(renderable.plain) != renderable.plain:
            renderable = Text(visible(renderable.plain), renderable.style)
        return self._shown(super().render(renderable, options))

    def _shown(self, segments: Iterable[Segment]) -> Iterator[Segment]:
        for segment in segments:
            if segment.control:
                yield segment
            else:
                yield segment._replace(text=visible(segment.text))
