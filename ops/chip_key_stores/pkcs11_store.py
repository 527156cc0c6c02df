"""Master keys in a token of PKCS#11: a terminal's SAM, a host's HSM, SoftHSM.

A master key is brought in once and never comes out again. All that it may do is derive: a card's
key is made inside of the token, is as sensitive as the master key, and lives no longer than the
session. So whoever steals the program's memory has keys of no card. Whoever has the PIN as well can
let the token derive a key that may be read: the PIN is as good as the keys of single cards, and
never as good as a master key.

**How a key is derived.** AN10922 wants the second of two blocks that are enciphered in CBC. Of a
ciphertext that is longer than the key, PKCS#11 discards the end, and SoftHSM does so: a key derived
over both blocks at once would be the first. So it takes two derivations of one block each: the
first makes what stands between the blocks, which is read, and is the IV of the second. What stands
between is no key: to make one of it takes the master key.

**The subkeys of a master key**, with which the second block is masked, are computed when it is
brought in, and lie beside it as a private data object. They are the encipherment of zeros, doubled
once and twice: one known pair of plaintext and ciphertext, from which no AES key is found. They
help nobody to forge: all that is enciphered under a master key is one form of two blocks, which
begins with 01, and for messages of one length a CBC-MAC is safe with no mask at all.

**Threads.** Sessions of python-pkcs11 must not be used by two threads at once, nor a library that
was initialised as it does it. So one lock stands around every call, and a call takes as long as
the token takes. A process that was forked must open its own.

Source: OASIS PKCS#11 Cryptographic Token Interface Current Mechanisms 2.40, 2.10 and 2.15.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.exceptions import (
    MultipleTokensReturned,
    NoSuchToken,
    PinIncorrect,
    PinLocked,
    PKCS11Error,
    UserAlreadyLoggedIn,
)
from pkcs11.types import DecryptMixin, DeriveMixin, EncryptMixin, Object, SecretKey, SignMixin
from pkcs11.types import Session as TokenSession

from protocol.chip.aes import BLOCK_BYTES, KEY_BYTES, ZERO_IV, cmac
from protocol.chip.diversify import derivation_message, diversified_key, subkeys
from protocol.chip.errors import Malformed, exactly, number
from protocol.chip.keys import SYSTEM, KeyStoreFailed, Role, derivation_input, missing

Able = TypeVar("Able")

CARD_KEYS_MAX: Final = 256
"""Keys of cards that a token holds at once; the one unused for longest makes room."""

_APPLICATION: Final = SYSTEM.decode()
_SECRET: Final = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
_READABLE: Final = {Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True}
_USES: Final = MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT | MechanismFlag.SIGN
_NO_USES: Final = MechanismFlag(0)
_MASTER: Final = {
    Attribute.CLASS: ObjectClass.SECRET_KEY,
    Attribute.KEY_TYPE: KeyType.AES,
    Attribute.TOKEN: True,
    Attribute.PRIVATE: True,
    Attribute.MODIFIABLE: False,
    Attribute.DERIVE: True,
    **dict.fromkeys(
        (
            Attribute.ENCRYPT,
            Attribute.DECRYPT,
            Attribute.SIGN,
            Attribute.VERIFY,
            Attribute.WRAP,
            Attribute.UNWRAP,
        ),
        False,
    ),
    **_SECRET,
}
_SUBKEYS: Final = {
    Attribute.CLASS: ObjectClass.DATA,
    Attribute.TOKEN: True,
    Attribute.PRIVATE: True,
    Attribute.APPLICATION: _APPLICATION,
}
_IN_WORDS: Final[dict[type[PKCS11Error], str]] = {
    NoSuchToken: "there is no such token",
    MultipleTokensReturned: "there are several tokens of this name",
    PinIncorrect: "the PIN is wrong",
    PinLocked: "the PIN is locked: too many wrong ones were tried",
    UserAlreadyLoggedIn: "it is open in this process already",
}
_CHECK_UID: Final = bytes(7)
"""Of no card."""

_lock: Final = threading.RLock()
_users: Final[Counter[str]] = Counter()
"""How many have each library open: the last one closes it."""


class _Master(NamedTuple):
    key: Object
    subkeys: tuple[bytes, bytes]


class _Token:
    """An open session with a token, and what was found and made in it."""

    def __init__(self, library: str, label: str, session: TokenSession) -> None:
        self._library = library
        self._label = label
        self._session: TokenSession | None = session
        self._masters: dict[str, _Master] = {}
        self._derived: OrderedDict[tuple[str, bytes], SecretKey] = OrderedDict()

    @contextmanager
    def asked(self, what: str) -> Iterator[TokenSession]:
        """Have the session for oneself; `what` is done in it, and is named if it fails."""
        with _lock, _told(self._label, what):
            if self._session is None:
                raise KeyStoreFailed(f"token {self._label}: {what}: it is closed")
            yield self._session

    def close(self) -> None:
        """Close the session, with which all keys of cards end."""
        with _lock, _told(self._label, "close"):
            session, self._session = self._session, None
            if session is None:
                return
            try:
                session.close()
            finally:
                _leave(self._library)

    def objects(self, session: TokenSession, kind: ObjectClass, label: str) -> list[Object]:
        """Return what the token has of a kind, under a label."""
        wanted = {Attribute.CLASS: kind, Attribute.TOKEN: True, Attribute.LABEL: label}
        return list(session.get_objects(wanted))

    def master(self, session: TokenSession, label: str) -> _Master | None:
        """Return a master key and its subkeys, or None."""
        if label not in self._masters:
            keys = self.objects(session, ObjectClass.SECRET_KEY, label)
            if not keys:
                return None
            raw = [data[Attribute.VALUE] for data in self.objects(session, ObjectClass.DATA, label)]
            if len(keys) != 1 or len(raw) != 1 or len(raw[0]) != 2 * BLOCK_BYTES:
                raise KeyStoreFailed(
                    f"token {self._label} has {label} several times, or not its subkeys: "
                    "delete what has that label, and bring it in again"
                )
            self._masters[label] = _Master(keys[0], (raw[0][:BLOCK_BYTES], raw[0][BLOCK_BYTES:]))
        return self._masters[label]

    def forget(self, label: str) -> None:
        """Look a master key up anew when it is asked for again."""
        self._masters.pop(label, None)

    def derived(self, label: str, master: Object, message: bytes) -> SecretKey:
        """Return the key of a card: the one that is there, or made anew. Inside of `asked`."""
        place = (label, message)
        key = self._derived.get(place)
        if key is not None:
            self._derived.move_to_end(place)
            return key
        if len(self._derived) >= CARD_KEYS_MAX:
            _, oldest = self._derived.popitem(last=False)
            oldest.destroy()
        key = self._derived[place] = _derive(master, message)
        return key


@dataclass(frozen=True, slots=True)
class TokenKey:
    """The key of one card, in a token: a `ChipKey` that has no bytes to give.

    Where the token had no more room for it, it is derived anew.

    Raises, in each call:
      KeyStoreFailed: the token does not answer, or is closed.
      Malformed: no whole blocks, or an IV of another size.
    """

    _token: _Token = field(repr=False)
    _label: str
    _master: Object = field(repr=False)
    _message: bytes = field(repr=False)

    def encrypt(self, iv: bytes, data: bytes) -> bytes:
        """Encipher whole blocks in CBC."""
        with self._having_checked(iv, data) as key:
            done = _able(key, EncryptMixin).encrypt(
                data, mechanism=Mechanism.AES_CBC, mechanism_param=iv
            )
        assert isinstance(done, bytes)
        return done

    def decrypt(self, iv: bytes, data: bytes) -> bytes:
        """Decipher whole blocks in CBC."""
        with self._having_checked(iv, data) as key:
            done = _able(key, DecryptMixin).decrypt(
                data, mechanism=Mechanism.AES_CBC, mechanism_param=iv
            )
        assert isinstance(done, bytes)
        return done

    def cmac(self, message: bytes) -> bytes:
        """Return the CMAC of a message."""
        with self._asked() as key:
            return _able(key, SignMixin).sign(message, mechanism=Mechanism.AES_CMAC)

    @contextmanager
    def _having_checked(self, iv: bytes, data: bytes) -> Iterator[SecretKey]:
        exactly("the IV", iv, BLOCK_BYTES)
        if len(data) % BLOCK_BYTES:
            raise Malformed(f"{len(data)} bytes are no whole blocks of {BLOCK_BYTES}")
        with self._asked() as key:
            yield key

    @contextmanager
    def _asked(self) -> Iterator[SecretKey]:
        with self._token.asked(f"use {self._label}"):
            yield self._token.derived(self._label, self._master, self._message)


class Pkcs11CardKeys:
    """Keys of cards out of master keys in a token; `open` makes one, and `close` ends it."""

    def __init__(self, token: _Token, label: str) -> None:
        self._token = token
        self._label = label

    @classmethod
    def open(cls, module: Path, token_label: str, pin: str) -> Pkcs11CardKeys:
        """Open a token.

        A wrong PIN is tried once: tokens lock themselves after a few.

        Args:
          module: the library that its maker gives.
          token_label: the name of the token.
          pin: of its user.

        Raises:
          KeyStoreFailed: there is no such library or token, or it does not take the PIN.
        """
        library = str(module.resolve())
        with _lock, _told(token_label, f"open by {module}"):
            loaded = pkcs11.lib(library)
            _users[library] += 1
            try:
                session = loaded.get_token(token_label=token_label).open(user_pin=pin)
            except PKCS11Error:
                _leave(library)
                raise
        return cls(_Token(library, token_label, session), token_label)

    def close(self) -> None:
        """Close the token; to do so again is no error."""
        self._token.close()

    def card_key(self, role: Role, version: int, uid: bytes) -> TokenKey:
        """Return the key of one card, as `CardKeys` says."""
        label = _label_of(role, version)
        with self._token.asked(f"look for {label}") as session:
            master = self._token.master(session, label)
        if master is None:
            raise missing(role, version)
        message = derivation_message(derivation_input(uid), master.subkeys)
        return TokenKey(self._token, label, master.key, message)

    def listed(self) -> list[tuple[Role, int]]:
        """Return which master keys there are; what else the token holds is passed over.

        Raises:
          KeyStoreFailed: the token does not answer.
        """
        with self._token.asked("list its keys") as session:
            wanted = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.TOKEN: True}
            labels = [str(found[Attribute.LABEL]) for found in session.get_objects(wanted)]
        places = {_label_of(role, version): (role, version) for role, version in _all_places()}
        return sorted({places[label] for label in labels if label in places})

    def bring_in(self, role: Role, version: int, raw: bytes) -> bool:
        """Bring a master key into the token; return whether it was not there before.

        The token then derives the key of a card that is none, to see that it does as we do.

        Durability: on return the token has stored it.

        Raises:
          KeyStoreFailed: the token does not take it, holds another in its place, or derives
            otherwise than we do.
          Malformed: the key or the version has another size.
        """
        exactly("the master key", raw, KEY_BYTES)
        number("the version of a key", version, 1)
        label = _label_of(role, version)
        with self._token.asked(f"bring in {label}") as session:
            is_new = not self._token.objects(session, ObjectClass.SECRET_KEY, label)
            if is_new:
                self._store(session, label, raw)
            if self._derives_as(raw, role, version):
                return is_new
            if not is_new:
                raise KeyStoreFailed(f"token {self._label} has another key as {label}")
            self._erase(session, label)
            raise KeyStoreFailed(f"token {self._label} derives other keys than it should")

    def _store(self, session: TokenSession, label: str, raw: bytes) -> None:
        # Of one that was interrupted there are the subkeys, which are stored first.
        self._erase(session, label)
        named = {Attribute.LABEL: label}
        with session.token.open(rw=True) as writing:
            writing.create_object({**_SUBKEYS, **named, Attribute.VALUE: b"".join(subkeys(raw))})
            writing.create_object({**_MASTER, **named, Attribute.VALUE: raw})

    def _erase(self, session: TokenSession, label: str) -> None:
        self._token.forget(label)
        with session.token.open(rw=True) as writing:
            for kind in (ObjectClass.SECRET_KEY, ObjectClass.DATA):
                for found in self._token.objects(writing, kind, label):
                    found.destroy()

    def _derives_as(self, raw: bytes, role: Role, version: int) -> bool:
        data = bytes(BLOCK_BYTES)
        due = cmac(diversified_key(raw, derivation_input(_CHECK_UID)), data)
        return self.card_key(role, version, _CHECK_UID).cmac(data) == due


def _derive(master: Object, message: bytes) -> SecretKey:
    first, last = message[:BLOCK_BYTES], message[BLOCK_BYTES:]
    between = _derive_block(master, ZERO_IV, first, _NO_USES, _READABLE)
    try:
        iv: bytes = between[Attribute.VALUE]
    finally:
        between.destroy()
    return _derive_block(master, iv, last, _USES, _SECRET)


def _derive_block(
    master: Object, iv: bytes, block: bytes, uses: MechanismFlag, template: dict[Attribute, bool]
) -> SecretKey:
    return _able(master, DeriveMixin).derive_key(
        KeyType.AES,
        8 * KEY_BYTES,
        store=False,
        capabilities=uses,
        mechanism=Mechanism.AES_CBC_ENCRYPT_DATA,
        mechanism_param=(iv, block),
        template=template,
    )


def _able(key: Object, kind: type[Able]) -> Able:
    # The library gives an object only those methods that its attributes allow.
    if not isinstance(key, kind):
        raise PKCS11Error(f"a key there may not {kind.__name__.removesuffix('Mixin').lower()}")
    return key


def _leave(library: str) -> None:
    _users[library] -= 1
    if not _users[library]:
        pkcs11.lib(library).finalize()


@contextmanager
def _told(token_label: str, what: str) -> Iterator[None]:
    try:
        yield
    except PKCS11Error as error:
        why = _IN_WORDS.get(type(error)) or f"{type(error).__name__} {error}".strip()
        raise KeyStoreFailed(f"token {token_label}: {what}: {why}") from error


def _all_places() -> Iterator[tuple[Role, int]]:
    for role in Role:
        for version in range(1 << 8):
            yield role, version


def _label_of(role: Role, version: int) -> str:
    return f"{_APPLICATION} {role} {version}"
