"""Who the kit is: terminals with their keys, enrolled beforehand or by the kit itself."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engine.keys import Role
from ops.conformance.errors import NotTried
from terminals.keys import load_key, new_key, public_bytes

ROLES: Final[dict[str, Role]] = {
    "KIT-TERMINAL-1": "terminal",
    "KIT-TERMINAL-2": "terminal",
    "KIT-SERVICE": "service",
    "KIT-OPERATOR-1": "operator",
    "KIT-OPERATOR-2": "operator",
    "KIT-OBSERVER": "observer",
    "KIT-REVOKED": "terminal",
    "KIT-EXPIRED": "terminal",
}
"""The names that the kit needs, and their roles. KIT-REVOKED is enrolled, and then revoked; the
key of KIT-EXPIRED has expired already."""

TERMINAL, OTHER, SERVICE, OPERATOR, SECOND, OBSERVER, REVOKED, EXPIRED = ROLES

BY_ROLE: Final[dict[Role, str]] = {
    "terminal": TERMINAL,
    "service": SERVICE,
    "operator": OPERATOR,
    "observer": OBSERVER,
}
"""One name of each role."""


class Identity(NamedTuple):
    """A terminal and its key."""

    name: str
    key: Ed25519PrivateKey


class Enroller(Protocol):
    """Enrols keys at the node that is tried."""

    def enroll(self, name: str, public_key: bytes, role: Role, expires_ms: int | None) -> None:
        """Let a terminal connect with a key, until it expires."""
        ...

    def revoke(self, name: str, public_key: bytes) -> None:
        """Let it connect no more."""
        ...


class Keys:
    """The keys that the kit has.

    Args:
      known: those that were enrolled beforehand.
      enroller: enrols more; None where the kit cannot.
    """

    def __init__(self, known: Iterable[Identity], enroller: Enroller | None = None) -> None:
        self._known = {identity.name: identity for identity in known}
        self._enroller = enroller
        self._enrolled: list[Identity] = []

    @classmethod
    def loaded(cls, files: Iterable[Path]) -> Keys:
        """Read keys from files that are called NAME.key.

        Raises:
          KeyFileError: one holds no key.
        """
        return cls(Identity(file.stem, load_key(file)) for file in files)

    @classmethod
    def enrolled_by(cls, enroller: Enroller) -> Keys:
        """Make keys of all names that the kit needs, and enrol them."""
        keys = cls((), enroller)
        for name, role in ROLES.items():
            keys.enroll(name, role, expires_ms=1 if name == EXPIRED else None)
        keys.revoke(keys.of(REVOKED))
        return keys

    def of(self, name: str) -> Identity:
        """Return a terminal and its key.

        Raises:
          NotTried: there is no such key.
        """
        if name not in self._known:
            raise NotTried(f"no key of {name} was given")
        return self._known[name]

    def enroll(
        self, name: str, role: Role = "terminal", *, expires_ms: int | None = None
    ) -> Identity:
        """Make and enrol a key.

        Raises:
          NotTried: the kit cannot enrol.
        """
        if self._enroller is None:
            raise NotTried("the kit was given no data folder to enrol keys in")
        identity = self._known[name] = Identity(name, new_key())
        self._enroller.enroll(name, public_bytes(identity.key), role, expires_ms)
        self._enrolled.append(identity)
        return identity

    def revoke(self, identity: Identity) -> None:
        """Revoke a key that the kit has enrolled."""
        assert self._enroller is not None, "what was enrolled can be revoked"
        self._enroller.revoke(identity.name, public_bytes(identity.key))

    def revoke_all(self) -> None:
        """Revoke all that the kit has enrolled."""
        for identity in self._enrolled:
            self.revoke(identity)
        self._enrolled.clear()
