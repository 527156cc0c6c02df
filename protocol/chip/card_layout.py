"""Who may do what with the files of a card, and how they are spoken of: ours, and the factory's.

Source: NXP MF2DL(H)x0 data sheet (files at delivery); AN12343, tables 10, 12 and 34.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from protocol.chip.aes import KEY_BYTES
from protocol.chip.commands import FREE, NEVER, rights
from protocol.chip.keys import Role, SoftwareKey
from protocol.chip.profile import FCI_FILE, KEY_NUMBERS, RECORD_FILE, VALUE_FILE

FileSettings: TypeAlias = tuple[int, bytes]
"""How a file is spoken of, and the rights."""

PLAIN_FILE: Final = 0x00
MAC_ON_FILE: Final = 0x01
FULL_FILE: Final = 0x03

_ADMIN: Final = KEY_NUMBERS[Role.ADMIN]
_DEBIT: Final = KEY_NUMBERS[Role.DEBIT]
_LOAD: Final = KEY_NUMBERS[Role.LOAD]
_UNUSED_FILES: Final = (0x00, 0x04)
_NOBODY: Final = rights(read_write=NEVER, change=_ADMIN, read=NEVER, write=NEVER)

OUR_FILES: Final[dict[int, FileSettings]] = {
    # To read gives the right to debit, to read and write that to credit.
    VALUE_FILE: (
        MAC_ON_FILE,
        rights(read_write=_LOAD, change=_ADMIN, read=_DEBIT, write=NEVER),
    ),
    RECORD_FILE: (
        FULL_FILE,
        rights(read_write=_LOAD, change=_ADMIN, read=_DEBIT, write=_DEBIT),
    ),
    # Everybody reads it, and then nothing protects it; what ADMIN writes has a MAC.
    FCI_FILE: (
        MAC_ON_FILE,
        rights(read_write=_ADMIN, change=_ADMIN, read=FREE, write=NEVER),
    ),
    **dict.fromkeys(_UNUSED_FILES, (FULL_FILE, _NOBODY)),
}
OUR_MAC_RIGHTS: Final = rights(read_write=FREE, change=_ADMIN, read=FREE, write=NEVER)
"""Whoever commits must name the reader, and needs no right for that."""
OUR_VALUE_OPTION: Final = 0x00
"""Only who may debit reads the value, and only who loads adds to it."""

FACTORY_KEY: Final = SoftwareKey(bytes(KEY_BYTES))
"""All five of them."""
FACTORY_VERSION: Final = 0
FACTORY_LIMIT: Final = 0x7FFFFFFF
FACTORY_VALUE_OPTION: Final = 0x03
"""Everybody may read the value; what was just debited may be given back."""

_OF_FIVE: Final = rights(read_write=3, change=0, read=1, write=2)
FACTORY_FILES: Final[dict[int, FileSettings]] = {
    FCI_FILE: (PLAIN_FILE, rights(read_write=3, change=0, read=FREE, write=0)),
    VALUE_FILE: (FULL_FILE, _OF_FIVE),
    0x00: (FULL_FILE, rights(read_write=3, change=0, read=1, write=NEVER)),
    RECORD_FILE: (FULL_FILE, _OF_FIVE),
    0x04: (FULL_FILE, _OF_FIVE),
}
"""Those of AN12343, table 12, and where that says nothing (01, 04, 1F) what its examples need."""
FACTORY_MAC_RIGHTS: Final = rights(read_write=1, change=0, read=1, write=NEVER)
