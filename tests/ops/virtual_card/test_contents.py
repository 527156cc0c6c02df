"""Values, records and bytes of files: who may, how much, and from when on it counts."""

from __future__ import annotations

from typing import Final

import pytest
from msgspec.structs import replace

from ops.virtual_card.card import VirtualCard
from ops.virtual_card.files import encode_state
from ops.virtual_card.transaction import PIECES_MAX
from protocol.chip import commands
from protocol.chip.card_layout import FACTORY_KEY
from protocol.chip.commands import FREE, NEVER, rights
from protocol.chip.errors import CardRefused
from protocol.chip.secure import Command, Mode, ReaderSession
from protocol.chip.transaction_mac import (
    Committed,
    DataCommand,
    ValueCommand,
    data_piece,
    is_genuine,
    previous_reader,
    reader_piece,
    records_piece,
    transaction_keys,
    value_piece,
)
from tests.ops.virtual_card.cards import UID, fresh, prove, refused, run, sent

SELECT: Final = "00A4040C10A00000039656434103F015400000000B00"
RECORD: Final = bytes(range(16))
FULL: Final = Mode.FULL


def admin_sets(card: VirtualCard, file: int, mode: int, access: bytes) -> None:
    run(card, prove(card, 0), commands.change_file_settings(file, mode, access), FULL)


def without_readers() -> VirtualCard:
    """Return a card from the factory of which no reader has to name itself."""
    card = fresh()
    admin_sets(card, 0x0F, 0, rights(read_write=NEVER, change=0, read=1, write=NEVER))
    return card


def without_mac() -> VirtualCard:
    card = fresh()
    run(card, prove(card, 0), commands.delete_file(0x0F), Mode.MAC)
    return card


def value_of(card: VirtualCard) -> int:
    return int.from_bytes(run(card, prove(card, 3), commands.get_value(3), FULL), "little")


def commit(card: VirtualCard, session: ReaderSession) -> None:
    run(card, session, commands.commit(), Mode.MAC)


def limited_credit(amount: int) -> Command:
    return Command(ValueCommand.LIMITED_CREDIT, b"\x03", amount.to_bytes(4, "little"))


def loaded(amount: int = 1_000) -> VirtualCard:
    card = without_readers()
    session = prove(card, 3)
    run(card, session, commands.credit(3, amount), FULL)
    commit(card, session)
    return card


def test_changes_of_a_value_add_up_and_count_with_the_commit() -> None:
    card = loaded()
    session = prove(card, 3)
    run(card, session, commands.debit(3, 300), FULL)
    run(card, session, commands.debit(3, 50), FULL)
    run(card, session, commands.credit(3, 1), FULL)
    before = run(card, session, commands.get_value(3), FULL)
    assert int.from_bytes(before, "little") == 1_000
    commit(card, session)
    assert value_of(card) == 651


def test_limits_hold_within_a_transaction() -> None:
    card = loaded()
    session = prove(card, 3)
    run(card, session, commands.debit(3, 600), FULL)
    with refused(0x91BE):
        run(card, session, commands.debit(3, 401), FULL)
    with refused(0x91BE):
        run(card, prove(card, 3), commands.credit(3, 0x7FFFFFFF), FULL)
    assert value_of(card) == 1_000


def test_an_amount_is_four_bytes_and_not_below_zero() -> None:
    card = loaded()
    with refused(0x919E):
        run(card, prove(card, 3), Command(ValueCommand.DEBIT, b"\x03", b"\xff" * 4), FULL)
    with refused(0x917E):
        run(card, prove(card, 3), Command(ValueCommand.DEBIT, b"\x03", bytes(3)), FULL)


@pytest.mark.parametrize(
    ("key", "may"), [(1, {"debit"}), (2, {"debit", "back"}), (3, {"debit", "back", "credit"})]
)
def test_rights_to_a_value(key: int, may: set[str]) -> None:
    card = loaded()
    session = prove(card, 1)
    run(card, session, commands.debit(3, 100), FULL)
    commit(card, session)
    tried = {
        "debit": commands.debit(3, 1),
        "back": limited_credit(1),
        "credit": commands.credit(3, 1),
    }
    found = {name: status_of(card, key, command) for name, command in tried.items()}
    assert found == {name: 0x9100 if name in may else 0x91AE for name in tried}


def status_of(card: VirtualCard, key: int, command: Command) -> int:
    try:
        run(card, prove(card, key), command, FULL)
    except CardRefused as error:
        return error.status
    return 0x9100


def test_what_was_debited_may_be_given_back_once() -> None:
    card = loaded()
    session = prove(card, 3)
    run(card, session, commands.debit(3, 100), FULL)
    commit(card, session)
    with refused(0x91BE):
        run(card, prove(card, 2), limited_credit(101), FULL)
    session = prove(card, 2)
    run(card, session, limited_credit(60), FULL)
    with refused(0x91BE):
        run(card, session, limited_credit(1), FULL)
    session = prove(card, 2)
    run(card, session, limited_credit(60), FULL)
    commit(card, session)
    assert value_of(card) == 960
    with refused(0x91BE):
        run(card, prove(card, 2), limited_credit(1), FULL)


def test_nothing_is_given_back_where_that_is_off() -> None:
    card = loaded()
    run(card, prove(card, 0), commands.configure_value(3, 0, 5_000, 500), FULL)
    with refused(0x919D):
        run(card, prove(card, 2), limited_credit(0), FULL)


def test_nobody_reads_a_value_for_nothing_where_that_is_off() -> None:
    card = loaded()
    run(card, prove(card, 0), commands.configure_value(3, 0, 5_000, 500), FULL)
    sent(card, SELECT)
    assert sent(card, "906C0000010300") == "91AE"
    assert value_of(card) == 500


def test_a_transaction_makes_one_record_of_all_its_pieces() -> None:
    card = without_readers()
    session = prove(card, 3)
    write = DataCommand.WRITE_RECORD
    run(card, session, Command(write, bytes.fromhex("01000000020000"), b"\x11\x22"), FULL)
    run(card, session, Command(write, bytes.fromhex("010E0000020000"), b"\x33\x44"), FULL)
    commit(card, session)
    found = run(card, session, commands.read_records(1, 0, 0), FULL)
    assert found == b"\x11\x22" + bytes(12) + b"\x33\x44"


def test_records_come_oldest_first_and_are_counted_from_the_newest() -> None:
    card = without_readers()
    session = prove(card, 3)
    for number in range(8):
        run(card, session, commands.write_record(1, bytes((number,)) * 16), FULL)
        commit(card, session)

    def read(first: int, count: int) -> list[int]:
        raw = run(card, prove(card, 3), commands.read_records(1, first, count), FULL)
        return list(raw[::16])

    assert read(0, 0) == [2, 3, 4, 5, 6, 7]
    assert read(0, 1) == [7]
    assert read(1, 2) == [5, 6]
    assert read(4, 0) == [2, 3]
    for first, count in ((0, 7), (6, 0), (6, 1), (5, 2)):
        with refused(0x91BE):
            read(first, count)


def test_a_card_without_records_has_none_to_read() -> None:
    card = fresh()
    with refused(0x91BE):
        run(card, prove(card, 1), commands.read_records(1, 0, 0), FULL)


@pytest.mark.parametrize(
    ("header", "data", "status"),
    [
        ("01000000110000", bytes(17), 0x91BE),
        ("01010000100000", bytes(16), 0x91BE),
        ("01000000000000", b"", 0x91BE),
        ("01000000100000", bytes(15), 0x917E),
        ("03000000100000", bytes(16), 0x919E),
        ("0F000000100000", bytes(16), 0x919D),
    ],
)
def test_a_record_that_does_not_fit_is_refused(header: str, data: bytes, status: int) -> None:
    card = fresh()
    command = Command(DataCommand.WRITE_RECORD, bytes.fromhex(header), data)
    with refused(status):
        run(card, prove(card, 3), command, FULL)


def test_records_are_cleared_with_the_commit() -> None:
    card = without_mac()
    session = prove(card, 3)
    run(card, session, commands.write_record(1, RECORD), FULL)
    run(card, session, commands.commit_unproved(), Mode.MAC)
    run(card, session, commands.write_record(1, bytes(16)), FULL)
    run(card, session, commands.clear_records(1), FULL)
    assert run(card, session, commands.read_records(1, 0, 0), FULL) == RECORD
    run(card, session, commands.commit_unproved(), Mode.MAC)
    with refused(0x91BE):
        run(card, session, commands.read_records(1, 0, 0), FULL)
    with refused(0x919E):
        run(card, prove(card, 3), commands.clear_records(3), FULL)
    with refused(0x91AE):
        run(card, prove(card, 2), commands.clear_records(1), FULL)


def test_bytes_are_written_at_once() -> None:
    card = fresh()
    session = prove(card, 3)
    run(card, session, commands.write_data(4, 10, b"abc"), FULL)
    card.reset()
    found = run(card, prove(card, 3), commands.read_data(4, 9, 5), FULL)
    assert found == b"\0abc\0"
    rest = run(card, prove(card, 3), commands.read_data(4, 250, 0), FULL)
    assert rest == bytes(6)


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (commands.write_data(4, 250, bytes(7)), 0x91BE),
        (commands.write_data(4, 0, b""), 0x91BE),
        (commands.write_data(3, 0, b"a"), 0x919E),
        (Command(DataCommand.WRITE, bytes.fromhex("04000000020000"), b"a"), 0x917E),
        (commands.read_data(4, 250, 7), 0x91BE),
        (commands.read_data(4, 256, 0), 0x91BE),
        (commands.read_data(3, 0, 1), 0x919E),
        (commands.read_records(4, 0, 1), 0x919E),
        (commands.clear_records(0x0F), 0x919D),
    ],
)
def test_bytes_that_are_not_there_are_refused(command: Command, status: int) -> None:
    card = fresh()
    with refused(status):
        run(card, prove(card, 3), command, FULL)


def test_rights_of_nobody() -> None:
    card = fresh()
    admin_sets(card, 4, 0, rights(read_write=NEVER, change=NEVER, read=NEVER, write=NEVER))
    with refused(0x919D):
        run(card, prove(card, 0), commands.read_data(4, 0, 1), Mode.PLAIN)
    with refused(0x919D):
        run(card, prove(card, 0), commands.change_file_settings(4, 0, bytes(2)), FULL)


def test_what_everybody_may_is_not_protected_in_a_session_either() -> None:
    card = fresh()
    admin_sets(card, 4, 3, rights(read_write=1, change=0, read=FREE, write=1))
    session = prove(card, 2)
    assert run(card, session, commands.read_data(4, 0, 4), Mode.PLAIN) == bytes(4)
    # Who has the right by a key is spoken to as the file says; the count goes on in either way.
    assert run(card, prove(card, 1), commands.read_data(4, 0, 4), FULL) == bytes(4)
    assert run(card, session := prove(card, 2), commands.get_uid(), FULL) == UID
    assert session.counter == 1


def test_everything_is_in_the_mac_in_the_order_of_the_commands() -> None:
    card = fresh()
    admin_sets(card, 4, 0, rights(read_write=3, change=0, read=3, write=3))
    loading = prove(card, 3)
    run(card, loading, commands.credit(3, 500), FULL)
    run(card, loading, commands.write_record(1, RECORD), FULL)
    # Who may read and write is not who may name the reader.
    admin_sets(card, 0x0F, 0, rights(read_write=3, change=0, read=FREE, write=NEVER))
    session = prove(card, 3)
    run(card, session, commands.write_record(1, RECORD), FULL)
    run(card, session, commands.commit_reader(b"R" * 16), Mode.MAC)
    commit(card, session)

    run(card, session, commands.read_records(1, 0, 0), FULL)
    run(card, session, commands.credit(3, 500), FULL)
    sealed = run(card, session, commands.commit_reader(b"S" * 16), Mode.MAC)
    run(card, session, commands.debit(3, 20), FULL)
    run(card, session, commands.read_data(4, 2, 3), Mode.PLAIN)
    run(card, session, commands.write_data(4, 0, b"abcd"), Mode.PLAIN)
    # Reads of the MAC's own file are not in it.
    run(card, session, commands.read_data(0x0F, 0, 0), Mode.PLAIN)
    run(card, session, commands.get_value(3), FULL)
    run(card, session, commands.clear_records(1), FULL)
    raw = run(card, session, commands.commit(), Mode.MAC)
    pieces = [
        records_piece(1, 0, 1, RECORD),
        value_piece(ValueCommand.CREDIT, 3, 500),
        reader_piece(b"S" * 16, sealed),
        value_piece(ValueCommand.DEBIT, 3, 20),
        data_piece(DataCommand.READ, 4, 2, bytes(3)),
        data_piece(DataCommand.WRITE, 4, 0, b"abcd"),
        value_piece(ValueCommand.GET, 3, 0),
        b"\xeb\x01" + bytes(14),
    ]
    committed = Committed.decode(raw)
    assert committed.counter == 2
    assert is_genuine(FACTORY_KEY, UID, committed, pieces)
    assert previous_reader(transaction_keys(FACTORY_KEY, UID, 2), sealed) == b"R" * 16


def test_a_limited_credit_is_in_the_mac() -> None:
    card = loaded()
    session = prove(card, 3)
    run(card, session, commands.debit(3, 100), FULL)
    commit(card, session)
    run(card, session, limited_credit(40), FULL)
    committed = Committed.decode(run(card, session, commands.commit(), Mode.MAC))
    piece = value_piece(ValueCommand.LIMITED_CREDIT, 3, 40)
    assert is_genuine(FACTORY_KEY, UID, committed, [piece])


def test_reads_alone_make_a_commit() -> None:
    card = without_readers()
    session = prove(card, 3)
    run(card, session, commands.get_value(3), FULL)
    commit(card, session)
    assert card.state.mac_file is not None
    assert card.state.mac_file.counter == 1
    with refused(0x910C):
        commit(card, session)


def test_an_abort_takes_all_out() -> None:
    card = loaded()
    session = prove(card, 3)
    run(card, session, commands.debit(3, 100), FULL)
    run(card, session, commands.abort(), Mode.MAC)
    run(card, session, commands.get_value(3), FULL)
    committed = Committed.decode(run(card, session, commands.commit(), Mode.MAC))
    assert value_of(card) == 1_000
    piece = value_piece(ValueCommand.GET, 3, 1_000)
    assert is_genuine(FACTORY_KEY, UID, committed, [piece])


def test_who_has_proved_nothing_may_commit_what_everybody_may_do() -> None:
    card = fresh()
    admin_sets(card, 0x0F, 0, rights(read_write=FREE, change=0, read=FREE, write=NEVER))
    sent(card, SELECT)
    assert sent(card, "906C0000010300") == "000000009100"
    assert sent(card, "90C8000010" + "52" * 16 + "00") == "9100"
    raw = bytes.fromhex(sent(card, "90C70000010100"))[:-2]
    committed = Committed.decode(raw)
    pieces = [value_piece(ValueCommand.GET, 3, 0), reader_piece(b"R" * 16)]
    assert is_genuine(FACTORY_KEY, UID, committed, pieces)
    assert sent(card, "90AD0000070F000000000000" + "00") == raw.hex().upper() + "9100"
    # Without the option nothing is answered.
    assert sent(card, "906C0000010300") == "000000009100"
    assert sent(card, "90C8000010" + "52" * 16 + "00") == "9100"
    assert sent(card, "90C70000010000") == "9100"


def test_readers_name_themselves_once_where_they_may() -> None:
    card = fresh()
    name = commands.commit_reader(bytes(16))
    with refused(0x91AE):
        run(card, prove(card, 3), name, Mode.MAC)
    session = prove(card, 1)
    run(card, session, name, Mode.MAC)
    with refused(0x919D):
        run(card, session, name, Mode.MAC)
    for other in (without_readers(), without_mac()):
        with refused(0x919D):
            run(other, prove(other, 1), name, Mode.MAC)
    sent(card, SELECT)
    assert sent(card, "90C8000010" + "52" * 16 + "00") == "91AE"


def test_without_its_file_there_is_no_mac() -> None:
    card = without_mac()
    session = prove(card, 3)
    run(card, session, commands.get_value(3), FULL)
    with refused(0x910C):
        run(card, session, commands.commit_unproved(), Mode.MAC)
    session = prove(card, 3)
    run(card, session, commands.credit(3, 5), FULL)
    with refused(0x919E):
        commit(card, session)
    session = prove(card, 3)
    run(card, session, commands.credit(3, 5), FULL)
    assert run(card, session, commands.commit_unproved(), Mode.MAC) == b""
    assert value_of(card) == 5


def test_a_count_of_commits_ends() -> None:
    card = without_readers()
    file = card.state.mac_file
    assert file is not None
    last = card.state.with_files({0x0F: replace(file, counter=0xFFFFFFFF)})
    card = VirtualCard.from_image(encode_state(last), chance=bytes)
    session = prove(card, 3)
    run(card, session, commands.get_value(3), FULL)
    with refused(0x919D):
        commit(card, session)


def test_a_transaction_does_not_grow_for_ever() -> None:
    card = fresh()
    sent(card, SELECT)
    for _ in range(PIECES_MAX):
        assert sent(card, "906C0000010300") == "000000009100"
    assert sent(card, "906C0000010300") == "91EE"
