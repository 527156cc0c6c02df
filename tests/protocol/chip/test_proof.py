"""What a host believes of a chip: just what it did, and nothing that was changed since."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.chip import purse
from protocol.chip.apdu import Exchange
from protocol.chip.errors import Malformed
from protocol.chip.keys import Role
from protocol.chip.profile import Record, Use, reader_identity
from protocol.chip.proof import PROOF_BYTES, Effect, Proof
from protocol.chip.transaction_mac import Committed, ValueCommand
from tests.ops.virtual_card.cards import KEYS, READER, UID, VERSION, ours, record, talk

GATE: Final = reader_identity("GATE-07")
FARE_RP: Final = 3_500
KEY: Final = KEYS.card_key(Role.PROOF, VERSION, UID)
DEBIT: Final = Effect.of(-FARE_RP)


def _tap(sequence: int) -> Exchange[Proof]:
    card = yield from purse.open_card(KEYS, Role.DEBIT, UID, bytes(16))
    seen = yield from purse.look(card)
    content = record(Use.TAP_IN, FARE_RP, sequence).encode()
    prepared = yield from purse.prepare(card, seen, -FARE_RP, content, GATE)
    return prepared.proof((yield from purse.commit(card)))


@cache
def proofs() -> tuple[Proof, Proof]:
    """Return the proofs of two taps of one card."""
    card = ours()
    return talk(card, _tap(1)), talk(card, _tap(2))


def test_what_the_chip_did_is_genuine() -> None:
    for proof in proofs():
        assert proof.is_genuine(KEY, GATE, DEBIT)


def test_a_proof_is_read_as_it_was_written() -> None:
    for proof in proofs():
        assert len(proof.encode()) == PROOF_BYTES
        assert Proof.decode(proof.encode()) == proof


@pytest.mark.parametrize("effect", [Effect.of(-3_499), Effect.of(0), Effect.of(FARE_RP)])
def test_another_effect_is_not_genuine(effect: Effect) -> None:
    assert not proofs()[0].is_genuine(KEY, GATE, effect)


def test_another_reader_is_not_genuine() -> None:
    assert not proofs()[0].is_genuine(KEY, READER, DEBIT)


def test_another_key_is_not_genuine() -> None:
    assert not proofs()[0].is_genuine(KEYS.card_key(Role.DEBIT, VERSION, UID), GATE, DEBIT)


def test_the_mac_of_one_commit_does_not_fit_another() -> None:
    first, second = proofs()
    counter = second.committed.counter
    assert counter == first.committed.counter + 1
    told_twice = replace(first, committed=Committed(counter, first.committed.mac))
    assert not told_twice.is_genuine(KEY, GATE, DEBIT)
    assert not replace(first, committed=second.committed).is_genuine(KEY, GATE, DEBIT)


def test_what_stood_there_before_is_covered() -> None:
    proof = proofs()[0]
    for altered in (
        replace(proof, value_rp=proof.value_rp + 1),
        replace(proof, before=proof.record),
        replace(proof, record=record(Use.TAP_OUT, FARE_RP, 1).encode()),
        replace(proof, uid=bytes(7)),
        replace(proof, sealed_reader=bytes(16)),
    ):
        assert not altered.is_genuine(KEY, GATE, DEBIT)


@given(st.integers(2, PROOF_BYTES - 1), st.integers(1, 255))
def test_no_byte_can_be_changed(at: int, change: int) -> None:
    raw = bytearray(proofs()[0].encode())
    raw[at] ^= change
    assert not Proof.decode(bytes(raw)).is_genuine(KEY, GATE, DEBIT)


def test_the_reader_of_the_commit_before_is_told() -> None:
    first, second = proofs()
    assert first.reader_before(KEY) == READER
    assert second.reader_before(KEY) == GATE


def test_the_record_is_told() -> None:
    told = proofs()[1].told()
    assert told == record(Use.TAP_IN, FARE_RP, 2)
    assert isinstance(told, Record)
    with pytest.raises(Malformed):
        replace(proofs()[1], record=bytes(16)).told()


@pytest.mark.parametrize(
    "raw", [b"", bytes(PROOF_BYTES), b"\x01" * (PROOF_BYTES - 1), b"\x02" * PROOF_BYTES]
)
def test_what_is_no_proof_is_refused(raw: bytes) -> None:
    with pytest.raises(Malformed, match="no proof"):
        Proof.decode(raw)


def test_effects() -> None:
    assert Effect.of(0) == Effect(None, 0)
    assert Effect.of(-5) == Effect(ValueCommand.DEBIT, 5)
    assert Effect.of(5) == Effect(ValueCommand.CREDIT, 5)
