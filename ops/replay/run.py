"""A replay from end to end: cards, loads and taps, and the questions to the ledger."""

from __future__ import annotations

import time
from contextlib import AbstractAsyncContextManager
from random import Random
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ops.replay.csv_file import Reading
from ops.replay.fleet import Fleet
from ops.replay.ledger import issue_cards, look_up, position_now
from ops.replay.plan import make_plan
from ops.replay.reconcile import Reconciliation, reconcile
from ops.replay.report import Course
from terminals.client import ClientOptions, TerminalClient, open_terminal

OPTIONS: Final = ClientOptions(
    software="jakarta-one replay", patience_s=60.0, backoff_first_s=0.25, backoff_s_max=4.0
)
"""A node that is started again takes seconds, and a person waits for the end of this."""


class Target(NamedTuple):
    """Where a file goes, and how.

    Attributes:
      url: of the node.
      key: of all terminals of this replayer.
      speed: seconds of the file in a second; 0 is as fast as possible.
      terminals_max: most terminals connected at the same time.
    """

    url: str
    key: Ed25519PrivateKey
    speed: float
    terminals_max: int


async def replay_trips(
    reading: Reading, target: Target, console: Console
) -> tuple[Reconciliation, Course]:
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
    plan = make_plan(reading.trips)
    chance = Random()

    def open_client(terminal: str) -> AbstractAsyncContextManager[TerminalClient]:
        return open_terminal(
            target.url,
            terminal,
            target.key,
            clock_ms=lambda: time.time_ns() // 1_000_000,
            random=chance.random,
            options=OPTIONS,
        )

    first_position = await position_now(open_client)
    with _progress(console) as progress:
        cards = progress.add_task("cards", total=len(plan.banks))
        sent = progress.add_task("taps and loads", total=len(plan.steps))
        asked = progress.add_task("asked of the ledger", total=len(plan.steps))
        cards_issued = await issue_cards(open_client, plan.banks, lambda: progress.advance(cards))
        fleet = Fleet(
            open_client,
            terminals_max=target.terminals_max,
            on_answer=lambda _: progress.advance(sent),
        )
        stream_began_s = time.monotonic()
        await fleet.send(plan.steps, speed=target.speed)
        streamed_s = time.monotonic() - stream_began_s
        await look_up(open_client, plan.steps, lambda: progress.advance(asked))
    course = Course(
        cards=len(plan.banks),
        cards_issued=cards_issued,
        loads_sent=len(plan.steps) - len(plan.taps),
        connections=fleet.connections,
        streamed_s=streamed_s,
        took_s=time.monotonic() - began_s,
    )
    return reconcile(reading, plan, first_position), course


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:>20}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )
