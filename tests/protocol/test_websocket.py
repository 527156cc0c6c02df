"""The websocket: opening, frames in any cut, pings, closes, and what breaks its rules."""

from __future__ import annotations

import gc
import re
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol import limits
from protocol.errors import Code
from protocol.websocket import ServerWebSocket
from tests.protocol.peer import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    UPGRADE,
    close_frame,
    masked,
    open_websocket,
)

CLOSE_1000 = masked(b"\x03\xe8bye", CLOSE)


def ended(websocket: ServerWebSocket) -> tuple[int, str]:
    """Check that a rule was broken and the connection ends; return the close frame's content."""
    assert websocket.violation is not None
    assert websocket.closed
    assert websocket.close_sent
    assert not websocket.open
    code, reason = close_frame(websocket.take_output())
    assert code == websocket.violation.close_code
    assert reason.split(":")[0] == websocket.violation.code
    return code, reason


# --- opening ----------------------------------------------------------------------------------


def test_the_request_is_answered_with_the_subprotocol_and_nothing_that_changes() -> None:
    websocket = ServerWebSocket()
    assert not websocket.open
    assert websocket.receive(UPGRADE) == []
    assert websocket.open
    assert websocket.take_output() == (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
        b"Sec-WebSocket-Protocol: jakarta-one.v1\r\n"
        b"\r\n"
    )


def test_a_request_may_come_byte_by_byte_with_frames_right_behind() -> None:
    websocket = ServerWebSocket()
    messages = []
    for byte in UPGRADE + masked(b"ping?", PING) + masked(b"one"):
        messages += websocket.receive(bytes([byte]))
    assert messages == [b"one"]
    assert websocket.take_output().endswith(b"\r\n\r\n\x8a\x05ping?")


def test_frames_that_come_with_the_request_wait_for_the_answer() -> None:
    websocket = ServerWebSocket()
    assert websocket.receive(UPGRADE + masked(b"hi", PING) + masked(b"one")) == [b"one"]
    assert re.fullmatch(rb"HTTP/1.1 101 .*\r\n\r\n\x8a\x02hi", websocket.take_output(), re.DOTALL)


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b"Sec-WebSocket-Protocol: jakarta-one.v1\r\n", b"", 400),
        (b"jakarta-one.v1", b"jakarta-one.v2", 400),
        (b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: 8", 400),
        (b"Sec-WebSocket-Key: dGhl", b"Sec-WebSocket-Key: \xff\xff", 400),
        (b"Upgrade: websocket\r\n", b"", 426),
        (b"GET / ", b"GET /admin ", 404),
        (b"Host: node\r\n", b"", 400),
        (b"Host: node\r\n", b"Host: node\r\nHost: other\r\n", 400),
        (b"GET / ", b"POST / ", 405),
        (b"HTTP/1.1", b"HTTP/1.0", 505),
        (b"Host: node\r\n", b"Host: node\r\nOrigin: http://shop.example\r\n", 403),
        (b"Host: node\r\n", b"a: b\r\n" * 200, 431),
        (b"Host: node\r\n", b"X: " + b"x" * limits.REQUEST_BYTES_MAX + b"\r\n", 431),
    ],
)
def test_a_request_for_something_else_is_refused(old: bytes, new: bytes, status: int) -> None:
    websocket = ServerWebSocket()
    assert websocket.receive(UPGRADE.replace(old, new) + masked(b"one")) == []
    assert websocket.take_output().startswith(f"HTTP/1.1 {status} ".encode())
    assert websocket.closed
    assert not websocket.open
    assert websocket.receive(masked(b"one")) == []
    websocket.close(1012)
    websocket.receive_eof()
    assert websocket.take_output() == b""


def test_a_client_of_another_version_is_told_which_one_is_spoken() -> None:
    websocket = ServerWebSocket()
    websocket.receive(UPGRADE.replace(b"Version: 13", b"Version: 8"))
    assert b"\r\nSec-WebSocket-Version: 13\r\n" in websocket.take_output()


def test_a_request_without_an_end_is_bounded() -> None:
    websocket = ServerWebSocket()
    sent = 0
    while not websocket.closed:
        websocket.receive(b"x" * 1000)
        sent += 1000
    assert sent <= limits.REQUEST_BYTES_MAX + 1000
    assert websocket.take_output().startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("request_", [b"\r\n\r\n", b"\x16\x03\x01\r\n\r\n", b"GET /\r\n\r\n"])
def test_what_is_no_request_is_dropped(request_: bytes) -> None:
    websocket = ServerWebSocket()
    assert websocket.receive(request_) == []
    assert (websocket.closed, websocket.take_output()) == (True, b"")


def test_a_connection_that_is_not_open_yet_is_dropped() -> None:
    websocket = ServerWebSocket()
    websocket.close(1012, "node_stopping")
    assert (websocket.closed, websocket.take_output()) == (True, b"")
    assert websocket.receive(UPGRADE) == []
    assert not websocket.open


def test_the_end_of_the_stream_may_come_before_the_request() -> None:
    websocket = ServerWebSocket()
    websocket.receive(UPGRADE[:-1])
    websocket.receive_eof()
    assert (websocket.closed, websocket.open) == (True, False)
    assert websocket.receive(UPGRADE[-1:]) == []


# --- messages ---------------------------------------------------------------------------------


@given(
    st.lists(st.binary(max_size=300) | st.integers(125, 127).map(bytes), max_size=8),
    st.lists(st.integers(0, 2000), max_size=8),
    st.binary(min_size=4, max_size=4),
)
def test_messages_come_out_as_sent_however_the_bytes_are_cut(
    payloads: list[bytes], cuts: list[int], mask: bytes
) -> None:
    websocket = open_websocket()
    data = b"".join(masked(payload, mask=mask) for payload in payloads)
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    received = []
    for start, stop in pairwise(edges):
        received += websocket.receive(data[start:stop])
    assert received == payloads
    assert websocket.take_output() == b""


@given(st.lists(st.binary(max_size=50), min_size=2, max_size=6))
def test_fragments_are_put_together_with_pings_between_them(parts: list[bytes]) -> None:
    websocket = open_websocket()
    received = websocket.receive(masked(parts[0], fin=False))
    for number, part in enumerate(parts[1:], start=2):
        received += websocket.receive(masked(b"p", PING))
        received += websocket.receive(masked(part, CONTINUATION, fin=number == len(parts)))
    assert received == [b"".join(parts)]
    assert websocket.take_output() == b"\x8a\x01p" * (len(parts) - 1)


@pytest.mark.parametrize(
    ("size", "header"),
    [
        (0, "82 00"),
        (125, "82 7d"),
        (126, "82 7e 007e"),
        (65_535, "82 7e ffff"),
        (65_536, "82 7f 0000000000010000"),
    ],
)
def test_an_outgoing_frame_has_the_shortest_header(size: int, header: str) -> None:
    payload = b"x" * size
    assert ServerWebSocket.frame(payload) == bytes.fromhex(header) + payload


def test_a_message_of_the_greatest_size_is_taken_and_one_byte_more_is_not() -> None:
    websocket = open_websocket(message_bytes_max=70_000)
    assert websocket.receive(masked(b"x" * 70_000)) == [b"x" * 70_000]
    assert websocket.receive(masked(b"x" * 70_001)[:14]) == []
    assert ended(websocket)[0] == 1009


def test_fragments_count_together_against_the_greatest_size() -> None:
    websocket = open_websocket(message_bytes_max=100)
    assert websocket.receive(masked(b"x" * 60, fin=False) + masked(b"x" * 41, CONTINUATION)) == []
    assert ended(websocket)[0] == 1009


def test_before_its_sender_is_known_a_frame_that_says_it_is_long_is_not_kept() -> None:
    websocket = ServerWebSocket()
    websocket.receive(UPGRADE)
    websocket.take_output()
    longest = masked(b"x" * limits.HANDSHAKE_BYTES_MAX)
    assert websocket.receive(longest) == [b"x" * limits.HANDSHAKE_BYTES_MAX]
    websocket.allow(limits.FRAME_BYTES_MAX)
    assert len(websocket.receive(masked(b"x" * limits.FRAME_BYTES_MAX))) == 1
    websocket = ServerWebSocket()
    websocket.receive(UPGRADE)
    websocket.take_output()
    assert websocket.receive(masked(b"x" * (limits.HANDSHAKE_BYTES_MAX + 1))[:14]) == []
    assert ended(websocket)[0] == 1009


# --- broken rules -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (masked(b"text", TEXT), Code.TEXT_FRAME),
        (b"\x82\x03one", Code.FRAME_INVALID),
        (masked(b"", 3), Code.FRAME_INVALID),
        (masked(b"", 0x40 | BINARY), Code.FRAME_INVALID),
        (masked(b"", CONTINUATION), Code.FRAME_INVALID),
        (masked(b"", fin=False) + masked(b""), Code.FRAME_INVALID),
        (masked(b"", PING, fin=False), Code.FRAME_INVALID),
        (masked(b"x" * 126, PING), Code.FRAME_INVALID),
        (masked(b"\x03", CLOSE), Code.FRAME_INVALID),
        (masked(b"\x03\xed", CLOSE), Code.FRAME_INVALID),
        (masked(b"\x03\xe8\xff", CLOSE), Code.PAYLOAD_INVALID),
        (b"\x82\xff" + b"\xff" * 12, Code.MESSAGE_TOO_BIG),
        (masked(b"p", PING) * (limits.FRAMES_PER_MESSAGE_MAX + 1), Code.FRAMES_EXCEEDED),
        (masked(b"", PONG) * 100_000, Code.FRAMES_EXCEEDED),
    ],
)
def test_what_breaks_the_rules_ends_the_connection_and_what_came_before_counts(
    data: bytes, code: Code
) -> None:
    websocket = open_websocket()
    assert websocket.receive(masked(b"before") + data + masked(b"after")) == [b"before"]
    ended(websocket)
    assert websocket.violation is not None
    assert websocket.violation.code is code
    assert websocket.receive(masked(b"late")) == []
    websocket.receive_eof()
    assert websocket.take_output() == b""


def test_text_is_refused_at_its_first_fragment() -> None:
    websocket = open_websocket()
    assert websocket.receive(masked(b"te", TEXT, fin=False)) == []
    assert ended(websocket)[0] == 1003


def test_a_text_is_refused_whatever_was_read_with_it() -> None:
    websocket = open_websocket()
    data = masked(b"text", TEXT) + masked(b"p", PING) + CLOSE_1000 + masked(b"after")
    assert websocket.receive(data) == []
    assert ended(websocket)[0] == 1003


def test_frames_before_a_message_are_counted_anew_for_each() -> None:
    websocket = open_websocket()
    pings = masked(b"", PING) * limits.FRAMES_PER_MESSAGE_MAX
    whole = masked(b"one") + pings + masked(b"two")
    assert websocket.receive(whole * 3) == [b"one", b"two"] * 3
    parts = masked(b"o", fin=False) + masked(b"ne", CONTINUATION)
    assert websocket.receive((parts + pings[6 * 2 :]) * 3) == [b"one"] * 3
    assert websocket.violation is None


@pytest.mark.parametrize(
    "pair",
    [
        masked(b"", PING) * 2,
        masked(b"", PONG) * 2,
        masked(b"", fin=False) + masked(b"", CONTINUATION),
    ],
)
def test_frames_of_all_kinds_are_bounded_in_a_second(pair: bytes) -> None:
    websocket = open_websocket()
    units = limits.WEBSOCKET_FRAMES_PER_SECOND_MAX // 101
    flood = (pair * 50 + masked(b"one")) * units
    for _ in range(3):
        websocket.begin_second()
        assert websocket.receive(flood).count(b"one") == units
        assert websocket.violation is None
    websocket.receive(flood)
    assert ended(websocket)[0] == 4006


def test_a_ping_too_many_has_no_pong() -> None:
    websocket = open_websocket()
    websocket.receive(masked(b"x" * 125, PING) * 10_000)
    output = websocket.take_output()
    assert output.count(b"\x8a\x7d") == limits.FRAMES_PER_MESSAGE_MAX
    assert close_frame(output)[0] == 1008


def test_what_was_wrong_is_not_kept_until_somebody_collects_it() -> None:
    wrong = masked(bytes(200_000), 0x40 | BINARY)
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(10):
            websocket = open_websocket(message_bytes_max=200_000)
            websocket.receive(wrong)
            assert ended(websocket)[0] == 1002
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert kept < 200_000


# --- closing ----------------------------------------------------------------------------------


def test_a_close_of_the_terminal_is_answered_and_what_came_before_it_counts() -> None:
    websocket = open_websocket()
    assert websocket.receive(masked(b"one") + CLOSE_1000 + masked(b"two")) == [b"one"]
    assert close_frame(websocket.take_output()) == (1000, "bye")
    assert websocket.closed
    assert websocket.violation is None


def test_a_close_may_stand_between_fragments() -> None:
    websocket = open_websocket()
    assert websocket.receive(masked(b"half", fin=False) + CLOSE_1000) == []
    assert close_frame(websocket.take_output()) == (1000, "bye")
    assert (websocket.closed, websocket.violation) == (True, None)


@pytest.mark.parametrize("last", [CLOSE_1000, masked(b"text", TEXT)])
def test_what_came_before_the_end_may_be_answered_before_it_is(last: bytes) -> None:
    websocket = open_websocket()
    assert websocket.sendable
    assert websocket.receive(masked(b"one") + last) == [b"one"]
    assert (websocket.open, websocket.sendable) == (False, True)
    websocket.take_output()
    assert not websocket.sendable


def test_a_close_of_the_node_waits_for_the_answer_and_hears_nothing_else() -> None:
    websocket = open_websocket()
    websocket.close(4005, "idle")
    assert close_frame(websocket.take_output()) == (4005, "idle")
    assert websocket.close_sent
    assert not websocket.closed
    assert websocket.receive(masked(b"one")) == []
    websocket.close(1012, "node_stopping")
    assert websocket.take_output() == b""
    assert websocket.receive(masked(b"two") + CLOSE_1000) == []
    assert websocket.closed


def test_a_reason_is_cut_to_what_fits_between_two_letters() -> None:
    websocket = open_websocket()
    websocket.close(4005, "\u00e9" * 100)
    assert close_frame(websocket.take_output()) == (4005, "\u00e9" * 61)


def test_the_end_of_the_stream_without_a_close_is_no_violation() -> None:
    websocket = open_websocket()
    websocket.receive(masked(b"half")[:-1])
    websocket.receive_eof()
    websocket.receive_eof()
    assert (websocket.closed, websocket.open, websocket.close_sent) == (True, False, False)
    assert websocket.violation is None
    assert websocket.take_output() == b""
