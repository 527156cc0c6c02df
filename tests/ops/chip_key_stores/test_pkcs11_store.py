"""Master keys in a token: what leaves it, what does not, and what is told when it fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pkcs11
import pytest
from pkcs11 import Attribute, KeyType, MechanismFlag, ObjectClass
from pkcs11.exceptions import AttributeSensitive, DeviceRemoved
from pkcs11.types import Session

from ops.chip_key_stores import pkcs11_store
from ops.chip_key_stores.pkcs11_store import Pkcs11CardKeys
from protocol.chip.aes import ZERO_IV, cmac, encrypt
from protocol.chip.diversify import diversified_key, subkeys
from protocol.chip.errors import Malformed
from protocol.chip.keys import KeyMissing, KeyStoreFailed, Role, derivation_input
from tests.softhsm import PIN, MakeToken, PlacedToken, token_maker

RAW, OTHER = bytes(range(16)), bytes(range(16, 32))
UID = bytes.fromhex("04DE5F1EACC040")
LABEL = "jakarta-one debit 1"


@pytest.fixture
def make_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeToken:
    return token_maker(tmp_path, monkeypatch)


@pytest.fixture
def token(make_token: MakeToken) -> PlacedToken:
    return make_token()


@pytest.fixture
def keys(token: PlacedToken) -> Iterator[Pkcs11CardKeys]:
    """An open token with one master key."""
    with closing(opened(token)) as found:
        assert found.bring_in(Role.DEBIT, 1, RAW)
        yield found


@pytest.fixture
def session(token: PlacedToken, keys: Pkcs11CardKeys) -> Iterator[Session]:
    """A session of whoever has the PIN, and looks at what the token holds."""
    library = pkcs11.lib(str(token.module.resolve()))
    with library.get_token(token_label=token.label).open(rw=True) as session:
        yield session


def opened(token: PlacedToken) -> Pkcs11CardKeys:
    return Pkcs11CardKeys.open(token.module, token.label, PIN)


def due(uid: bytes) -> bytes:
    return diversified_key(RAW, derivation_input(uid))


def uid_of(number: int) -> bytes:
    return number.to_bytes(7, "big")


def session_keys(session: Session) -> list[pkcs11.Object]:
    """Return the keys of cards that the token holds."""
    wanted = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.TOKEN: False}
    return list(session.get_objects(wanted))


def test_master_keys_are_kept_and_listed(token: PlacedToken) -> None:
    with closing(opened(token)) as keys:
        assert keys.listed() == []
        for role, version in ((Role.SEAL, 255), (Role.DEBIT, 1)):
            assert keys.bring_in(role, version, RAW)
    with closing(opened(token)) as again:
        assert again.listed() == [(Role.DEBIT, 1), (Role.SEAL, 255)]
        assert again.card_key(Role.DEBIT, 1, UID).cmac(b"") == cmac(due(UID), b"")


def test_to_bring_in_again_changes_nothing(keys: Pkcs11CardKeys, session: Session) -> None:
    assert not keys.bring_in(Role.DEBIT, 1, RAW)
    with pytest.raises(KeyStoreFailed, match=rf"has another key as {LABEL}"):
        keys.bring_in(Role.DEBIT, 1, OTHER)
    assert keys.card_key(Role.DEBIT, 1, UID).cmac(b"m") == cmac(due(UID), b"m")
    stored = session.get_objects({Attribute.LABEL: LABEL, Attribute.TOKEN: True})
    assert len(list(stored)) == 2


def test_wrong_sizes_are_named(keys: Pkcs11CardKeys) -> None:
    with pytest.raises(Malformed, match="the master key has 15 bytes"):
        keys.bring_in(Role.LOAD, 1, RAW[1:])
    with pytest.raises(Malformed, match="the version of a key is 256"):
        keys.bring_in(Role.LOAD, 256, RAW)
    assert keys.listed() == [(Role.DEBIT, 1)]


# --- what leaves the token -------------------------------------------------------------------


def test_a_master_key_may_derive_and_do_nothing_else(
    keys: Pkcs11CardKeys, session: Session
) -> None:
    master = session.get_key(label=LABEL, object_class=ObjectClass.SECRET_KEY)
    with pytest.raises(AttributeSensitive):
        master[Attribute.VALUE]
    assert (master[Attribute.SENSITIVE], master[Attribute.EXTRACTABLE]) == (True, False)
    assert (master[Attribute.PRIVATE], master[Attribute.DERIVE]) == (True, True)
    for use in ("ENCRYPT", "DECRYPT", "SIGN", "VERIFY", "WRAP", "UNWRAP"):
        assert master[Attribute[use]] is False, use


def test_the_key_of_a_card_does_not_leave_the_token(keys: Pkcs11CardKeys, session: Session) -> None:
    keys.card_key(Role.DEBIT, 1, UID).cmac(b"")
    for key in session_keys(session):
        with pytest.raises(AttributeSensitive):
            key[Attribute.VALUE]
        assert (key[Attribute.SENSITIVE], key[Attribute.EXTRACTABLE]) == (True, False)
        assert key[Attribute.DERIVE] is False


def test_the_subkeys_lie_beside_the_master_key_for_its_user_alone(
    token: PlacedToken, keys: Pkcs11CardKeys, session: Session
) -> None:
    (data,) = session.get_objects({Attribute.CLASS: ObjectClass.DATA, Attribute.LABEL: LABEL})
    assert data[Attribute.VALUE] == b"".join(subkeys(RAW))
    assert data[Attribute.PRIVATE] is True


def test_no_stored_byte_is_that_of_a_key(tmp_path: Path, keys: Pkcs11CardKeys) -> None:
    keys.card_key(Role.DEBIT, 1, UID).cmac(b"")
    stored = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert stored
    assert not any(secret in raw for raw in stored for secret in (RAW, due(UID)))


# --- room for the keys of cards --------------------------------------------------------------


def test_only_so_many_keys_of_cards_are_held(
    keys: Pkcs11CardKeys, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pkcs11_store, "CARD_KEYS_MAX", 3)
    found = [keys.card_key(Role.DEBIT, 1, uid_of(number)) for number in range(5)]
    for _ in range(2):
        for number, key in enumerate(found):
            assert key.cmac(b"m") == cmac(due(uid_of(number)), b"m")
            assert len(session_keys(session)) <= 3


def test_the_key_unused_for_longest_makes_room(
    keys: Pkcs11CardKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pkcs11_store, "CARD_KEYS_MAX", 2)
    derived: list[bytes] = []
    derive = pkcs11_store._derive  # noqa: SLF001 only this tells how often the token is asked

    def counted(master: pkcs11.Object, message: bytes) -> pkcs11.SecretKey:
        derived.append(message[1:8])
        return derive(master, message)

    monkeypatch.setattr(pkcs11_store, "_derive", counted)
    for number in (1, 2, 1, 1, 3, 1, 2):
        keys.card_key(Role.DEBIT, 1, uid_of(number)).encrypt(ZERO_IV, bytes(16))
    assert derived == [uid_of(number) for number in (1, 2, 3, 2)]


# --- threads, and opening again --------------------------------------------------------------


def test_many_threads_ask_one_token(keys: Pkcs11CardKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pkcs11_store, "CARD_KEYS_MAX", 3)
    begin = threading.Barrier(4)

    def ask(number: int) -> None:
        begin.wait(timeout=60)
        for turn in range(20):
            uid = uid_of(number * (turn % 3))
            data = bytes((number,)) * 16
            key = keys.card_key(Role.DEBIT, 1, uid)
            assert key.encrypt(ZERO_IV, data) == encrypt(due(uid), ZERO_IV, data)
            assert key.decrypt(ZERO_IV, key.encrypt(ZERO_IV, data)) == data

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == [None] * 4


def test_a_token_is_closed_and_opened_again_and_again(token: PlacedToken) -> None:
    for turn in range(3):
        keys = opened(token)
        assert keys.bring_in(Role.DEBIT, 1, RAW) is (turn == 0)
        key = keys.card_key(Role.DEBIT, 1, UID)
        key.cmac(b"")
        keys.close()
        keys.close()
        with pytest.raises(KeyStoreFailed, match=rf"token sam-1: use {LABEL}: it is closed"):
            key.cmac(b"")
        with pytest.raises(KeyStoreFailed, match="list its keys: it is closed"):
            keys.listed()


def test_two_tokens_of_one_library_do_not_close_each_other(make_token: MakeToken) -> None:
    # A library learns of its tokens when it is initialised.
    places = make_token(), make_token()
    with closing(opened(places[0])) as first:
        first.bring_in(Role.DEBIT, 1, RAW)
        with closing(opened(places[1])) as second:
            assert second.listed() == []
        assert first.card_key(Role.DEBIT, 1, UID).cmac(b"") == cmac(due(UID), b"")


# --- what goes wrong -------------------------------------------------------------------------


def test_a_token_that_does_not_open_says_why_and_never_the_pin(
    token: PlacedToken, tmp_path: Path
) -> None:
    empty = tmp_path / "no-library.so"
    empty.touch()
    for module, label, pin, said in (
        (token.module, "sam-9", PIN, "token sam-9: open by .*: there is no such token"),
        (token.module, token.label, "9999-wrong", "token sam-1: open by .*: the PIN is wrong"),
        (tmp_path / "none.so", token.label, PIN, r"PKCS11Error OS exception .*none\.so"),
        (empty, token.label, PIN, r"no-library\.so"),
    ):
        with pytest.raises(KeyStoreFailed, match=said) as caught:
            Pkcs11CardKeys.open(module, label, pin)
        assert pin not in str(caught.value)
    with closing(opened(token)) as keys:
        assert keys.listed() == []


def test_a_token_is_open_once_in_a_process(token: PlacedToken, keys: Pkcs11CardKeys) -> None:
    with pytest.raises(KeyStoreFailed, match="it is open in this process already"):
        opened(token)
    assert keys.listed() == [(Role.DEBIT, 1)]


def test_a_token_that_is_pulled_out_is_told(
    keys: Pkcs11CardKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_master: pkcs11.Object, _message: bytes) -> pkcs11.SecretKey:
        raise DeviceRemoved

    key = keys.card_key(Role.DEBIT, 1, UID)
    monkeypatch.setattr(pkcs11_store, "_derive", gone)
    with pytest.raises(KeyStoreFailed, match=rf"token sam-1: use {LABEL}: DeviceRemoved$"):
        key.cmac(b"")


def test_a_key_that_was_deleted_under_us_is_told(keys: Pkcs11CardKeys, session: Session) -> None:
    key = keys.card_key(Role.DEBIT, 1, UID)
    key.cmac(b"")
    session_keys(session)[-1].destroy()
    with pytest.raises(KeyStoreFailed, match="ObjectHandleInvalid"):
        key.cmac(b"")


def test_a_token_that_derives_otherwise_is_not_used(
    token: PlacedToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    derive = pkcs11_store._derive  # noqa: SLF001 no token of ours does it

    def other_way_round(master: pkcs11.Object, message: bytes) -> pkcs11.SecretKey:
        return derive(master, message[16:] + message[:16])

    monkeypatch.setattr(pkcs11_store, "_derive", other_way_round)
    with closing(opened(token)) as keys:
        with pytest.raises(KeyStoreFailed, match="token sam-1 derives other keys than it should"):
            keys.bring_in(Role.DEBIT, 1, RAW)
        assert keys.listed() == [], "and the key is taken out again"


def lose_subkeys(session: Session) -> None:
    for data in session.get_objects({Attribute.CLASS: ObjectClass.DATA}):
        data.destroy()


def shorten_subkeys(session: Session) -> None:
    lose_subkeys(session)
    session.create_object(
        {
            Attribute.CLASS: ObjectClass.DATA,
            Attribute.TOKEN: True,
            Attribute.LABEL: LABEL,
            Attribute.VALUE: bytes(31),
        }
    )


def add_another(session: Session) -> None:
    session.generate_key(KeyType.AES, 128, label=LABEL, store=True)


@pytest.mark.parametrize("spoil", [lose_subkeys, shorten_subkeys, add_another])
def test_a_master_key_that_cannot_be_used_is_told(
    token: PlacedToken, spoil: Callable[[Session], None]
) -> None:
    with closing(opened(token)) as keys:
        keys.bring_in(Role.DEBIT, 1, RAW)
    with closing(opened(token)) as keys:
        library = pkcs11.lib(str(token.module.resolve()))
        with library.get_token(token_label=token.label).open(rw=True) as session:
            spoil(session)
        with pytest.raises(KeyStoreFailed, match=f"has {LABEL} several times, or not its subkeys"):
            keys.card_key(Role.DEBIT, 1, UID)


def test_what_an_interrupted_command_has_left_is_made_anew(
    token: PlacedToken, keys: Pkcs11CardKeys, session: Session
) -> None:
    session.create_object(
        {
            Attribute.CLASS: ObjectClass.DATA,
            Attribute.TOKEN: True,
            Attribute.LABEL: "jakarta-one load 1",
            Attribute.VALUE: bytes(32),
        }
    )
    with pytest.raises(KeyMissing):
        keys.card_key(Role.LOAD, 1, UID)
    assert keys.bring_in(Role.LOAD, 1, RAW)
    assert keys.card_key(Role.LOAD, 1, UID).cmac(b"") == cmac(due(UID), b"")


def test_what_else_the_token_holds_is_passed_over(keys: Pkcs11CardKeys, session: Session) -> None:
    for label in ("jakarta-one", "jakarta-one brew 1", "jakarta-one debit 01", "another's"):
        session.generate_key(KeyType.AES, 128, label=label, store=True)
    assert keys.listed() == [(Role.DEBIT, 1)]


def test_a_key_that_may_not_derive_is_told(keys: Pkcs11CardKeys, session: Session) -> None:
    label = "jakarta-one load 1"
    signs = MechanismFlag.SIGN
    session.generate_key(KeyType.AES, 128, label=label, store=True, capabilities=signs)
    session.create_object(
        {
            Attribute.CLASS: ObjectClass.DATA,
            Attribute.TOKEN: True,
            Attribute.LABEL: label,
            Attribute.VALUE: bytes(32),
        }
    )
    key = keys.card_key(Role.LOAD, 1, UID)
    with pytest.raises(
        KeyStoreFailed, match=rf"use {label}: PKCS11Error a key there may not derive"
    ):
        key.cmac(b"")
