"""Whatever is done to a card, in whatever order: it is what was committed, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import stateful
from hypothesis import strategies as st

from ops.virtual_card.card import Tear, Torn, VirtualCard
from ops.virtual_card.files import RecordFile, ValueFile
from protocol.chip import commands
from protocol.chip import transaction_mac as tm
from protocol.chip.errors import CardRefused
from protocol.chip.keys import Role
from protocol.chip.profile import KEY_NUMBERS, RECORDS_KEPT, UPPER_LIMIT_RP
from protocol.chip.secure import Command, Mode, ReaderSession
from protocol.chip.transaction_mac import Committed, is_genuine
from tests.ops.virtual_card.cards import (
    ISSUED,
    KEYS,
    UID,
    VALUE_RP,
    VERSION,
    ours,
    prove,
    refused,
    run,
    seeded,
)

AMOUNTS = st.integers(0, 40_000) | st.integers(0, 2 * UPPER_LIMIT_RP)
PROOF_KEY = KEYS.card_key(Role.PROOF, VERSION, UID)


class Machine(stateful.RuleBasedStateMachine):
    """A card, beside what it should keep and what it was told since the last commit."""

    @stateful.initialize()
    def begin(self) -> None:
        self.card = ours()
        self.value, self.records, self.commits = VALUE_RP, [ISSUED.encode()], 1
        self.role = Role.DEBIT
        self.open()

    def open(self) -> None:
        key = KEYS.card_key(self.role, VERSION, UID)
        self.session: ReaderSession = prove(self.card, KEY_NUMBERS[self.role], key)
        self.forget()

    def forget(self) -> None:
        self.pending, self.record, self.named = self.value, b"", False
        self.pieces: list[bytes] = []

    def do(self, command: Command, mode: Mode) -> bytes:
        return run(self.card, self.session, command, mode)

    @stateful.rule(role=st.sampled_from([Role.DEBIT, Role.LOAD]))
    def prove_a_key(self, role: Role) -> None:
        self.role = role
        self.open()

    @stateful.rule(amount=AMOUNTS)
    def debit(self, amount: int) -> None:
        command = commands.debit(3, amount)
        if amount > self.pending:
            with refused(0x91BE):
                self.do(command, Mode.MAC)
            return self.open()
        self.do(command, Mode.MAC)
        self.pending -= amount
        self.pieces.append(tm.value_piece(tm.ValueCommand.DEBIT, 3, amount))
        return None

    @stateful.rule(amount=AMOUNTS)
    def credit(self, amount: int) -> None:
        command = commands.credit(3, amount)
        if self.role is Role.DEBIT or self.pending + amount > UPPER_LIMIT_RP:
            with pytest.raises(CardRefused):
                self.do(command, Mode.MAC)
            return self.open()
        self.do(command, Mode.MAC)
        self.pending += amount
        self.pieces.append(tm.value_piece(tm.ValueCommand.CREDIT, 3, amount))
        return None

    @stateful.rule(content=st.binary(min_size=16, max_size=16))
    def write_record(self, content: bytes) -> None:
        self.do(commands.write_record(1, content), Mode.FULL)
        self.record = content
        self.pieces.append(tm.data_piece(tm.DataCommand.WRITE_RECORD, 1, 0, content))

    @stateful.rule()
    def look(self) -> None:
        found = int.from_bytes(self.do(commands.get_value(3), Mode.MAC), "little")
        assert found == self.value
        newest = self.do(commands.read_records(1, 0, 1), Mode.FULL)
        assert newest == self.records[-1]
        self.pieces.append(tm.value_piece(tm.ValueCommand.GET, 3, found))
        self.pieces.append(tm.records_piece(1, 0, 1, newest))

    @stateful.precondition(lambda self: not self.named)
    @stateful.rule(reader=st.binary(min_size=16, max_size=16))
    def name_the_reader(self, reader: bytes) -> None:
        sealed = self.do(commands.commit_reader(reader), Mode.MAC)
        self.named = True
        self.pieces.append(tm.reader_piece(reader, sealed))

    @stateful.rule()
    def commit(self) -> None:
        if not self.named:
            with pytest.raises(CardRefused):
                self.do(commands.commit(), Mode.MAC)
            return self.open()
        committed = Committed.decode(self.do(commands.commit(), Mode.MAC))
        self.keep()
        assert committed.counter == self.commits
        assert is_genuine(PROOF_KEY, UID, committed, self.pieces)
        self.forget()
        return None

    def keep(self) -> None:
        self.value = self.pending
        self.records = (self.records + [self.record] * bool(self.record))[-RECORDS_KEPT:]
        self.commits += 1

    @stateful.precondition(lambda self: self.pieces)
    @stateful.rule()
    def abort(self) -> None:
        self.do(commands.abort(), Mode.MAC)
        self.forget()

    @stateful.rule()
    def lose_power(self) -> None:
        self.card.reset()
        self.open()

    @stateful.rule()
    def keep_it_in_a_file(self) -> None:
        self.card = VirtualCard.from_image(self.card.image(), chance=seeded(5))
        self.open()

    @stateful.precondition(lambda self: self.named)
    @stateful.rule(done=st.booleans())
    def tear_the_commit(self, *, done: bool) -> None:
        self.card.tear = Tear(0, done)
        with pytest.raises(Torn):
            self.do(commands.commit(), Mode.MAC)
        if done:
            self.keep()
        self.open()

    @stateful.invariant()
    def holds_what_was_committed(self) -> None:
        files = self.card.state.files
        value, records, proofs = files[3], files[1], self.card.state.mac_file
        assert isinstance(value, ValueFile)
        assert isinstance(records, RecordFile)
        assert proofs is not None
        assert 0 <= value.value <= UPPER_LIMIT_RP
        assert (value.value, list(records.records)) == (self.value, self.records)
        assert proofs.counter == self.commits


TestCard = Machine.TestCase
