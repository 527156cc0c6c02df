"""What every store of chip keys promises: in memory, in a file, in a token."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ops.chip_key_stores import file_store
from ops.chip_key_stores.pkcs11_store import Pkcs11CardKeys
from protocol.chip.aes import ZERO_IV, cmac, decrypt, encrypt
from protocol.chip.authentication import authenticate_again, authenticate_first
from protocol.chip.diversify import diversified_key
from protocol.chip.errors import CardRefused, Malformed
from protocol.chip.keys import CardKeys, KeyMissing, Role, SoftwareCardKeys, derivation_input
from protocol.chip.secure import Command, Mode
from tests.protocol.chip.card import Card, same, talk
from tests.softhsm import PIN, MakeToken, token_maker

Masters: TypeAlias = Mapping[tuple[Role, int], bytes]
MakeStore: TypeAlias = Callable[[Masters], CardKeys]

MASTERS: Final = {
    (Role.DEBIT, 1): bytes(range(16)),
    (Role.DEBIT, 2): bytes(range(16, 32)),
    (Role.LOAD, 1): bytes(range(32, 48)),
    (Role.SEAL, 255): bytes(16),
}
UIDS: Final = st.binary(min_size=7, max_size=7)
BLOCKS: Final = st.binary(min_size=16, max_size=16)
WHOLE_BLOCKS: Final = st.integers(0, 4).flatmap(
    lambda count: st.binary(min_size=16 * count, max_size=16 * count)
)
UID: Final = bytes.fromhex("04DE5F1EACC040")


class Stores:
    """Makes stores of one kind, and closes them."""

    def __init__(self, kind: str, folder: Path, make_token: MakeToken | None) -> None:
        self._kind = kind
        self._folder = folder
        self._make_token = make_token
        self._held = ExitStack()

    def make(self, masters: Masters) -> CardKeys:
        if self._kind == "memory":
            return SoftwareCardKeys(dict(masters))
        if self._make_token is None:
            path = self._folder / "keys"
            file_store.create(path, "secret", masters, chance=random.Random(1).randbytes)
            return file_store.open_file(path, "secret")
        token = self._make_token()
        keys = Pkcs11CardKeys.open(token.module, token.label, PIN)
        self._held.enter_context(closing(keys))
        for (role, version), raw in masters.items():
            assert keys.bring_in(role, version, raw)
        return keys

    def close(self) -> None:
        self._held.close()


@pytest.fixture(params=["memory", "file", "token"])
def make_store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeStore]:
    """Return what makes a store of master keys."""
    make_token = token_maker(tmp_path, monkeypatch) if request.param == "token" else None
    with closing(Stores(request.param, tmp_path, make_token)) as stores:
        yield stores.make


@pytest.fixture
def store(make_store: MakeStore) -> CardKeys:
    return make_store(MASTERS)


def due(role: Role, version: int, uid: bytes) -> bytes:
    return diversified_key(MASTERS[role, version], derivation_input(uid))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(MASTERS)), UIDS, BLOCKS, WHOLE_BLOCKS)
def test_the_key_of_a_card_enciphers_as_the_one_that_is_on_it(
    store: CardKeys, place: tuple[Role, int], uid: bytes, iv: bytes, data: bytes
) -> None:
    key, raw = store.card_key(*place, uid), due(*place, uid)
    assert key.encrypt(iv, data) == encrypt(raw, iv, data)
    assert key.decrypt(iv, data) == decrypt(raw, iv, data)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(MASTERS)), UIDS, st.binary(max_size=80))
def test_the_key_of_a_card_makes_the_macs_of_the_one_that_is_on_it(
    store: CardKeys, place: tuple[Role, int], uid: bytes, message: bytes
) -> None:
    assert store.card_key(*place, uid).cmac(message) == cmac(due(*place, uid), message)


def test_a_session_is_begun_and_goes_on_with_another_key(store: CardKeys) -> None:
    card = Card(due(Role.DEBIT, 1, UID), bytes(range(16)), b"\x01\x02\x03\x04")
    session = talk(card, authenticate_first(1, store.card_key(Role.DEBIT, 1, UID), bytes(16)))
    assert same(card, session)
    card.mode, card.header_bytes, card.reply = Mode.FULL, 1, bytes(4)
    assert talk(card, session.run(Command(0x6C, b"\x03"), Mode.FULL)) == bytes(4)
    card.key = due(Role.LOAD, 1, UID)
    load = store.card_key(Role.LOAD, 1, UID)
    again = talk(card, authenticate_again(session, 2, load, bytes(16)))
    assert same(card, again)
    assert again.counter == 1


@pytest.mark.parametrize(
    ("role", "version", "uid"),
    [(Role.LOAD, 1, UID), (Role.DEBIT, 2, UID), (Role.DEBIT, 1, bytes(7))],
    ids=["another role", "another version", "another card"],
)
def test_the_key_of_anything_else_opens_no_card(
    store: CardKeys, role: Role, version: int, uid: bytes
) -> None:
    card = Card(due(Role.DEBIT, 1, UID), bytes(16), bytes(4))
    with pytest.raises(CardRefused, match="91AE"):
        talk(card, authenticate_first(1, store.card_key(role, version, uid), bytes(16)))


@pytest.mark.parametrize(
    ("role", "version"), [(Role.PROOF, 1), (Role.DEBIT, 3), (Role.DEBIT, 256), (Role.DEBIT, -1)]
)
def test_a_key_that_is_not_there_is_named(store: CardKeys, role: Role, version: int) -> None:
    with pytest.raises(KeyMissing, match=f"no key {role} of version {version} here"):
        store.card_key(role, version, UID)


def test_a_store_may_be_empty(make_store: MakeStore) -> None:
    with pytest.raises(KeyMissing, match="no key debit of version 1"):
        make_store({}).card_key(Role.DEBIT, 1, UID)


def test_wrong_sizes_are_named(store: CardKeys) -> None:
    with pytest.raises(Malformed, match="the UID has 4 bytes, not 7"):
        store.card_key(Role.DEBIT, 1, bytes(4))
    key = store.card_key(Role.DEBIT, 1, UID)
    for step in (key.encrypt, key.decrypt):
        with pytest.raises(Malformed, match="the IV has 15 bytes"):
            step(bytes(15), bytes(16))
        with pytest.raises(Malformed, match="17 bytes are no whole blocks of 16"):
            step(ZERO_IV, bytes(17))


def test_no_text_shows_a_key(store: CardKeys) -> None:
    raw, master = due(Role.DEBIT, 1, UID), MASTERS[Role.DEBIT, 1]
    texts = [repr(store), str(store), repr(store.card_key(Role.DEBIT, 1, UID))]
    for secret in (raw, master):
        for form in (repr(secret)[2:-1], secret.hex(), secret.hex().upper()):
            assert not any(form in text for text in texts)
