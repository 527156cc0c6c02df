"""What a card was told and has not committed: changes in a shadow, and the input of their MAC.

Source: NXP MF2DL(H)x0 data sheet, 10.3; AN12343, table 32.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from ops.virtual_card.files import CardState, File, MacFile, RecordFile, ValueFile
from ops.virtual_card.statuses import Refused, Status
from protocol.chip.aes import ZERO_IV, encrypt
from protocol.chip.keys import SoftwareKey
from protocol.chip.profile import RECORD_BYTES, RECORDS_KEPT
from protocol.chip.transaction_mac import reader_piece, transaction_keys, transaction_mac

PIECES_MAX: Final = 4096
"""Of one transaction; the chip has no such bound, and nobody comes near it."""
_COUNTER_MAX: Final = 0xFFFFFFFF


class Shadow:
    """A value file as the next commit leaves it."""

    __slots__ = ("debited", "gave_back", "value")

    def __init__(self, value: int) -> None:
        self.value = value
        self.debited = 0
        self.gave_back = False


class Transaction:
    """All since the last commit, abort or loss of the session."""

    __slots__ = ("_cleared", "_pieces", "_reader", "_records", "_values")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._values: dict[int, Shadow] = {}
        self._records: dict[int, bytes] = {}
        self._cleared: set[int] = set()
        self._reader: bytes | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to commit."""
        return not (self._pieces or self._values or self._records or self._cleared)

    def note(self, piece: bytes) -> None:
        """Take a command into the MAC.

        Raises:
          Refused: there were too many.
        """
        if len(self._pieces) >= PIECES_MAX:
            raise Refused(Status.MEMORY)
        self._pieces.append(piece)

    def value(self, number: int, file: ValueFile) -> Shadow:
        """Return the shadow of a value file."""
        return self._values.setdefault(number, Shadow(file.value))

    def write_record(self, number: int, offset: int, data: bytes) -> None:
        """Write into the one new record that a transaction makes in a file."""
        record = bytearray(self._records.get(number, bytes(RECORD_BYTES)))
        record[offset : offset + len(data)] = data
        self._records[number] = bytes(record)

    def clear(self, number: int) -> None:
        """Let go of all records of a file."""
        self._cleared.add(number)
        self._records.pop(number, None)

    def name_reader(self, state: CardState, uid: bytes, reader: bytes, *, secured: bool) -> bytes:
        """Take the reader's name; return the one before it, enciphered, if there is a session.

        Raises:
          Refused: there is no file of the MAC, or a reader has named itself already.
        """
        file = state.mac_file
        if file is None or self._reader is not None:
            raise Refused(Status.PERMISSION)
        keys = transaction_keys(SoftwareKey(file.key), uid, _next(file))
        sealed = encrypt(keys.encryption, ZERO_IV, file.reader) if secured else None
        self.note(reader_piece(reader, sealed))
        self._reader = reader
        return sealed or b""

    def committed(self, state: CardState, *, reader_due: bool) -> CardState:
        """Return the state that a commit leads to.

        Raises:
          Refused: nothing to commit, or the reader has not named itself where it must.
        """
        if self.is_empty:
            raise Refused(Status.NO_CHANGES)
        if reader_due and self._reader is None:
            raise Refused(Status.PERMISSION)
        changed: dict[int, File] = {}
        for number, file in state.files.items():
            if isinstance(file, MacFile):
                changed[number] = self._counted(file, state.uid)
            elif isinstance(file, ValueFile) and number in self._values:
                changed[number] = _settled(file, self._values[number])
            elif isinstance(file, RecordFile):
                changed[number] = self._written(number, file)
        return state.with_files(changed)

    def _written(self, number: int, file: RecordFile) -> RecordFile:
        kept = () if number in self._cleared else file.records
        new = (self._records[number],) if number in self._records else ()
        return replace(file, records=(kept + new)[-RECORDS_KEPT:])

    def _counted(self, file: MacFile, uid: bytes) -> MacFile:
        counter = _next(file)
        keys = transaction_keys(SoftwareKey(file.key), uid, counter)
        mac = transaction_mac(keys, self._pieces)
        return replace(file, counter=counter, mac=mac, reader=self._reader or file.reader)


def _next(file: MacFile) -> int:
    if file.counter >= _COUNTER_MAX:
        raise Refused(Status.PERMISSION)
    return file.counter + 1


def _settled(file: ValueFile, shadow: Shadow) -> ValueFile:
    limited = file.limited
    if shadow.debited:
        limited = shadow.debited
    elif shadow.gave_back:
        limited = 0
    return replace(file, value=shadow.value, limited=limited)
