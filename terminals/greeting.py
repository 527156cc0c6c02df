"""The beginning of every connection: who we are, what the node allows, and what it says."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protocol.errors import CLOSE_CODES, COME_BACK, ComeBack
from protocol.messages import VERSION
from terminals import wire
from terminals.clock import NodeClock
from terminals.errors import LinkLost, NodeMisbehaved, NodeRefused
from terminals.keys import public_bytes
from terminals.link import Link
from terminals.messages import Challenge, FromNode, NodeError, Ready

FINAL_CODES: Final = frozenset(
    code for code, come_back in COME_BACK.items() if come_back is not ComeBack.LATER
)
"""The same again would end the same way: this terminal, or its software, has to be put right
first. With all other codes, also those of a later version, it comes back later."""
FINAL_CLOSE_CODES: Final = frozenset(CLOSE_CODES[code] for code in FINAL_CODES)


async def greet(
    link: Link, terminal: str, key: Ed25519PrivateKey, software: str, clock: NodeClock
) -> Ready:
    """Say who we are and prove it; return what the node allows. The clock learns what it tells.

    Raises:
      LinkLost: the connection ended.
      NodeRefused: the node does not want this terminal.
      NodeMisbehaved: what it says is not of the protocol.
    """
    public_key = public_bytes(key)
    clock.begin()
    sent_s = clock.steady_s()
    await link.send(wire.hello(terminal, public_key, software))
    challenge = await hear(link)
    if not isinstance(challenge, Challenge) or challenge.version != VERSION:
        raise NodeMisbehaved("expected a challenge of version 1")
    clock.exchange(sent_s, challenge.server_time_ms)
    signature = key.sign(wire.proof_text(challenge.nonce, public_key, terminal))
    sent_s = clock.steady_s()
    await link.send(wire.prove(signature))
    ready = await hear(link)
    if not isinstance(ready, Ready):
        raise NodeMisbehaved("expected ready")
    clock.exchange(sent_s, ready.server_time_ms)
    return ready


async def hear(link: Link) -> FromNode:
    """Wait for one message of the node.

    Raises:
      LinkLost, NodeRefused, NodeMisbehaved: as for `greet`; an error is raised as what it means.

    Cancellation: no message is lost.
    """
    try:
        payload = await link.receive()
    except LinkLost as lost:
        if lost.code in FINAL_CLOSE_CODES:
            raise NodeRefused(f"closed_{lost.code}", "", str(lost)) from lost
        raise
    message = wire.decode(payload)
    if isinstance(message, NodeError):
        if message.code in FINAL_CODES:
            raise NodeRefused(*message)
        raise LinkLost(f"{message.code}: {message.text}")
    return message
