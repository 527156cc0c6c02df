"""Frames come back as they were written, however they are cut."""

from __future__ import annotations

import pytest

from ops.conformance.frames import (
    Frame,
    FrameReader,
    Opcode,
    close_payload,
    close_told,
    frame,
    masked,
)
from tests.protocol.peer import masked as written_elsewhere


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 70_000])
@pytest.mark.parametrize("mask", [None, b"\x00\x01\x02\x03"])
def test_a_frame_is_read_as_it_was_written(size: int, mask: bytes | None) -> None:
    payload = bytes(number % 251 for number in range(size))
    data = frame(payload, Opcode.PING, fin=False, mask=mask, reserved=5)
    wanted = [Frame(Opcode.PING, payload, fin=False, masked=mask is not None, reserved=5)]
    assert FrameReader().feed(data) == wanted
    reader = FrameReader()
    found = [each for byte in data[:200] for each in reader.feed(bytes([byte]))]
    assert found + reader.feed(data[200:]) == wanted


def test_a_frame_is_the_same_as_another_hand_writes_it() -> None:
    for size in (3, 200, 70_000):
        assert frame(bytes(size)) == written_elsewhere(bytes(size))


def test_several_frames_come_in_one_piece() -> None:
    reader = FrameReader()
    found = reader.feed(frame(b"one") + frame(b"two", mask=None) + frame(b"three")[:4])
    assert [each.payload for each in found] == [b"one", b"two"]
    assert reader.feed(frame(b"three")[4:])[0].payload == b"three"


def test_a_mask_is_taken_off_as_it_was_put_on() -> None:
    assert masked(masked(b"payload", b"mask"), b"mask") == b"payload"


def test_a_close_frame_tells_code_and_reason() -> None:
    assert close_told(close_payload(1007, "field_invalid")) == (1007, "field_invalid")
    assert close_told(b"") == (1005, "")
