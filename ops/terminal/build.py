"""Puts a terminal together: where its clock, chance, disk, readers and network come in."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from engine.fleet.lists import ListName
from ops.node import now_ms
from ops.remote import Remote
from ops.terminal.followed import VERSION, follow_lists
from ops.terminal.law import Fares, TerminalLaw
from protocol.chip.keys import CardKeys, Role
from terminals.acceptance.certificate import Certificate
from terminals.acceptance.certifier import Certifier, OnCertificate
from terminals.acceptance.journal import TapJournal
from terminals.acceptance.lane import Lane
from terminals.acceptance.offline import Offline
from terminals.acceptance.point import Point
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


class Parts(NamedTuple):
    """A terminal, and what its program looks at beside it."""

    terminal: Terminal
    lane: Lane
    journal: TapJournal
    sender: Sender
    certifier: Certifier


def _untold(_certificate: Certificate) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What a terminal has to do with, beside cards and its node.

    Attributes:
      chosen: its readers.
      screen: shows what came of a visit.
      needs: lists without which no card is taken.
      note: takes a line for people.
      on_step: is told each command of a card.
      on_certificate: is told what the node has of a shift that was closed.
    """

    chosen: ReaderChoice
    screen: Screen
    needs: Sequence[ListName]
    note: Callable[[str], None]
    on_step: OnStep | None = None
    on_certificate: OnCertificate = _untold


def built(
    point: Point,
    remote: Remote,
    journal: TapJournal,
    folder: Path,
    *,
    keys: CardKeys,
    law: TerminalLaw,
    outside: Outside,
) -> Parts:
    """Put a terminal together."""
    clock = NodeClock(now_ms, steady_s=time.monotonic)
    timing = Timing(clock, journal.run, journal.contact_ms)
    certifier = Certifier(
        point.terminal,
        journal,
        timing,
        on_certificate=outside.on_certificate,
        note=outside.note,
    )
    sender = Sender(journal, timing, certifier=certifier)
    workers = CardWorkers(establish)
    uplink = Uplink(
        _node(point, remote),
        keeper=FileKeeper(folder / "kept"),
        journal=journal,
        sender=sender,
        clock=clock,
        reader=lambda: Status(reader="degraded" if workers.hung else "ok"),
        note=outside.note,
    )
    denied, settings = uplink.published("deny"), uplink.published("settings")
    fares = law.fares
    role = Role.LOAD if point.kind == "kiosk" else Role.DEBIT
    visits = Visits(point, role, keys, journal, timing, os.urandom)
    offline = Offline(point, *fares, denied)
    lane = Lane(point, visits, offline, journal, sender, timing, settings)
    terminal = Terminal(
        _readers(outside, workers),
        lane,
        uplink,
        places=fares.places,
        screen=outside.screen,
        clock=clock,
        needs=outside.needs,
        note=outside.note,
    )

    def decide_by(fares: Fares) -> None:
        lane.decide_with(Offline(point, *fares, denied))
        terminal.name_with(fares.places)

    follow_lists(uplink.use_with, point.kind, law, decide_by, outside.note)
    return Parts(terminal, lane, journal, sender, certifier)


def _readers(outside: Outside, workers: CardWorkers) -> Readers:
    return Readers(
        watch=ReaderWatch(establish, outside.chosen),
        workers=workers,
        clock_s=time.perf_counter,
        on_step=outside.on_step,
    )


def _node(point: Point, remote: Remote) -> Node:
    connect: Connect = partial(websocket, tls=remote.tls)
    return Node(
        url=remote.url,
        terminal=point.terminal,
        key=remote.key,
        random=random.Random().random,
        software=f"jakarta-one {VERSION}, {point.kind}",
        connect=connect,
    )
