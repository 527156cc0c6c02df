"""What the client needs of a connection: whole binary messages out and in."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias


class Link(Protocol):
    """An open connection to a node."""

    async def send(self, payload: bytes) -> None:
        """Send one message.

        Raises:
          LinkLost: the connection has ended.
        """
        ...

    async def receive(self) -> bytes:
        """Wait for one message and return it.

        Raises:
          LinkLost: the connection has ended.
          NodeMisbehaved: what came is no binary message.

        Cancellation: no message is lost.
        """
        ...


Connect: TypeAlias = Callable[[str], AbstractAsyncContextManager[Link]]
"""Connects to a URL. Entering and leaving raise LinkLost, or NodeRefused if it is of no use."""
