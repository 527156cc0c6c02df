"""Proofs are judged before an advice is decided, and an operator is told whose are none."""

from __future__ import annotations

from dataclasses import replace as changed

import pytest
from msgspec.structs import replace

from actors import limits
from actors.proofs import ProofJudge
from actors.shard import Shard
from engine.accounts import PURSE, SUSPENSE
from engine.chips import ChipFinding, Finding
from engine.errors import Reason
from engine.law import Law, law_of
from engine.rules.rulebook import Rulebook
from engine.transaction import (
    Group,
    Intent,
    Issue,
    Purchase,
    Subsidy,
    Tap,
    TopUp,
    Transaction,
    Withdrawal,
)
from ops.rulebook import NOWHERE, load_instruments
from protocol.chip.keys import CardKeys, KeyStoreFailed, SoftwareCardKeys
from protocol.chip.profile import Use
from protocol.chip.proof import Proof
from protocol.errors import BusyReason
from tests.actors.proving import KEYS, OTHER, UID, FailingKeys, prove, record_of, with_proof
from tests.actors.world import NOON_MS, Clock, Disk, Sender, commit
from tests.engine.rules.written import rule, written
from tests.engine.rules_here import LAW

GATE = "GATE-1"
TAP = Tap("S", 3_500, "transjakarta", "out", "P00142")


def judge_on(keys: CardKeys = KEYS, notes: list[str] | None = None) -> ProofJudge:
    told = [] if notes is None else notes
    return ProofJudge(keys, note=told.append)


def sent(intent: Intent, counter: int = 1, at_ms: int = NOON_MS) -> Transaction:
    return Transaction(counter, at_ms, intent)


def told(transaction: Transaction, terminal: str = GATE) -> tuple[Finding, str]:
    found = judge_on().judge(terminal, transaction)
    assert found is not None
    return found.finding, found.field


def proof_in(transaction: Transaction) -> Proof:
    proof = getattr(transaction.intent, "proof", None)
    assert isinstance(proof, bytes)
    return Proof.decode(proof)


# --- genuine ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "intent",
    [
        TAP,
        replace(TAP, direction="in", amount_rp=0),
        replace(TAP, direction="reset"),
        Purchase("S", 12_000, "kiosk"),
        Withdrawal("S", 20_000, "dki"),
        TopUp("S", 50_000, "dki"),
        TopUp("S", 50_000, "dki", leg="chip"),
        TopUp("S", 50_000, "dki", leg="bank"),
    ],
)
def test_what_the_chip_did_is_genuine(intent: Intent) -> None:
    found = judge_on().judge(GATE, prove(sent(intent), GATE, 7))
    assert found == ChipFinding("genuine", UID, 7)


def test_a_group_is_proved_by_the_sum_of_its_parts() -> None:
    group = Group((Subsidy("kjp", "transjakarta", 100), TopUp("S", 9_000, "dki"), TAP))
    assert told(prove(sent(group), GATE)) == ("genuine", "parts[1].proof")
    less = prove(sent(group), GATE, change=5_499)
    assert told(less) == ("forged", "parts[1].proof")


def test_what_has_no_proof_is_not_judged() -> None:
    judge = judge_on()
    for intent in (TAP, Issue("S", "stored", "dki"), Subsidy("kjp", "mrtj", 1), Group((TAP,))):
        assert judge.judge(GATE, sent(intent)) is None


# --- and not ----------------------------------------------------------------------------------


def test_an_advice_of_another_amount_is_forged() -> None:
    proved = prove(sent(TAP), GATE)
    more = with_proof(replace(TAP, amount_rp=3_501), proof_in(proved).encode())
    assert told(replace(proved, intent=more)) == ("forged", "proof")
    # The chip did so, and its record says something else.
    record = record_of(sent(replace(TAP, amount_rp=1))).encode()
    assert told(prove(sent(TAP), GATE, record=record)) == ("forged", "amount_rp")


def test_a_proof_is_good_for_the_terminal_that_the_chip_saw() -> None:
    assert told(prove(sent(TAP), GATE), "GATE-2") == ("forged", "proof")


def test_a_proof_in_which_anything_was_changed_is_forged() -> None:
    proved = prove(sent(TAP), GATE)
    proof = proof_in(proved)
    for altered in (
        changed(proof, uid=OTHER),
        changed(proof, value_rp=0),
        changed(proof, sealed_reader=bytes(range(16))),
        changed(proof, committed=changed(proof.committed, counter=2)),
    ):
        other = replace(proved, intent=with_proof(TAP, altered.encode()))
        assert told(other) == ("forged", "proof")


def test_a_proof_under_another_key_is_forged_and_under_none_that_is_known_too() -> None:
    proved = prove(sent(TAP), GATE)
    wrong = SoftwareCardKeys({key: bytes(16) for key in KEYS._masters})  # noqa: SLF001
    found = judge_on(wrong).judge(GATE, proved)
    assert found == ChipFinding("forged", UID, 1)
    none = judge_on(SoftwareCardKeys({})).judge(GATE, proved)
    assert none == ChipFinding("unknown_key", UID, 1)


@pytest.mark.parametrize("proof", [b"x", bytes(73), bytes(96)])
def test_what_is_no_proof_cannot_be_read(proof: bytes) -> None:
    found = judge_on().judge(GATE, sent(with_proof(TAP, proof)))
    assert found == ChipFinding("unreadable", b"", 0)


def test_a_record_of_another_time_is_believed_and_told_of() -> None:
    record = record_of(sent(TAP))
    for late_s, finding in (
        (limits.PROOF_TIME_SLACK_S, ("genuine", "proof")),
        (limits.PROOF_TIME_SLACK_S + 1, ("misdated", "at_ms")),
    ):
        other = changed(record, at_s=record.at_s + late_s)
        assert told(prove(sent(TAP), GATE, record=other.encode())) == finding


def test_a_record_of_another_use_or_direction_is_named() -> None:
    other = changed(record_of(sent(TAP)), use=Use.TAP_IN)
    assert told(prove(sent(TAP), GATE, record=other.encode())) == ("forged", "direction")
    purchase = sent(Purchase("S", 1, "kiosk"))
    other = changed(record_of(purchase), use=Use.TOP_UP)
    assert told(prove(purchase, GATE, record=other.encode())) == ("forged", "proof")


@pytest.mark.parametrize("ahead_s", [-limits.PROOF_TIME_SLACK_S, 1, limits.PROOF_TIME_SLACK_S])
def test_a_terminal_may_have_learnt_the_time_after_it_wrote_on_the_chip(ahead_s: int) -> None:
    record = changed(record_of(sent(TAP)), at_s=NOON_MS // 1000 + ahead_s).encode()
    assert told(prove(sent(TAP), GATE, record=record)) == ("genuine", "proof")


def test_a_record_that_is_none_of_ours_is_forged() -> None:
    assert told(prove(sent(TAP), GATE, record=b"\xff" * 16)) == ("forged", "proof")


def test_more_than_a_chip_can_count_is_forged() -> None:
    group = Group(tuple(TopUp("S", 1_000_000_000, "dki") for _ in range(8)))
    proved = prove(sent(group), GATE, change=0, record=record_of(sent(TAP)).encode())
    assert told(proved) == ("forged", "parts[0].proof")


def test_a_group_of_two_proofs_or_two_cards_cannot_be_read() -> None:
    proof = prove(sent(TAP), GATE).intent
    assert isinstance(proof, Tap)
    two = Group((proof, replace(proof, amount_rp=1)))
    assert told(sent(two)) == ("unreadable", "parts[1].proof")
    foreign = Group((proof, Subsidy("kjp", "mrtj", 1), replace(TAP, card="U")))
    assert told(sent(foreign)) == ("unreadable", "parts[2].card")


# --- in a node --------------------------------------------------------------------------------


@pytest.fixture
def notes() -> list[str]:
    return []


def judged_shard(clock: Clock, keys: CardKeys, notes: list[str], law: Law = LAW) -> Shard:
    with Disk().open() as store:
        judge = ProofJudge(keys, note=notes.append)
        shard = Shard(store, now_ms=clock, law=law, clock=clock.seconds, judge=judge)
    issues = [sent(Issue("S", "stored", "dki", chip=UID)), sent(TopUp("S", 50_000, "dki"), 2)]
    shard.submit(Sender(), "DESK-1", issues)
    commit(shard)
    return shard


def test_a_node_believes_the_chip_and_not_the_terminal(clock: Clock, notes: list[str]) -> None:
    shard, sender = judged_shard(clock, KEYS, notes), Sender()
    proved = prove(sent(TAP), GATE)
    forged = sent(with_proof(replace(TAP, amount_rp=1), proof_in(proved).encode()), 2)
    replayed = replace(proved, counter=3)
    assert shard.submit(sender, GATE, [proved, forged, replayed]) == []
    commit(shard)
    assert [outcome.exceptions for outcome in sender.outcomes] == [
        (),
        (Reason.PROOF_FORGED,),
        (Reason.PROOF_REPEATED,),
    ]
    assert [outcome.balance_rp for outcome in sender.outcomes] == [46_500] * 3
    assert {(each.rule, each.detail) for each in sender.outcomes[1:]} == {("card.chip", "proof")}
    assert shard.store.balance_rp(PURSE, "S") == 46_500
    assert shard.store.balance_rp(SUSPENSE, f"claimed/{GATE}") == 3_501
    (again,) = shard.submit(sender, GATE, [forged])
    assert (again.result, again.repeated, again.exceptions) == (
        *("posted", True),
        (Reason.PROOF_FORGED,),
    )


def test_a_dry_run_is_judged_and_nobody_is_told(clock: Clock, notes: list[str]) -> None:
    shard = judged_shard(clock, KEYS, notes)
    trial = shard.dry_run(GATE, sent(with_proof(TAP, b"x")))
    assert trial.exceptions == (Reason.PROOF_UNREADABLE,)
    assert notes == []


def test_without_a_judge_an_advice_is_posted_whatever_it_holds(clock: Clock) -> None:
    shard, sender = Disk().shard(clock), Sender()
    shard.submit(sender, GATE, [sent(with_proof(TAP, b"x"))])
    commit(shard)
    assert Reason.PROOF_UNREADABLE not in sender.outcomes[0].exceptions
    assert shard.store.balance_rp(PURSE, "S") == -3_500


def test_advices_wait_while_the_keys_cannot_be_used(clock: Clock, notes: list[str]) -> None:
    keys = FailingKeys()
    shard, sender = judged_shard(clock, keys, notes), Sender()
    proved = prove(sent(TAP), GATE)
    for _ in "12":
        (busy,) = shard.submit(sender, GATE, [proved])
        assert (busy.result, busy.reason) == ("busy", BusyReason.KEYS_UNAVAILABLE)
        assert busy.retry_after_ms == limits.KEYS_RETRY_MS
    assert notes == ["advices wait: the keys of the cards cannot be used (the token is gone)"]
    assert not shard.quarantine
    keys.fails = False
    assert shard.submit(sender, GATE, [proved]) == []
    keys.fails = True
    assert shard.submit(sender, GATE, [prove(sent(TAP, 2), GATE, 2)]) == [], "its key is kept"
    commit(shard)
    assert [outcome.exceptions for outcome in sender.outcomes] == [(), ()]
    with pytest.raises(KeyStoreFailed):
        judge_on(keys).judge(GATE, proved)


def test_an_operator_is_told_of_a_terminal_and_not_of_its_cards(
    clock: Clock, notes: list[str]
) -> None:
    shard, sender = judged_shard(clock, KEYS, notes), Sender()
    forged = [sent(with_proof(TAP, b"x"), counter) for counter in range(1, 12)]
    shard.submit(sender, GATE, forged)
    shard.submit(sender, "GATE-2", forged[:1])
    text = "of its advices of today no chip has proved; the last one, counter"
    assert notes == [
        f"terminal GATE-1: 1 {text} 1: proof_unreadable (proof)",
        f"terminal GATE-1: 10 {text} 10: proof_unreadable (proof)",
        f"terminal GATE-2: 1 {text} 1: proof_unreadable (proof)",
    ]
    clock.ms += 24 * 3600 * 1000
    shard.submit(sender, GATE, [sent(with_proof(TAP, b"x"), 12)])
    assert notes[3:] == [f"terminal GATE-1: 1 {text} 12: proof_unreadable (proof)"]


def test_an_operator_is_told_that_a_card_was_blocked(notes: list[str], clock: Clock) -> None:
    shard, sender = judged_shard(clock, KEYS, notes), Sender()
    shard.submit(sender, GATE, [sent(with_proof(TAP, b"x"))])
    entry = shard.find_entry(GATE, 1)
    assert entry is not None
    assert entry.chip is not None
    blocked = replace(entry, chip=replace(entry.chip, blocks=True), rule="chip.block@2019-01-01")
    del notes[:]
    judge_on(KEYS, notes).watch(blocked, shard.now())
    assert notes[1:] == [
        "terminal GATE-1, counter 1: the card of this advice was blocked, by chip.block@2019-01-01"
    ]


def test_a_rule_takes_nothing_from_a_terminal_until_the_day_is_over(
    clock: Clock, notes: list[str]
) -> None:
    suspends = written("p", rule("chip.suspend", "proofs", "terminal_suspended_after = 3"))
    law = law_of(Rulebook([*load_instruments(()), suspends]), NOWHERE)
    shard, sender = judged_shard(clock, KEYS, notes, law), Sender()
    forged = [sent(with_proof(TAP, b"x"), counter) for counter in range(1, 6)]
    answers = shard.submit(sender, GATE, forged)
    assert [(busy.counter, busy.reason) for busy in answers] == [
        (4, BusyReason.TERMINAL_SUSPENDED),
        (5, BusyReason.TERMINAL_SUSPENDED),
    ]
    assert {busy.retry_after_ms for busy in answers} == {limits.SUSPENDED_RETRY_MS}
    assert notes[-1] == (
        "terminal GATE-1 is suspended until the day is over, by chip.suspend@2019-01-01: "
        "3 of its advices no chip has proved"
    )
    proved = prove(sent(TAP, 6), GATE)
    (busy,) = shard.submit(sender, GATE, [proved])
    assert busy.reason == BusyReason.TERMINAL_SUSPENDED
    assert shard.submit(sender, "GATE-2", forged[:1]) == []
    clock.ms += 24 * 3600 * 1000
    assert shard.submit(sender, GATE, [proved]) == []
    commit(shard)
    assert shard.store.balance_rp(PURSE, "S") == 50_000 - TAP.amount_rp
