"""Master keys in one file under a passphrase.

The file begins with what makes a key of the passphrase: magic, format, the cost of scrypt, a salt,
a nonce. The rest is enciphered by AES-256-GCM, and its tag vouches for the beginning too.

Source: RFC 7914 (scrypt); NIST SP 800-38D (GCM).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Annotated, Final, NamedTuple, TypeAlias

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from protocol.chip.aes import KEY_BYTES
from protocol.chip.errors import exactly, number
from protocol.chip.keys import KEY_VERSION_MAX, KeyStoreFailed, Role, SoftwareCardKeys
from storage.files import sync_names

Masters: TypeAlias = Mapping[tuple[Role, int], bytes]
Chance: TypeAlias = Callable[[int], bytes]

FILE_BYTES_MAX: Final = 1 << 16
"""For more keys than there are roles and versions."""
COST_LOG2: Final = 15
"""With blocks of 8: 32 MiB of memory and about a tenth of a second for each guess."""
COST_LOG2_MAX: Final = 18
"""A file may ask for so much, 256 MiB, and no more: nobody has vouched for it by then."""

_MAGIC: Final = b"J1CHIPKY"
_FORMAT: Final = 1
_BLOCKS: Final = 8
_PARALLEL: Final = 1
_SALT_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_SECRET_BYTES: Final = 32
_HEADER: Final = struct.Struct(f">BBBB{_SALT_BYTES}s{_NONCE_BYTES}s")
_BEGIN_BYTES: Final = len(_MAGIC) + _HEADER.size

_Version: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=KEY_VERSION_MAX)]
_Raw: TypeAlias = Annotated[bytes, msgspec.Meta(min_length=KEY_BYTES, max_length=KEY_BYTES)]
_Content: TypeAlias = list[tuple[Role, _Version, _Raw]]


class FileCardKeys(SoftwareCardKeys):
    """Keys of cards out of the master keys of a file, which is not looked at again."""

    def listed(self) -> list[tuple[Role, int]]:
        """Return which master keys there are."""
        return sorted(self._masters)

    def masters(self, roles: Collection[Role] = tuple(Role)) -> dict[tuple[Role, int], bytes]:
        """Return the bytes of the master keys of some roles, for another store."""
        return {place: self._masters[place] for place in self.listed() if place[0] in roles}


class _Header(NamedTuple):
    format: int
    cost_log2: int
    blocks: int
    parallel: int
    salt: bytes
    nonce: bytes


def create(path: Path, passphrase: str, masters: Masters, *, chance: Chance) -> None:
    """Write master keys to a new file, which only its owner may read.

    Args:
      path: of the file; there is none yet.
      passphrase: whoever knows it has the keys.
      masters: the bytes of each key, by role and version.
      chance: returns so many bytes that nobody can guess.

    Durability: on return it is on disk.

    Raises:
      KeyStoreFailed: there is such a file, or it cannot be written.
      Malformed: a key or a version has another size.
    """

    def content() -> bytes:
        if path.exists():
            raise KeyStoreFailed(f"{path} exists already, and keys are never overwritten")
        return _sealed(passphrase, masters, chance)

    _write(path, content)


def open_file(path: Path, passphrase: str) -> FileCardKeys:
    """Read the master keys of a file.

    Raises:
      KeyStoreFailed: there is no such file, it is damaged, or the passphrase is another.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise KeyStoreFailed(f"{path}: {error.strerror}") from error
    return FileCardKeys(_opened(path, passphrase, raw))


def add(path: Path, passphrase: str, masters: Masters, *, chance: Chance) -> None:
    """Add master keys to those of a file; those that are the same already may be among them.

    One at a time: two who add are told apart by the draft, which only one of them can make.

    Durability: on return they are on disk; until then the file is as it was.

    Raises:
      KeyStoreFailed: as `open_file`, or the file has another key in the place of one of them.
      Malformed: a key or a version has another size.
    """

    def content() -> bytes:
        held = open_file(path, passphrase).masters()
        for (role, version), raw in masters.items():
            if held.setdefault((role, version), raw) != raw:
                raise KeyStoreFailed(f"{path} has another key {role} of version {version}")
        return _sealed(passphrase, held, chance)

    _write(path, content)


def _sealed(passphrase: str, masters: Masters, chance: Chance) -> bytes:
    content: _Content = []
    for (role, version), raw in sorted(masters.items()):
        number("the version of a key", version, 1)
        content.append((role, version, exactly("a master key", raw, KEY_BYTES)))
    salt, nonce = chance(_SALT_BYTES), chance(_NONCE_BYTES)
    header = _Header(_FORMAT, COST_LOG2, _BLOCKS, _PARALLEL, salt, nonce)
    begin = _MAGIC + _HEADER.pack(*header)
    plain = msgspec.msgpack.encode(content)
    sealed = begin + AESGCM(_secret(passphrase, header)).encrypt(nonce, plain, begin)
    assert len(sealed) <= FILE_BYTES_MAX
    return sealed


def _opened(path: Path, passphrase: str, raw: bytes) -> dict[tuple[Role, int], bytes]:
    begin, sealed = raw[:_BEGIN_BYTES], raw[_BEGIN_BYTES:]
    if len(begin) < _BEGIN_BYTES or len(raw) > FILE_BYTES_MAX or not raw.startswith(_MAGIC):
        raise KeyStoreFailed(f"{path} holds no keys of chips")
    header = _Header(*_HEADER.unpack(begin[len(_MAGIC) :]))
    _check(path, header)
    try:
        plain = AESGCM(_secret(passphrase, header)).decrypt(header.nonce, sealed, begin)
    except InvalidTag as error:
        raise KeyStoreFailed(f"{path}: the passphrase is another, or the file damaged") from error
    try:
        content = msgspec.msgpack.decode(plain, type=_Content)
    except msgspec.MsgspecError as error:
        # Its text would name no key, but where it came from might.
        raise KeyStoreFailed(f"{path} holds keys that are not known here") from error
    return {(role, version): key for role, version, key in content}


def _check(path: Path, header: _Header) -> None:
    if header.format != _FORMAT:
        raise KeyStoreFailed(f"{path} has format {header.format}, and only {_FORMAT} is known here")
    fits = 1 <= header.cost_log2 <= COST_LOG2_MAX
    if not fits or (header.blocks, header.parallel) != (_BLOCKS, _PARALLEL):
        raise KeyStoreFailed(
            f"{path} is damaged: it asks for scrypt of n=2^{header.cost_log2}, r={header.blocks}, "
            f"p={header.parallel}, beyond n=2^{COST_LOG2_MAX}, r={_BLOCKS}, p={_PARALLEL}"
        )


def _secret(passphrase: str, header: _Header) -> bytes:
    if not passphrase:
        raise KeyStoreFailed("an empty passphrase protects nothing")
    cost = 1 << header.cost_log2
    scrypt = Scrypt(header.salt, _SECRET_BYTES, n=cost, r=header.blocks, p=header.parallel)
    return scrypt.derive(passphrase.encode())


def _write(path: Path, content: Callable[[], bytes]) -> None:
    """Put what `content` returns in the place of a file; it is called once nobody else writes."""
    draft = path.with_name(path.name + ".new")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise KeyStoreFailed(
            f"{draft} is there: another command writes these keys, or one was interrupted; "
            "if none is at work, delete it"
        ) from error
    except OSError as error:
        raise KeyStoreFailed(f"{path}: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        sync_names(path.parent)
    except OSError as error:
        raise KeyStoreFailed(f"{path}: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)
