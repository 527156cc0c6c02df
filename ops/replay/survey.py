"""What of a file the ledger holds already: asked before anything is sent.

A card that was just issued has no past. The others are asked for their statements: these show
every tap and load that moved money, wherever and under whatever number. What moved none (a tap-out)
is looked for at the terminal where the file has it: the node says how far the terminal's counter
has come, and only where that reaches into a day of the file are the day's numbers asked for. So
the first replay of a file asks no question at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from typing import Final, TypeAlias, TypeVar

import trio

from engine.accounts import PURSE
from ops.replay.errors import ReplayError
from ops.replay.fleet import BATCH_MAX, OpenTerminal
from ops.replay.held import Held, counter_of, proof_in
from ops.replay.ledger import ask_side_by_side
from ops.replay.plan import Step, make_plan
from ops.replay.trips import Trip
from protocol.errors import QueryCode
from protocol.limits import STATEMENT_LINES_MAX
from terminals.client import TerminalClient
from terminals.messages import Failed, Found, Statement

T = TypeVar("T")

AT_ONCE_MAX: Final = 32
"""Connections side by side: enough to keep two processes busy."""
ABSENT_MAX: Final = BATCH_MAX
"""So many absent numbers in a row end a day. Terminals send a day's taps in the order of their
numbers, one batch after the other, so a replay that was broken off leaves no wider gap."""

Wanted: TypeAlias = dict[str, dict[int, set[bytes]]]
"""By terminal and day, the proofs that are to be found."""


async def look_back(
    open_terminal: OpenTerminal,
    trips: Sequence[Trip],
    cards: Collection[str],
    *,
    at_once: int,
    on_total: Callable[[int], None],
    on_one: Callable[[], None],
) -> Held:
    """Return what the ledger holds of these trips.

    Args:
      open_terminal: opens the client of a terminal.
      trips: of the file.
      cards: of the file, that the ledger has known for longer than this replay.
      at_once: most terminals to connect side by side.
      on_total: is told how many cards and terminals are to be asked, once it is known.
      on_one: is called for each of them when it was.

    Raises:
      ExceptionGroup: of TerminalError, when the node did not let us in, or of ReplayError, when
        it does not say what it holds.
    """
    held = Held()
    on_total(len(cards))

    async def look_at_card(client: TerminalClient, card: str) -> None:
        await ask_card(client, card, held)
        on_one()

    if cards:
        await ask_side_by_side(open_terminal, cards, look_at_card)
    wanted = _wanted(make_plan(trips, held).steps)
    on_total(len(cards) + len(wanted))

    async def ask_terminal(terminal: str) -> None:
        async with open_terminal(terminal) as client:
            await _ask_terminal(client, wanted[terminal], held)
        on_one()

    await _at_most(at_once, wanted, ask_terminal)
    return held


def _wanted(steps: Sequence[Step]) -> Wanted:
    wanted: Wanted = defaultdict(lambda: defaultdict(set))
    for step in steps:
        if not step.is_held:
            wanted[step.terminal][step.day].add(step.proof)
    return wanted


async def ask_card(client: TerminalClient, card: str, held: Held) -> None:
    """Take in all that moved money on a card.

    Raises:
      ReplayError: the node does not say.
    """
    before: int | None = None
    while before != -1:
        page = await client.query(["statement", PURSE, card, before, STATEMENT_LINES_MAX])
        if not isinstance(page, Statement):
            raise ReplayError(f"the node does not say what it holds of card {card}: {page}")
        for line in page.lines:
            held.add(line.entry)
        before = page.next


async def _ask_terminal(client: TerminalClient, days: dict[int, set[bytes]], held: Held) -> None:
    async with trio.open_nursery() as nursery:
        for day, proofs in days.items():
            if counter_of(client.terminal, day, 1) <= client.last_counter:
                nursery.start_soon(ask_day, client, day, proofs, held)


async def ask_day(client: TerminalClient, day: int, proofs: set[bytes], held: Held) -> None:
    """Ask for one number of a day after the other, until all is found or nothing more can be.

    Raises:
      ReplayError: the node does not say.
    """
    number = absent = 0
    while proofs and absent < ABSENT_MAX:
        number += 1
        counter = counter_of(client.terminal, day, number)
        if counter > client.last_counter:
            return
        if held.under(client.terminal, counter) is None:
            await _ask_number(client, counter, held)
        entry = held.under(client.terminal, counter)
        absent = 0 if entry else absent + 1
        if entry:
            proofs.discard(proof_in(entry.intent))


async def _ask_number(client: TerminalClient, counter: int, held: Held) -> None:
    answer = await client.query(["transaction", client.terminal, counter])
    if isinstance(answer, Found):
        held.add(answer.entry)
    elif not isinstance(answer, Failed) or answer.code != QueryCode.NOT_FOUND:
        message = f"the node does not say what it holds of {client.terminal}/{counter}: {answer}"
        raise ReplayError(message)


async def _at_most(count: int, items: Collection[T], work: Callable[[T], Awaitable[None]]) -> None:
    waiting = iter(items)

    async def take_turns(waiting: Iterator[T]) -> None:
        for item in waiting:
            await work(item)

    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(take_turns, waiting)
