"""How times, spans and sizes are written on the command line, and how they are shown to people."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Final, TypeVar

import click

T = TypeVar("T")

WIB: Final = timezone(timedelta(hours=7), "WIB")
"""Days are days of Jakarta, here as in the ledger."""

_SPAN: Final = re.compile(r"(\d{1,6})([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_KIB: Final = 1024
_SECOND_MS: Final = 1_000
_EXACT_MS_MAX: Final = 10_000
"""A shorter span is shown to a tenth of a second."""


def span_ms(text: str) -> int:
    """Read a span of time, `90s`, `15m`, `1h` or `365d`, in milliseconds.

    Raises:
      ValueError: it is none; the message says how one is written.
    """
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no span of time as 90s, 15m, 1h or 365d")
    return int(found[1]) * _SECONDS[found[2]] * 1000


def moment_ms(text: str) -> int:
    """Read a date (its first moment) or a date and a time, in milliseconds since 1970.

    Without an offset it is that of Jakarta.

    Raises:
      ValueError: it is none; the message says how one is written.
    """
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=WIB)
        return int(moment.timestamp()) * 1000
    except (ValueError, OverflowError) as error:
        message = f"{text!r} is no date as 2027-01-31 or 2027-01-31T23:59 (WIB)"
        raise ValueError(message) from error


def transaction_id(text: str) -> tuple[str, int]:
    """Read the identity of a transaction: its terminal and its counter, as `GATE-01/7`.

    Raises:
      ValueError: it is none; the message says how one is written.
    """
    terminal, stroke, counter = text.rpartition("/")
    if not (terminal and stroke and counter.isdecimal()):
        raise ValueError(f"{text!r} is no transaction as GATE-01/7: terminal and counter")
    return terminal, int(counter)


class Written(click.ParamType[T]):
    """An option that one of these functions reads.

    Args:
      name: what stands for it in the help.
      read: reads it.
    """

    def __init__(self, name: str, read: Callable[[str], T]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> T:
        """Read it."""
        try:
            return self._read(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


SPAN: Final = Written("span", span_ms)
MOMENT: Final = Written("date", moment_ms)
TRANSACTION: Final = Written("terminal/counter", transaction_id)


def shown_time(at_ms: int, *, seconds: bool = False) -> str:
    """Return a time as people read it in Jakarta."""
    form = "%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M"
    return datetime.fromtimestamp(at_ms / 1000, WIB).strftime(form)


def shown_span(span_ms: int) -> str:
    """Return a span of time in its largest unit of which there are two; a short one exactly."""
    sign, length_ms = "-" if span_ms < 0 else "", abs(span_ms)
    seconds = length_ms // _SECOND_MS
    if 0 < length_ms < _SECOND_MS:
        return f"{sign}{length_ms} ms"
    if length_ms < _EXACT_MS_MAX and length_ms % _SECOND_MS:
        return f"{sign}{length_ms / _SECOND_MS:.1f} s"
    for name, unit in (("d", "d"), ("h", "h"), ("min", "m")):
        if seconds >= 2 * _SECONDS[unit]:
            return f"{sign}{seconds // _SECONDS[unit]} {name}"
    return f"{sign}{seconds} s"


def shown_bytes(count: int) -> str:
    """Return a number of bytes in the largest unit of which there is one."""
    size, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if size < _KIB:
            break
        size, unit = size / _KIB, larger
    return f"{count} B" if unit == "B" else f"{size:.1f} {unit}"


def printable(text: str) -> str:
    """Return a text that came from elsewhere without what would steer a person's terminal."""
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)
