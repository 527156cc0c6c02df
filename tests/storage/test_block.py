"""A sealed block opens to what was sealed, or not at all."""

from __future__ import annotations

from hashlib import sha256

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.block import GENESIS, HASH_BYTES, open_block, seal
from storage.errors import StorageDamaged
from tests.storage.entries import START_MS, entries


def never() -> int:
    raise AssertionError("asked for the number of a sound block")


@given(
    number=st.integers(0, 2**40),
    first_position=st.integers(0, 2**40),
    previous=st.binary(min_size=HASH_BYTES, max_size=HASH_BYTES),
    count=st.integers(1, 5),
)
def test_a_sealed_block_opens_to_what_was_sealed(
    number: int, first_position: int, previous: bytes, count: int
) -> None:
    block, value = seal(number, first_position, previous, START_MS, entries(7, count))
    assert block.entries == tuple(entries(7, count))
    assert block.next_position == first_position + count
    assert open_block(value, never) == block


def test_the_stored_form_is_what_is_documented() -> None:
    block, value = seal(3, 20, GENESIS, START_MS, entries(20, 2))
    own, payload = value[:32], value[32:]
    assert own == block.hash == sha256(payload).digest()
    content = msgspec.msgpack.decode(payload)
    assert content[:4] == [3, 20, GENESIS, START_MS]
    assert [entry[0] for entry in content[4]] == ["GATE-6", "GATE-0"]


@given(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_bit_that_was_altered_is_found(at: float, bit: int) -> None:
    _, value = seal(5, 20, GENESIS, START_MS, entries(20, 3))
    altered = bytearray(value)
    altered[int(at * len(value))] ^= 1 << bit
    with pytest.raises(StorageDamaged, match=r"block 5 .* hash .* backup") as damage:
        open_block(bytes(altered), lambda: 5)
    assert damage.value.block == 5


@given(length=st.integers(0, 400))
def test_a_block_that_was_cut_is_found(length: int) -> None:
    _, value = seal(5, 20, GENESIS, START_MS, entries(20, 3))
    assert length < len(value)
    with pytest.raises(StorageDamaged, match="hash"):
        open_block(value[:length], lambda: 5)


@pytest.mark.parametrize("content", [[1, 2, 3], [0, 0, GENESIS, 0, [], "more"], {"number": 1}, 7])
def test_a_sound_hash_over_something_else_is_refused(content: object) -> None:
    payload = msgspec.msgpack.encode(content)
    with pytest.raises(StorageDamaged, match=r"block 8 .* cannot be read"):
        open_block(sha256(payload).digest() + payload, lambda: 8)


def test_a_block_has_entries() -> None:
    with pytest.raises(AssertionError, match="says nothing"):
        seal(0, 0, GENESIS, START_MS, [])
