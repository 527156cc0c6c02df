"""Every row of the tables on the websocket without I/O, the bytes cut in three ways."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import pytest

from protocol.limits import FRAME_BYTES_MAX
from protocol.websocket import ServerWebSocket
from tests.protocol.autobahn import tables
from tests.protocol.autobahn.rows import Opening, Row, is_ended_by, sent_by
from tests.protocol.peer import CLOSE, PONG

Cut: TypeAlias = Callable[[bytes], Iterator[bytes]]

SEED: Final = 20_250_730
BYTEWISE_MAX: Final = 70_000
"""What is longer is cut into pieces of a few bytes: one by one takes long and shows no more."""


def whole(data: bytes) -> Iterator[bytes]:
    """Yield all at once."""
    yield data


def bytewise(data: bytes) -> Iterator[bytes]:
    """Yield the bytes one by one."""
    step = 1 if len(data) <= BYTEWISE_MAX else 23
    for at in range(0, len(data), step):
        yield data[at : at + step]


def at_random(data: bytes) -> Iterator[bytes]:
    """Yield pieces of any size, most of them short."""
    rng = random.Random(SEED)
    at = 0
    while at < len(data):
        size = min(rng.randint(1, 60_000), rng.randint(1, 60_000), int(rng.expovariate(1e-3)) + 1)
        yield data[at : at + size]
        at += size


CUTS: Final = (whole, bytewise, at_random)


class Heard:
    """What a websocket took and said while it was fed."""

    def __init__(self, websocket: ServerWebSocket, data: bytes, cut: Cut) -> None:
        self.messages: list[bytes] = []
        self.output = b""
        for piece in cut(data):
            self.messages += websocket.receive(piece)
            self.output += websocket.take_output()


def frames_of(output: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield opcode and body of each frame of the node; all here are short."""
    while output:
        head, size = output[:2]
        assert head & 0x70 == 0, "no reserved bits"
        assert head & 0x80, "no fragments"
        assert size <= 125, "no mask, and no long control frame"
        yield head & 0x0F, output[2 : 2 + size]
        output = output[2 + size :]


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("row", tables.ROWS, ids=lambda row: row.id)
def test_a_row_is_answered_as_told_however_it_is_cut(row: Row, cut: Cut) -> None:
    websocket = ServerWebSocket()
    opened = Heard(websocket, row.request, cut).output
    assert opened.startswith(b"HTTP/1.1 101 ")
    assert b"sec-websocket-extensions" not in opened.lower()
    websocket.allow(FRAME_BYTES_MAX)
    heard = Heard(websocket, sent_by(row), cut)
    assert heard.messages == list(row.messages)
    *pongs, (opcode, body) = frames_of(heard.output)
    assert pongs == [(PONG, pong) for pong in row.pongs]
    assert opcode == CLOSE
    assert is_ended_by(row, body), body
    assert websocket.closed
    assert websocket.receive(b"late") == []
    assert websocket.take_output() == b""


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("opening", tables.OPENINGS, ids=lambda opening: opening.id)
def test_a_request_is_answered_as_told_however_it_is_cut(opening: Opening, cut: Cut) -> None:
    websocket = ServerWebSocket()
    said = Heard(websocket, opening.request, cut).output
    status = re.match(rb"HTTP/1.1 (\d+) ", said)
    assert (int(status[1]) if status else 0) == opening.status
    assert opening.header in said
    assert websocket.open == (opening.status == 101)
    assert websocket.closed != websocket.open


def test_no_two_rows_have_one_name() -> None:
    names = [row.id for row in tables.ROWS] + [opening.id for opening in tables.OPENINGS]
    assert len(names) == len(set(names))


SUITE: Final = """
    1.1:8 1.2:8 2:11 3:7 4.1:5 4.2:5 5:20 6.1:3 6.2:4 6.3:2 6.4:4 6.5:5 6.6:4 6.7:4 6.8:2 6.9:4
    6.10:3 6.11:4 6.12:8 6.13:5 6.14:10 6.15:1 6.16:3 6.17:5 6.18:5 6.19:5 6.20:7 6.21:8 6.22:34
    6.23:7 7.1:6 7.3:6 7.5:1 7.7:13 7.9:9 7.13:2 9.1:6 9.2:6 9.3:9 9.4:9 9.6:6 9.7:6 9.8:6 10.1:1
    12.1:18 13:7
"""
"""How many rows a section has at least: as many as the suite has cases."""


def test_every_case_of_the_suite_has_a_row() -> None:
    told = {each for row in tables.ROWS for each in re.findall(r"\d[\d.]*\d", row.id)}
    sections = (pair.partition(":") for pair in SUITE.split())
    wanted = {f"{name}.{number + 1}" for name, _, top in sections for number in range(int(top))}
    assert not wanted - told
