"""AES-128 as chips use it: CMAC, its truncation, CBC and padding."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.chip.aes import (
    ZERO_IV,
    cmac,
    decrypt,
    encrypt,
    is_mac,
    pad,
    truncated_mac,
    unpad,
)
from protocol.chip.errors import Malformed, NotAuthentic
from tests.protocol.chip.vectors import vectors

KEYS = st.binary(min_size=16, max_size=16)

RFC_4493_KEY = bytes.fromhex("2B7E151628AED2A6ABF7158809CF4F3C")
RFC_4493 = {
    "": "BB1D6929E95937287FA37D129B756746",
    "6BC1BEE22E409F96E93D7E117393172A": "070A16B46B4D4144F79BDD9DD04A287C",
    "6BC1BEE22E409F96E93D7E117393172AAE2D8A571E03AC9C9EB76FAC45AF8E5130C81C46A35CE411": (
        "DFA66747DE9AE63030CA32611497C827"
    ),
}
"""Examples 1 to 3 of section 4."""


@pytest.mark.parametrize(("message", "mac"), RFC_4493.items())
def test_the_mac_is_that_of_rfc_4493(message: str, mac: str) -> None:
    assert cmac(RFC_4493_KEY, bytes.fromhex(message)) == bytes.fromhex(mac)


def test_every_published_mac_is_found() -> None:
    for vector in vectors("aes_cmac", 4):
        assert cmac(vector.given("key"), vector.given("message")) == vector.due("mac"), vector.id


def test_every_published_truncation_is_found() -> None:
    for vector in vectors("mac_truncation", 3):
        key = vector.given("key")
        if "sv2" in vector.inputs:
            key = cmac(key, vector.given("sv2"))
            assert key == vector.due("session_key"), vector.id
            message = b""
        else:
            message = vector.given("message")
            assert cmac(key, message) == vector.due("mac"), vector.id
        assert truncated_mac(key, message) == vector.due("mact"), vector.id
        assert is_mac(vector.due("mact"), key, message), vector.id


def test_what_is_enciphered_is_the_example_of_nist() -> None:
    """NIST SP 800-38A, F.2.1: CBC with AES-128."""
    iv = bytes(range(16))
    plain = bytes.fromhex("6BC1BEE22E409F96E93D7E117393172AAE2D8A571E03AC9C9EB76FAC45AF8E51")
    cipher = bytes.fromhex("7649ABAC8119B246CEE98E9B12E9197D5086CB9B507219EE95DB113A917678B2")
    assert encrypt(RFC_4493_KEY, iv, plain) == cipher
    assert decrypt(RFC_4493_KEY, iv, cipher) == plain


@given(KEYS, st.binary(max_size=64), st.integers(0, 63))
def test_no_flipped_bit_of_a_mac_is_taken(key: bytes, message: bytes, bit: int) -> None:
    mac = truncated_mac(key, message)
    wrong = (int.from_bytes(mac, "big") ^ 1 << bit).to_bytes(8, "big")
    assert is_mac(mac, key, message)
    assert not is_mac(wrong, key, message)
    assert not is_mac(mac[:7], key, message)


@given(st.binary(max_size=64))
def test_what_was_padded_comes_back(data: bytes) -> None:
    padded = pad(data)
    assert len(padded) % 16 == 0
    assert 1 <= len(padded) - len(data) <= 16
    assert unpad(padded) == data


@pytest.mark.parametrize(
    "data", [b"", bytes(16), b"\x81" + bytes(15), b"\x80" + bytes(16)], ids=bytes.hex
)
def test_what_was_never_padded_is_refused(data: bytes) -> None:
    with pytest.raises(NotAuthentic, match="no padding"):
        unpad(data)


def test_wrong_sizes_are_named_and_no_key_is_shown() -> None:
    key = b"secret"
    with pytest.raises(Malformed, match="the key has 6 bytes, not 16") as caught:
        cmac(key, b"")
    assert "secret" not in str(caught.value)
    with pytest.raises(Malformed, match="the key has 6 bytes, not 16"):
        encrypt(key, ZERO_IV, b"")
    with pytest.raises(Malformed, match="the IV has 1 bytes"):
        decrypt(bytes(16), b"\0", bytes(16))
    with pytest.raises(Malformed, match="17 bytes are no whole blocks"):
        encrypt(bytes(16), ZERO_IV, bytes(17))
    with pytest.raises(Malformed, match="15 bytes are no whole blocks"):
        decrypt(bytes(16), ZERO_IV, bytes(15))
