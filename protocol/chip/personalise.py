"""How a card from the factory becomes one of ours, and how it changes its face later.

What is done to a card, in this order:

    as ADMIN, with the key of the factory (zeros)
        the file of the transaction MAC is made anew, with our key
        who may do what with each file; the limits and the value
        what the card says of itself
        the keys DEBIT and LOAD
    as DEBIT
        the first record, with the first commit: from then on there is one to read
    as ADMIN, with the key of the factory
        the key ADMIN

A card that is torn out in between still has the ADMIN key of the factory, and all is done again.
One that has ours is finished. The keys 3 and 4 stay those of the factory: they open nothing.

Source: NXP AN12343, tables 5 to 40; MF2DL(H)x0 data sheet (files at delivery).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from protocol.chip import commands
from protocol.chip.apdu import Exchange, ensure_done, select
from protocol.chip.authentication import authenticate_first
from protocol.chip.card_layout import (
    FACTORY_FILES,
    FACTORY_KEY,
    FACTORY_LIMIT,
    FACTORY_MAC_RIGHTS,
    FACTORY_VALUE_OPTION,
    FACTORY_VERSION,
    FULL_FILE,
    OUR_FILES,
    OUR_MAC_RIGHTS,
    OUR_VALUE_OPTION,
    PLAIN_FILE,
    FileSettings,
)
from protocol.chip.commands import NEVER, rights
from protocol.chip.errors import CardRefused, ChipError, Malformed
from protocol.chip.keys import KEY_VERSION_MAX, ChipKey, OpenCardKeys, Role, SoftwareKey
from protocol.chip.profile import (
    APPLICATION_NAME,
    FCI_BYTES,
    FCI_FILE,
    KEY_NUMBERS,
    MAC_FILE,
    RECORD_FILE,
    UPPER_LIMIT_RP,
    VALUE_FILE,
    CardFace,
    Record,
)
from protocol.chip.purse import RECORD_MODE, open_card, read_face
from protocol.chip.secure import RANDOM_BYTES, Mode, ReaderSession

_WRONG_KEY: Final = 0x91AE
_ADMIN: Final = KEY_NUMBERS[Role.ADMIN]
_CHANGED_BY_ADMIN: Final = (Role.DEBIT, Role.LOAD)
"""Its own key comes last."""
_WRITTEN: Final = (Role.ADMIN, *_CHANGED_BY_ADMIN, Role.PROOF)
"""Whose keys are on the card."""

Chance: TypeAlias = Callable[[int], bytes]


class OtherCard(ChipError):
    """The card is one of ours already, and another one than was meant."""


def personalise(
    keys: OpenCardKeys,
    face: CardFace,
    uid: bytes,
    issued: Record,
    reader: bytes,
    chance: Chance,
    *,
    value_rp: int = 0,
) -> Exchange[bool]:
    """Make one of our cards out of one from the factory, or finish one that was torn out.

    Args:
      keys: that the card gets.
      face: what it says of itself; its keys have a version above 0, which is the factory's.
      uid: of the card, as the reader told.
      issued: the first record.
      reader: the identity of the device that does it.
      chance: returns so many bytes that nobody can guess.
      value_rp: that is on the card from the beginning.

    Returns:
      Whether anything was done: not if the card was finished before.

    Raises:
      OtherCard: the card is one of ours, and says something else of itself.
      CardRefused: it is not from the factory, and none of ours.
      KeyMissing: there are no keys of that version.
      Malformed: a version of 0, or a value above the limit.
    """
    made = _Made.of(keys, face, uid, chance)
    if not 0 <= value_rp <= UPPER_LIMIT_RP:
        raise Malformed(f"a value of {value_rp}, outside 0 to {UPPER_LIMIT_RP}")
    session = yield from _begin_as_admin(FACTORY_KEY, chance)
    if session is None:
        yield from _ensure_ours(made)
        return False
    yield from _renew_mac_file(session, OUR_MAC_RIGHTS, made.keys[Role.PROOF], face.key_version)
    yield from _set_files(session, OUR_FILES)
    configured = commands.configure_value(VALUE_FILE, 0, UPPER_LIMIT_RP, value_rp, OUR_VALUE_OPTION)
    yield from session.run(configured, Mode.FULL)
    yield from session.run(commands.write_data(FCI_FILE, 0, made.sealed), Mode.MAC)
    for role in _CHANGED_BY_ADMIN:
        yield from _change_key(session, role, FACTORY_KEY.raw, made.keys[role], face.key_version)
    yield from _write_first_record(made, issued, reader)
    admin = made.keys[Role.ADMIN]
    yield from _change_admin_key(FACTORY_KEY, admin, face.key_version, chance)
    return True


def reface(
    keys: OpenCardKeys,
    uid: bytes,
    reader_random: bytes,
    *,
    group: int,
    group_until_day: int,
) -> Exchange[CardFace]:
    """Let a card say another group of its holder; return what it says now.

    Raises:
      CardRefused, Malformed, NotAuthentic, KeyMissing: not one of our cards, as `open_card` says.
    """
    card = yield from open_card(keys, Role.ADMIN, uid, reader_random)
    face = replace(card.face, group=group, group_until_day=group_until_day)
    sealed = face.seal(uid, keys.card_key(Role.SEAL, face.key_version, uid))
    yield from card.session.run(commands.write_data(FCI_FILE, 0, sealed), Mode.MAC)
    return face


def reset(keys: OpenCardKeys, key_version: int, uid: bytes, chance: Chance) -> Exchange[bool]:
    """Make a card from the factory out of one of ours, or finish one that was torn out.

    For cards of tests alone: the card counts its commits from zero again, under the same key once
    it is personalised again, and the host takes no count of a card twice.

    Returns:
      Whether anything was done: not if the card was from the factory before.

    Raises:
      CardRefused: it is not one of ours, and not from the factory.
      KeyMissing: there are no keys of that version.
    """
    _ensure_version(key_version)
    admin = SoftwareKey(keys.card_key_bytes(Role.ADMIN, key_version, uid))
    olds = {role: keys.card_key_bytes(role, key_version, uid) for role in _CHANGED_BY_ADMIN}
    session = yield from _begin_as_admin(admin, chance)
    if session is None:
        yield from _authenticate(_ADMIN, FACTORY_KEY, chance)
        return False
    yield from _delete_mac_file(session)
    only_admin = rights(read_write=_ADMIN, change=_ADMIN, read=NEVER, write=NEVER)
    yield from _set_files(session, {RECORD_FILE: (FULL_FILE, only_admin)})
    yield from session.run(commands.clear_records(RECORD_FILE), Mode.FULL)
    yield from session.run(commands.commit_unproved(), Mode.MAC)
    blank = commands.write_data(FCI_FILE, 0, bytes(FCI_BYTES))
    yield from _set_files(session, {FCI_FILE: OUR_FILES[FCI_FILE]})
    yield from session.run(blank, Mode.MAC)
    yield from _set_files(session, FACTORY_FILES)
    configured = commands.configure_value(VALUE_FILE, 0, FACTORY_LIMIT, 0, FACTORY_VALUE_OPTION)
    yield from session.run(configured, Mode.FULL)
    yield from _renew_mac_file(session, FACTORY_MAC_RIGHTS, FACTORY_KEY.raw, FACTORY_VERSION)
    for role, old in olds.items():
        yield from _change_key(session, role, old, FACTORY_KEY.raw, FACTORY_VERSION)
    yield from _change_admin_key(admin, FACTORY_KEY.raw, FACTORY_VERSION, chance)
    return True


@dataclass(frozen=True, slots=True)
class _Made:
    """What a card is to have: all of it is there before anything is done to the card."""

    keys: dict[Role, bytes] = field(repr=False)
    face: CardFace
    sealed: bytes
    chance: Chance

    @classmethod
    def of(cls, keys: OpenCardKeys, face: CardFace, uid: bytes, chance: Chance) -> _Made:
        version = face.key_version
        _ensure_version(version)
        return cls(
            {role: keys.card_key_bytes(role, version, uid) for role in _WRITTEN},
            face,
            face.seal(uid, keys.card_key(Role.SEAL, version, uid)),
            chance,
        )


def _ensure_version(key_version: int) -> None:
    # By its version a key of a torn card is known: the factory's has another one than ours.
    if not FACTORY_VERSION < key_version <= KEY_VERSION_MAX:
        raise Malformed(f"keys of version {key_version}, outside 1 to {KEY_VERSION_MAX}")


def _ensure_ours(made: _Made) -> Exchange[None]:
    yield from _authenticate(_ADMIN, SoftwareKey(made.keys[Role.ADMIN]), made.chance)
    told = yield from read_face()
    if told.face != made.face:
        raise OtherCard(f"the card is the one with the number {told.face.number}, and issued")


def _begin_as_admin(key: ChipKey, chance: Chance) -> Exchange[ReaderSession | None]:
    """Select our application, and prove the key ADMIN; return None if it is another one."""
    answer = yield select(APPLICATION_NAME)
    ensure_done(answer.status)
    try:
        return (yield from _authenticate(_ADMIN, key, chance))
    except CardRefused as refused:
        if refused.status != _WRONG_KEY:
            raise
        return None


def _authenticate(number: int, key: ChipKey, chance: Chance) -> Exchange[ReaderSession]:
    return (yield from authenticate_first(number, key, chance(RANDOM_BYTES)))


def _delete_mac_file(session: ReaderSession) -> Exchange[None]:
    files = yield from session.run(commands.get_file_ids(), Mode.MAC)
    if MAC_FILE in files:
        yield from session.run(commands.delete_file(MAC_FILE), Mode.MAC)


def _renew_mac_file(
    session: ReaderSession, access: bytes, key: bytes, version: int
) -> Exchange[None]:
    yield from _delete_mac_file(session)
    made = commands.create_mac_file(MAC_FILE, PLAIN_FILE, access, key, version)
    yield from session.run(made, Mode.FULL)


def _set_files(session: ReaderSession, files: dict[int, FileSettings]) -> Exchange[None]:
    for number, (mode, access) in files.items():
        changed = commands.change_file_settings(number, mode, access)
        yield from session.run(changed, Mode.FULL)


def _change_key(
    session: ReaderSession, role: Role, old: bytes, new: bytes, version: int
) -> Exchange[None]:
    """Change a key of which the old one is known, unless that was done before a tear."""
    number = KEY_NUMBERS[role]
    found = yield from session.run(commands.get_key_version(number), Mode.MAC)
    if found != bytes((version,)):
        changed = commands.change_key(number, old, new, version)
        yield from session.run(changed, Mode.FULL)


def _change_admin_key(old: ChipKey, new: bytes, version: int, chance: Chance) -> Exchange[None]:
    session = yield from _authenticate(_ADMIN, old, chance)
    changed = commands.change_own_key(_ADMIN, new, version)
    yield from session.run_last(changed, Mode.FULL)
    # No MAC vouches for that answer.
    yield from _authenticate(_ADMIN, SoftwareKey(new), chance)


def _write_first_record(made: _Made, issued: Record, reader: bytes) -> Exchange[None]:
    key = SoftwareKey(made.keys[Role.DEBIT])
    session = yield from _authenticate(KEY_NUMBERS[Role.DEBIT], key, made.chance)
    yield from session.run(commands.write_record(RECORD_FILE, issued.encode()), RECORD_MODE)
    yield from session.run(commands.commit_reader(reader), Mode.MAC)
    yield from session.run(commands.commit(), Mode.MAC)
