"""Each native command that the card knows: its header, how it is protected, and what it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ops.virtual_card import contents, settings
from ops.virtual_card.chip import Chip
from ops.virtual_card.contents import PLACE_HEADER_BYTES
from ops.virtual_card.files import nibbles
from protocol.chip.commands import Ins
from protocol.chip.secure import Mode
from protocol.chip.transaction_mac import DataCommand, ValueCommand


@dataclass(frozen=True, slots=True)
class Rule:
    """One command.

    Attributes:
      header_bytes: that are never enciphered.
      mode: tells how it is protected, by its header; refuses it where it is not allowed.
      run: does it, and returns the data of its answer.
    """

    header_bytes: int
    mode: Callable[[Chip, bytes], Mode]
    run: Callable[[Chip, bytes, bytes], bytes]


def _in_session(chip: Chip, _header: bytes) -> Mode:
    return Mode.PLAIN if chip.session is None else Mode.MAC


def _full(chip: Chip, _header: bytes) -> Mode:
    chip.secured()
    return Mode.FULL


def _as_admin(chip: Chip, _header: bytes) -> Mode:
    chip.ensure_admin()
    return Mode.MAC


def _to_change_settings(chip: Chip, header: bytes) -> Mode:
    change = nibbles(chip.state.file(header[0]).access)[1]
    chip.granted(0, (change,))
    return Mode.PLAIN if chip.session is None else Mode.FULL


def _to(
    right: Callable[[Chip, int], Mode],
) -> Callable[[Chip, bytes], Mode]:
    return lambda chip, header: right(chip, header[0])


RULES: Final[dict[int, Rule]] = {
    ValueCommand.GET: Rule(1, _to(Chip.to_get_value), contents.get_value),
    ValueCommand.DEBIT: Rule(1, _to(Chip.to_debit), contents.debit),
    ValueCommand.CREDIT: Rule(1, _to(Chip.to_read_and_write), contents.credit),
    ValueCommand.LIMITED_CREDIT: Rule(1, _to(Chip.to_write), contents.limited_credit),
    Ins.READ_RECORDS: Rule(PLACE_HEADER_BYTES, _to(Chip.to_read), contents.read_records),
    DataCommand.WRITE_RECORD: Rule(PLACE_HEADER_BYTES, _to(Chip.to_write), contents.write_record),
    Ins.CLEAR_RECORDS: Rule(1, _to(Chip.to_read_and_write), contents.clear_records),
    DataCommand.READ: Rule(PLACE_HEADER_BYTES, _to(Chip.to_read), contents.read_data),
    DataCommand.WRITE: Rule(PLACE_HEADER_BYTES, _to(Chip.to_write), contents.write_data),
    Ins.COMMIT_READER: Rule(0, _in_session, contents.commit_reader),
    Ins.COMMIT: Rule(0, _in_session, contents.commit),
    Ins.ABORT: Rule(0, _in_session, contents.abort),
    Ins.GET_VERSION: Rule(0, _in_session, settings.get_version),
    Ins.GET_UID: Rule(0, _full, settings.get_uid),
    Ins.GET_KEY_VERSION: Rule(1, _in_session, settings.get_key_version),
    Ins.CHANGE_KEY: Rule(1, _full, settings.change_key),
    Ins.GET_FILE_IDS: Rule(0, _in_session, settings.get_file_ids),
    Ins.GET_FILE_SETTINGS: Rule(1, _in_session, settings.get_file_settings),
    Ins.CHANGE_FILE_SETTINGS: Rule(1, _to_change_settings, settings.change_file_settings),
    Ins.CREATE_MAC_FILE: Rule(5, _full, settings.create_mac_file),
    Ins.DELETE_FILE: Rule(1, _as_admin, settings.delete_file),
    Ins.SET_CONFIGURATION: Rule(1, _full, settings.set_configuration),
}
"""By the byte that is sent."""
