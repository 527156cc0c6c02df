"""A whole tree that speaks TLS, on real sockets."""

from __future__ import annotations

import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from actors import limits
from actors.listener import open_listening_socket
from bench.authority import Authority, Pair
from bench.line import Line, LineBroken
from engine.transaction import Issue, Transaction
from protocol import limits as protocol_limits
from tests.actors.secured import Peer, Secured
from tests.actors.test_tree import World, closed_with, post
from tests.actors.world import CARD, Clock, Disk, tap

ISSUE = Transaction(1, 1, Issue(CARD, "account", "dki"))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SWEEP_S", 0.01)
    monkeypatch.setattr(limits, "CERTIFICATE_LOOK_S", 0.01)


@contextmanager
def world_of(secured: Secured, disk: Disk, clock: Clock) -> Iterator[World]:
    with open_listening_socket("127.0.0.1", 0) as listening:
        yield World(disk, clock, listening, secured.files)


@pytest.fixture
def world(secured: Secured, disk: Disk, clock: Clock) -> Iterator[World]:
    """A tree with a certificate that is not running yet."""
    with world_of(secured, disk, clock) as world:
        yield world


@pytest.fixture
def demanding(tmp_path: Path) -> Secured:
    """A certificate of a node that wants to see one of its clients."""
    return Secured(tmp_path, demanding=True)


@asynccontextmanager
async def running(world: World) -> AsyncIterator[None]:
    with trio.fail_after(20):
        async with world.tree.supervisor.running():
            yield
    assert world.reports == []


def serial(line: Line) -> object:
    """Return the number of the certificate that a line was shown."""
    sock = line._sock  # noqa: SLF001 - it is made for load, which looks at no certificate
    assert isinstance(sock, ssl.SSLSocket)
    return (sock.getpeercert() or {})["serialNumber"]


def install(pair: Pair, secured: Secured) -> None:
    """Put a certificate and its key in the place of those that the node has."""
    shutil.copy(pair.certificate, secured.pair.certificate)
    shutil.copy(pair.key, secured.pair.key)


async def plain(world: World) -> socket.socket:
    """Connect without a word."""
    sock = socket.create_connection(world.listening.getsockname(), 5)
    sock.settimeout(0)
    return sock


async def test_taps_go_through_and_the_node_says_when_it_stops(
    world: World, secured: Secured
) -> None:
    async with trio.open_nursery() as nursery, running(world):
        line = await world.line(tls=secured.authority.trusted())
        assert await post(line, ISSUE, tap(2, 0)) == ["posted", "posted"]
        listener = world.tree.snapshot().children[1]
        names = [child.name for child in listener.children]
        assert names == ["accept", "sweep", "keys", "certificates", "terminal-1"]
        nursery.start_soon(closed_with, "node_stopping", line)


async def test_a_new_certificate_is_for_new_connections(world: World, secured: Secured) -> None:
    trusted = secured.authority.trusted()
    async with running(world):
        before = await world.line(tls=trusted)
        install(secured.certify("renewed"), secured)
        await world.noted.wait()
        after = await world.line("GATE-2", trusted)
        assert serial(before) != serial(after)
        assert await post(before, ISSUE) == ["posted"]
        assert await post(after, tap(1, 0)) == ["posted"]
        before.close()
        after.close()
    (note,) = world.notes
    assert "renewed" in note


async def test_a_pair_that_does_not_match_is_told_and_the_one_before_it_stays(
    world: World, secured: Secured
) -> None:
    trusted = secured.authority.trusted()
    async with running(world):
        before = await world.line(tls=trusted)
        shutil.copy(secured.certify("other").certificate, secured.pair.certificate)
        await world.noted.wait()
        after = await world.line("GATE-2", trusted)
        assert serial(before) == serial(after)
        assert await post(after, ISSUE) == ["posted"]
        await trio.sleep(0.1)
        before.close()
        after.close()
    (note,) = world.notes
    assert "is not the key of" in note


async def test_a_terminal_may_show_a_certificate_that_names_it(
    demanding: Secured, disk: Disk, clock: Clock
) -> None:
    with world_of(demanding, disk, clock) as world:
        async with running(world):
            line = await world.line("GATE-1", demanding.terminal("GATE-1"))
            assert await post(line, ISSUE) == ["posted"]
            line.close()
            line = await world.line("GATE-2", demanding.terminal("a-fleet", "GATE-2", "GATE-3"))
            assert await post(line, tap(1, 0)) == ["posted"]
            line.close()
            with pytest.raises(LineBroken, match="certificate_mismatch"):
                await world.line("GATE-2", demanding.terminal("GATE-1"))


async def test_without_the_right_certificate_nobody_gets_to_say_hello(
    demanding: Secured, disk: Disk, clock: Clock, tmp_path: Path
) -> None:
    forged = demanding.authority.trusted(Authority().certify(tmp_path, "GATE-1"))
    with world_of(demanding, disk, clock) as world:
        async with running(world):
            with pytest.raises(ssl.SSLError, match="certificate required"):
                await world.line("GATE-1", demanding.authority.trusted())
            with pytest.raises(ssl.SSLError, match="unknown ca"):
                await world.line("GATE-1", forged)
    assert world.keys.found == 0


@pytest.mark.parametrize("sent", [0, 1, 100])
async def test_a_handshake_that_stops_half_way_is_dropped_by_its_deadline(
    world: World, secured: Secured, monkeypatch: pytest.MonkeyPatch, sent: int
) -> None:
    monkeypatch.setattr(protocol_limits, "HANDSHAKE_S", 0.05)
    monkeypatch.setattr(limits, "LINGER_S", 0.05)
    async with running(world):
        peer = Peer(await plain(world), secured.authority.trusted())
        with pytest.raises(ssl.SSLWantReadError):
            peer.tls.do_handshake()
        with peer.sock:
            await peer.send(peer.sealed()[:sent])
            assert await peer.wait_end() == b""
        await trio.testing.wait_all_tasks_blocked()
        assert world.tree.listener.connections == 0


async def test_a_client_that_is_done_with_tls_and_says_nothing_is_dropped_too(
    world: World, secured: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol_limits, "HANDSHAKE_S", 0.05)
    monkeypatch.setattr(limits, "LINGER_S", 0.05)
    async with running(world):
        peer = Peer(await plain(world), secured.authority.trusted())
        with peer.sock:
            await peer.shake_hands()
            assert await peer.receive() == b"", "with a goodbye"


@pytest.mark.parametrize("words", [b"GET / HTTP/1.1\r\nHost: node\r\n\r\n", b"\x16\x03\x01"])
async def test_what_is_no_tls_disturbs_no_other(
    world: World, secured: Secured, words: bytes
) -> None:
    async with running(world):
        line = await world.line(tls=secured.authority.trusted())
        sock = await plain(world)
        with sock:
            sock.sendall(words + bytes(1000))
            await Peer(sock, secured.authority.trusted()).wait_end()
        with pytest.raises((LineBroken, OSError)):
            await World.line(world, "GATE-2")
        assert await post(line, ISSUE) == ["posted"]
        line.close()


async def test_a_connection_too_many_is_hung_up_on(
    secured: Secured, disk: Disk, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SESSIONS_MAX", 1)
    trusted = secured.authority.trusted()
    with world_of(secured, disk, clock) as world:
        async with running(world):
            line = await world.line(tls=trusted)
            with pytest.raises(OSError, match=r"EOF|reset"):
                await world.line("GATE-2", trusted)
            assert await post(line, ISSUE) == ["posted"]
            line.close()
