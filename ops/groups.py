"""Groups of commands of which one is meant where none is named."""

from __future__ import annotations

from typing import Any

import click


class Showing(click.Group):
    """A group that shows something where it is told to do nothing else.

    Args:
      shows: the name of the command that is meant then; its options may follow at once.
      **rest: those of a group.
    """

    def __init__(self, *, shows: str, **rest: Any) -> None:  # noqa: ANN401 click's own
        super().__init__(**rest)
        self._shows = shows

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Name the command that is meant."""
        first = args[0] if args else ""
        if first not in self.commands and first not in ctx.help_option_names:
            args = [self._shows, *args]
        return super().parse_args(ctx, args)
