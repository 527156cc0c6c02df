"""What a terminal does with a card: a tap, a top-up, and what is left of it when it is torn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import pytest

from ops.virtual_card.card import Tear, Torn, VirtualCard
from ops.virtual_card.files import RecordFile, ValueFile
from ops.virtual_card.session import CardSession
from protocol.chip import commands, purse
from protocol.chip.apdu import Exchange, ResponseApdu
from protocol.chip.errors import Malformed, NotAuthentic
from protocol.chip.keys import Role, SoftwareCardKeys
from protocol.chip.profile import RECORD_FILE, RECORDS_KEPT, VALUE_FILE, Use
from protocol.chip.proof import Effect, Proof
from protocol.chip.secure import Command, Mode, ReaderSession
from protocol.chip.transaction_mac import Committed
from tests.ops.virtual_card.cards import (
    FACE,
    ISSUED,
    KEYS,
    READER,
    UID,
    VALUE_RP,
    VERSION,
    fresh,
    ours,
    record,
    refused,
    run,
    talk,
)

RANDOM: Final = bytes(range(16))
FARE_RP: Final = 3_500
COMMANDS: Final = 9
"""Of a whole tap, with the selection."""
PROOF_KEY: Final = KEYS.card_key(Role.PROOF, VERSION, UID)
TAP: Final = record(Use.TAP_IN, FARE_RP, 7).encode()


class Kept(NamedTuple):
    """What of a card a tap changes."""

    value_rp: int
    records: tuple[bytes, ...]
    commits: int


def kept(card: VirtualCard) -> Kept:
    value, records = card.state.files[VALUE_FILE], card.state.files[RECORD_FILE]
    assert isinstance(value, ValueFile)
    assert isinstance(records, RecordFile)
    assert card.state.mac_file is not None
    return Kept(value.value, records.records, card.state.mac_file.counter)


def opened(card: VirtualCard, role: Role = Role.DEBIT) -> purse.OpenCard:
    return talk(card, purse.open_card(KEYS, role, UID, RANDOM))


def using(change_rp: int, content: bytes, role: Role = Role.DEBIT) -> Exchange[Proof]:
    """Return a whole use of a card as one exchange."""
    card = yield from purse.open_card(KEYS, role, UID, RANDOM)
    seen = yield from purse.look(card)
    prepared = yield from purse.prepare(card, seen, change_rp, content, READER)
    return prepared.proof((yield from purse.commit(card)))


def test_a_reader_tells_the_uid() -> None:
    assert talk(ours(), purse.read_uid()) == UID


def test_a_reader_that_knows_no_uid_is_refused() -> None:
    exchange = purse.read_uid()
    next(exchange)
    with refused(0x6A81):
        exchange.send(ResponseApdu(b"", 0x6A81))


def test_a_uid_of_another_length_is_none_of_ours() -> None:
    exchange = purse.read_uid()
    next(exchange)
    with pytest.raises(Malformed, match="UID"):
        exchange.send(ResponseApdu(bytes(4), 0x9000))


def test_a_card_without_our_application_is_refused() -> None:
    exchange = purse.read_face()
    next(exchange)
    with refused(0x6A82):
        exchange.send(ResponseApdu(b"", 0x6A82))


def test_a_card_from_the_factory_is_none_of_ours() -> None:
    with pytest.raises(Malformed, match="not one of our cards"):
        opened(fresh())


def test_a_face_that_was_copied_to_another_chip_is_found_out() -> None:
    with pytest.raises(NotAuthentic):
        talk(ours(), purse.open_card(KEYS, Role.DEBIT, bytes(7), RANDOM))


def test_a_card_that_does_not_know_its_key_is_found_out() -> None:
    masters = {(role, VERSION): bytes((number,)) * 16 for number, role in enumerate(Role, 1)}
    keys = SoftwareCardKeys(masters | {(Role.DEBIT, VERSION): bytes(16)})
    with refused(0x91AE):
        talk(ours(), purse.open_card(keys, Role.DEBIT, UID, RANDOM))


def test_a_tap_takes_the_fare_and_proves_it() -> None:
    card = ours()
    proof = talk(card, using(-FARE_RP, TAP))
    assert kept(card) == (VALUE_RP - FARE_RP, (ISSUED.encode(), TAP), 2)
    assert proof.is_genuine(PROOF_KEY, READER, Effect.of(-FARE_RP))
    assert (proof.value_rp, proof.before, proof.record) == (VALUE_RP, ISSUED.encode(), TAP)
    assert proof.committed.counter == 2


def test_a_tap_that_costs_nothing_is_proved_as_well() -> None:
    card = ours()
    proof = talk(card, using(0, TAP))
    assert kept(card) == (VALUE_RP, (ISSUED.encode(), TAP), 2)
    assert proof.is_genuine(PROOF_KEY, READER, Effect.of(0))
    assert not proof.is_genuine(PROOF_KEY, READER, Effect.of(-FARE_RP))


def test_who_loads_puts_on() -> None:
    card = ours()
    content = record(Use.TOP_UP, 20_000).encode()
    proof = talk(card, using(20_000, content, Role.LOAD))
    assert kept(card) == (VALUE_RP + 20_000, (ISSUED.encode(), content), 2)
    assert proof.is_genuine(PROOF_KEY, READER, Effect.of(20_000))
    assert not proof.is_genuine(PROOF_KEY, READER, Effect.of(-20_000))


def test_who_debits_cannot_load() -> None:
    card = ours()
    before = kept(card)
    with refused(0x91AE):
        talk(card, using(20_000, TAP))
    assert kept(card) == before


def test_who_debits_cannot_give_back_either() -> None:
    card = ours()
    talk(card, using(-FARE_RP, TAP))
    session = opened(card).session
    limited = Command(0x1C, b"\x03", FARE_RP.to_bytes(4, "little"))
    with refused(0x91AE):
        run(card, session, limited, Mode.MAC)


def test_a_value_that_does_not_suffice_leaves_all_as_it_was() -> None:
    card = ours()
    before = kept(card)
    with refused(0x91BE):
        talk(card, using(-VALUE_RP - 1, TAP))
    assert kept(card) == before
    talk(card, using(-VALUE_RP, TAP))
    assert kept(card).value_rp == 0


def test_cards_keep_their_last_records() -> None:
    card = ours()
    contents = [record(Use.TAP_IN, 0, number).encode() for number in range(8)]
    for content in contents:
        talk(card, using(0, content))
    found = talk(card, purse.read_records(opened(card)))
    assert found == contents[::-1][:RECORDS_KEPT]


def test_records_that_were_read_are_in_no_proof() -> None:
    card = ours()
    session = opened(card)
    assert talk(card, purse.read_records(session)) == [ISSUED.encode()]
    seen = talk(card, purse.look(session))
    prepared = talk(card, purse.prepare(session, seen, -FARE_RP, TAP, READER))
    proof = prepared.proof(talk(card, purse.commit(session)))
    assert proof.is_genuine(PROOF_KEY, READER, Effect.of(-FARE_RP))


def test_what_are_no_whole_records_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    card = ours()
    session = opened(card)
    broken = commands.read_data(0x1F, 0, 20)
    monkeypatch.setattr(commands, "read_records", lambda *_: broken)
    monkeypatch.setattr(purse, "RECORD_MODE", Mode.PLAIN)
    with pytest.raises(Malformed, match="20 bytes"):
        talk(card, purse.read_records(session))


def test_the_last_commit_is_told_again() -> None:
    card = ours()
    proof = talk(card, using(-FARE_RP, TAP))
    assert talk(card, purse.last_commit(opened(card))) == proof.committed


def test_half_a_commit_is_refused() -> None:
    card = ours()
    exchange = purse.last_commit(opened(card))
    next(exchange)
    with pytest.raises(Malformed, match="11 bytes"):
        exchange.send(ResponseApdu(bytes(11), 0x9100))


def test_without_naming_the_reader_there_is_no_commit() -> None:
    card = ours()
    before = kept(card)
    session = opened(card)
    run(card, session.session, commands.debit(VALUE_FILE, FARE_RP), Mode.MAC)
    with refused(0x919D):
        talk(card, purse.commit(session))
    assert kept(card) == before


@pytest.mark.parametrize("done", [False, True])
def test_a_torn_card_is_debited_once_or_not_and_tells_which(*, done: bool) -> None:
    whole = ours()
    talk(whole, using(-FARE_RP, TAP))
    old, new = kept(ours()), kept(whole)
    found: list[Kept] = []
    for answered in range(COMMANDS):
        card = ours()
        card.tear = Tear(answered, done)
        with pytest.raises(Torn):
            talk(card, using(-FARE_RP, TAP))
        found.append(kept(card))
        # The terminal compares the newest record with the one that it has written down.
        again = opened(card)
        committed = talk(card, purse.read_records(again))[0] == TAP
        assert committed == (kept(card) == new)
        if committed:
            assert_proved(card, again)
    assert found == [old] * (COMMANDS - 1) + [new if done else old]
    card = ours()
    card.tear = Tear(COMMANDS, done)
    talk(card, using(-FARE_RP, TAP))
    assert kept(card) == new


def assert_proved(card: VirtualCard, again: purse.OpenCard) -> None:
    """Find what the terminal had written down, with the commit that it asks for, to be proved."""
    seen = purse.Seen(VALUE_RP, ISSUED.encode())
    whole = ours()
    first = opened(whole)
    talk(whole, purse.look(first))
    prepared = talk(whole, purse.prepare(first, seen, -FARE_RP, TAP, READER))
    proof = prepared.proof(talk(card, purse.last_commit(again)))
    assert proof.is_genuine(PROOF_KEY, READER, Effect.of(-FARE_RP))


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (purse.look, "the value"),
        (
            lambda card: purse.prepare(card, purse.Seen(0, TAP), 0, TAP, READER),
            "the enciphered identity",
        ),
        (purse.commit, "the answer to a commit"),
    ],
)
def test_an_answer_of_a_wrong_size_is_refused(
    step: Callable[[purse.OpenCard], Exchange[object]], told: str
) -> None:
    session = opened(ours())
    with pytest.raises(Malformed, match=told):
        empty(step(session), session.session)


def empty(exchange: Exchange[object], session: ReaderSession) -> None:
    """Answer each command rightly, and with nothing in it."""
    card = CardSession(session.keys, session.identifier, session.counter, 1)
    next(exchange)
    while True:
        exchange.send(ResponseApdu(card.protect_answer(b"", Mode.MAC), 0x9100))


def test_the_face_is_told_with_the_open_card() -> None:
    session = opened(ours())
    assert (session.uid, session.face) == (UID, FACE)
    assert not session.session.is_over


def test_committed_is_what_the_card_keeps() -> None:
    card = ours()
    proof = talk(card, using(-FARE_RP, TAP))
    file = card.state.mac_file
    assert file is not None
    assert Committed.decode(file.content) == proof.committed
