"""What a command says: one JSON object for programs, tables and sentences for people.

With `--json` there is one object also where the command fails: the result that says so, or
`{"error": text}`. What people read about a failure is on standard error in either case.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import click
from rich.console import Console

from ops.endings import leaves

_EMITTED: Final = "jakarta_one.emitted"

F = TypeVar("F", bound=Callable[..., Any])


def json_option(command: F) -> F:
    """Add `--json` to a command, passed to it as `as_json`."""
    option = click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON object on standard output."
    )
    return option(command)


class Times(click.FloatRange):
    """How many times faster something is to go: a number that a clock can be multiplied by."""

    def convert(
        self, value: float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Refuse what is no such number."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no finite number", param, ctx)
        return number


def emit(result: Mapping[str, object], *, as_json: bool, render: Callable[[Console], None]) -> None:
    """Print a result: as one JSON object, or through `render` for a person.

    Raises:
      click.ClickException: standard output takes no more.
    """
    context = click.get_current_context(silent=True)
    if context is not None:
        context.meta[_EMITTED] = True
    try:
        if as_json:
            click.echo(json.dumps(result, default=str))
        else:
            render(Console())
    except OSError as error:
        _let_go_of_stdout()
        raise click.ClickException(f"the result cannot be written: {error.strerror}") from error


@contextmanager
def failures_told(context: click.Context, *, as_json: bool) -> Iterator[None]:
    """Print a failure of the body as an object, unless a result was printed that says so."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A figure with a question mark in its frame is better than none.
            stream.reconfigure(errors="replace")
    try:
        with _output_given_up():
            yield
    except click.ClickException as error:
        if as_json and not context.meta.get(_EMITTED):
            emit({"error": error.format_message()}, as_json=True, render=Console.print)
        raise


@contextmanager
def _output_given_up() -> Iterator[None]:
    """Turn what the system, or a pipe that nobody reads, does to a command into one line."""
    try:
        yield
    except (OSError, BaseExceptionGroup) as error:
        # rich ends a program whose pipe is broken, wherever that is.
        causes = list(leaves(error))
        if not all(isinstance(cause, OSError | SystemExit) for cause in causes):
            raise
        try:
            sys.stdout.flush()
        except OSError:
            _let_go_of_stdout()
        told = [str(cause) for cause in causes if isinstance(cause, OSError)]
        raise click.ClickException(told[0] if told else "nobody reads the output") from error


def _let_go_of_stdout() -> None:
    # What it could not take is still in its buffer, and would fail again when Python ends.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with contextlib.suppress(OSError, ValueError):
        os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def progress_console(*, as_json: bool) -> Console:
    """Return where progress is shown: beside the result, never in it."""
    return Console(stderr=as_json)
