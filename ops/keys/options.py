"""The options by which a new key is described, the same for all commands that enrol one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engine.accounts import is_name
from engine.keys import Role
from engine.limits import NAME_LENGTH_MAX
from ops.keys.values import PUBLIC_KEY
from ops.values import MOMENT, SPAN
from storage.key_store import KeyRecord
from terminals.keys import new_key, public_bytes, save_key


class Described(NamedTuple):
    """What a command was told of a new key; what was not told is None."""

    key_out: Path | None
    public_key: bytes | None
    expires_in: int | None
    expires_at: int | None
    note: str | None

    def record(
        self, terminal: str, role: Role, at_ms: int
    ) -> tuple[KeyRecord, Ed25519PrivateKey | None]:
        """Return the key as it is to be enrolled, and its private half if it is made here.

        Raises:
          click.UsageError: what was told makes no key.
        """
        if not is_name(terminal) or len(terminal) > NAME_LENGTH_MAX:
            raise click.BadParameter("a name is printable ASCII without blanks, / and *")
        if (self.key_out is None) == (self.public_key is None):
            raise click.UsageError("give either --key-out or --public-key")
        private = new_key() if self.public_key is None else None
        public = public_bytes(private) if private else self.public_key
        assert public is not None
        expires_ms = self._expires_ms(at_ms)
        return KeyRecord(terminal, public, role, at_ms, None, self.note or "", expires_ms), private

    def keep(self, private: Ed25519PrivateKey | None) -> None:
        """Write a key that was made here into its file.

        Raises:
          click.ClickException: the file exists, or cannot be written.
        """
        if private is None:
            return
        assert self.key_out is not None
        try:
            save_key(self.key_out, private)
        except OSError as error:
            raise click.ClickException(f"{self.key_out}: {error.strerror}") from error

    def _expires_ms(self, at_ms: int) -> int | None:
        if self.expires_in is not None and self.expires_at is not None:
            raise click.UsageError("give either --expires-in or --expires-at")
        expires_ms = self.expires_at if self.expires_in is None else at_ms + self.expires_in
        if expires_ms is not None and expires_ms <= at_ms:
            raise click.UsageError("the time at which it is to expire is over")
        return expires_ms


_OPTIONS: Final = (
    click.option(
        "--key-out",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Make a new key, write it to this new file, and enrol it.",
    ),
    click.option("--public-key", type=PUBLIC_KEY, help="Enrol this key, made elsewhere."),
    click.option("--expires-in", type=SPAN, help="After which it expires: 12h, 365d."),
    click.option(
        "--expires-at",
        type=MOMENT,
        help="When it expires: 2027-01-31, or 2027-01-31T12:00; WIB. Without: never.",
    ),
    click.option("--note", help="Who enrolled it, or why."),
)


def described_key(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options to a command; it gets them as one argument, `described`."""

    @functools.wraps(command)
    def with_described(**options: Any) -> None:  # noqa: ANN401 click has checked them
        described = Described(*(options.pop(name) for name in Described._fields))
        command(described=described, **options)

    for option in reversed(_OPTIONS):
        with_described = option(with_described)
    return with_described
