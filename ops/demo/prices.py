"""What the rides of a card come to, by the price list of the demo alone.

The price of a card's taps depends on which they are and not on the order in which they came: they
are put in the order of their times and read as rides. A ride that was not tapped out costs the
farthest fare once the card goes on, or was let out; until then it costs nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TypeAlias

from engine.calendar import DAY_MS, WIB_OFFSET_MS
from engine.transaction import Tap
from ops.demo.network import Line, Network

At: TypeAlias = tuple[int, Tap]
"""A tap and its time in milliseconds since 1970."""


def due_rp(network: Network, taps: Iterable[At]) -> Counter[str]:
    """Return what operators are due for the taps of one card, by operator."""
    lines = {line.code: line for line in network.lines}
    due = Counter[str]()
    inside: At | None = None

    def close(one: At) -> None:
        at_ms, tap = one
        line = lines[tap.line]
        stop = _stop(line, tap)
        due[tap.operator] += network.fares[line.fare].farthest_rp(stop, _seconds(at_ms))

    for at_ms, tap in sorted(taps, key=lambda found: found[0]):
        if tap.direction == "out" and inside is not None and inside[1].line == tap.line:
            line = lines[tap.line]
            ends = _stop(line, inside[1]), _stop(line, tap)
            due[tap.operator] += network.fares[line.fare].price_rp(*ends, _seconds(inside[0]))
            inside = None
            continue
        if inside is not None:
            close(inside)
        if tap.direction == "out":
            close((at_ms, tap))
        inside = (at_ms, tap) if tap.direction == "in" else None
    return due


def _stop(line: Line, tap: Tap) -> int:
    return next(number for number, stop in enumerate(line.stops) if stop.name == tap.place)


def _seconds(at_ms: int) -> float:
    return (at_ms + WIB_OFFSET_MS) % DAY_MS / 1000
