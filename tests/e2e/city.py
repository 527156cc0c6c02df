"""A node with gates and officers on real sockets, in one process, and lines that can be cut."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, TypeVar

import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from actors.listener import ListeningSocket
from actors.proofs import ProofJudge
from actors.runtime import Report
from actors.seams import Seams
from actors.tree import NodeTree, Stores
from terminals import officer
from terminals.client import ClientOptions, TerminalClient, open_terminal
from terminals.clock import NodeClock
from terminals.commands import CommandPart
from terminals.device import Device, Status
from terminals.errors import LinkLost
from terminals.journal_sender import JournalSource
from terminals.keeper import Keeper, MemoryKeeper
from terminals.keys import new_key
from terminals.link import Link
from terminals.list_part import ListPart
from terminals.messages import (
    AnswerBody,
    CommandBody,
    CommandFound,
    ListRow,
    Lists,
    Receipt,
    TerminalRow,
    Terminals,
)
from terminals.nursery import flat_nursery
from terminals.websocket import websocket
from tests.actors.world import Disk, FakeKeys
from tests.engine.rules_here import LAW
from tests.protocol.peer import StoredKey

T = TypeVar("T")

OPTIONS: Final = ClientOptions(software="gate 2.1", backoff_first_s=0.02, backoff_s_max=0.1)
FAR_MS: Final = 10**13
PATIENCE_S: Final = 30


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def on_the_spot(call: Callable[[], T], /) -> T:
    return call()


class CutLink:
    """A connection that can be cut."""

    def __init__(self, link: Link) -> None:
        self.is_cut = trio.Event()
        self._link = link

    async def send(self, payload: bytes) -> None:
        if self.is_cut.is_set():
            raise LinkLost("cut")
        await self._link.send(payload)

    async def receive(self) -> bytes:
        received: list[bytes] = []
        async with flat_nursery() as nursery:

            async def wait_for_the_cut() -> None:
                await self.is_cut.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(wait_for_the_cut)
            received.append(await self._link.receive())
            nursery.cancel_scope.cancel()
        if not received:
            raise LinkLost("cut")
        return received[0]


class Lines:
    """The connections of one client."""

    def __init__(self) -> None:
        self.open: list[CutLink] = []
        self.count = 0

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncIterator[Link]:
        async with websocket(url) as link:
            cut = CutLink(link)
            self.open.append(cut)
            self.count += 1
            try:
                yield cut
            finally:
                self.open.remove(cut)

    def cut(self) -> None:
        """Cut what is connected now."""
        for link in self.open:
            link.is_cut.set()


class Gate:
    """A gate: its lists, the commands it got, its own clock."""

    def __init__(
        self, name: str, keeper: Keeper | None = None, journal: JournalSource | None = None
    ) -> None:
        self.name = name
        self.key = new_key()
        self.lines = Lines()
        self.wrong_ms = 0
        self.status = Status()
        self.done: list[CommandBody] = []
        self.keeper = keeper or MemoryKeeper()
        self.clock = NodeClock(lambda: now_ms() + self.wrong_ms)
        self.lists = ListPart(
            ("deny", "fares"),
            self.keeper,
            now_ms=self.clock.corrected_ms,
            offload=on_the_spot,
        )
        self.commands = CommandPart(
            self._do, self.keeper, clock=self.clock, journal=journal, offload=on_the_spot
        )

    async def _do(self, body: CommandBody) -> str:
        await trio.lowlevel.checkpoint()
        self.done.append(body)
        return ""

    @asynccontextmanager
    async def connected(self, url: str) -> AsyncIterator[TerminalClient]:
        device = Device(
            clock=self.clock,
            status=lambda: self.status,
            lists=self.lists,
            commands=self.commands,
        )
        async with open_terminal(
            url,
            self.name,
            self.key,
            clock_ms=self.clock.own_ms,
            random=random.Random(1).random,
            connect=self.lines.connect,
            options=ClientOptions(
                software="gate 2.1", backoff_first_s=0.02, backoff_s_max=0.1, device=device
            ),
        ) as client:
            yield client


class Officer:
    """An officer at a desk."""

    def __init__(self, name: str, client: TerminalClient, lines: Lines) -> None:
        self.name = name
        self.client = client
        self.lines = lines

    async def order(self, order_id: str, action: Sequence[object]) -> Receipt:
        return await officer.order(self.client, order_id, action)

    async def publish(
        self, draft: str, entries: Sequence[officer.Entry], *, base: int, activate_ms: int = 0
    ) -> Receipt:
        return await officer.publish(
            self.client,
            "deny",
            draft,
            entries,
            base=base,
            whole=base == 0,
            activate_ms=activate_ms,
        )

    async def ask(self, *question: object) -> AnswerBody:
        return await self.client.query(question)

    async def terminal(self, name: str) -> TerminalRow:
        answer = await self.ask("terminals")
        assert isinstance(answer, Terminals)
        return next(row for row in answer.terminals if row.terminal == name)

    async def list(self, name: str = "deny") -> ListRow:
        answer = await self.ask("lists")
        assert isinstance(answer, Lists)
        return next(row for row in answer.lists if row.name == name)

    async def command(self, order_id: str) -> CommandFound:
        answer = await self.ask("command", f"{self.name}/{order_id}")
        assert isinstance(answer, CommandFound)
        return answer

    async def until_done(self, order_id: str, count: int) -> CommandFound:
        """Wait until so many terminals have carried out a command."""
        return await until_told(
            lambda: self.command(order_id), lambda found: found.command.done == count
        )


@asynccontextmanager
async def terminal_at(
    url: str, name: str, key: Ed25519PrivateKey | None = None, lines: Lines | None = None
) -> AsyncIterator[TerminalClient]:
    """Connect a client that has no device."""
    async with open_terminal(
        url,
        name,
        key or new_key(),
        clock_ms=now_ms,
        random=random.Random(2).random,
        connect=(lines or Lines()).connect,
        options=OPTIONS,
    ) as client:
        yield client


@asynccontextmanager
async def officer_at(
    url: str, name: str = "ani", key: Ed25519PrivateKey | None = None
) -> AsyncIterator[Officer]:
    """Connect an officer, with a key that was enrolled or a new one."""
    lines = Lines()
    async with terminal_at(url, name, key, lines) as client:
        yield Officer(name, client, lines)


class City:
    """A node on a disk in memory. Gates have names that begin with GATE; others are officers."""

    def __init__(self, listening: ListeningSocket, judge: ProofJudge | None = None) -> None:
        host, port = listening.getsockname()[:2]
        self.url = f"ws://{host}:{port}"
        self.notes: list[str] = []
        self.reports: list[Report] = []
        disk = Disk()
        self.tree = NodeTree(
            stores=Stores(disk.open, disk.open_fleet),
            listening=listening,
            keys=_Keys(),
            law=LAW,
            pseudonym=str.upper,
            seams=Seams(now_ms, partial(bytes, 32), random.Random(1).random, on_the_spot),
            report=self.reports.append,
            note=self.notes.append,
            judge=judge,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the node; a test that takes too long fails."""
        with trio.fail_after(2 * PATIENCE_S):
            async with self.tree.supervisor.running():
                yield


class _Keys(FakeKeys):
    """Everybody is enrolled."""

    def find(self, terminal: str, _public_key: bytes) -> StoredKey | None:
        """Return the key of a gate, or of an operator."""
        return StoredKey("terminal" if terminal.startswith("GATE") else "operator")


async def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so; a test that waits too long fails."""

    async def look() -> bool:
        await trio.sleep(0.01)
        return is_so()

    await until_told(look, bool)


async def until_told(ask: Callable[[], Awaitable[T]], is_so: Callable[[T], bool]) -> T:
    """Ask until the answer is as it should be, and return it."""
    with trio.fail_after(PATIENCE_S):
        while True:
            answer = await ask()
            if is_so(answer):
                return answer
            await trio.sleep(0.01)
