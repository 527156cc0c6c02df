"""What the ledger is asked: where it stands, which cards it knows, what it holds under each id."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Final, NamedTuple, TypeVar

import trio

from engine.accounts import ALL_CARDS, OPERATOR_REVENUE, OWED_FARES
from engine.calendar import DAY_MS
from engine.errors import Reason
from ops.replay.errors import ReplayError
from ops.replay.fleet import OpenTerminal
from ops.replay.plan import Step
from ops.replay.trips import AUDITOR, ISSUER
from ops.values import shown_time
from protocol.errors import QueryCode
from protocol.limits import QUERIES_OPEN_MAX, TRANSACTIONS_PER_FRAME_MAX
from protocol.redaction import masked
from terminals import intents
from terminals.client import TerminalClient
from terminals.messages import Balance, Failed, Trial

T = TypeVar("T")

AUDITORS: Final = 4
"""Connections that ask side by side: one alone may not send enough messages in a second."""
FAR_FUTURE: Final = 2**53 - 1
NOBODY: Final = f"{AUDITOR}nobody"
"""No card has this name."""
_OF_TIME: Final = {Reason.TOO_LATE, Reason.CLOCK_AHEAD}


class Standing(NamedTuple):
    """Where the journal stands, what operators have earned up to there, and what cards are owed."""

    position: int
    revenue_rp: dict[str, int]
    owed_rp: int = 0


async def standing(open_terminal: OpenTerminal, operators: Iterable[str]) -> Standing:
    """Return where the ledger stands.

    Raises:
      TerminalError: the node did not let us in.
      ReplayError: the node does not tell.
    """
    position, revenue_rp = FAR_FUTURE, dict[str, int]()
    async with open_terminal(f"{AUDITOR}1") as client:
        # An account that there is not yet stands at zero, also in the past. So all are asked as
        # they stand where the first stood.
        for operator in operators:
            answer = await _balance(client, OPERATOR_REVENUE, operator, position)
            position = answer.position
            revenue_rp[operator] = answer.balance_rp
        owed = await _balance(client, OWED_FARES, ALL_CARDS, position)
    return Standing(position, revenue_rp, owed.balance_rp)


async def _balance(client: TerminalClient, kind: int, owner: str, position: int) -> Balance:
    answer = await client.query(["balance", kind, owner, position])
    if not isinstance(answer, Balance):
        raise ReplayError(f"the node does not say where its journal stands: {answer}")
    return answer


async def check_times(open_terminal: OpenTerminal, steps: Iterable[Step]) -> None:
    """Check that the node's clock lets it rate what is new.

    Raises:
      TerminalError: the node did not let us in.
      ReplayError: it does not; the text says what can be done.
    """
    new = [step for step in steps if step.service and not step.is_held]
    if not new:
        return
    first = min(new, key=lambda step: step.at_ms)
    last = max(new, key=lambda step: step.at_ms)
    async with open_terminal(f"{AUDITOR}1") as client:
        for step in (first, last):
            # Of a card that there is not: nothing but the time can then be too late.
            intent = intents.tap(
                NOBODY, 0, step.trip.operator, "in", proof=step.proof, service=step.service
            )
            answer = await client.query(["dry_run", [1, step.at_ms, intent]])
            if not isinstance(answer, Trial):
                raise ReplayError(f"the node does not say whether it rates taps: {answer}")
            if _OF_TIME & set(answer.outcome.exceptions):
                day = shown_time(last.at_ms + DAY_MS)[:10]
                raise ReplayError(
                    f"line {step.trip.line}: the node rates no tap of {shown_time(step.at_ms)}, "
                    "for by its clock that is to come, or more than a month ago. Replay without "
                    f"--rate, or into a node of its own with --dev --clock {day}"
                )


async def owed_to(open_terminal: OpenTerminal, cards: Iterable[str]) -> dict[str, int]:
    """Return what cards are owed in rupiah, by card; those of which nothing is known are left out.

    Raises:
      ExceptionGroup: of TerminalError, when the node did not let us in, or of ReplayError, when
        it does not tell.
    """
    owed: dict[str, int] = {}

    async def look(client: TerminalClient, card: str) -> None:
        answer = await client.query(["balance", OWED_FARES, card])
        if isinstance(answer, Balance):
            owed[card] = answer.balance_rp
        elif not isinstance(answer, Failed) or answer.code != QueryCode.NOT_FOUND:
            raise ReplayError(f"the node does not say what {masked(card)} is owed: {answer}")

    await ask_side_by_side(open_terminal, cards, look)
    return owed


async def issue_cards(
    open_terminal: OpenTerminal, banks: Mapping[str, str], on_card: Callable[[], None]
) -> set[str]:
    """Issue the cards that the ledger does not know; return these.

    Issues take the next counters of the terminals `issuer-BANK`, so that their ids say nothing of
    the file. They need not: a card is issued once, whoever tries.

    Args:
      open_terminal: opens the client of a terminal.
      banks: the bank of each card.
      on_card: is called when a card has been dealt with.

    Raises:
      ExceptionGroup: of TerminalError, when the node did not let us in, or of ReplayError, when
        a card was refused.
    """
    cards: defaultdict[str, list[str]] = defaultdict(list)
    for card, bank in banks.items():
        cards[bank].append(card)
    issued: set[str] = set()

    async def issue(bank: str) -> None:
        async with open_terminal(ISSUER + bank) as client:
            unknown = await _unknown_cards(client, cards[bank], bank, on_card)
            for first in range(0, len(unknown), TRANSACTIONS_PER_FRAME_MAX):
                batch = unknown[first : first + TRANSACTIONS_PER_FRAME_MAX]
                outcomes = await client.send(intents.issue(card, "stored", bank) for card in batch)
                for card, outcome in zip(batch, outcomes, strict=True):
                    # Another replay may have been quicker.
                    if outcome.reason not in {"", Reason.CARD_EXISTS}:
                        raise ReplayError(f"card {card} was not issued: {outcome.reason}")
                    if outcome.result == "posted":
                        issued.add(card)

    async with trio.open_nursery() as nursery:
        for bank in cards:
            nursery.start_soon(issue, bank)
    return issued


async def _unknown_cards(
    client: TerminalClient, cards: Sequence[str], bank: str, on_card: Callable[[], None]
) -> list[str]:
    unknown: set[str] = set()

    async def look(asker: TerminalClient, card: str) -> None:
        trial = [1, 0, intents.issue(card, "stored", bank)]
        answer = await asker.query(["dry_run", trial])
        if not isinstance(answer, Trial):
            raise ReplayError(f"the node does not say whether it knows {card}: {answer}")
        if answer.outcome.reason != Reason.CARD_EXISTS:
            unknown.add(card)
        on_card()

    await _side_by_side([client], cards, look)
    return [card for card in cards if card in unknown]


async def look_up(
    open_terminal: OpenTerminal, steps: Sequence[Step], on_step: Callable[[], None]
) -> None:
    """Ask the ledger for every step by its id, and set what it holds: `found` of each.

    Raises:
      ExceptionGroup: of TerminalError, when the node did not let us in.
    """

    async def look(client: TerminalClient, step: Step) -> None:
        step.found = await client.query(["transaction", step.terminal, step.counter])
        on_step()

    await ask_side_by_side(open_terminal, steps, look)


async def ask_side_by_side(
    open_terminal: OpenTerminal,
    items: Iterable[T],
    ask: Callable[[TerminalClient, T], Awaitable[None]],
) -> None:
    """Ask something about each item, on several connections.

    Raises:
      ExceptionGroup: of TerminalError, when the node did not let us in, or of what `ask` raises.
    """
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(open_terminal(f"{AUDITOR}{number}"))
            for number in range(1, AUDITORS + 1)
        ]
        await _side_by_side(clients, items, ask)


async def _side_by_side(
    clients: Sequence[TerminalClient],
    items: Iterable[T],
    work: Callable[[TerminalClient, T], Awaitable[None]],
) -> None:
    """Work on all items, on each client as many at a time as it may have questions open."""
    waiting = iter(items)

    async def take_turns(client: TerminalClient, waiting: Iterator[T]) -> None:
        for item in waiting:
            await work(client, item)

    async with trio.open_nursery() as nursery:
        for client in clients:
            for _ in range(QUERIES_OPEN_MAX):
                nursery.start_soon(take_turns, client, waiting)
