"""What a client does wrong on a connection is told, whatever is played."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ops.conformance.client.contract import NAME, PUBLIC, SEED, transaction
from ops.conformance.client.listing import _bomb
from ops.conformance.client.stage import Stage
from ops.conformance.client.visit import posted
from ops.conformance.errors import RuleBroken
from ops.conformance.frames import Opcode, close_payload, frame
from ops.conformance.line import Address, Line, request
from ops.conformance.notes import Notes
from ops.conformance.peer import Peer, packed
from tests.ops.conformance.node_here import now_ms

Act = Callable[[Peer], Awaitable[None]]

HOLDS = packed("holds", [])


@asynccontextmanager
async def staged(client: Callable[[Address], Awaitable[None]]) -> AsyncIterator[Stage]:
    """Have a client connect to a stage."""
    stage = Stage(now_ms)
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
            await nursery.start(trio.serve_listeners, stage.enter, [listener])
            host, port = listener.socket.getsockname()
            nursery.start_soon(client, Address(host, port, None))
            yield stage
            nursery.cancel_scope.cancel()


def connected(talk: Callable[[Line], Awaitable[None]]) -> Callable[[Address], Awaitable[None]]:
    """Return a client that connects, and then something."""

    async def client(address: Address) -> None:
        line = await Line.open(address)
        try:
            await talk(line)
        finally:
            line.hang_up()

    return client


def acting(act: Act, *, seed: str = SEED) -> Callable[[Address], Awaitable[None]]:
    """Return a client that does the handshake, and then something."""

    async def talk(line: Line) -> None:
        await line.write(request())
        await line.response()
        peer = Peer(line, Notes())
        key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))
        await peer.say("hello", [1], NAME, PUBLIC)
        nonce = (await peer.hear("challenge"))["nonce"]
        signed = key.sign(b"jakarta-one.v1\x00" + nonce + PUBLIC + NAME.encode())
        await peer.say("prove", signed)
        if seed == SEED:
            await peer.hear("ready")
            await act(peer)
        await trio.sleep_forever()

    return connected(talk)


async def nothing(_peer: Peer) -> None:
    await trio.lowlevel.checkpoint()


@pytest.mark.parametrize(
    ("data", "kind", "told"),
    [
        (frame(HOLDS, mask=None), "frames", "a frame is not masked"),
        (frame(HOLDS, reserved=4), "frames", "reserved bits"),
        (frame(HOLDS, 3), "frames", "the opcode 3"),
        (frame(b"text", Opcode.TEXT), "frames", "a text message"),
        (frame(bytes(126), Opcode.PING), "frames", "a control frame"),
        (frame(b"\xc1"), "shape", "no MessagePack value"),
        (frame(packed("heartbeat", -1)), "shape", "is not of the schema[1]: -1, not 0.."),
        (frame(packed("submit", [transaction(1)] * 3)), "per_frame", "3, not 2"),
        (frame(packed("submit", [transaction(101)])), "content", "is not what it has to deliver"),
        (frame(packed("submit", [[1, 0, ["tap"]]])), "shape", "is not of the schema"),
    ],
)
async def test_a_fault_is_told_and_remembered(data: bytes, kind: str, told: str) -> None:
    async def act(peer: Peer) -> None:
        await peer.line.write(data)

    async with staged(acting(act)) as stage:
        with pytest.raises(RuleBroken) as broken:
            async with stage.session(is_of_use=False, per_frame_max=2) as visit:
                await visit.hear("holds")
        assert told in str(broken.value)
        assert told in stage.book.faults[kind]


async def test_a_proof_by_another_key_is_told() -> None:
    async with staged(acting(nothing, seed="01" * 32)) as stage:
        with pytest.raises(RuleBroken, match="not that of the proof text"):
            async with stage.session(is_of_use=False):
                pass
        assert "proof" in stage.book.faults


@pytest.mark.parametrize(
    ("transactions", "kind", "told"),
    [
        ([transaction(1), transaction(2)], "credits", "1 more than it has"),
        ([transaction(1)], "final", "1 was sent again after its final result"),
    ],
)
async def test_what_is_sent_too_often_is_told(
    transactions: list[Any], kind: str, told: str
) -> None:
    async def act(peer: Peer) -> None:
        await peer.say("submit", [transaction(1)])
        await peer.hear("outcome")
        await peer.say("submit", transactions)

    async def play(stage: Stage) -> None:
        async with stage.session(is_of_use=False, credits_=1) as visit:
            await visit.submitted(1)
            await visit.answer(posted(1))
            # What was answered may come again where credits are what is looked at.
            stage.book.final -= {1} if kind == "credits" else set()
            await visit.submitted(1)

    async with staged(acting(act)) as stage:
        with pytest.raises(RuleBroken, match=told):
            await play(stage)
        assert stage.book.faults == {kind: told}


async def test_a_client_that_hangs_up_is_told_of() -> None:
    async def act(peer: Peer) -> None:
        await peer.line.write(frame(close_payload(1000), Opcode.CLOSE))

    async with staged(acting(act)) as stage:
        with pytest.raises(RuleBroken, match="the client ended the connection"):
            async with stage.session(is_of_use=False) as visit:
                await visit.hear("holds")


async def test_pings_of_a_client_are_answered() -> None:
    answered = trio.Event()

    async def act(peer: Peer) -> None:
        await peer.line.write(frame(b"there?", Opcode.PING))
        pong = await peer.line.frame()
        assert pong is not None
        assert (pong.opcode, pong.payload) == (Opcode.PONG, b"there?")
        answered.set()
        await peer.say("holds", [])

    async with (
        staged(acting(act)) as stage,
        stage.session(is_of_use=False) as visit,
    ):
        await visit.hear("holds")
        await answered.wait()


async def test_what_is_no_request_is_told() -> None:
    async def talk(line: Line) -> None:
        await line.write(b"hello?")
        await line.end_sending()
        await trio.sleep_forever()

    async with staged(connected(talk)) as stage:
        with pytest.raises(RuleBroken, match="no request came, but b'hello"):
            async with stage.session():
                pass


async def test_nobody_and_somebody_are_told_apart() -> None:
    async def talk(_line: Line) -> None:
        await trio.sleep_forever()

    async with staged(connected(talk)) as stage:
        assert not await stage.nobody_comes(10)
        assert await stage.nobody_comes(0.05)


def test_a_bomb_is_a_right_file_of_so_many_zeros() -> None:
    size = 8 * 1024 * 1024
    assert zlib.decompress(_bomb(size)) == bytes(size)
