"""A key for each card out of one that no card holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.chip.aes import BLOCK_BYTES, ZERO_IV, cmac, encrypt
from protocol.chip.diversify import derivation_message, diversified_key, input_of_card, subkeys
from protocol.chip.errors import Malformed
from tests.protocol.chip.vectors import vectors

KEYS = st.binary(min_size=16, max_size=16)


def test_the_key_is_that_of_the_note() -> None:
    """NXP AN10922, 2.2.1."""
    master = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
    card = input_of_card(bytes.fromhex("04782E21801D80"), bytes.fromhex("3042F5"), b"NXP Abu")
    assert diversified_key(master, card).hex().upper() == "A8DD63A3B89D54B37CA802473FDA9175"


def test_the_subkeys_are_those_of_rfc_4493() -> None:
    """RFC 4493, 4."""
    once, twice = subkeys(bytes.fromhex("2B7E151628AED2A6ABF7158809CF4F3C"))
    assert once.hex() == "fbeed618357133667c85e08f7236a8de"
    assert twice.hex() == "f7ddac306ae266ccf90bc11ee46d513b"


def test_every_published_key_is_derived() -> None:
    for vector in vectors("an10922_aes128", 2):
        master = vector.given("master_key")
        derived = diversified_key(master, vector.given("diversification_input"))
        assert derived == vector.due("derived_key"), vector.id
        if "k1" in vector.expected:
            assert subkeys(master) == (vector.due("k1"), vector.due("k2")), vector.id


@given(KEYS, st.binary(min_size=16, max_size=31))
def test_a_long_input_gives_what_a_plain_cmac_gives(key: bytes, diversification: bytes) -> None:
    assert diversified_key(key, diversification) == cmac(key, b"\x01" + diversification)


@given(KEYS, st.binary(min_size=1, max_size=15))
def test_a_short_input_gives_another_key_than_a_plain_cmac(
    key: bytes, diversification: bytes
) -> None:
    assert diversified_key(key, diversification) != cmac(key, b"\x01" + diversification)


@given(KEYS, st.sets(st.binary(min_size=1, max_size=31), min_size=2, max_size=4))
def test_no_two_cards_have_the_same_key(key: bytes, inputs: set[bytes]) -> None:
    assert len({diversified_key(key, given) for given in inputs}) == len(inputs)


@given(KEYS, st.binary(min_size=1, max_size=31))
def test_a_master_key_that_stays_where_it_is_comes_to_the_same_key(
    master: bytes, diversification: bytes
) -> None:
    message = derivation_message(diversification, subkeys(master))
    assert len(message) == 2 * BLOCK_BYTES
    enciphered = encrypt(master, ZERO_IV, message)
    assert enciphered[BLOCK_BYTES:] == diversified_key(master, diversification)
    between = encrypt(master, ZERO_IV, message[:BLOCK_BYTES])
    assert encrypt(master, between, message[BLOCK_BYTES:]) == enciphered[BLOCK_BYTES:]


@given(KEYS, KEYS, st.binary(min_size=1, max_size=31))
def test_the_first_block_is_the_same_under_every_master_key(
    one: bytes, other: bytes, diversification: bytes
) -> None:
    messages = [derivation_message(diversification, subkeys(key)) for key in (one, other)]
    assert messages[0][:BLOCK_BYTES] == messages[1][:BLOCK_BYTES]


def test_wrong_sizes_are_named() -> None:
    with pytest.raises(Malformed, match="0 bytes to derive a key from"):
        diversified_key(bytes(16), b"")
    with pytest.raises(Malformed, match="32 bytes to derive a key from, outside 1 to 31"):
        diversified_key(bytes(16), bytes(32))
    with pytest.raises(Malformed, match="the key has 24 bytes"):
        diversified_key(bytes(24), b"card")
    with pytest.raises(Malformed, match="the UID has 4 bytes, not 7"):
        input_of_card(bytes(4), bytes(3), b"")
    with pytest.raises(Malformed, match="the application's identifier has 2 bytes"):
        input_of_card(bytes(7), bytes(2), b"")
