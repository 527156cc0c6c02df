"""TLS around one connection: its handshake, its end, and what a bad peer may send."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import cast

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from actors import limits
from actors.tls import TlsTransport
from actors.transport import SocketTransport
from bench.authority import Authority
from tests.actors.secured import Peer, Secured, lines

HANDSHAKE = 22
CLIENT_HELLO = 1


class Ends:
    """A transport, the other end of its connection, and what has come out of the transport."""

    def __init__(self, transport: TlsTransport, peer: Peer) -> None:
        self.transport = transport
        self.peer = peer
        self.heard: list[bytes] = []
        self.ended = trio.Event()
        self._changed = trio.Event()

    async def listen(self) -> None:
        """Receive until the end."""
        while data := await self.transport.receive():
            self.heard.append(data)
            self._changed.set()
        self.ended.set()

    async def hear(self, data: bytes) -> None:
        """Wait until so much was received, and check that it was this."""
        with trio.fail_after(5):
            while sum(map(len, self.heard)) < len(data):
                self._changed = trio.Event()
                await self._changed.wait()
        assert b"".join(self.heard) == data

    async def wait_ended(self) -> bytes:
        """Wait for the end; return all that came before it."""
        with trio.fail_after(5):
            await self.ended.wait()
        return b"".join(self.heard)


@asynccontextmanager
async def connected(secured: Secured, rules: ssl.SSLContext | None = None) -> AsyncIterator[Ends]:
    """Connect a client of these rules; no handshake is done yet."""
    line, other = lines(limits.OUTPUT_BYTES_MAX)
    transport = TlsTransport(line, secured.files.load())
    ends = Ends(transport, Peer(other, rules or secured.authority.trusted()))
    with trio.fail_after(10), other, closing(transport):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ends.listen)
            nursery.start_soon(transport.flush)
            yield ends
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def shaken(secured: Secured, rules: ssl.SSLContext | None = None) -> AsyncIterator[Ends]:
    """Connect a client that has done its handshake."""
    async with connected(secured, rules) as ends:
        await ends.peer.shake_hands(then=b"shaken")
        await ends.hear(b"shaken")
        ends.heard.clear()
        yield ends


def record(kind: int, body: bytes) -> bytes:
    """Return a record of TLS that nobody has sealed."""
    return struct.pack("!BHH", kind, 0x0303, len(body)) + body


# --- handshake --------------------------------------------------------------------------------


async def test_a_connection_is_tls_1_3_and_says_what_it_carries(secured: Secured) -> None:
    rules = secured.authority.trusted()
    rules.set_alpn_protocols(["h2", "http/1.1"])
    async with shaken(secured, rules) as ends:
        tls = ends.peer.tls
        assert (tls.version(), tls.selected_alpn_protocol()) == ("TLSv1.3", "http/1.1")
        assert tls.compression() is None


@pytest.mark.parametrize("at_once", [1, 7])
async def test_a_handshake_and_a_record_may_come_byte_by_byte(
    secured: Secured, at_once: int
) -> None:
    async with connected(secured) as ends:
        await ends.peer.shake_hands(at_once=at_once)
        sealed = ends.peer.seal(b"a tap")
        for start in range(0, len(sealed), at_once):
            assert ends.heard == []
            await ends.peer.send(sealed[start : start + at_once])
            await trio.testing.wait_all_tasks_blocked()
        await ends.hear(b"a tap")


async def test_what_comes_with_the_end_of_the_handshake_is_taken(secured: Secured) -> None:
    async with connected(secured) as ends:
        await ends.peer.shake_hands(then=b"GET / ")
        await ends.hear(b"GET / ")


async def test_what_is_said_before_the_end_of_the_handshake_is_dropped(secured: Secured) -> None:
    async with connected(secured) as ends:
        ends.transport.send_nowait(b"too early")
        await ends.peer.shake_hands()
        await ends.peer.send(ends.peer.seal(b"now"))
        await ends.hear(b"now")
        ends.transport.send_nowait(b"in time")
        assert await ends.peer.receive() == b"in time"


@pytest.mark.parametrize("demanding", [False, True])
async def test_a_session_is_resumed_unless_a_certificate_has_to_be_shown_again(
    tmp_path: Path,
    demanding: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    secured = Secured(tmp_path, demanding=demanding)
    context, rules = secured.files.load(), secured.terminal("GATE-1")
    session: ssl.SSLSession | None = None
    for reused in (False, not demanding):
        line, other = lines(limits.OUTPUT_BYTES_MAX)
        transport, peer = TlsTransport(line, context), Peer(other, rules, session)
        with trio.fail_after(5), other, closing(transport):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(transport.receive)
                await peer.shake_hands(then=b"a tap")
            transport.send_nowait(b"an outcome")
            assert await peer.receive() == b"an outcome"
            assert peer.tls.session_reused is reused
            session = peer.tls.session


async def test_an_older_version_is_refused_with_an_alert(secured: Secured) -> None:
    rules = secured.authority.trusted()
    rules.maximum_version = ssl.TLSVersion.TLSv1_2
    async with connected(secured, rules) as ends:
        with pytest.raises(ssl.SSLError, match="alert protocol version"):
            await ends.peer.shake_hands()
        assert await ends.wait_ended() == b""


@pytest.mark.parametrize(
    "words",
    [b"GET / HTTP/1.1\r\nHost: node\r\n\r\n", bytes(100), b"\xff" * 100, b"\x16\x03\x03\xff\xff"],
)
async def test_what_is_no_tls_ends_its_own_connection(secured: Secured, words: bytes) -> None:
    async with connected(secured) as ends, shaken(secured) as bystander:
        await ends.peer.send(words)
        assert await ends.wait_ended() == b""
        ends.transport.send_eof()  # as the terminal's actor does
        told = await ends.peer.wait_end()
        assert told[:1] in {b"", b"\x15"}, "nothing, or an alert"
        await bystander.peer.send(bystander.peer.seal(b"a tap"))
        await bystander.hear(b"a tap")


async def test_a_handshake_that_grows_and_grows_is_cut_off(secured: Secured) -> None:
    # A greeting that says it will be 100 KiB: OpenSSL would keep all of it.
    greeting = struct.pack("!B3s", CLIENT_HELLO, (100 * 1024).to_bytes(3)) + bytes(100 * 1024)
    data = b"".join(
        record(HANDSHAKE, greeting[start : start + 1024]) for start in range(0, 64 * 1024, 1024)
    )
    async with connected(secured) as ends:
        await ends.peer.send(data[: limits.TLS_HANDSHAKE_BYTES_MAX])
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert not ends.ended.is_set()
        await ends.peer.send(data[limits.TLS_HANDSHAKE_BYTES_MAX :])
        assert await ends.wait_ended() == b""


async def test_a_handshake_that_is_left_alone_ends_with_its_connection(secured: Secured) -> None:
    async with connected(secured) as ends:
        with pytest.raises(ssl.SSLWantReadError):
            ends.peer.tls.do_handshake()
        await ends.peer.send(ends.peer.sealed()[:50])
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert not ends.ended.is_set()
        ends.transport.close()
        assert await ends.wait_ended() == b""


# --- bytes ------------------------------------------------------------------------------------


async def test_long_messages_go_both_ways_in_records_that_fit(secured: Secured) -> None:
    message = bytes(range(256)) * 1_500
    async with shaken(secured) as ends:
        await ends.peer.send(ends.peer.seal(message))
        await ends.hear(message)
        ends.transport.send_nowait(message)
        heard = b""
        while len(heard) < len(message):
            heard += await ends.peer.receive()
        assert heard == message


async def test_frames_that_came_together_are_heard_together(secured: Secured) -> None:
    async with shaken(secured) as ends:
        sealed = [ends.peer.seal(bytes([number]) * 100) for number in range(50)]
        await ends.peer.send(b"".join(sealed))
        await ends.hear(b"".join(bytes([number]) * 100 for number in range(50)))
        assert len(ends.heard) == 1


async def test_an_empty_record_is_not_the_end(secured: Secured) -> None:
    async with shaken(secured) as ends:
        await ends.peer.send(ends.peer.seal(b"") + ends.peer.seal(b"a tap"))
        await ends.hear(b"a tap")


async def test_a_record_that_was_altered_ends_the_connection_and_what_came_before_it_counts(
    secured: Secured,
) -> None:
    async with shaken(secured) as ends:
        first, second = ends.peer.seal(b"a tap"), bytearray(ends.peer.seal(b"another"))
        second[-1] ^= 1
        await ends.peer.send(first + second)
        assert await ends.wait_ended() == b"a tap"
        with pytest.raises(ssl.SSLError, match="bad record mac"):
            await ends.peer.receive()
        ends.transport.send_nowait(b"nobody hears this")


async def test_who_cannot_be_answered_is_cut_off(
    secured: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_data: bytes) -> int:
        raise ssl.SSLWantReadError("in the middle of a change of keys")

    async with shaken(secured) as ends:
        tls = ends.transport._tls  # noqa: SLF001 - no peer of ours gets it to fail
        monkeypatch.setattr(tls, "write", fail)
        ends.transport.send_nowait(b"an answer")
        assert await ends.wait_ended() == b""


# --- the end ----------------------------------------------------------------------------------


async def test_a_goodbye_is_answered_after_what_is_still_to_be_said(secured: Secured) -> None:
    async with shaken(secured) as ends:
        last = ends.peer.seal(b"a tap")
        with pytest.raises(ssl.SSLWantReadError):
            ends.peer.tls.unwrap()
        await ends.peer.send(last + ends.peer.sealed())
        assert await ends.wait_ended() == b"a tap"
        ends.transport.send_nowait(b"an outcome")
        ends.transport.send_eof()
        assert await ends.peer.receive() == b"an outcome"
        assert await ends.peer.receive() == b""
        assert await ends.peer.wait_end() == b""


async def test_after_the_end_the_other_side_is_waited_for(secured: Secured) -> None:
    async with shaken(secured) as ends:
        with pytest.raises(ssl.SSLWantReadError):
            ends.peer.tls.unwrap()
        await ends.peer.send(ends.peer.sealed())
        await ends.wait_ended()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ends.transport.receive)
            await ends.peer.send(b"whatever still comes")
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert nursery.child_tasks
            ends.peer.sock.close()


async def test_after_our_goodbye_nothing_is_said_and_everything_is_heard(
    secured: Secured,
) -> None:
    async with shaken(secured) as ends:
        ends.transport.send_eof()
        ends.transport.send_nowait(b"too late")
        assert await ends.peer.receive() == b""
        await ends.peer.send(ends.peer.seal(b"a tap"))
        await ends.hear(b"a tap")
        assert not ends.ended.is_set()
        ends.peer.tls.unwrap()
        await ends.peer.send(ends.peer.sealed())
        assert await ends.wait_ended() == b"a tap"


async def test_closing_says_goodbye_first(secured: Secured) -> None:
    async with shaken(secured) as ends:
        ends.transport.close()
        assert await ends.peer.receive() == b""
        assert await ends.wait_ended() == b""


# --- names ------------------------------------------------------------------------------------


async def test_a_certificate_that_was_not_demanded_names_nobody(secured: Secured) -> None:
    async with shaken(secured, secured.terminal("GATE-1")) as ends:
        assert ends.transport.certified_names() is None


async def test_a_certificate_names_its_subject_and_hosts(tmp_path: Path) -> None:
    secured = Secured(tmp_path, demanding=True)
    rules = secured.terminal("GATE-1", "gate-2.example", "*.example", "10.0.0.1")
    async with shaken(secured, rules) as ends:
        named = ends.transport.certified_names()
    assert named == frozenset({"GATE-1", "gate-2.example", "*.example"})


async def test_a_name_that_is_no_text_is_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "planted")

    secured = Secured(tmp_path, demanding=True)
    async with shaken(secured, secured.terminal("GATE-1")) as ends:
        tls = ends.transport._tls  # noqa: SLF001 - no authority of ours signs such a name
        monkeypatch.setattr(tls, "getpeercert", fail)
        assert ends.transport.certified_names() == frozenset()


async def test_without_a_certificate_nobody_comes_in_where_one_is_demanded(
    tmp_path: Path,
) -> None:
    async with connected(Secured(tmp_path, demanding=True)) as ends:
        await ends.peer.shake_hands()
        assert await ends.wait_ended() == b""
        with pytest.raises(ssl.SSLError, match="certificate required"):
            await ends.peer.receive()


async def test_a_certificate_of_another_authority_is_none(tmp_path: Path) -> None:
    secured = Secured(tmp_path, demanding=True)
    forged = Authority().certify(tmp_path, "GATE-1")
    async with connected(secured, secured.authority.trusted(forged)) as ends:
        await ends.peer.shake_hands()
        assert await ends.wait_ended() == b""
        with pytest.raises(ssl.SSLError, match="unknown ca"):
            await ends.peer.receive()


# --- whatever comes ---------------------------------------------------------------------------


class Line:
    """A connection in memory on which nobody waits."""

    def __init__(self) -> None:
        self.sent = b""

    def send_nowait(self, data: bytes) -> None:
        self.sent += data

    def send_eof(self) -> None:
        """End it: nothing more to see here."""

    def close(self) -> None:
        """End it."""

    def take(self) -> bytes:
        """Return what was sent since the last time."""
        sent, self.sent = self.sent, b""
        return sent


@pytest.fixture(scope="module")
def rules() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Those of a node and of a client, made once."""
    with tempfile.TemporaryDirectory() as folder:
        secured = Secured(Path(folder))
        return secured.files.load(), secured.authority.trusted()


@given(
    turn=st.integers(0, 2),
    at=st.integers(0, 2_000),
    bits=st.integers(1, 255),
    cut=st.booleans(),
)
def test_bytes_that_were_altered_anywhere_raise_nothing_and_forge_nothing(
    turn: int,
    at: int,
    bits: int,
    cut: bool,  # noqa: FBT001 - drawn
    rules: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    line, (server, client) = Line(), rules
    transport = TlsTransport(cast("SocketTransport", line), server)
    ours, sock = socket.socketpair()
    heard = b""
    with ours, sock:
        peer = Peer(sock, client)
        for number in range(3):
            with contextlib.suppress(ssl.SSLError):
                peer.tls.do_handshake()
                peer.tls.write(b"a tap")
            flight = bytearray(peer.sealed())
            if number == turn and flight:
                flight[at % len(flight)] ^= bits
                flight = flight[: at % len(flight)] if cut else flight
            heard += transport._take(bytes(flight))  # noqa: SLF001 - the same without sockets
            transport.send_nowait(b"an outcome")
            peer.feed(line.take())
        transport.close()
    assert heard in {b"", b"a tap", b"a tap" * 2}
