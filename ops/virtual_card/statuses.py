"""Status words that a card answers (NXP AN12343; MF2DL(H)x0 data sheet; ISO/IEC 7816-4, 5.1.3)."""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """What a card says of a command."""

    ISO_OK = 0x9000
    ISO_LENGTH = 0x6700
    ISO_NO_FILE = 0x6A82
    ISO_PARAMETER = 0x6A86
    ISO_NO_COMMAND = 0x6D00
    ISO_NO_CLASS = 0x6E00

    DONE = 0x9100
    NO_CHANGES = 0x910C
    NO_COMMAND = 0x911C
    INTEGRITY = 0x911E
    NO_KEY = 0x9140
    LENGTH = 0x917E
    PERMISSION = 0x919D
    """Nobody may do that, or not now."""
    PARAMETER = 0x919E
    DELAY = 0x91AD
    AUTHENTICATION = 0x91AE
    """Some key may do that, and not that of the session; or a key was not proved."""
    MORE = 0x91AF
    BOUNDARY = 0x91BE
    ABORTED = 0x91CA
    DUPLICATE = 0x91DE
    MEMORY = 0x91EE
    NO_FILE = 0x91F0


class Refused(Exception):
    """The card answers a command with an error; whatever session there was is over."""

    def __init__(self, status: Status) -> None:
        super().__init__(f"{status.value:04X}")
        self.status = status
