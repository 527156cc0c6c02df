"""What a rule is tried with: connections, terminals, cards of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ops.conformance.errors import check_equal
from ops.conformance.keys import SERVICE, TERMINAL, Keys
from ops.conformance.line import Address, Line, request
from ops.conformance.notes import Notes
from ops.conformance.peer import Peer


class Kit:
    """A node that is tried, and who tries it.

    Args:
      address: where the node is.
      keys: who the kit can be.
      mark: part of the names of all that it makes; never used before at this node.

    Attributes:
      notes: what was exercised.
    """

    def __init__(self, address: Address, keys: Keys, mark: str) -> None:
        self.address = address
        self.keys = keys
        self.notes = Notes()
        self._mark = mark
        self._made = 0

    def name(self, what: str = "CARD") -> str:
        """Return a name that nothing has yet."""
        self._made += 1
        return f"KIT-{what}-{self._mark}-{self._made}"

    @asynccontextmanager
    async def line(self) -> AsyncIterator[Line]:
        """Open a connection on which nothing was said yet."""
        line = await Line.open(self.address)
        try:
            yield line
        finally:
            line.hang_up()

    @asynccontextmanager
    async def stranger(self) -> AsyncIterator[Peer]:
        """Open a websocket on which nothing was said yet."""
        async with self.line() as line:
            await line.write(request())
            response = await line.response()
            self.notes.add("status", response.status)
            check_equal("the status", response.status, 101)
            yield Peer(line, self.notes)

    @asynccontextmanager
    async def session(self, name: str = TERMINAL) -> AsyncIterator[Peer]:
        """Open a session of one of the kit's terminals."""
        identity = self.keys.of(name)
        async with self.stranger() as peer:
            await peer.greet(identity.name, identity.key)
            yield peer

    async def card(self, rp: int = 0, *, medium: str = "account", registered: bool = False) -> str:
        """Issue a card, with money on it."""
        name = self.name()
        async with self.session(SERVICE) as desk:
            await desk.posted(["issue", name, medium, "dki", registered])
            if rp:
                proof = b"chip" if medium == "stored" else None
                await desk.posted(["top_up", name, rp, "dki", 0, "both", "", proof])
        return name
