"""One card at one reader on a desk: wait for it, do something with it, and let go of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import click
import trio

from ops.endings import interruptible, leaves, run_interruptible
from terminals.acceptance.terminal import Readers, Talking
from terminals.acceptance.visit import Talk
from terminals.errors import CardGone, CardMute, ReaderFailed
from terminals.pcsc.card_link import CardLink
from terminals.pcsc.connection import establish
from terminals.pcsc.events import CardInserted, MuteCardInserted, ServiceLost
from terminals.pcsc.watch import ReaderWatch, every_reader, starting_with
from terminals.pcsc.work import CardWorkers

T = TypeVar("T")


def at_reader(reader: str, wait_s: float, work: Callable[[Talk], T]) -> T:
    """Wait for a card, and do something with it.

    Args:
      reader: how its name begins; empty: whichever gets a card first.
      wait_s: how long to wait for the card.
      work: what to do with it; it runs in a thread.

    Raises:
      click.ClickException: no card came, or it left, or does not answer.
      Exception: whatever `work` raises.
    """
    with interruptible():
        try:
            return run_interruptible(_at_reader, reader, wait_s, work)
        except (CardGone, CardMute, ReaderFailed, BaseExceptionGroup) as error:
            first = next(leaves(error))
            if isinstance(first, CardGone | CardMute | ReaderFailed | click.ClickException):
                raise click.ClickException(str(first)) from error
            raise first from error


async def _at_reader(reader: str, wait_s: float, work: Callable[[Talk], T]) -> T:
    chosen = starting_with(reader) if reader else every_reader
    readers = Readers(
        watch=ReaderWatch(establish, chosen),
        workers=CardWorkers(establish),
        clock_s=time.perf_counter,
    )
    with trio.move_on_after(wait_s):
        name = await _inserted(readers.watch)

        def task(link: CardLink) -> T:
            return work(Talking(link, readers))

        with trio.CancelScope(shield=True):
            return await readers.workers.run(name, task)
    raise click.ClickException(f"no card was presented within {wait_s:g} s")


async def _inserted(watch: ReaderWatch) -> str:
    """Return the name of the reader at which a card lies."""
    async with watch.open() as events:
        async for event in events:
            match event:
                case CardInserted(reader=reader):
                    return reader
                case MuteCardInserted(reader=reader):
                    raise CardMute(f"{reader}: more than one card, or one that does not answer")
                case ServiceLost(text=text):
                    raise ReaderFailed(text)
                case _:
                    continue
    raise ReaderFailed("the watch over the readers has ended")
