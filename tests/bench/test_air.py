"""What commands take on the air, on paper."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.air import (
    ASSUMED_CARD_US,
    ASSUMED_OTHER_US,
    BLOCK_BYTES,
    DELAY_US,
    FAST,
    FRAME_BYTES_MAX,
    RATES,
    SLOW,
    Exchanged,
    Rate,
    assumed_us,
    blocks,
    card_frame_us,
    exchange_us,
    exchanged,
    finding_us,
    on_air,
    reader_frame_us,
)
from protocol.chip.apdu import CommandApdu, ResponseApdu
from terminals.pcsc.card_link import Step

SIZES = st.integers(min_value=1, max_value=300)
SELECT = CommandApdu(0x00, 0xA4, 0x04, 0x00, bytes(16), 256)


def test_a_bit_at_106_takes_9_44_us_and_at_848_an_eighth() -> None:
    assert pytest.approx(9.44, abs=0.01) == SLOW.bit_us
    assert pytest.approx(SLOW.bit_us / 8) == FAST.bit_us


def test_a_frame_is_its_bytes_with_parity_and_what_begins_and_ends_it() -> None:
    bit = Rate(0, 1.0)
    assert reader_frame_us(10, bit) == 93
    assert card_frame_us(10, bit) == 92
    assert card_frame_us(1, FAST) > FAST.lead_us > 0


def test_the_least_delay_between_frames_is_86_us() -> None:
    assert pytest.approx(86.4, abs=0.1) == DELAY_US


def test_a_short_command_and_its_answer_are_a_block_each() -> None:
    bit = Rate(0, 1.0)
    both = reader_frame_us(5 + BLOCK_BYTES, bit) + card_frame_us(2 + BLOCK_BYTES, bit)
    assert exchange_us(Exchanged(0x6C, 5, 2), bit) == both + 2 * DELAY_US


def test_a_long_command_goes_in_blocks_that_are_acknowledged() -> None:
    bit = Rate(0, 1.0)
    assert blocks(62) == [64, 4]
    frames = reader_frame_us(64, bit) + card_frame_us(3, bit) + reader_frame_us(4, bit)
    answer = card_frame_us(5, bit)
    assert exchange_us(Exchanged(0x8D, 62, 2), bit) == frames + answer + 4 * DELAY_US


def test_a_long_answer_is_asked_for_block_by_block() -> None:
    bit = Rate(0, 1.0)
    frames = reader_frame_us(8, bit) + card_frame_us(64, bit)
    frames += reader_frame_us(3, bit) + card_frame_us(4, bit)
    assert exchange_us(Exchanged(0xAD, 5, 62), bit) == frames + 4 * DELAY_US


@given(SIZES)
def test_blocks_carry_all_and_none_is_too_long(size: int) -> None:
    sizes = blocks(size)
    assert sum(sizes) - BLOCK_BYTES * len(sizes) == size
    assert max(sizes) <= FRAME_BYTES_MAX
    assert min(sizes) > BLOCK_BYTES


@given(SIZES, SIZES)
def test_the_fast_rate_is_faster_and_never_eight_times(there: int, back: int) -> None:
    slow, fast = (exchange_us(Exchanged(0x6C, there, back), rate) for rate in RATES)
    assert fast < slow < 8 * fast


def test_what_the_reader_answers_itself_is_not_on_the_air() -> None:
    asked = CommandApdu(0xFF, 0xCA, 0, 0, expected=256)
    steps = [
        Step(asked, ResponseApdu(bytes(7), 0x9000), 0.1),
        Step(SELECT, ResponseApdu(bytes(32), 0x9000), 0.1),
        Step(SELECT, None, 0.1),
    ]
    assert exchanged(steps) == [Exchanged(0xA4, 22, 34), Exchanged(0xA4, 22, 0)]


def test_what_the_chip_is_assumed_to_work_stands_apart() -> None:
    exchanges = [Exchanged(0xA4, 22, 34), Exchanged(0xC7, 14, 22)]
    found = on_air(exchanges, SLOW)
    assert (found.commands, found.there, found.back) == (2, 36, 56)
    assert found.air_us == sum(exchange_us(each, SLOW) for each in exchanges)
    whole_us = ASSUMED_CARD_US[0xA4] + ASSUMED_CARD_US[0xC7]
    assert found.card_us == pytest.approx(whole_us - 2 * DELAY_US)
    assert assumed_us(0x60) == ASSUMED_OTHER_US


def test_finding_a_card_takes_longer_with_a_change_of_rate() -> None:
    assert 4_000 < finding_us(SLOW) < finding_us(FAST) < 8_000
