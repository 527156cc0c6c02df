"""Puts a terminal together: where its clock, chance, disk, readers and network come in."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Final, NamedTuple

from engine.fares.lines import LineNetwork
from engine.fleet.lists import ListName
from engine.law import Law
from engine.rules.kinds import Service, TableFare
from ops.node import now_ms
from ops.remote import Remote
from protocol.chip.keys import CardKeys, Role
from storage.lmdb_store import LmdbStore
from terminals.acceptance.journal import TABLES, TapJournal
from terminals.acceptance.lane import Lane
from terminals.acceptance.offline import Offline
from terminals.acceptance.point import Places, Point
from terminals.acceptance.sender import Sender
from terminals.acceptance.terminal import Readers, Screen, Terminal
from terminals.acceptance.timing import Timing
from terminals.acceptance.uplink import Node, Uplink
from terminals.acceptance.visit import Visits
from terminals.clock import NodeClock
from terminals.device import Status
from terminals.keeper import FileKeeper
from terminals.link import Connect
from terminals.pcsc.card_link import OnStep
from terminals.pcsc.connection import establish
from terminals.pcsc.watch import ReaderChoice, ReaderWatch
from terminals.pcsc.work import CardWorkers
from terminals.websocket import websocket

REMEDY: Final = (
    "What a terminal has taken and not yet told the node stands there: take the folder to the "
    "bureau, and give the terminal an empty one."
)


class Parts(NamedTuple):
    """A terminal, and what its program looks at beside it."""

    terminal: Terminal
    lane: Lane
    journal: TapJournal
    sender: Sender


@contextmanager
def opened_journal(folder: Path) -> Iterator[TapJournal]:
    """Open the journal of a terminal, and close it behind the body.

    Raises:
      StorageError: it cannot be used.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    store = LmdbStore(folder / "journal", tables=TABLES, remedy=REMEDY)
    try:
        yield TapJournal(store, now_ms=now_ms())
    finally:
        store.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What a terminal has to do with, beside cards and its node.

    Attributes:
      chosen: its readers.
      screen: shows what came of a visit.
      needs: lists without which no card is taken.
      note: takes a line for people.
      on_step: is told each command of a card.
    """

    chosen: ReaderChoice
    screen: Screen
    needs: Sequence[ListName]
    note: Callable[[str], None]
    on_step: OnStep | None = None


def built(
    point: Point,
    remote: Remote,
    journal: TapJournal,
    folder: Path,
    *,
    keys: CardKeys,
    law: Law,
    network: LineNetwork,
    outside: Outside,
) -> Parts:
    """Put a terminal together."""
    clock = NodeClock(now_ms, steady_s=time.monotonic)
    timing = Timing(clock, journal.run)
    sender = Sender(journal, timing)
    connect: Connect = partial(websocket, tls=remote.tls)
    node = Node(
        url=remote.url,
        terminal=point.terminal,
        key=remote.key,
        random=random.Random().random,
        software=f"jakarta-one terminal, {point.kind}",
        connect=connect,
    )
    workers = CardWorkers(establish)
    uplink = Uplink(
        node,
        keeper=FileKeeper(folder / "kept"),
        journal=journal,
        sender=sender,
        clock=clock,
        reader=lambda: Status(reader="degraded" if workers.hung else "ok"),
        note=outside.note,
    )
    places = Places(known_places(law, network, timing.now_ms()))
    offline = Offline(point, law.tariffs, places, uplink.published("deny"))
    role = Role.LOAD if point.kind == "kiosk" else Role.DEBIT
    visits = Visits(point, role, keys, journal, timing, os.urandom)
    settings = uplink.published("settings")
    lane = Lane(point, visits, offline, journal, sender, timing, settings)
    readers = Readers(
        watch=ReaderWatch(establish, outside.chosen),
        workers=workers,
        clock_s=time.perf_counter,
        on_step=outside.on_step,
    )
    terminal = Terminal(
        readers,
        lane,
        uplink,
        places=places,
        screen=outside.screen,
        clock=clock,
        needs=outside.needs,
        note=outside.note,
    )
    return Parts(terminal, lane, journal, sender)


def known_places(law: Law, network: LineNetwork, at_ms: int) -> Iterator[tuple[Service, str]]:
    """Walk the places on which fares depend."""
    yield from network.places()
    rules = [price.rule for price in law.tariffs.at(at_ms).prices.values()]
    for rule in rules:
        if isinstance(rule, TableFare):
            yield from product(rule.services, rule.stations)
