"""What no chip has proved is filed, and moves nothing that is anybody's."""

from __future__ import annotations

from datetime import date
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.accounts import OWED_FARES, PURSE, SUSPENSE, AccountKind
from engine.card import CardStatus
from engine.chips import BELIEVED, CardChip, ChipCounts, ChipFinding, Finding
from engine.decisions import proofs
from engine.errors import Reason
from engine.rules.kinds import ProofRule
from engine.seen import Seen
from engine.transaction import (
    Adjustment,
    Close,
    Entry,
    Group,
    Intent,
    Issue,
    Purchase,
    Refund,
    Replace,
    Reversal,
    Subsidy,
    Tap,
    TopUp,
    Unblock,
    Withdrawal,
)
from tests.engine.decisions.test_rides import BRT, Riding
from tests.engine.ledger import RULES, Ledger

PROOF = b"mac"
UID, OTHER = bytes.fromhex("04de5f1eacc040"), bytes.fromhex("04de5f1eacc041")
TAP = Tap("S", 30, "tj", "out", proof=PROOF)
FORGED = ChipFinding("forged", UID, 9, "amount_rp")
RULE = ProofRule(
    id="chip.block",
    article="Pasal 1",
    valid_from=date(2019, 1, 1),
    grade="D",
    source="these tests",
    says_id="begini",
    says_en="so",
    card_blocked_after=2,
)
CLAIMED, UNPROVED = (AccountKind.SUSPENSE, "claimed/T"), (AccountKind.SUSPENSE, "unproved/T")


def genuine(counter: int, uid: bytes = UID) -> ChipFinding:
    return ChipFinding("genuine", uid, counter)


@pytest.fixture
def ledger() -> Ledger:
    """With a card S that is bound to a chip, and U that is bound to none; each has Rp100."""
    ledger = Ledger()
    ledger.done(Issue("S", "stored", "dki", chip=UID), Issue("U", "stored", "dki"))
    ledger.done(TopUp("S", 100, "dki"), TopUp("U", 100, "dki"))
    return ledger


def status_of(ledger: Ledger, card: str) -> CardStatus:
    return ledger.cards[card].status


def told(entry: Entry) -> tuple[tuple[Reason, ...], str, str]:
    assert entry.posted
    return entry.exceptions, entry.rule, entry.detail


# --- what is believed ------------------------------------------------------------------------


def test_an_advice_that_its_chip_proves_is_posted_as_ever(ledger: Ledger) -> None:
    entry = ledger.send(TAP, chip=genuine(5))
    assert (entry.exceptions, entry.balance_rp, entry.chip) == ((), 70, genuine(5))
    assert entry.postings == ((PURSE, "S", -30), (AccountKind.OPERATOR_REVENUE, "tj", 30))
    assert not entry.unproved
    assert ledger.chips[UID] == ChipCounts("S", Seen(5, ((1, 4),)))


def test_an_advice_that_is_misdated_is_posted_and_filed(ledger: Ledger) -> None:
    entry = ledger.send(TAP, chip=ChipFinding("misdated", UID, 5, "at_ms"))
    assert told(entry) == ((Reason.CLOCK_CORRECTED,), "tap.time", "at_ms")
    assert ledger.cards["S"].main.balance_rp == 70
    assert not entry.unproved
    over = replace(TAP, amount_rp=1_000)
    entry = ledger.send(over, chip=ChipFinding("misdated", UID, 6, "at_ms"))
    assert entry.exceptions == (Reason.BELOW_FLOOR, Reason.CLOCK_CORRECTED)
    assert entry.detail == "amount_rp"


def test_counts_come_in_any_order_and_each_is_good_for_one_advice(ledger: Ledger) -> None:
    for count in (5, 3, 4):
        assert told(ledger.send(TAP, chip=genuine(count))) == ((), "", "")
    assert ledger.chips[UID].seen == Seen(5, ((1, 2),))
    again = ledger.send(TAP, chip=genuine(4))
    assert told(again) == ((Reason.PROOF_REPEATED,), "card.chip", "proof")
    assert (again.balance_rp, ledger.balance_rp("S")) == (10, 10)


def test_a_card_that_is_bound_is_believed_no_other_chip(ledger: Ledger) -> None:
    entry = ledger.send(TAP, chip=genuine(1, OTHER))
    assert told(entry) == ((Reason.CHIP_MISMATCH,), "card.chip", "proof")
    assert OTHER not in ledger.chips, "what was not believed may still come for its own card"


def test_a_card_that_is_not_bound_is_believed_any_chip_that_is_bound_to_no_other(
    ledger: Ledger,
) -> None:
    tap = replace(TAP, card="U")
    assert told(ledger.send(tap, chip=genuine(1, OTHER))) == ((), "", "")
    assert told(ledger.send(tap, chip=genuine(2, UID)))[0] == (Reason.CHIP_MISMATCH,)
    assert ledger.chips[OTHER] == ChipCounts("", Seen(1))


def test_a_proof_is_taken_once_though_it_comes_for_two_cards(ledger: Ledger) -> None:
    ledger.done(Issue("V", "stored", "dki"))
    ledger.send(replace(TAP, card="U"), chip=genuine(1, OTHER))
    entry = ledger.send(replace(TAP, card="V"), chip=genuine(1, OTHER))
    assert told(entry)[0] == (Reason.PROOF_REPEATED,)


def test_all_that_is_wrong_with_a_proof_is_filed(ledger: Ledger) -> None:
    ledger.send(TAP, chip=genuine(1))
    entry = ledger.send(replace(TAP, card="U"), chip=genuine(1))
    assert told(entry)[0] == (Reason.CHIP_MISMATCH, Reason.PROOF_REPEATED)


def test_an_advice_before_its_card_was_issued_is_believed_and_counted(ledger: Ledger) -> None:
    entry = ledger.send(replace(TAP, card="new"), chip=genuine(1, OTHER))
    assert Reason.CARD_UNKNOWN in entry.exceptions
    assert ledger.balance_rp("new") == -30
    ledger.done(Issue("new", "stored", "dki", chip=OTHER))
    assert ledger.chips[OTHER] == ChipCounts("new", Seen(1))
    assert told(ledger.send(replace(TAP, card="new"), chip=genuine(1, OTHER)))[0] == (
        Reason.PROOF_REPEATED,
    )


# --- what is not ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("finding", "reason"),
    [
        ("forged", Reason.PROOF_FORGED),
        ("unreadable", Reason.PROOF_UNREADABLE),
        ("unknown_key", Reason.PROOF_UNREADABLE),
    ],
)
def test_what_no_chip_has_proved_stands_in_suspense_under_its_terminal(
    ledger: Ledger, finding: Finding, reason: Reason
) -> None:
    before = ledger.accounts()
    chip = ChipFinding(finding, UID, 7, "amount_rp")
    entry = ledger.send(TAP, chip=chip)
    assert told(entry) == ((reason,), "card.chip", "amount_rp")
    assert entry.postings == ((SUSPENSE, "unproved/T", -30), (SUSPENSE, "claimed/T", 30))
    assert (entry.balance_rp, entry.chip, entry.unproved) == (100, chip, True)
    assert ledger.accounts() == {**before, UNPROVED: -30, CLAIMED: 30}
    assert ledger.chips[UID].seen == Seen()


ADVICES: list[tuple[Intent, int]] = [
    (TAP, 30),
    (Tap("S", 30, "tj", "out", purse="kjp", proof=PROOF), 30),
    (Purchase("S", 40, "shop", purse="*", proof=PROOF), 40),
    (Purchase("S", 40, "shop", proof=PROOF, charge="rent", period=24_288), 40),
    (TopUp("S", 50, "dki", 5, proof=PROOF), 50),
    (Withdrawal("S", 60, "dki", proof=PROOF), 60),
    (Group((TAP, Subsidy("kjp", "tj", 5), TopUp("S", 7, "dki"))), 42),
    (Group((TAP, Tap("U", 3, "tj", "in"))), 33),
    (Tap("no*card", 30, "n*body", "out", proof=PROOF), 30),
]


@pytest.mark.parametrize(("intent", "claimed_rp"), ADVICES)
def test_of_each_kind_of_advice_the_claim_is_all_that_is_posted(
    ledger: Ledger, intent: Intent, claimed_rp: int
) -> None:
    ledger.done(TopUp("S", 20, purse="kjp"))
    before, tally = ledger.accounts(), ledger.cards["S"].tally
    entry = ledger.send(intent, chip=FORGED)
    assert told(entry)[0] == (Reason.PROOF_FORGED,)
    assert entry.tally is None
    assert ledger.accounts() == {**before, UNPROVED: -claimed_rp, CLAIMED: claimed_rp}
    assert ledger.cards["S"].tally == tally


def test_a_tap_for_nothing_is_filed_and_claims_nothing(ledger: Ledger) -> None:
    entry = ledger.send(replace(TAP, amount_rp=0), chip=FORGED)
    assert told(entry)[0] == (Reason.PROOF_FORGED,)
    assert entry.postings == ()


def test_a_ride_that_no_chip_has_proved_is_not_rated() -> None:
    riding = Riding()
    tap = Tap("S", 3_500, "tj", "in", "Monas", service=BRT, proof=PROOF)
    entry = riding.send(tap, chip=FORGED)
    assert entry.rating is None
    assert all(kind == SUSPENSE for kind, _, _ in entry.postings)
    assert OWED_FARES not in {kind for kind, _, _ in entry.postings}
    proved = riding.send(tap, chip=genuine(1))
    assert proved.rating is not None


def test_where_there_is_no_room_for_the_terminal_the_claim_stands_without_it(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.send(TAP, chip=FORGED)
    monkeypatch.setattr(proofs, "ACCOUNTS_PER_KIND_MAX", 3)
    ledger.send(TAP, chip=FORGED)
    entry = ledger.send(TAP, "OTHER", chip=FORGED)
    assert entry.postings == ((SUSPENSE, "unproved", -30), (SUSPENSE, "claimed", 30))
    assert ledger.accounts()[CLAIMED] == 60


def test_a_claim_is_taken_back_by_a_reversal_or_in_part_by_a_refund(ledger: Ledger) -> None:
    before = ledger.accounts()
    entry = ledger.send(TAP, chip=FORGED)
    ledger.done(Refund("T", entry.counter, 10))
    assert ledger.accounts()[CLAIMED] == 20
    ledger.done(Reversal("T", entry.counter))
    assert ledger.accounts() == before


def test_an_officer_gives_a_claim_to_its_owner(ledger: Ledger) -> None:
    ledger.send(TAP, chip=FORGED)
    lines = ((PURSE, "S", -30), (SUSPENSE, "unproved/T", 30))
    ledger.done(Adjustment("ani", "the chip says so", lines, "S"))
    lines = ((SUSPENSE, "claimed/T", -30), (3, "tj", 30))
    ledger.done(Adjustment("ani", "the chip says so", lines))
    assert ledger.balance_rp("S") == 70
    assert {CLAIMED, UNPROVED} & set(ledger.accounts()) == set()


# --- binding ----------------------------------------------------------------------------------


def test_one_chip_is_bound_to_one_card_that_lives(ledger: Ledger) -> None:
    refused = ledger.send(Issue("V", "stored", "dki", chip=UID))
    assert (refused.reason, refused.rule, refused.detail) == (
        Reason.CHIP_MISMATCH,
        "card.chip",
        "chip",
    )
    refused = ledger.send(Replace("U", "V", UID))
    assert (refused.reason, refused.detail) == (Reason.CHIP_MISMATCH, "chip")
    ledger.done(Close("S"), Issue("V", "stored", "dki", chip=UID))
    assert ledger.chips[UID].card == "V"


def test_a_card_that_takes_over_has_a_chip_of_its_own(ledger: Ledger) -> None:
    ledger.done(Replace("S", "N", OTHER))
    assert ledger.cards["N"].chip == CardChip(OTHER)
    tap = replace(TAP, card="N")
    assert told(ledger.send(tap, chip=genuine(1, UID)))[0] == (Reason.CHIP_MISMATCH,)
    assert told(ledger.send(tap, chip=genuine(1, OTHER))) == ((), "", "")
    late = ledger.send(TAP, chip=genuine(1, UID))
    assert late.exceptions == (Reason.CARD_REPLACED, Reason.BELOW_FLOOR), "it was in time on S"


def test_a_card_may_go_on_under_another_name_with_the_same_chip(ledger: Ledger) -> None:
    ledger.done(Replace("S", "N", UID))
    assert ledger.chips[UID].card == "N"


# --- blocking ---------------------------------------------------------------------------------


def test_without_a_rule_no_card_is_blocked(ledger: Ledger) -> None:
    for _ in range(50):
        ledger.send(TAP, chip=FORGED)
    assert ledger.cards["S"].status is CardStatus.ACTIVE
    assert ledger.cards["S"].chip.unproved == 50


def test_a_rule_blocks_a_card_after_so_many_in_a_day(ledger: Ledger) -> None:
    ledger.rules = replace(RULES, proofs=RULE)
    first = ledger.send(TAP, chip=FORGED)
    assert first.rule == "chip.block@2019-01-01"
    ledger.wait(24 * 3600 * 1000)
    ledger.send(TAP, chip=FORGED)
    assert status_of(ledger, "S") is CardStatus.ACTIVE, "one on each of two days"
    entry = ledger.send(TAP, chip=FORGED)
    assert entry.chip == replace(FORGED, blocks=True)
    assert status_of(ledger, "S") is CardStatus.BLOCKED
    later = ledger.send(TAP, chip=FORGED)
    assert later.chip == FORGED, "a card that is blocked is not blocked again"
    ledger.done(Unblock("S", "found"))
    assert ledger.send(TAP, chip=FORGED).chip == replace(FORGED, blocks=True)


def test_a_rule_about_terminals_blocks_no_card(ledger: Ledger) -> None:
    of_terminals = replace(RULE, card_blocked_after=None, terminal_suspended_after=1)
    ledger.rules = replace(RULES, proofs=of_terminals)
    for _ in range(3):
        assert not ledger.send(TAP, chip=FORGED).chip.blocks  # type: ignore[union-attr]
    assert status_of(ledger, "S") is CardStatus.ACTIVE


def test_a_rule_about_proofs_says_something() -> None:
    with pytest.raises(ValueError, match="neither is there"):
        replace(RULE, card_blocked_after=None)


def test_a_card_that_nobody_knows_is_not_blocked(ledger: Ledger) -> None:
    ledger.rules = replace(RULES, proofs=replace(RULE, card_blocked_after=1))
    tap = replace(TAP, card="new")
    for _ in "12":
        assert ledger.send(tap, chip=FORGED).chip == FORGED
    assert ledger.cards["new"].status is CardStatus.UNISSUED


# --- whatever comes ---------------------------------------------------------------------------

CARDS = st.sampled_from(["S", "U", "new"])
steps = st.lists(
    st.tuples(
        CARDS,
        st.integers(0, 40),
        st.sampled_from(get_args(Finding)) | st.just("genuine"),
        st.sampled_from([UID, OTHER]),
        st.integers(1, 12),
    ),
    max_size=30,
)


@given(steps)
def test_each_count_of_a_chip_moves_money_once_and_the_rest_is_in_suspense(
    drawn: list[tuple[str, int, Finding, bytes, int]],
) -> None:
    ledger = Ledger()
    ledger.done(Issue("S", "stored", "dki", chip=UID), Issue("U", "stored", "dki"))
    taken: set[tuple[bytes, int]] = set()
    spent, claimed_rp = {"S": 0, "U": 0, "new": 0}, 0
    for card, amount_rp, finding, uid, count in drawn:
        tap = Tap(card, amount_rp, "tj", "out", proof=PROOF)
        fits = uid == UID if card == "S" else uid != UID
        believed = finding in BELIEVED and fits and (uid, count) not in taken
        entry = ledger.send(tap, chip=ChipFinding(finding, uid, count))
        assert entry.unproved is not believed
        if believed:
            taken.add((uid, count))
            spent[card] += amount_rp
        else:
            claimed_rp += amount_rp
    accounts = ledger.book.accounts
    assert accounts[AccountKind.OPERATOR_REVENUE].get("tj", 0) == sum(spent.values())
    assert accounts[SUSPENSE].get("claimed/T", 0) == claimed_rp
    assert accounts[SUSPENSE].get("unproved/T", 0) == -claimed_rp
    for each in ledger.cards.values():
        assert each.main.balance_rp == -spent[each.id]
    for uid in (UID, OTHER):
        seen = (ledger.chips.get(uid) or ChipCounts()).seen
        assert {n for n in range(1, 13) if seen.has(n)} == {n for of, n in taken if of == uid}
