"""How a node is sent more than it lets be open, though it may answer as fast as it reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from ops.conformance.errors import NotTried, check_equal
from ops.conformance.keys import TERMINAL
from ops.conformance.kit import Kit
from ops.conformance.peer import Peer

TRIES: Final = 10

Flood: TypeAlias = Callable[[Peer], list[Sequence[Any]]]
"""Makes the messages that are sent in one piece."""


async def overtake(
    kit: Kit, flood: Flood, code: str, field: str, *, answers: int, sender: str = TERMINAL
) -> None:
    """Send a node more than it lets be open, until it ends a session for it.

    Args:
      kit: has the node.
      flood: what is sent; made anew for each try.
      code: with which the node has to end the session.
      field: that it has to name.
      answers: outcomes, answers and receipts that come of a flood which the node keeps up with.
      sender: who sends.

    Raises:
      RuleBroken: it ends the session in another way.
      NotTried: it answered each flood before too much was open.
    """
    for _ in range(TRIES):
        async with kit.session(sender) as peer:
            await peer.say_all(flood(peer))
            if await _was_too_much(peer, code, field, answers):
                return
    raise NotTried("the node answers faster than the kit can ask")


async def _was_too_much(peer: Peer, code: str, field: str, answers: int) -> bool:
    while answers > 0:
        message = await peer.hear_any()
        if message[0] == "error":
            check_equal("the error", message[1:3], [code, field])
            await peer.ends_closed(code)
            return True
        answers -= len(message[1]) if message[0] == "outcome" else 1
    return False
