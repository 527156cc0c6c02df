"""Connections that are full, slow, or gone: what both kinds of transport promise."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from actors import limits
from actors.tls import TlsTransport
from actors.transport import Transport
from tests.actors.secured import Secured, lines, shaken

Pair = tuple[Transport, socket.socket]


@asynccontextmanager
async def connected(kind: str, secured: Secured, unsent_bytes_max: int) -> AsyncIterator[Pair]:
    """Connect a transport of a kind; yield it and the other end of its connection."""
    line, plain = lines(unsent_bytes_max)
    transport, other = (line, plain) if kind == "plain" else await shaken(line, plain, secured)
    yield transport, other
    transport.close()
    other.close()


@pytest.fixture(params=["plain", "tls"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of transport in turn."""
    return str(request.param)


@pytest.fixture
async def pair(kind: str, secured: Secured) -> AsyncIterator[Pair]:
    """A transport and the other end of its connection."""
    async with connected(kind, secured, 50_000_000) as pair:
        yield pair


async def test_bytes_go_both_ways(pair: Pair) -> None:
    transport, other = pair
    other.sendall(b"ping")
    assert await transport.receive() == b"ping"
    transport.send_nowait(b"pong")
    assert other.recv(10) == b"pong"


async def test_the_end_of_the_connection_is_no_bytes(pair: Pair) -> None:
    transport, other = pair
    other.close()
    assert await transport.receive() == b""


async def test_a_connection_torn_away_is_no_bytes(pair: Pair) -> None:
    transport, other = pair
    other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    other.close()
    assert await transport.receive() == b""
    transport.send_nowait(b"into the void")
    transport.send_nowait(b"and again")
    assert await transport.receive() == b""


async def test_closing_wakes_who_waits(pair: Pair) -> None:
    transport, _ = pair
    async with trio.open_nursery() as nursery:
        nursery.start_soon(transport.receive)
        nursery.start_soon(transport.flush)
        await trio.testing.wait_all_tasks_blocked()
        transport.close()
        transport.close()


async def test_what_a_full_socket_does_not_take_is_sent_later_in_order(pair: Pair) -> None:
    transport, other = pair
    chunks = [bytes([number]) * 1_000_000 for number in range(20)]
    for chunk in chunks:
        transport.send_nowait(chunk)
    received = bytearray()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(transport.flush)
        while len(received) < 20_000_000:
            received += await trio.to_thread.run_sync(other.recv, 1_000_000)
        transport.close()
    assert received == b"".join(chunks)


@pytest.mark.parametrize("request_", [b"", b"GET / HTTP/1.1\r\n"])
async def test_who_cannot_be_served_hears_a_last_word(request_: bytes) -> None:
    transport, other = lines(1_000)
    with other:
        other.sendall(request_)
        transport.turn_away(b"no room")
        assert other.recv(100) == b"no room"
        assert other.recv(100) == b""
    assert await transport.receive() == b""


async def test_under_tls_who_cannot_be_served_hears_nothing(secured: Secured) -> None:
    line, other = lines(1_000)
    transport = TlsTransport(line, secured.files.load())
    with other:
        other.sendall(b"the beginning of a handshake")
        transport.turn_away(b"no room")
        assert other.recv(100) == b""
    assert await transport.receive() == b""


async def test_the_kernel_keeps_little_for_a_terminal_that_does_not_read(pair: Pair) -> None:
    transport, other = pair
    other.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    for _ in range(1_000):
        transport.send_nowait(bytes(10_000))
    kept = 10_000_000 - transport.unsent_bytes
    assert 0 < kept < 1_000_000


async def test_a_terminal_that_does_not_read_is_cut_off(kind: str, secured: Secured) -> None:
    async with connected(kind, secured, 100_000) as (transport, _):
        for _ in range(200):
            transport.send_nowait(bytes(90_000))
        with trio.fail_after(5):
            assert await transport.receive() == b""


async def test_a_terminal_that_goes_while_it_is_being_sent_to_ends_the_flusher(
    pair: Pair,
) -> None:
    transport, other = pair
    for _ in range(20):
        transport.send_nowait(bytes(1_000_000))
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(transport.flush)
            other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            other.close()
    assert await transport.receive() == b""


async def test_a_half_close_tells_the_other_side_that_nothing_follows(pair: Pair) -> None:
    transport, other = pair
    transport.send_nowait(b"last words")
    transport.send_eof()
    assert other.recv(100) == b"last words"
    assert other.recv(100) == b""
    other.sendall(b"and you?")
    assert await transport.receive() == b"and you?", "the other direction is still open"
    other.close()
    transport.close()
    transport.send_eof()


async def test_who_waits_for_little_to_be_unsent_goes_on_when_it_is(pair: Pair) -> None:
    transport, other = pair
    await transport.wait_low()
    for _ in range(20):
        transport.send_nowait(bytes(1_000_000))
    unsent_at: list[int] = []

    async def wait() -> None:
        await transport.wait_low()
        unsent_at.append(transport.unsent_bytes)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(transport.flush)
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert not unsent_at, "nobody reads"
        received = 0
        while received < 20_000_000:
            received += len(await trio.to_thread.run_sync(other.recv, 1_000_000))
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert unsent_at[0] <= limits.OUTPUT_LOW_BYTES
        transport.close()


async def test_of_those_who_wait_the_first_may_fill_it_again(pair: Pair) -> None:
    transport, other = pair
    for _ in range(20):
        transport.send_nowait(bytes(1_000_000))
    sent: list[int] = []

    async def follow(number: int) -> None:
        await transport.wait_low()
        transport.send_nowait(bytes(20_000_000))
        sent.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(follow, number)
        nursery.start_soon(transport.flush)
        received = 0
        while received < 20_000_000:
            received += len(await trio.to_thread.run_sync(other.recv, 1_000_000))
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert len(sent) == 1
        nursery.cancel_scope.cancel()


async def test_a_connection_that_closes_lets_go_of_those_who_wait(pair: Pair) -> None:
    transport, _ = pair
    for _ in range(20):
        transport.send_nowait(bytes(1_000_000))
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(transport.wait_low)
            await trio.testing.wait_all_tasks_blocked()
            transport.close()
        await transport.wait_low()
