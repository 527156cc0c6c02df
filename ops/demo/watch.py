"""What one sees while the demo runs: events as they happen, and how far the morning is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Final, TypeAlias

import trio
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

from ops.demo.city import MIDNIGHT, City
from ops.demo.fleet import Fleet
from ops.demo.result import Event

REFRESH_S: Final = 0.2
LINE_S: Final = 2.0
"""Between two lines of progress where there is no terminal to draw a bar on."""
RATE_S: Final = 1.0
"""The time over which taps a second are taken."""

Show: TypeAlias = Callable[[int, str], None]
"""Shows how many taps were answered, and a text beside it."""


class Diary:
    """Events with the time of the wall clock, shown as they happen.

    Args:
      console: where they are shown.
      now: the wall clock.
    """

    def __init__(self, console: Console, now: Callable[[], datetime]) -> None:
        self.console = console
        self.events: list[Event] = []
        self._now = now

    def note(self, text: str) -> Event:
        """Write an event down and show it."""
        event = Event(self._now(), text)
        self.events.append(event)
        line = f"[dim]{event.clock}[/]  {escape(text)}"
        self.console.print(line, highlight=False, soft_wrap=True)
        return event


async def watch(console: Console, fleet: Fleet, city: City, state: Callable[[], str]) -> None:
    """Show the progress of the fleet until cancelled.

    Args:
      console: where.
      fleet: who sends.
      city: what is sent.
      state: how the node is, in a word or two.
    """
    recent = deque([(trio.current_time(), 0)], maxlen=round(RATE_S / REFRESH_S) + 1)
    with _shown(console, len(city.taps)) as show:
        while True:
            answered = len(fleet.waits)
            recent.append((trio.current_time(), answered))
            (then_s, before), (now_s, _) = recent[0], recent[-1]
            rate = (answered - before) / max(now_s - then_s, REFRESH_S)
            show(answered, f"{_clock(fleet, city)}  {rate:>6,.0f} taps/s  {state()}")
            await trio.sleep(REFRESH_S)


def _clock(fleet: Fleet, city: City) -> str:
    at_ms = city.taps[max(fleet.sent - 1, 0)].at_ms
    return f"{datetime.fromtimestamp(at_ms / 1000, MIDNIGHT.tzinfo):%H:%M}"


@contextmanager
def _shown(console: Console, total: int) -> Iterator[Show]:
    if console.is_terminal:
        columns = (
            TextColumn("  "),
            BarColumn(40),
            TextColumn("{task.percentage:>3.0f} %  {task.description}"),
        )
        with Progress(*columns, console=console, auto_refresh=False, transient=True) as bar:
            task = bar.add_task("", total=total)

            def draw(answered: int, text: str) -> None:
                bar.update(task, completed=answered, description=text, refresh=True)

            yield draw
    else:
        yield _lines(console, total)


def _lines(console: Console, total: int) -> Show:
    due_s = trio.current_time()

    def write(answered: int, text: str) -> None:
        nonlocal due_s
        if trio.current_time() >= due_s:
            due_s += LINE_S
            line = f"  {answered / total:>4.0%} of {total:,} taps  {text}"
            console.print(line, highlight=False, soft_wrap=True)

    return write
