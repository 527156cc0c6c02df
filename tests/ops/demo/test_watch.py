"""What one sees: dated events, a bar on a terminal, lines in a log."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import trio
import trio.testing
from rich.console import Console

from ops.demo.city import City
from ops.demo.fleet import Fleet, Wait
from ops.demo.watch import LINE_S, Diary, watch

AT = datetime(2025, 11, 24, 8, 30, 1, 5_000, UTC)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_events_are_shown_at_once_with_their_time_and_kept() -> None:
    console = Console(file=io.StringIO(), width=40)
    diary = Diary(console, lambda: AT)
    event = diary.note("a long event [not markup] that is not broken into lines")
    assert diary.events == [event]
    line = "2025-11-24 08:30:01.005  a long event [not markup] that is not broken into lines\n"
    assert written(console) == line


async def watched(console: Console, city: City, seconds: float) -> str:
    fleet = Fleet("ws://node", {}, clock_ms=lambda: 0, random=lambda: 0.5)
    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch, console, fleet, city, lambda: "node is down")
            while True:
                fleet.sent += 10
                fleet.waits += [Wait(0, 0)] * 10
                await trio.sleep(0.1)
    return written(console)


async def test_log_gets_a_line_every_now_and_then_with_clock_rate_and_state(
    autojump_clock: trio.testing.MockClock, city: City
) -> None:
    text = await watched(Console(file=io.StringIO(), width=80), city, 2.5 * LINE_S)
    lines = text.splitlines()
    assert len(lines) == 3
    assert all("node is down" in line and f"of {len(city.taps):,} taps" in line for line in lines)
    assert "100 taps/s" in lines[-1]
    assert lines[0].split() < lines[-1].split()


async def test_terminal_gets_a_bar_that_is_gone_in_the_end(
    autojump_clock: trio.testing.MockClock, city: City
) -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    text = await watched(console, city, 1.1)
    assert "100 taps/s" in text
    assert "━" in text
    assert text.endswith("\x1b[1A\x1b[2K")
