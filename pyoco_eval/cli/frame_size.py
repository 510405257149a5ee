"""Sizes of frames on the command line: `64` or `32x48`."""

from typing import Any

import click


class FrameSize(click.ParamType):  # type: ignore[type-arg]
    """A side or HEIGHTxWIDTH, as `videos.frame_size.parse_size` reads it."""

    name = "size"

    def get_metavar(self, *_: Any, **__: Any) -> str:
        """What `--help` shows for a value."""
        return "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """A side or HEIGHTxWIDTH, read; what is neither fails and names the option."""
        from pyoco_eval.errors import UsageError
        from pyoco_eval.videos.frame_size import parse_size

        if not isinstance(value, str):
            return value
        try:
            return parse_size(value)
        except UsageError as error:
            self.fail(str(error), param, ctx)
