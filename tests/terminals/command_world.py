"""A terminal that is commanded, for the tests of those who do it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import trio

from engine.fleet import commands as bodies
from engine.fleet.commands import CommandBody
from protocol import messages
from protocol.messages import Report
from terminals import messages as own
from terminals.client import ClientOptions
from terminals.clock import NodeClock
from terminals.commands import CommandPart, Handler
from terminals.device import Device
from terminals.journal_sender import JournalSource
from terminals.keeper import Keeper, MemoryKeeper
from tests.terminals.fake_node import FakeNode
from tests.terminals.list_world import now_ms, on_the_spot

SERVER_MS: Final = 1_000_000
LANE: Final = bodies.SetLane("closed")


class Terminal:
    """A terminal that does what it is told, and writes that down.

    Attributes:
      done: what it was told to do.
      answer: why it fails.
      pause_s: how long it takes.
    """

    def __init__(
        self,
        node: FakeNode,
        keeper: Keeper | None = None,
        *,
        handler: Handler | None = None,
        journal: JournalSource | None = None,
    ) -> None:
        self.done: list[own.CommandBody] = []
        self.notes: list[str] = []
        self.answer = ""
        self.pause_s = 0.0
        self._node = node
        self.keeper = keeper or MemoryKeeper()
        self.clock = NodeClock(now_ms)
        self.commands = CommandPart(
            handler or self.handle,
            self.keeper,
            clock=self.clock,
            journal=journal,
            offload=on_the_spot,
            note=self.notes.append,
        )
        node.server_ms = lambda: SERVER_MS + now_ms()

    async def handle(self, body: own.CommandBody) -> str:
        self.done.append(body)
        await trio.sleep(self.pause_s)
        return self.answer

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        device = Device(clock=self.clock, commands=self.commands)
        async with self._node.open(options=ClientOptions(device=device)):
            yield


async def tell(
    node: FakeNode,
    command_id: str = "ani/1",
    body: CommandBody = LANE,
    expires_ms: int = 10**12,
    *,
    wait_s: float = 1,
) -> None:
    """Tell a terminal of a command, and give it time."""
    await node.sessions[-1].say(messages.Command(command_id, body, expires_ms))
    await trio.sleep(wait_s)


def reports(node: FakeNode) -> list[tuple[str, str, str]]:
    told = [message for message in node.told if isinstance(message, Report)]
    return [(message.id, message.state, message.text) for message in told]


def last_states(node: FakeNode) -> dict[str, str]:
    return {command_id: state for command_id, state, _ in reports(node)}
