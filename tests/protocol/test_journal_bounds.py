"""A part of a terminal's journal is no longer than the answer that will show it can be."""

from __future__ import annotations

import pytest

from protocol import limits
from protocol.codec import encode
from protocol.errors import Code, ProtocolViolation
from protocol.messages import Answer, JournalFound, JournalLine, JournalPart
from protocol.session import Phase
from tests.protocol.peer import NOW_MS, pack, ready_session

COUNT = limits.TRANSACTIONS_PER_FRAME_MAX


def part_of(size_bytes: int) -> bytes:
    """Return a part of the most transactions, and of this many bytes, or up to three less."""
    # A letter takes one byte and a bus four, so that each of them that is one makes three more.
    buses = [0] * (2 * COUNT)
    missing = (size_bytes - len(packed(buses))) // 3
    for at in range(len(buses)):
        buses[at] = min(63, missing)
        missing -= buses[at]
    assert not missing
    return packed(buses)


def packed(buses: list[int]) -> bytes:
    tap = ["tap", "C" * 64, 3_500, "transjakarta", "in"]
    texts = ["\U0001f68c" * count + "x" * (64 - count) for count in buses]
    lines = [
        [2**53 - 1, NOW_MS, [*tap, place, line]]
        for place, line in zip(texts[::2], texts[1::2], strict=True)
    ]
    return pack("journal_part", "ani/1", 0, lines)


def test_the_longest_part_is_taken_and_fits_into_its_answer() -> None:
    payload = part_of(limits.JOURNAL_PART_BYTES_MAX)
    assert limits.JOURNAL_PART_BYTES_MAX - len(payload) < 3
    message = ready_session().receive(payload, NOW_MS)
    assert isinstance(message, JournalPart)
    lines = tuple(JournalLine(one, 2**53 - 1) for one in message.transactions)
    assert len(lines) == COUNT
    answer = encode(Answer(2**32 - 1, JournalFound(lines, limits.JOURNAL_PARTS_MAX - 1)))
    assert limits.JOURNAL_PART_BYTES_MAX < len(answer) <= limits.FRAME_BYTES_MAX


def test_a_longer_part_ends_the_session() -> None:
    session = ready_session()
    with pytest.raises(ProtocolViolation) as caught:
        session.receive(part_of(limits.JOURNAL_PART_BYTES_MAX + 3), NOW_MS)
    assert (caught.value.code, caught.value.field) == (Code.MESSAGE_TOO_BIG, "journal_part")
    assert session.phase is Phase.CLOSED
