"""Options that several commands have."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click


class ShortText(click.ParamType[str]):
    """A text of which only so much fits into a message.

    Args:
      length_max: in characters.
    """

    name = "text"

    def __init__(self, length_max: int) -> None:
        self._length_max = length_max

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Refuse what is too long."""
        text = str(value)
        if len(text) > self._length_max:
            self.fail(f"longer than {self._length_max} characters", param, ctx)
        return text


def bundled(
    argument: str, make: Callable[..., object], *options: Callable[..., Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that adds options to a command, which gets them as one argument.

    Args:
      argument: its name.
      make: makes it of the values of the options, by their names.
      *options: as `click.option` returns them.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own: list[str] = []

        @functools.wraps(command)
        def with_record(**values: Any) -> None:  # noqa: ANN401 click has checked them
            made = make(**{name: values.pop(name) for name in own})
            command(**{argument: made}, **values)

        before = {param.name for param in _params(with_record)}
        for option in reversed(options):
            with_record = option(with_record)
        own += [param.name for param in _params(with_record) if param.name not in before]
        return with_record

    return decorate


def _params(command: Callable[..., None]) -> list[click.Parameter]:
    return getattr(command, "__click_params__", [])


limit_option = click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="The most to list.",
)
all_option = click.option("--all", "everything", is_flag=True, help="List all, however many.")
