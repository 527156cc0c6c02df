"""Every row of the tables on a node in a process of its own, over a socket.

A row begins behind a handshake, so its messages are answered: a heartbeat by its pulse, a tap by
its outcome. Each row is sent in one go, for the network cuts as it likes.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from typing import Final

import pytest

from ops.node_process import NodeProcess
from tests.protocol import peer
from tests.protocol.autobahn import tables
from tests.protocol.autobahn.rows import BYE, Opening, Row, closing, is_ended_by

WAIT_S: Final = 20.0
"""A node that says nothing for so long has failed."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A node that enrols whoever comes."""
    node = NodeProcess.start(tmp_path_factory.mktemp("node") / "data", dev=True)
    yield node
    assert node.stop() == 0


class Client:
    """One connection, and all that the node said on it."""

    def __init__(self, node: NodeProcess) -> None:
        host, _, port = node.listen.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), WAIT_S)
        self.received = bytearray()
        self.pongs: list[bytes] = []
        self.pulses: list[int] = []
        self.counters: list[int] = []
        self.error = ""
        self.close: bytes | None = None

    def read(self) -> bool:
        """Read once; tell whether there was anything."""
        data = self.socket.recv(1 << 16)
        self.received += data
        return bool(data)

    def open(self, request: bytes) -> bytes:
        """Send a request and return the head of what answers it."""
        self.socket.sendall(request)
        while b"\r\n\r\n" not in self.received and self.read():
            pass
        head, _, self.received = self.received.partition(b"\r\n\r\n")
        return bytes(head)

    def shake_hands(self, terminal: str) -> None:
        """Prove who we are."""
        self.socket.sendall(peer.masked(peer.hello(terminal)))
        _, _, nonce, _ = self.message()
        assert isinstance(nonce, bytes)
        self.socket.sendall(peer.masked(peer.proof(nonce, terminal)))
        assert self.message()[0] == "ready"

    def message(self) -> list[object]:
        """Wait for a message."""
        while (found := self.frame()) is None:
            assert self.read()
        return peer.unpack(found[1])

    def frame(self) -> tuple[int, bytes] | None:
        """Return opcode and body of the next frame, if it is there."""
        data = self.received
        if len(data) < 2:
            return None
        assert data[0] & 0xF0 == 0x80, "neither reserved bits nor fragments"
        size, start = data[1], 2
        if size >= 126:
            start = 4 if size == 126 else 10
            size = int.from_bytes(data[2:start])
        if len(data) < start + size:
            return None
        found = data[0] & 0x0F, bytes(data[start : start + size])
        del data[: start + size]
        return found

    def hear(self) -> bool:
        """Read once and sort what came; tell whether the node may say more."""
        more = self.read()
        while (found := self.frame()) is not None:
            assert self.close is None, "nothing follows a close frame"
            opcode, body = found
            if opcode == peer.PONG:
                self.pongs.append(body)
            elif opcode == peer.CLOSE:
                self.close = body
            else:
                self.sort(peer.unpack(body))
        return more

    def sort(self, message: list[object]) -> None:
        """Take down what a message says."""
        match message:
            case ["pulse", int(at_ms), _]:
                self.pulses.append(at_ms)
            case ["outcome", list(outcomes), _]:
                self.counters += [outcome[0] for outcome in outcomes]
            case ["error", str(code), *_]:
                self.error = code
            case _:
                pytest.fail(f"the node said {message[0]}")


class Expected:
    """What a node answers to the messages of a row."""

    def __init__(self, row: Row) -> None:
        self.pulses: list[int] = []
        self.counters: list[int] = []
        self.is_refused = b"" in row.messages
        for each in row.messages:
            if not each:
                break
            name, first = peer.unpack(each)
            if name == "heartbeat":
                assert isinstance(first, int)
                self.pulses.append(first)
            else:
                assert isinstance(first, list)
                self.counters += [tap[0] for tap in first]

    def has_come(self, client: Client, row: Row) -> bool:
        """Tell whether everything was said that a row waits for, short of a close."""
        if self.is_refused:
            return False
        counts = (len(client.pulses), len(client.counters), len(client.pongs))
        return counts == (len(self.pulses), len(self.counters), len(row.pongs))


@pytest.mark.parametrize("row", tables.ROWS, ids=lambda row: row.id)
def test_a_node_answers_a_row_as_told(node: NodeProcess, row: Row) -> None:
    client, expected = Client(node), Expected(row)
    with client.socket:
        opened = client.open(row.request)
        assert opened.startswith(b"HTTP/1.1 101 ")
        assert b"sec-websocket-extensions" not in opened.lower()
        client.shake_hands(f"ROW-{row.id.partition(' ')[0]}")
        client.socket.sendall(row.sends)
        if row.ends is None:
            while not expected.has_come(client, row) and client.close is None:
                assert client.hear()
            client.socket.sendall(BYE)
        while client.hear():
            pass
    check(client, expected, row)


def check(client: Client, expected: Expected, row: Row) -> None:
    assert client.close is not None
    assert client.pulses == expected.pulses
    assert client.pongs == list(row.pongs)
    if expected.is_refused:
        assert client.error == "payload_invalid"
        assert client.close == closing(1007, b"payload_invalid")
        return
    assert client.error == ""
    assert is_ended_by(row, client.close), client.close
    if row.ends is None:
        assert sorted(client.counters) == expected.counters
    else:
        # Outcomes that have to wait for the disk come too late for a line that was closed.
        assert set(client.counters) <= set(expected.counters)


@pytest.mark.parametrize("opening", tables.OPENINGS, ids=lambda opening: opening.id)
def test_a_node_answers_a_request_as_told(node: NodeProcess, opening: Opening) -> None:
    client = Client(node)
    with client.socket:
        head = client.open(opening.request)
    status = re.match(rb"HTTP/1.1 (\d+) ", head)
    assert (int(status[1]) if status else 0) == opening.status
    assert opening.header in head


def test_the_node_has_written_what_it_took_and_is_well(node: NodeProcess) -> None:
    client = Client(node)
    with client.socket:
        client.open(peer.UPGRADE)
        client.shake_hands("ROW-7.1.6")
        client.socket.sendall(peer.masked(peer.pack("heartbeat", 7)))
        assert client.message()[:2] == ["pulse", 7]
