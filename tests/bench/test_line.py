"""A connection for load: its frames, and what breaks it."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence

import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from bench.line import Line, LineBroken, frame_end, new_key, open_line, submit_frame
from engine.transaction import Tap, Transaction
from protocol.messages import Challenge, Error, Outcome, Outcomes, Ready, Submit

UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
URL = "ws://127.0.0.1:1"
READY = Ready(0, 7, 100, 20, 1_000, 10, ())
CHALLENGE = Challenge(1, bytes(32), 0)


def framed(message: msgspec.Struct) -> bytes:
    return Frame(Opcode.BINARY, msgspec.msgpack.encode(message)).serialize(mask=False)


@pytest.fixture
def pair() -> Iterator[tuple[Line, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.settimeout(0)
    theirs.settimeout(0)
    line = Line(ours)
    yield line, theirs
    line.close()
    theirs.close()


async def greet(pair: tuple[Line, socket.socket], answers: Sequence[bytes]) -> None:
    """Shake hands with a node that gives these answers, one after the other."""
    line, theirs = pair

    async def answer() -> None:
        for each in answers:
            await trio.lowlevel.wait_readable(theirs)
            theirs.recv(65_536)
            theirs.send(each)

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            await line.shake_hands(URL, "GATE-1", new_key())


@given(st.binary(max_size=70_000), st.binary(max_size=20))
def test_a_frame_ends_where_its_length_says(payload: bytes, before: bytes) -> None:
    frame = Frame(Opcode.BINARY, payload).serialize(mask=False)
    data = bytearray(before + frame)
    found = frame_end(data, len(before))
    assert found is not None
    assert data[found[0] : found[1]] == payload
    assert found[1] == len(data)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
def test_a_frame_that_is_not_whole_has_no_end(size: int) -> None:
    frame = Frame(Opcode.BINARY, bytes(size)).serialize(mask=False)
    for cut in {*range(min(12, len(frame))), len(frame) - 1}:
        assert frame_end(bytearray(frame[:cut]), 0) is None
    assert frame_end(bytearray(frame), 0) == (len(frame) - size, len(frame))


def test_a_submit_is_masked_as_a_clients_frame_must_be() -> None:
    tap = Transaction(1, 2, Tap("6013", 3_500, "transjakarta", "in", "P1", "1"))
    frame = submit_frame([tap])
    assert frame[1] & 0x80
    mask, masked = frame[2:6], frame[6:]
    payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(masked))
    assert msgspec.msgpack.decode(payload, type=Submit) == Submit((tap,))


async def test_a_handshake_takes_over_the_counter(pair: tuple[Line, socket.socket]) -> None:
    await greet(pair, [UPGRADED, framed(CHALLENGE), framed(READY)])
    assert pair[0].ready == READY
    assert pair[0].counter == 7


async def test_a_greeting_in_pieces_is_put_together(pair: tuple[Line, socket.socket]) -> None:
    line, theirs = pair

    async def answer() -> None:
        for whole in (UPGRADED, framed(CHALLENGE), framed(READY)):
            await trio.lowlevel.wait_readable(theirs)
            theirs.recv(65_536)
            theirs.send(whole[:9])
            await trio.testing.wait_all_tasks_blocked()
            theirs.send(whole[9:])

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            await line.shake_hands(URL, "GATE-1", new_key())
    assert line.ready == READY


@pytest.mark.parametrize(
    "answers",
    [
        [b"HTTP/1.1 400 Bad Request\r\n\r\n"],
        [UPGRADED, framed(Outcomes((), 0))],
        [UPGRADED, framed(CHALLENGE), framed(Error("key_unknown", "", "no"))],
        [UPGRADED, Frame(Opcode.CLOSE, b"\x03\xe8").serialize(mask=False)],
    ],
)
async def test_a_greeting_of_another_kind_breaks_the_line(
    pair: tuple[Line, socket.socket], answers: list[bytes]
) -> None:
    with pytest.RaisesGroup(LineBroken, flatten_subgroups=True):
        await greet(pair, answers)


async def test_outcomes_of_several_frames_come_together(pair: tuple[Line, socket.socket]) -> None:
    line, theirs = pair
    frame = framed(Outcomes((Outcome(1, "posted"), Outcome(2, "posted")), 2))
    theirs.send(frame + frame + frame[:5])
    assert await line.wait_posted() == 4
    theirs.send(frame[5:])
    assert await line.wait_posted() == 2
    assert line.posted == 6


async def test_a_tap_that_is_not_posted_breaks_the_line(pair: tuple[Line, socket.socket]) -> None:
    line, theirs = pair
    theirs.send(framed(Outcomes((Outcome(1, "refused", reason="card_unknown"),), 1)))
    with pytest.raises(LineBroken, match="card_unknown"):
        await line.wait_posted()
    theirs.send(framed(Error("too_fast", "", "slow down")))
    with pytest.raises(LineBroken, match="too_fast"):
        await line.outcomes()
    theirs.close()
    with pytest.raises(LineBroken, match="closed the line"):
        await line.outcomes()


async def test_a_full_socket_is_waited_for(pair: tuple[Line, socket.socket]) -> None:
    line, theirs = pair
    data, got = bytes(4 * 1024 * 1024), 0

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(line.send, data)
            while got < len(data):
                await trio.lowlevel.wait_readable(theirs)
                got += len(theirs.recv(1024 * 1024))
    assert got == len(data)


async def test_a_line_that_is_refused_is_closed() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"ws://127.0.0.1:{listener.getsockname()[1]}"

    def refuse() -> None:
        peer, _ = listener.accept()
        with peer:
            peer.recv(65_536)
            peer.sendall(b"HTTP/1.1 503 Busy\r\n\r\n")

    with listener, trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, refuse)
            with pytest.raises(LineBroken, match="503"):
                await open_line(url, "GATE-1", new_key())
