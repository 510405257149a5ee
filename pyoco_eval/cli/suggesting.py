"""Groups of commands that name the nearest one where a command is mistyped."""

import difflib
from collections.abc import Sequence

import click


class SuggestingGroup(click.Group):
    """Says `did you mean` for a command that it does not have."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but an unknown name is answered with the nearest one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = nearest_command(args[0], self.list_commands(ctx))
            if near is None or "Did you mean" in error.message:
                raise
            message = f"{error.message.rstrip('.')}. Did you mean {near!r}?"
            raise click.UsageError(message, error.ctx) from error


def nearest_command(word: str, known: Sequence[str]) -> str | None:
    """The command that is most like a word, `-` and `_` being one; None where none is."""
    plain = word.replace("_", "-").casefold()
    near = difflib.get_close_matches(plain, known, 1, cutoff=0.5)
    return near[0] if near else None
