"""The attacks: what a peer does on one connection, and how the node may end it."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct
from websockets.frames import Opcode

from actors.limits import OUTPUT_BYTES_MAX
from bench.attacks.peer import DROPPED, REQUEST, Peer, frame, message
from bench.load import card_name
from engine.accounts import PURSE
from engine.transaction import Tap, Transaction
from protocol import limits
from protocol.errors import CLOSE_CODES, Code
from protocol.messages import (
    VERSION,
    Answer,
    Challenge,
    Heartbeat,
    Hello,
    Outcomes,
    Prove,
    Query,
    StatementOf,
    Submit,
    proof_text,
)

LEFT: Final = "left"
"""The peer hung up itself."""

_AT_ONCE: Final = 64
"""Frames of a flood that are sent in one go."""
_DRIP_S: Final = 0.005
_SLOW_READER_BYTES: Final = 4_096
"""What the kernel keeps for a peer that does not read."""
_STATEMENT_PAUSE_S: Final = 0.05


KEY: Final = Ed25519PrivateKey.from_private_bytes(b"a key of those who attack a node")
"""Enrolled for all peers of a crowd, on a node that exists for that attack alone."""
PUBLIC_KEY: Final = KEY.public_key().public_bytes_raw()


def name_of(number: int) -> str:
    """Return the name of a peer."""
    return f"CROWD-{number}"


class Scene(Struct, frozen=True):
    """Where a peer finds itself.

    Attributes:
      url: of the node.
      name: of this peer.
    """

    url: str
    name: str

    @property
    def hello(self) -> bytes:
        """The frame of a hello."""
        return message(Hello((VERSION,), self.name, PUBLIC_KEY, "attack"))

    def prove(self, challenge: Challenge) -> bytes:
        """Return the frame that answers a challenge."""
        return message(Prove(KEY.sign(proof_text(challenge.nonce, PUBLIC_KEY, self.name))))


Act: TypeAlias = Callable[[Scene, Peer], Awaitable[str]]
"""What a peer does on one connection; returns how that ended."""


class Attack(Struct, frozen=True):
    """One kind of attack.

    Attributes:
      what: the peers do, for a person.
      act: what one of them does, again and again.
      ends: how the node may end a connection of theirs.
      peers: how many at the same time.
      grows_kib_max: memory that the node may take for one of them.
      takes_s: the node needs so long to end them.
      receive_bytes: what the kernel may keep for a peer; 0 for what is usual.
    """

    what: str
    act: Act
    ends: frozenset[str]
    peers: int = 50
    grows_kib_max: int = 64
    takes_s: float = 0.0
    receive_bytes: int = 0


def told(*codes: Code) -> frozenset[str]:
    """Return how the node says that it closes with these codes."""
    return frozenset(f"{CLOSE_CODES[code]} {code}" for code in codes)


# --- who says nothing, or half of it -----------------------------------------------------------


async def _say_nothing(_: Scene, peer: Peer) -> str:
    return await peer.end()


async def _half_a_request(_: Scene, peer: Peer) -> str:
    await peer.send(REQUEST[: len(REQUEST) // 2])
    return await peer.end()


async def _drip(_: Scene, peer: Peer) -> str:
    await peer.send(REQUEST[:-2] + b"X: ")
    while True:
        await peer.send(b"x")
        peer.look()
        await trio.sleep(_DRIP_S)


async def _no_hello(_: Scene, peer: Peer) -> str:
    await peer.upgrade()
    return await peer.end()


async def _vanish(scene: Scene, peer: Peer) -> str:
    await peer.shake_hands(scene.name, KEY)
    return await peer.end()


# --- who knocks --------------------------------------------------------------------------------


async def _hang_up(_: Scene, __: Peer) -> str:
    await trio.lowlevel.checkpoint()
    return LEFT


async def _hello_and_hang_up(scene: Scene, peer: Peer) -> str:
    await peer.upgrade()
    await peer.hello(scene.name, KEY)
    return LEFT


async def _wrong_proof(scene: Scene, peer: Peer) -> str:
    await peer.upgrade()
    challenge = await peer.hello(scene.name, KEY)
    # A true signature, of another text: verifying it takes as long as one that is right.
    await peer.send(message(Prove(KEY.sign(challenge.nonce))))
    return await peer.end()


async def _stranger(scene: Scene, peer: Peer) -> str:
    await peer.upgrade()
    stranger = Scene(scene.url, f"STRANGER-{scene.name}")
    await peer.send(stranger.prove(await peer.hello(stranger.name, KEY)))
    return await peer.end()


async def _replay(scene: Scene, peer: Peer) -> str:
    await peer.upgrade()
    challenge = await peer.hello(scene.name, KEY)
    recorded = scene.hello + scene.prove(challenge)
    again = await Peer.connect(scene.url)
    try:
        await again.upgrade()
        await again.send(recorded)
        return await again.end()
    finally:
        again.close()


async def _hello_twice(scene: Scene, peer: Peer) -> str:
    await peer.upgrade()
    await peer.send(scene.hello * 2)
    return await peer.end()


async def _prove_twice(scene: Scene, peer: Peer) -> str:
    await peer.upgrade()
    proof = scene.prove(await peer.hello(scene.name, KEY))
    await peer.send(proof * 2)
    return await peer.end()


async def _pings_first(_: Scene, peer: Peer) -> str:
    await peer.upgrade()
    return await _flood(peer, frame(b"p" * 125, Opcode.PING))


# --- frames ------------------------------------------------------------------------------------


async def _flood(peer: Peer, unit: bytes) -> str:
    many = unit * _AT_ONCE
    while True:
        await peer.send(many)
        peer.look()


def _floods(unit: bytes, *, first: bytes = b"") -> Act:
    async def act(scene: Scene, peer: Peer) -> str:
        await peer.shake_hands(scene.name, KEY)
        await peer.send(first)
        return await _flood(peer, unit)

    return act


def _sends(data: bytes) -> Act:
    async def act(scene: Scene, peer: Peer) -> str:
        await peer.shake_hands(scene.name, KEY)
        await peer.send(data)
        return await peer.end()

    return act


def _bomb() -> bytes:
    press = zlib.compressobj(wbits=-15)
    squeezed = press.compress(bytes(200 * limits.FRAME_BYTES_MAX)) + press.flush()
    return frame(squeezed, reserved=4)


# --- who is known, and hostile all the same ------------------------------------------------------


def _taps(first: int) -> bytes:
    card, count = card_name(0), limits.TRANSACTIONS_PER_FRAME_MAX
    return message(
        Submit(
            tuple(
                Transaction(counter, 1, Tap(card, 1, "transjakarta", "in", "P00142"))
                for counter in range(first, first + count)
            )
        )
    )


def _statement(number: int) -> bytes:
    question = StatementOf(PURSE, card_name(0), None, limits.STATEMENT_LINES_MAX)
    return message(Query(number, question))


async def _ask_and_read_not(scene: Scene, peer: Peer) -> str:
    # Long answers are asked for, no faster than they are given, and left where they are.
    ready = await peer.shake_hands(scene.name, KEY)
    await peer.send(_taps(ready.last_counter + 1))
    number = 0
    while True:
        number += 1
        await peer.send(_statement(number))
        await trio.sleep(_STATEMENT_PAUSE_S)


async def _ask_and_read_a_byte_a_second(scene: Scene, peer: Peer) -> str:
    how = ""

    async def ask() -> None:
        nonlocal how
        how = await _ask_and_read_not(scene, peer)

    async def read() -> None:
        while True:
            await trio.sleep(1)
            await peer.receive(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        nursery.start_soon(read)
    return how


async def _ask_for_ever(scene: Scene, peer: Peer) -> str:
    await peer.shake_hands(scene.name, KEY)
    await peer.send(b"".join(map(_statement, range(limits.QUERIES_OPEN_MAX))))
    while True:
        answer = await peer.message()
        assert isinstance(answer, Answer), answer
        await peer.send(_statement(answer.id))


async def _submit_for_ever(scene: Scene, peer: Peer) -> str:
    ready = await peer.shake_hands(scene.name, KEY)
    first = ready.last_counter + 1
    left = ready.credits
    while True:
        while left >= limits.TRANSACTIONS_PER_FRAME_MAX:
            await peer.send(_taps(first))
            first += limits.TRANSACTIONS_PER_FRAME_MAX
            left -= limits.TRANSACTIONS_PER_FRAME_MAX
        outcomes = await peer.message()
        assert isinstance(outcomes, Outcomes), outcomes
        left += outcomes.credits


async def _come_anew(_: Scene, peer: Peer) -> str:
    await peer.shake_hands(name_of(0), KEY)
    return await peer.end()


async def _submit_over_credits(scene: Scene, peer: Peer) -> str:
    ready = await peer.shake_hands(scene.name, KEY)
    first = ready.last_counter + 1
    while True:
        await peer.send(_taps(first))
        first += limits.TRANSACTIONS_PER_FRAME_MAX
        peer.look()


_OPEN_AT_THE_END: Final[frozenset[str]] = frozenset()
"""They keep to the rules, or can be ended only after a minute of silence."""

_STREAMING_KIB: Final = 48 * 1024
"""Nothing is kept for them; but what they have posted since the last checkpoint is in memory."""

ATTACKS: Final[dict[str, Attack]] = {
    "silent": Attack(
        "connect and say nothing",
        _say_nothing,
        frozenset({DROPPED}),
        peers=500,
        takes_s=limits.HANDSHAKE_S + 4,
    ),
    "half a request": Attack(
        "stop in the middle of the HTTP request",
        _half_a_request,
        frozenset({DROPPED}),
        peers=500,
        takes_s=limits.HANDSHAKE_S + 4,
    ),
    "drip": Attack(
        "send the HTTP request byte by byte", _drip, frozenset({DROPPED, "431"}), peers=200
    ),
    "no hello": Attack(
        "open the websocket and say nothing",
        _no_hello,
        told(Code.HANDSHAKE_TIMEOUT),
        peers=500,
        takes_s=limits.HANDSHAKE_S + 4,
    ),
    "vanished": Attack("prove who they are and vanish", _vanish, _OPEN_AT_THE_END, peers=500),
    "connect": Attack("connect and hang up", _hang_up, frozenset({LEFT})),
    "hello": Attack("say hello and hang up", _hello_and_hang_up, frozenset({LEFT})),
    "wrong proof": Attack("prove with a wrong signature", _wrong_proof, told(Code.PROOF_INVALID)),
    "stranger": Attack("prove a key that is not enrolled", _stranger, told(Code.KEY_UNKNOWN)),
    "replay": Attack(
        "send hello and proof of another session", _replay, told(Code.PROOF_INVALID), peers=20
    ),
    "hello twice": Attack("say hello twice", _hello_twice, told(Code.MESSAGE_UNEXPECTED)),
    "prove twice": Attack("prove twice", _prove_twice, told(Code.MESSAGE_UNEXPECTED)),
    "first pings": Attack(
        # Few: all newcomers share their time, and each has to come to its bound in a second.
        "flood with pings instead of a hello",
        _pings_first,
        told(Code.FRAMES_EXCEEDED),
        peers=8,
    ),
    "pings": Attack(
        "flood with pings",
        _floods(frame(b"p" * 125, Opcode.PING)),
        told(Code.FRAMES_EXCEEDED, Code.RATE_EXCEEDED),
    ),
    "fragments": Attack(
        "a message in fragments of one byte",
        _floods(frame(b"x", Opcode.CONT, fin=False), first=frame(b"x", fin=False)),
        told(Code.FRAMES_EXCEEDED, Code.RATE_EXCEEDED),
    ),
    "empty fragments": Attack(
        "a message in fragments of nothing",
        _floods(frame(b"", Opcode.CONT, fin=False), first=frame(b"", fin=False)),
        told(Code.FRAMES_EXCEEDED, Code.RATE_EXCEEDED),
    ),
    "heartbeats": Attack(
        "heartbeats without a pause", _floods(message(Heartbeat(1))), told(Code.RATE_EXCEEDED)
    ),
    "claimed length": Attack(
        "a frame that says it is 2^63 bytes long",
        _sends(frame(b"", claimed=2**63)),
        told(Code.MESSAGE_TOO_BIG),
    ),
    "longest frame": Attack(
        "the longest frame but for its last byte",
        _sends(frame(bytes(limits.FRAME_BYTES_MAX - 1), claimed=limits.FRAME_BYTES_MAX)),
        _OPEN_AT_THE_END,
        grows_kib_max=64 + 2 * limits.FRAME_BYTES_MAX // 1024,
    ),
    "bomb": Attack("a compressed bomb", _sends(_bomb()), told(Code.FRAME_INVALID)),
    "never read": Attack(
        "ask for statements and never read them",
        _ask_and_read_not,
        frozenset({DROPPED}) | told(Code.QUERIES_EXCEEDED),
        peers=10,
        grows_kib_max=2 * OUTPUT_BYTES_MAX // 1024,
        takes_s=8.0,
        receive_bytes=_SLOW_READER_BYTES,
    ),
    "read slowly": Attack(
        "ask for statements and read a byte a second",
        _ask_and_read_a_byte_a_second,
        frozenset({DROPPED}) | told(Code.QUERIES_EXCEEDED),
        peers=10,
        grows_kib_max=2 * OUTPUT_BYTES_MAX // 1024,
        takes_s=8.0,
        receive_bytes=_SLOW_READER_BYTES,
    ),
    "questions": Attack(
        "ask for statements without a pause", _ask_for_ever, _OPEN_AT_THE_END, peers=10
    ),
    "greedy": Attack(
        "submit as fast as credits allow",
        _submit_for_ever,
        _OPEN_AT_THE_END,
        peers=4,
        grows_kib_max=_STREAMING_KIB,
    ),
    "over credits": Attack(
        "submit faster than credits allow",
        _submit_over_credits,
        told(Code.CREDITS_EXCEEDED),
        peers=4,
        grows_kib_max=_STREAMING_KIB,
    ),
    "one key": Attack(
        "prove to be one terminal, all of them",
        _come_anew,
        told(Code.SESSIONS_EXCEEDED),
        peers=200,
    ),
}
"""All attacks by name."""
