"""A terminal's way to its node: a client, and another one when the node would not have it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias, cast

import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engine.fleet.lists import ListName
from storage.errors import StorageFull
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

LISTS: Final[tuple[ListName, ...]] = ("deny", "settings", "rules", "firmware")
"""Those that a terminal holds; what keeps stolen cards out is fetched first."""

AWAY_S_FIRST: Final = 5.0
AWAY_S_MAX: Final = 300.0
"""Pause after a node that would not have the terminal; an officer may put that right."""

UseList: TypeAlias = Callable[[Iterable[tuple[str, str]]], None]
"""Takes the entries of a list that has come into use. It may take some milliseconds, no more."""

CONTACT_S: Final = 30.0
"""Between two notes that the node was heard of: no terminal may be without it for less."""

FULL_S: Final = 30.0
"""Before a disk that was full is tried again."""


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
        self._users: dict[str, UseList] = {}
        self._lists: ListPart | None = None
        self._loaded = trio.Event()

    def use_with(self, name: ListName, use: UseList) -> None:
        """Say who is told all of a list whenever a version comes into use; before `run`."""
        self._users[name] = use

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
        await self._loaded.wait()

    async def run(self) -> None:
        """Keep the terminal at its node until cancelled.

        Raises:
          StorageFailed: the disk failed.
        """
        await self._load()
        async with flat_nursery() as nursery:
            nursery.start_soon(self._note_contact)
            await self._keep_client()

    async def _load(self) -> None:
        """Take the lists into use that were kept before.

        A client may end before its own part has loaded them: a node that would not have the
        terminal says so at once. So they are loaded here first.
        """
        lists = self._list_part()
        async with flat_nursery() as nursery:
            nursery.start_soon(lists.run)
            await lists.wait_loaded()
            nursery.cancel_scope.cancel()
        self._lists = lists
        self._loaded.set()

    async def _keep_client(self) -> None:
        pause_s = AWAY_S_FIRST
        while True:
            begun_s = trio.current_time()
            try:
                await self._one_client()
            except (TerminalError, BaseExceptionGroup) as error:
                self._note(str(only_terminal_error(error)))
            if trio.current_time() - begun_s > AWAY_S_MAX:
                pause_s = AWAY_S_FIRST
            await trio.sleep(pause_s * (0.5 + self._node.random() / 2))
            pause_s = min(2 * pause_s, AWAY_S_MAX)

    async def _note_contact(self) -> None:
        """Write down now and then that the node is heard of, also where nothing is sent to it."""
        while True:
            await trio.sleep(CONTACT_S)
            if self._sender.online:
                # Where there is no room, the next time will do.
                with suppress(StorageFull):
                    await self._offload(
                        partial(self._journal.follow, 0, self._clock.corrected_ms())
                    )

    def _list_part(self) -> ListPart:
        def begun(name: str) -> None:
            if (use := self._users.get(name)) is not None:
                use(part.items(cast("ListName", name)))

        part = ListPart(
            LISTS,
            self._keeper,
            now_ms=self._clock.corrected_ms,
            offload=self._offload,
            on_active=begun,
            note=self._note,
        )
        return part

    async def _one_client(self) -> None:
        node = self._node
        # Parts are made anew: they remember what they have told a client.
        lists = self._list_part()
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
        while True:
            try:
                await self._sender.run(client)
            except StorageFull as full:
                # What was sent and not written down is sent again, and answered the same.
                self._note(str(full))
                await trio.sleep(FULL_S)
            except (TerminalError, BaseExceptionGroup) as error:
                only_terminal_error(error)
                # A client that has ended says so itself.
                return

    async def _use(self, lists: ListPart) -> None:
        """Take lists into use once they are loaded; until then those of the client before are."""
        await lists.wait_loaded()
        self._lists = lists

    def _status(self) -> Status:
        told = self._reader()
        return Status(self._journal.backlog, told.battery, told.reader)

    def _written(self, first: int, last: int, limit: int) -> list[tuple[int, int, Intent]]:
        taps = self._journal.taps(first, last, limit)
        return [(tap.counter, max(tap.at_ms, 0), tap.intent) for tap in taps]


def only_terminal_error(error: TerminalError | BaseExceptionGroup[BaseException]) -> TerminalError:
    """Return what a client ended with, also where several of its tasks found that out at once.

    Raises:
      BaseExceptionGroup: there is something else among it.
    """
    if isinstance(error, TerminalError):
        return error
    ended, other = error.split(TerminalError)
    if other is not None or ended is None:
        raise error
    first = ended.exceptions[0]
    assert isinstance(first, TerminalError | BaseExceptionGroup)
    return only_terminal_error(first)


async def _nothing(_body: CommandBody) -> str:
    return "this terminal takes no orders"
