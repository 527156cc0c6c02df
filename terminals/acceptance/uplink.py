"""A terminal's way to its node: a client, and another one when the node would not have it."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engine.fleet.lists import ListName
from terminals.acceptance.journal import TapJournal
from terminals.acceptance.point import Published
from terminals.acceptance.sender import Sender
from terminals.client import ClientOptions, TerminalClient
from terminals.clock import NodeClock
from terminals.commands import CommandPart, Handler
from terminals.device import Device, Status
from terminals.errors import TerminalError
from terminals.intents import Intent
from terminals.keeper import Keeper
from terminals.link import Connect
from terminals.list_part import ListPart
from terminals.messages import CommandBody
from terminals.nursery import flat_nursery
from terminals.part import Offload, in_thread, untold
from terminals.websocket import websocket

LISTS: Final[tuple[ListName, ...]] = ("deny", "settings", "fares", "rules", "firmware")
"""Those that a terminal holds; what keeps stolen cards out is fetched first."""

AWAY_S_FIRST: Final = 5.0
AWAY_S_MAX: Final = 300.0
"""Pause after a node that would not have the terminal; an officer may put that right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node, and who the terminal is there.

    Attributes:
      url: where the node is.
      terminal, key: who the terminal is.
      random: gives numbers from 0 to 1, for pauses.
      software: what it says of itself.
      connect: opens a connection.
    """

    url: str
    terminal: str
    key: Ed25519PrivateKey
    random: Callable[[], float]
    software: str = "jakarta-one"
    connect: Connect = websocket


class Uplink:
    """Keeps a terminal at its node, for as long as it runs.

    Args:
      node: that it belongs to.
      keeper: where lists and commands are kept.
      journal: what the terminal has done.
      sender: tells the node of it.
      clock: learns the node's clock.
      reader: how its card reader is.
      offload: where lists and commands are read and written.
      note: takes one line for people, where something is wrong.
    """

    def __init__(
        self,
        node: Node,
        *,
        keeper: Keeper,
        journal: TapJournal,
        sender: Sender,
        clock: NodeClock,
        reader: Callable[[], Status] = Status,
        offload: Offload = in_thread,
        note: Callable[[str], None] = untold,
    ) -> None:
        self._node = node
        self._offload = offload
        self._keeper = keeper
        self._journal = journal
        self._sender = sender
        self._clock = clock
        self._reader = reader
        self._note = note
        self._handler: Handler = _nothing
        self._lists: ListPart | None = None
        self._begun = trio.Event()

    def handle_with(self, handler: Handler) -> None:
        """Say who carries out what officers order. To be called before `run`."""
        self._handler = handler

    def published(self, name: ListName) -> Published:
        """Return what finds keys in a list: in the version in use at that moment."""

        def get(key: str) -> str | None:
            return None if self._lists is None else self._lists.get(name, key)

        return get

    def version(self, name: ListName) -> int:
        """Return the version of a list in use, 0 for none."""
        return 0 if self._lists is None else self._lists.version(name)

    async def wait_loaded(self) -> None:
        """Wait until the lists that were kept before are in use. That needs no node."""
        await self._begun.wait()
        assert self._lists is not None
        await self._lists.wait_loaded()

    async def run(self) -> None:
        """Keep the terminal at its node until cancelled."""
        pause_s = AWAY_S_FIRST
        while True:
            begun_s = trio.current_time()
            try:
                await self._one_client()
            except TerminalError as error:
                self._note(str(error))
            if trio.current_time() - begun_s > AWAY_S_MAX:
                pause_s = AWAY_S_FIRST
            await trio.sleep(pause_s * (0.5 + self._node.random() / 2))
            pause_s = min(2 * pause_s, AWAY_S_MAX)

    async def _one_client(self) -> None:
        node = self._node
        # Parts are made anew: they remember what they have told a client.
        lists = ListPart(
            LISTS,
            self._keeper,
            now_ms=self._clock.corrected_ms,
            offload=self._offload,
            note=self._note,
        )
        commands = CommandPart(
            self._handler,
            self._keeper,
            clock=self._clock,
            journal=self._written,
            offload=self._offload,
            note=self._note,
        )
        options = ClientOptions(
            software=node.software,
            last_counter=self._journal.last_counter,
            patience_s=math.inf,
            device=Device(clock=self._clock, status=self._status, lists=lists, commands=commands),
        )
        client = TerminalClient(
            node.url,
            node.terminal,
            node.key,
            clock_ms=self._clock.own_ms,
            random=node.random,
            connect=node.connect,
            options=options,
        )
        async with flat_nursery() as nursery:
            nursery.start_soon(self._use, lists)
            nursery.start_soon(self._send, client)
            await client.run()

    async def _send(self, client: TerminalClient) -> None:
        # A client that has ended says so itself.
        with suppress(TerminalError):
            await self._sender.run(client)

    async def _use(self, lists: ListPart) -> None:
        """Take lists into use once they are loaded; until then those of the client before are."""
        if self._lists is None:
            self._lists = lists
            self._begun.set()
            return
        await lists.wait_loaded()
        self._lists = lists

    def _status(self) -> Status:
        told = self._reader()
        return Status(self._journal.backlog, told.battery, told.reader)

    def _written(self, first: int, last: int, limit: int) -> list[tuple[int, int, Intent]]:
        taps = self._journal.taps(first, last, limit)
        return [(tap.counter, max(tap.at_ms, 0), tap.intent) for tap in taps]


async def _nothing(_body: CommandBody) -> str:
    return "this terminal takes no orders"
