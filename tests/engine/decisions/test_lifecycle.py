"""The life of a card, worked out by hand."""

from __future__ import annotations

from engine.accounts import BANK_SETTLEMENT, PROGRAMME_FUND, PROGRAMME_PURSE, PURSE
from engine.calendar import day_and_month
from engine.card import Card, CardStatus, Purse
from engine.errors import Reason
from engine.transaction import Block, Close, Identify, Issue, Purchase, Replace, Tap, TopUp, Unblock
from tests.engine.decisions.prepared import HOUR_MS, PROOF, prepared
from tests.engine.ledger import NOON, Ledger


def test_an_issue_brings_a_card_into_being() -> None:
    ledger = Ledger()
    entry = ledger.done(Issue("A", "stored", "dki", registered=True))
    assert (entry.postings, entry.balance_rp, entry.previous) == ((), 0, -1)
    assert ledger.cards == {"A": Card("A", "stored", "dki", registered=True, last=0)}


def test_a_card_that_an_advice_told_of_can_be_issued_and_keeps_what_happened() -> None:
    ledger = prepared()
    assert ledger.cards["U"].status is CardStatus.UNISSUED
    for intent in (TopUp("U", 5, "dki"), Block("U", "?"), Unblock("U", "?"), Close("U")):
        assert ledger.send(intent).reason is Reason.CARD_UNKNOWN
    entry = ledger.done(Issue("U", "stored", "dki", registered=True))
    assert entry.balance_rp == -5
    card = ledger.cards["U"]
    assert (card.status, card.medium, card.bank) == (CardStatus.ACTIVE, "stored", "dki")
    assert card.registered
    ledger.done(TopUp("U", 5, "dki"), Tap("U", 0, "tj", "in", proof=PROOF), Close("U"))


def test_a_blocked_card_goes_on_when_it_is_unblocked() -> None:
    ledger = prepared()
    entry = ledger.done(Block("A", "lost"))
    assert (entry.postings, entry.balance_rp) == ((), 100)
    assert ledger.send(Tap("A", 5, "tj", "in")).reason is Reason.CARD_BLOCKED
    entry = ledger.done(Unblock("A", "found"))
    assert (entry.postings, entry.balance_rp) == ((), 100)
    ledger.done(Tap("A", 5, "tj", "in"))


def test_a_card_whose_holder_becomes_known_has_the_limits_of_a_registered_one() -> None:
    ledger = prepared()
    ledger.done(TopUp("A", 100, "dki"))
    assert ledger.send(TopUp("A", 1, "dki")).reason is Reason.ABOVE_CEILING
    entry = ledger.done(Identify("A", "ani"))
    assert (entry.postings, entry.balance_rp) == ((), 200)
    ledger.done(TopUp("A", 200, "dki"))
    assert ledger.send(TopUp("A", 101, "dki")).rule == "test.registered"


def test_a_blocked_card_is_registered_and_hands_that_on() -> None:
    ledger = prepared()
    ledger.done(Identify("B", "ani"), Replace("B", "B2"))
    assert ledger.cards["B2"].registered
    assert ledger.send(Identify("B2", "ani")).reason is Reason.CARD_REGISTERED


def test_a_replacement_moves_every_purse_and_its_sums() -> None:
    ledger = prepared()
    ledger.done(Purchase("A", 30, "shop"), Purchase("A", 30, "shop", purse="food"))
    old = ledger.cards["A"]
    entry = ledger.done(Replace("A", "A2"))
    assert entry.postings == (
        (PURSE, "A", -70),
        (PURSE, "A2", 70),
        (PROGRAMME_PURSE, "A/kjp", -60),
        (PROGRAMME_PURSE, "A2/kjp", 60),
    )
    assert entry.balance_rp == 70
    new = ledger.cards["A2"]
    assert (new.main, new.programmes) == (old.main, old.programmes)
    assert (new.medium, new.bank, new.registered) == (old.medium, old.bank, old.registered)
    day, month = day_and_month(NOON)
    assert new.main == Purse(70, day, 30, month, 30, 100)
    left = ledger.cards["A"]
    assert (left.status, left.successor) == (CardStatus.REPLACED, "A2")
    assert [purse.balance_rp for _, purse in (("", left.main), *left.programmes)] == [0, 0, 0]
    assert left.last == new.last == len(ledger.entries) - 1


def test_a_blocked_card_may_be_replaced_and_the_new_one_works() -> None:
    ledger = prepared()
    ledger.done(Replace("B", "B2"), Tap("B2", 5, "tj", "in"), Tap("B2", 5, "tj", "in", purse="kjp"))
    assert ledger.send(Unblock("B", "found")).reason is Reason.CARD_REPLACED


def test_debts_move_too() -> None:
    ledger = prepared()
    ledger.send(Tap("S", 130, "tj", "in", proof=PROOF))
    entry = ledger.done(Replace("S", "S2"))
    assert entry.postings == ((PURSE, "S", 30), (PURSE, "S2", -30))
    assert (ledger.balance_rp("S"), ledger.balance_rp("S2")) == (0, -30)


def test_a_card_that_an_advice_told_of_can_take_over_and_keeps_what_happened() -> None:
    ledger = prepared()
    ledger.done(Purchase("A", 30, "shop"), Purchase("A", 30, "shop", purse="food"))
    own = ledger.cards["V"].last
    entry = ledger.done(Replace("A", "V"))
    assert entry.balance_rp == ledger.balance_rp("V") == 70 - 5
    assert (ledger.balance_rp("V", "kjp"), ledger.balance_rp("V", "food")) == (60 + 5, 0)
    new = ledger.cards["V"]
    day, month = day_and_month(NOON)
    assert new.main == Purse(65, day, 30 + 5, month, 30 + 5, 100)
    assert dict(new.programmes)["kjp"].received_month_rp == 60 + 5
    assert (new.status, new.medium, new.bank) == (CardStatus.ACTIVE, "account", "dki")
    assert (new.last, new.before) == (len(ledger.entries) - 1, own)
    ledger.done(Tap("V", 5, "tj", "in"))
    assert ledger.cards["V"].before == own


def test_the_history_of_the_new_card_goes_on_in_that_of_the_old() -> None:
    ledger = prepared()
    last = ledger.cards["A"].last
    replaced = ledger.done(Replace("A", "A2"))
    position = len(ledger.entries) - 1
    assert replaced.previous == last
    assert ledger.done(Tap("A2", 5, "tj", "in")).previous == position
    assert ledger.send(Tap("A", 5, "tj", "in")).previous == position


def test_a_close_gives_all_money_back_to_where_it_came_from() -> None:
    ledger = prepared()
    entry = ledger.done(Close("A"))
    assert entry.postings == (
        (PURSE, "A", -100),
        (BANK_SETTLEMENT, "dki", 100),
        (PROGRAMME_PURSE, "A/kjp", -60),
        (PROGRAMME_FUND, "kjp", 60),
        (PROGRAMME_PURSE, "A/food", -30),
        (PROGRAMME_FUND, "food", 30),
    )
    assert entry.balance_rp == 0
    card = ledger.cards["A"]
    assert card.status is CardStatus.CLOSED
    assert not any(purse.balance_rp for _, purse in (("", card.main), *card.programmes))


def test_a_blocked_card_and_an_empty_one_may_be_closed() -> None:
    ledger = prepared()
    ledger.done(Close("B"))
    assert ledger.done(Close("P")).postings == ()


def test_a_card_may_end_when_its_holds_have_expired() -> None:
    ledger = prepared()
    assert ledger.send(Close("H")).reason is Reason.HOLDS_OPEN
    ledger.wait(HOUR_MS)
    ledger.done(Close("H"))
    assert ledger.cards["H"].holds == ()
