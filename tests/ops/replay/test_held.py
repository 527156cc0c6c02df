"""What the ledger holds is known by id and by proof, and says what a card has spent."""

from __future__ import annotations

from engine.calendar import day_of
from ops.replay.held import Held, load_proof, proof_in, tap_proof
from ops.replay.plan import make_plan
from terminals.intents import issue
from tests.ops.replay.small import FARE_RP, entry_of, ms, trip

DAY = day_of(ms("3 07:00:00"))


def test_an_entry_is_found_by_id_and_by_proof_and_counts_once() -> None:
    steps = make_plan([trip("T1")], Held()).steps
    entries = [entry_of(step) for step in steps]
    held = Held([*entries, *entries])
    for entry in entries:
        assert held.under(entry.terminal, entry.counter) is entry
    assert held.with_proof(tap_proof("T1", "in")) is entries[1]
    assert held.with_proof(load_proof("C1", DAY, 0)) is entries[0]
    assert held.with_proof(tap_proof("T1", "elsewhere")) is None
    assert held.spent_rp("C1", DAY) == FARE_RP
    assert held.spent_rp("C1", DAY + 1) == 0


def test_what_has_no_proof_is_known_by_its_id_alone() -> None:
    (entry, *_) = (entry_of(step) for step in make_plan([trip("T1")], Held()).steps)
    bare = entry._replace(terminal="issuer-dki", counter=1, intent=issue("C1", "stored", "dki"))
    held = Held([bare])
    assert held.under("issuer-dki", 1) is bare
    assert proof_in(bare.intent) == b""
    assert held.with_proof(b"") is None
