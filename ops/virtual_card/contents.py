"""Commands on what stands in files: values, records, bytes; and the commit of changes.

Each takes header and data of its command, opened and allowed, and returns the answer's data.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from ops.virtual_card.chip import Chip
from ops.virtual_card.files import LIMITED_CREDIT, DataFile, MacFile, RecordFile, nibbles
from ops.virtual_card.statuses import Refused, Status
from ops.virtual_card.transaction import Transaction
from protocol.chip.commands import FREE, NEVER
from protocol.chip.profile import RECORD_BYTES
from protocol.chip.transaction_mac import (
    POSITION_BYTES,
    READER_BYTES,
    VALUE_BYTES,
    DataCommand,
    ValueCommand,
    data_piece,
    records_piece,
    value_piece,
)

PLACE_HEADER_BYTES: Final = 1 + 2 * POSITION_BYTES
_WITH_PROOF: Final = b"\x01"
_CLEAR_RECORDS: Final = 0xEB


def get_value(chip: Chip, header: bytes, data: bytes) -> bytes:
    """Answer the value, as it was committed."""
    _exactly(data, 0)
    number = header[0]
    value = chip.value_file(number).value
    chip.note(value_piece(ValueCommand.GET, number, value))
    return value.to_bytes(VALUE_BYTES, "little", signed=True)


def debit(chip: Chip, header: bytes, data: bytes) -> bytes:
    """Take from the value, with the next commit."""
    number, amount = header[0], _amount(data)
    file = chip.value_file(number)
    shadow = chip.transaction.value(number, file)
    if shadow.value - amount < file.lower:
        raise Refused(Status.BOUNDARY)
    chip.note(value_piece(ValueCommand.DEBIT, number, amount))
    shadow.value -= amount
    shadow.debited += amount
    return b""


def credit(chip: Chip, header: bytes, data: bytes) -> bytes:
    """Add to the value, with the next commit."""
    number, amount = header[0], _amount(data)
    _add(chip, number, amount)
    chip.note(value_piece(ValueCommand.CREDIT, number, amount))
    return b""


def limited_credit(chip: Chip, header: bytes, data: bytes) -> bytes:
    """Give back what was just debited, once and at most so much, with the next commit."""
    number, amount = header[0], _amount(data)
    file = chip.value_file(number)
    if not file.option & LIMITED_CREDIT:
        raise Refused(Status.PERMISSION)
    shadow = chip.transaction.value(number, file)
    if shadow.gave_back or amount > file.limited:
        raise Refused(Status.BOUNDARY)
    _add(chip, number, amount)
    shadow.gave_back = True
    chip.note(value_piece(ValueCommand.LIMITED_CREDIT, number, amount))
    return b""


def read_records(chip: Chip, header: bytes, data: bytes) -> bytes:
    """Answer records, the oldest first; a count of 0 asks for all from the first."""
    _exactly(data, 0)
    number, first, count = _place(header)
    records = _record_file(chip, number).records
    count = count or len(records) - first
    if count < 1 or first + count > len(records):
        raise Refused(Status.BOUNDARY)
    end = len(records) - first
    answer = b"".join(records[end - count : end])
    chip.note(records_piece(number, first, count, answer))
    return answer


def write_record(chip: Chip, header: bytes, data: bytes) -> bytes:
    """Write into a new record, with the next commit."""
    number, offset, length = _place(header)
    _record_file(chip, number)
    _exactly(data, length)
    if not length or offset + length > RECORD_BYTES:
        raise Refused(Status.BOUNDARY)
    chip.note(data_piece(DataCommand.WRITE_RECORD, number, offset, data))
    chip.transaction.write_record(number, offset, data)
    return b""


def clear_records(chip: Chip, header: bytes, data: bytes) -> bytes:
    """Let go of all records, with the next commit."""
    _exactly(data, 0)
    number = header[0]
    _record_file(chip, number)
    chip.note(bytes((_CLEAR_RECORDS, number)).ljust(16, b"\0"))
    chip.transaction.clear(number)
    return b""


def read_data(chip: Chip, header: bytes, data: bytes) -> bytes:
    """Answer bytes of a file; a length of 0 asks for all from the offset."""
    _exactly(data, 0)
    number, offset, length = _place(header)
    file = chip.state.file(number)
    if not isinstance(file, DataFile | MacFile):
        raise Refused(Status.PARAMETER)
    length = length or len(file.content) - offset
    if length < 1 or offset + length > len(file.content):
        raise Refused(Status.BOUNDARY)
    answer = file.content[offset : offset + length]
    if isinstance(file, DataFile):
        chip.note(data_piece(DataCommand.READ, number, offset, answer))
    return answer


def write_data(chip: Chip, header: bytes, data: bytes) -> bytes:
    """Write bytes of a file, at once."""
    number, offset, length = _place(header)
    file = chip.state.file(number)
    if not isinstance(file, DataFile):
        raise Refused(Status.PARAMETER)
    _exactly(data, length)
    if not length or offset + length > len(file.content):
        raise Refused(Status.BOUNDARY)
    chip.note(data_piece(DataCommand.WRITE, number, offset, data))
    content = file.content[:offset] + data + file.content[offset + length :]
    chip.change_file(number, replace(file, content=content))
    return b""


def commit_reader(chip: Chip, _header: bytes, data: bytes) -> bytes:
    """Take the reader's name; answer the one before it, enciphered for the host."""
    _exactly(data, READER_BYTES)
    file = chip.state.mac_file
    holder = NEVER if file is None else nibbles(file.access)[0]
    if holder == NEVER:
        raise Refused(Status.PERMISSION)
    session = chip.session
    if holder != FREE and (session is None or session.key_number != holder):
        raise Refused(Status.AUTHENTICATION)
    secured = session is not None
    return chip.transaction.name_reader(chip.state, chip.state.uid, data, secured=secured)


def commit(chip: Chip, _header: bytes, data: bytes) -> bytes:
    """Make all changes since the last commit; answer count and MAC, if they are asked for."""
    if data not in {b"", b"\0", _WITH_PROOF}:
        raise Refused(Status.PARAMETER if len(data) == 1 else Status.LENGTH)
    file = chip.state.mac_file
    if file is None and data == _WITH_PROOF:
        raise Refused(Status.PARAMETER)
    reader_due = file is not None and nibbles(file.access)[0] != NEVER
    chip.state = chip.transaction.committed(chip.state, reader_due=reader_due)
    chip.transaction = Transaction()
    made = chip.state.mac_file
    return made.content if made is not None and data == _WITH_PROOF else b""


def abort(chip: Chip, _header: bytes, data: bytes) -> bytes:
    """Forget all changes, and all reads, since the last commit."""
    _exactly(data, 0)
    if chip.transaction.is_empty:
        raise Refused(Status.NO_CHANGES)
    chip.transaction = Transaction()
    return b""


def _add(chip: Chip, number: int, amount: int) -> None:
    file = chip.value_file(number)
    shadow = chip.transaction.value(number, file)
    if shadow.value + amount > file.upper:
        raise Refused(Status.BOUNDARY)
    shadow.value += amount


def _record_file(chip: Chip, number: int) -> RecordFile:
    file = chip.state.file(number)
    if not isinstance(file, RecordFile):
        raise Refused(Status.PARAMETER)
    return file


def _amount(data: bytes) -> int:
    _exactly(data, VALUE_BYTES)
    amount = int.from_bytes(data, "little", signed=True)
    if amount < 0:
        raise Refused(Status.PARAMETER)
    return amount


def _place(header: bytes) -> tuple[int, int, int]:
    first, second = header[1 : 1 + POSITION_BYTES], header[1 + POSITION_BYTES :]
    return header[0], int.from_bytes(first, "little"), int.from_bytes(second, "little")


def _exactly(data: bytes, length: int) -> None:
    if len(data) != length:
        raise Refused(Status.LENGTH)
