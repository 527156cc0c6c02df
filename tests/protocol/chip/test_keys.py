"""Keys by what they can do, and keys of cards out of master keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.chip.aes import ZERO_IV, cmac, decrypt, encrypt
from protocol.chip.diversify import diversified_key
from protocol.chip.errors import ChipError, Malformed
from protocol.chip.keys import (
    CardKeys,
    KeyMissing,
    KeyStoreFailed,
    OpenCardKeys,
    Role,
    SoftwareCardKeys,
    SoftwareKey,
    derivation_input,
    missing,
)

KEYS = st.binary(min_size=16, max_size=16)
UIDS = st.binary(min_size=7, max_size=7)
UID = bytes.fromhex("04DE5F1EACC040")
SECRET = b"sixteen secrets!"


@given(KEYS, KEYS, st.binary(min_size=32, max_size=32), st.binary(max_size=64))
def test_a_key_in_memory_does_what_its_bytes_do(
    raw: bytes, iv: bytes, data: bytes, message: bytes
) -> None:
    key = SoftwareKey(raw)
    assert key.encrypt(iv, data) == encrypt(raw, iv, data)
    assert key.decrypt(iv, data) == decrypt(raw, iv, data)
    assert key.cmac(message) == cmac(raw, message)


@given(KEYS, UIDS)
def test_the_key_of_a_card_is_made_of_the_master_key_and_its_uid(master: bytes, uid: bytes) -> None:
    keys: OpenCardKeys = SoftwareCardKeys({(Role.DEBIT, 3): master})
    due = diversified_key(master, derivation_input(uid))
    assert keys.card_key_bytes(Role.DEBIT, 3, uid) == due
    assert keys.card_key(Role.DEBIT, 3, uid).encrypt(ZERO_IV, bytes(16)) == encrypt(
        due, ZERO_IV, bytes(16)
    )


def test_a_key_is_made_of_the_uid_our_application_and_our_name() -> None:
    """What is on the cards hangs on it: it never changes."""
    assert derivation_input(UID).hex() == "04de5f1eacc040" + "f55130" + b"jakarta-one".hex()
    with pytest.raises(Malformed, match="the UID has 4 bytes, not 7"):
        derivation_input(bytes(4))


def test_keys_of_the_same_bytes_are_equal_and_of_others_not() -> None:
    keys = SoftwareCardKeys({(role, 1): bytes((number,)) * 16 for number, role in enumerate(Role)})
    found = {keys.card_key(role, 1, UID) for role in Role}
    assert len(found) == len(Role)
    assert keys.card_key(Role.SEAL, 1, UID) in found


def test_a_store_keeps_what_it_was_given_whatever_becomes_of_that() -> None:
    masters = {(Role.LOAD, 1): SECRET}
    keys: CardKeys = SoftwareCardKeys(masters)
    masters.clear()
    assert keys.card_key(Role.LOAD, 1, UID) == SoftwareKey(
        diversified_key(SECRET, derivation_input(UID))
    )


def test_a_key_that_is_not_there_is_named() -> None:
    keys = SoftwareCardKeys({(Role.LOAD, 1): SECRET})
    for role, version in ((Role.LOAD, 2), (Role.DEBIT, 1)):
        with pytest.raises(KeyMissing, match=f"no key {role} of version {version} here"):
            keys.card_key(role, version, UID)
    assert str(missing(Role.PROOF, 7)) == "there is no key proof of version 7 here"


def test_both_ways_in_which_a_store_fails_are_errors_of_a_chip() -> None:
    """Whoever speaks with a card need not know where keys lie."""
    assert issubclass(KeyMissing, ChipError)
    assert issubclass(KeyStoreFailed, ChipError)


def test_no_text_shows_a_key() -> None:
    keys = SoftwareCardKeys({(Role.LOAD, 1): SECRET})
    assert repr(SoftwareKey(SECRET)) == "SoftwareKey()"
    assert repr(keys.card_key(Role.LOAD, 1, UID)) == "SoftwareKey()"
    assert "secrets" not in repr(keys)


def test_wrong_sizes_are_named_and_no_key_is_shown() -> None:
    with pytest.raises(Malformed, match="the key has 15 bytes, not 16") as caught:
        SoftwareKey(SECRET[1:])
    assert "secrets" not in str(caught.value)
    with pytest.raises(Malformed, match="a master key has 17 bytes, not 16"):
        SoftwareCardKeys({(Role.LOAD, 1): SECRET + b"!"})
    with pytest.raises(Malformed, match="the UID has 4 bytes"):
        SoftwareCardKeys({(Role.LOAD, 1): SECRET}).card_key(Role.LOAD, 1, bytes(4))
