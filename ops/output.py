"""What a command says: one JSON object for programs, tables and sentences for people."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click
from rich.console import Console

F = TypeVar("F", bound=Callable[..., Any])


def json_option(command: F) -> F:
    """Add `--json` to a command, passed to it as `as_json`."""
    option = click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON object on standard output."
    )
    return option(command)


def emit(result: Mapping[str, object], *, as_json: bool, render: Callable[[Console], None]) -> None:
    """Print a result: as one JSON object, or through `render` for a person."""
    if as_json:
        click.echo(json.dumps(result, default=str))
    else:
        render(Console())


def progress_console(*, as_json: bool) -> Console:
    """Return where progress is shown: beside the result, never in it."""
    return Console(stderr=as_json)
