"""How keys, dates and spans of time are written on the command line and in files."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Final, TypeVar

import click

from engine.keys import KEY_BYTES, is_of_small_order

T = TypeVar("T")

WIB: Final = timezone(timedelta(hours=7), "WIB")
"""Days are days of Jakarta, here as in the ledger."""

_SPAN: Final = re.compile(r"(\d{1,6})([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def public_key(text: str) -> bytes:
    """Read a public key that somebody can hold the private half of.

    Raises:
      ValueError: it is none; the message says why.
    """
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError(f"expected {KEY_BYTES} bytes in hex")
    if is_of_small_order(key):
        raise ValueError("a key of small order: anybody can prove it, without a private key")
    return key


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


def shown_time(at_ms: int) -> str:
    """Return a time as people read it in Jakarta."""
    return datetime.fromtimestamp(at_ms / 1000, WIB).strftime("%Y-%m-%d %H:%M")


def shown_span(span_ms: int) -> str:
    """Return a span of time in its largest unit of which there are two."""
    seconds = max(0, span_ms // 1000)
    for name, unit in (("d", "d"), ("h", "h"), ("min", "m")):
        if seconds >= 2 * _SECONDS[unit]:
            return f"{seconds // _SECONDS[unit]} {name}"
    return f"{seconds} s"


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


PUBLIC_KEY: Final = Written("hex", public_key)
SPAN: Final = Written("span", span_ms)
MOMENT: Final = Written("date", moment_ms)
