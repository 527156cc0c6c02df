"""A hostile peer tells truly how it was ended, or nothing that it finds is worth anything."""

from __future__ import annotations

import socket

import pytest
import trio
from websockets.frames import Opcode

from bench.attacks.catalogue import KEY, name_of
from bench.attacks.peer import DROPPED, Ended, Peer, frame
from bench.line import frame_end
from ops.node_process import NodeProcess
from protocol.websocket import ServerWebSocket
from tests.protocol.peer import open_websocket


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_a_frame_is_one_that_a_node_understands(size: int) -> None:
    websocket = open_websocket(message_bytes_max=70_000)
    assert websocket.receive(frame(bytes(size))) == [bytes(size)]
    parts = frame(b"o", fin=False) + frame(b"ne", Opcode.CONT)
    assert websocket.receive(parts) == [b"one"]
    assert websocket.violation is None


@pytest.mark.parametrize(
    ("wrong", "code"), [(frame(b"x", reserved=4), 1002), (frame(b"", claimed=2**63), 1009)]
)
def test_a_frame_may_be_wrong(wrong: bytes, code: int) -> None:
    websocket = open_websocket()
    websocket.receive(wrong)
    assert websocket.violation is not None
    assert websocket.violation.close_code == code


@pytest.mark.parametrize(
    ("received", "word"),
    [
        (b"", DROPPED),
        (b"\x82\x03one", DROPPED),
        (b"\x82\x03one\x88\x02\x03\xea", "1002"),
        (b"\x88\x0f\x03\xeaframe_invalid", "1002 frame_invalid"),
        (b"\x88\x12\x03\xeatext_frame: none", "1002 text_frame"),
        (b"\x88\x0f\x03\xeaframe", DROPPED),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "503"),
    ],
)
def test_the_last_word_is_what_the_node_closed_with(received: bytes, word: str) -> None:
    ours, _theirs = socket.socketpair()
    peer = Peer(ours)
    peer.received += received
    assert peer.last_word() == word
    peer.drop_messages()
    assert peer.last_word() == word
    assert frame_end(peer.received, 0) is None or peer.received[0] & 0x0F == Opcode.CLOSE
    peer.close()
    _theirs.close()


async def test_where_nobody_listens_there_is_no_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Ended, match="not connected"):
        await Peer.connect(f"ws://127.0.0.1:{port}")


async def test_a_peer_is_served_like_everybody_as_long_as_it_behaves(node: NodeProcess) -> None:
    with trio.fail_after(20):
        peer = await Peer.connect(node.url)
        ready = await peer.shake_hands(name_of(1), KEY)
        assert ready.last_counter == 0
        peer.look()
        await peer.send(frame(b"", Opcode.PING) + frame(b"\x03\xe8", Opcode.CLOSE))
        assert await peer.end() == "1000"
        with pytest.raises(Ended, match="1000"):
            await peer.message()
        peer.close()


async def test_a_request_that_is_refused_ends_with_its_status() -> None:
    websocket = ServerWebSocket()
    websocket.receive(b"GET /x HTTP/1.1\r\nHost: n\r\n\r\n")
    with socket.create_server(("127.0.0.1", 0)) as server:
        peer = await Peer.connect(f"ws://127.0.0.1:{server.getsockname()[1]}")
        other, _ = server.accept()
        with other:
            other.sendall(websocket.take_output())
            other.shutdown(socket.SHUT_WR)
            with pytest.raises(Ended, match="404"):
                await peer.upgrade()
        peer.close()


async def test_a_line_that_is_torn_away_was_dropped() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, trio.fail_after(20):
        peer = await Peer.connect(f"ws://127.0.0.1:{server.getsockname()[1]}", receive_bytes=4_096)
        other, _ = server.accept()
        peer.look()
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        other.close()
        assert await peer.end() == DROPPED
        with pytest.raises(Ended, match=DROPPED):
            await peer.send(bytes(10_000_000))
        with pytest.raises(Ended, match=DROPPED):
            peer.look()
        peer.close()
