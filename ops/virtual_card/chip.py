"""The state of a card at work, and who may do what with its files.

Source: NXP MF2DL(H)x0 data sheet, 8.2.3 (rights and modes); AN12343, table 10.
"""

from __future__ import annotations

from collections.abc import Callable

from ops.virtual_card.files import (
    FREE_READING,
    MODES,
    CardState,
    File,
    MacFile,
    ValueFile,
    nibbles,
)
from ops.virtual_card.session import CardSession, Challenge
from ops.virtual_card.statuses import Refused, Status
from ops.virtual_card.transaction import Transaction
from protocol.chip.commands import FREE, NEVER
from protocol.chip.secure import Mode


class Chip:
    """What a card keeps, and what it forgets without power.

    Args:
      state: what it keeps; only ever replaced as a whole.
      chance: returns so many bytes that nobody can guess.
    """

    __slots__ = ("challenge", "chance", "frames", "selected", "session", "state", "transaction")

    def __init__(self, state: CardState, chance: Callable[[int], bytes]) -> None:
        self.state = state
        self.chance = chance
        self.selected = False
        self.session: CardSession | None = None
        self.challenge: Challenge | None = None
        self.frames: list[bytes] = []
        self.transaction = Transaction()

    def forget(self) -> None:
        """Let go of the session, and of all that was not committed."""
        self.session = None
        self.challenge = None
        self.frames = []
        self.transaction = Transaction()

    def note(self, piece: bytes) -> None:
        """Take a command into the transaction MAC, if the card makes any."""
        if self.state.mac_file is not None:
            self.transaction.note(piece)

    def change_file(self, number: int, file: File) -> None:
        """Change a file at once."""
        self.state = self.state.with_files({number: file})

    def secured(self) -> CardSession:
        """Return the session.

        Raises:
          Refused: there is none.
        """
        if self.session is None:
            raise Refused(Status.AUTHENTICATION)
        return self.session

    def is_admin(self) -> bool:
        """Whether the session is that of key 0."""
        return self.session is not None and self.session.key_number == 0

    def ensure_admin(self) -> None:
        """Let the session of key 0 pass.

        Raises:
          Refused: it is another one, or there is none.
        """
        if not self.is_admin():
            raise Refused(Status.AUTHENTICATION)

    def granted(self, mode: int, holders: tuple[int, ...]) -> Mode:
        """Return how a file is spoken of with one of whose rights it may be done.

        Where only everybody's right allows it, nothing protects it, in a session too.

        Raises:
          Refused: none of the rights is the session's.
        """
        if self.session is not None and self.session.key_number in holders:
            return MODES[mode]
        if FREE in holders:
            return Mode.PLAIN
        nobody = all(holder == NEVER for holder in holders)
        raise Refused(Status.PERMISSION if nobody else Status.AUTHENTICATION)

    def to_read(self, number: int) -> Mode:
        """Return how a file is read, if it may be."""
        file = self.state.file(number)
        read_write, _, read, _ = nibbles(file.access)
        holders = (read,) if isinstance(file, MacFile) else (read, read_write)
        return self.granted(file.mode, holders)

    def to_write(self, number: int) -> Mode:
        """Return how a file is written, if it may be."""
        file = self.state.file(number)
        if isinstance(file, MacFile):
            raise Refused(Status.PERMISSION)
        read_write, _, _, write = nibbles(file.access)
        return self.granted(file.mode, (write, read_write))

    def to_read_and_write(self, number: int) -> Mode:
        """Return how that is done with a file which needs the right to read and write it."""
        file = self.state.file(number)
        if isinstance(file, MacFile):
            raise Refused(Status.PERMISSION)
        return self.granted(file.mode, nibbles(file.access)[:1])

    def to_debit(self, number: int) -> Mode:
        """Return how a value is taken from, if it may be."""
        file = self.value_file(number)
        read_write, _, read, write = nibbles(file.access)
        return self.granted(file.mode, (read, write, read_write))

    def to_get_value(self, number: int) -> Mode:
        """Return how a value is read, if it may be."""
        file = self.value_file(number)
        read_write, _, read, write = nibbles(file.access)
        free = (FREE,) if file.option & FREE_READING else ()
        return self.granted(file.mode, (read, write, read_write, *free))

    def value_file(self, number: int) -> ValueFile:
        """Return a value file.

        Raises:
          Refused: there is none, or it is another kind of file.
        """
        file = self.state.file(number)
        if not isinstance(file, ValueFile):
            raise Refused(Status.PARAMETER)
        return file
