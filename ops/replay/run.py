"""A replay from end to end: cards, loads and taps, and the questions to the ledger."""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from random import Random
from typing import Final, NamedTuple

import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from ops.owing import Owing
from ops.replay.csv_file import Reading
from ops.replay.errors import ReplayError
from ops.replay.fleet import Fleet, OpenTerminal
from ops.replay.held import Held
from ops.replay.ledger import Standing, check_times, issue_cards, look_up, owed_to, standing
from ops.replay.plan import make_plan
from ops.replay.rated import rides_of
from ops.replay.reconcile import reconcile
from ops.replay.report import Course, Replayed
from ops.replay.services import Services
from ops.replay.survey import AT_ONCE_MAX, look_back
from ops.replay.trips import OPERATORS, Trip
from protocol.errors import Code
from terminals.client import ClientOptions, TerminalClient, open_terminal
from terminals.errors import NodeRefused, NodeUnreachable
from terminals.websocket import websocket

SENDING: Final = "taps and loads"
OPTIONS: Final = ClientOptions(
    software="jakarta-one replay", patience_s=60.0, backoff_first_s=0.25, backoff_s_max=4.0
)
"""A node that is started again takes seconds, and a person waits for the end of this."""
AT_FIRST: Final = replace(OPTIONS, patience_s=4.0, handshake_s=4.0)
"""A node that was never there is most likely not the one that was meant."""
QUIET_S: Final = 2.0
"""Without an answer to what was sent; then the bar says so."""


class Target(NamedTuple):
    """Where a file goes, and how.

    Attributes:
      url: of the node.
      key: of all terminals of this replayer.
      speed: seconds of the file in a second; 0 is as fast as possible.
      terminals_max: most terminals connected at the same time.
      tls: whom to trust where the node speaks TLS; None trusts whom the system trusts.
      services: by which the node is to rate the trips; None: it posts what the file says.
    """

    url: str
    key: Ed25519PrivateKey
    speed: float
    terminals_max: int
    tls: ssl.SSLContext | None = None
    services: Services | None = None


async def replay_trips(reading: Reading, target: Target, console: Console) -> Replayed:
    """Replay what was read, and compare it with what the ledger then holds.

    Args:
      reading: what the file holds.
      target: where it goes.
      console: shows the progress.

    Raises:
      TerminalError, ReplayError: alone or in groups.

    Cancellation: what was sent may have been posted; to replay the file again is safe.
    """
    began_s = time.monotonic()
    trips = reading.trips
    banks = {trip.card: trip.bank for trip in trips}
    open_client = _opener(target, OPTIONS)
    before = await _first_contact(target)
    with _progress(console) as progress:
        looked = progress.add_task("cards", total=len(banks))
        issued = await issue_cards(open_client, banks, lambda: progress.advance(looked))
        # An empty journal need not be asked.
        known = [card for card in banks if card not in issued]
        at_once = min(AT_ONCE_MAX, target.terminals_max)
        is_empty = not before.position
        held = Held() if is_empty else await _held(open_client, trips, known, at_once, progress)
        plan = make_plan(trips, held, target.services)
        await check_times(open_client, plan.steps)
        sent = progress.add_task(SENDING, total=len(plan.steps))
        asked = progress.add_task("asked of the ledger", total=len(plan.steps))
        fleet = Fleet(
            open_client,
            terminals_max=target.terminals_max,
            on_answer=lambda _: progress.advance(sent),
        )
        stream_began_s = time.monotonic()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(tell_when_quiet, progress, sent, fleet)
            await fleet.send(plan.steps, speed=target.speed)
            nursery.cancel_scope.cancel()
        streamed_s = time.monotonic() - stream_began_s
        after = await standing(open_client, OPERATORS)
        await look_up(open_client, plan.steps, lambda: progress.advance(asked))
        rides = rides_of(plan.taps)
        owing = Owing(await owed_to(open_client, banks) if rides else {})
    course = Course(
        cards=len(banks),
        cards_issued=len(issued),
        loads_sent=len(plan.steps) - len(plan.taps),
        connections=fleet.connections,
        streamed_s=streamed_s,
        took_s=time.monotonic() - began_s,
    )
    return Replayed(reconcile(reading, plan, before, after, rides), rides, owing, course)


async def _first_contact(target: Target) -> Standing:
    try:
        return await standing(_opener(target, AT_FIRST), OPERATORS)
    except NodeUnreachable as error:
        raise NodeUnreachable(f"no node at {target.url}: {error.__cause__ or error}") from error


async def tell_when_quiet(progress: Progress, task: TaskID, fleet: Fleet) -> None:
    """Let a bar say how long nothing was answered, until cancelled."""
    answered, since_s = -1, trio.current_time()
    while True:
        if not fleet.unanswered or fleet.answered != answered:
            answered, since_s = fleet.answered, trio.current_time()
        quiet_s = trio.current_time() - since_s
        text = f"no answer for {quiet_s:.0f} s" if quiet_s >= QUIET_S else SENDING
        progress.update(task, description=text)
        await trio.sleep(QUIET_S / 4)


def _opener(target: Target, options: ClientOptions) -> OpenTerminal:
    chance = Random()

    @asynccontextmanager
    async def open_client(terminal: str) -> AsyncIterator[TerminalClient]:
        client = open_terminal(
            target.url,
            terminal,
            target.key,
            clock_ms=lambda: time.time_ns() // 1_000_000,
            random=chance.random,
            connect=partial(websocket, tls=target.tls),
            options=options,
        )
        try:
            async with client as opened:
                yield opened
        except NodeRefused as refused:
            raise ReplayError(refusal_of(terminal, refused)) from refused

    return open_client


def refusal_of(terminal: str, refused: NodeRefused) -> str:
    """Return, for a person, why the node does not want a terminal and what can be done."""
    if refused.code == Code.KEY_UNKNOWN:
        return (
            f"the node does not know the key of terminal {terminal}. A node with --dev enrols "
            "keys at first use; on any other, enrol the key for each terminal of the file "
            "(`jakarta-one keys enroll`)"
        )
    if refused.code == Code.KEY_REVOKED:
        return f"the key of terminal {terminal} was revoked: use another one with --key"
    if refused.code == Code.KEY_EXPIRED:
        return f"the key of terminal {terminal} has expired: use another one with --key"
    if refused.code == Code.NOT_ALLOWED:
        return (
            f"the key of terminal {terminal} may not do what a replay does there: enrol it for "
            "the stops as a terminal or a service, for auditor-, issuer- and loader- as a service"
        )
    return f"terminal {terminal}: {refused}"


async def _held(
    open_client: OpenTerminal,
    trips: Sequence[Trip],
    cards: Sequence[str],
    at_once: int,
    progress: Progress,
) -> Held:
    task = progress.add_task("posted before", total=None)
    return await look_back(
        open_client,
        trips,
        cards,
        at_once=at_once,
        on_total=lambda total: progress.update(task, total=total),
        on_one=lambda: progress.advance(task),
    )


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:>20}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )
