"""The balance that an entry tells is that of the purse it is about."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from engine.transaction import (
    Adjustment,
    Block,
    Close,
    Grant,
    Group,
    Hold,
    Identify,
    Intent,
    Issue,
    Post,
    Purchase,
    Refund,
    Replace,
    Reversal,
    Revoke,
    Share,
    Subsidy,
    Tap,
    TopUp,
    Unblock,
    Void,
    Withdrawal,
)
from storage.audit import findings_after, findings_before, is_repeated
from tests.storage.city import CARDS, MINUTE_MS, PROOF, TERMINALS, TODAY, City, folded

CARD, OTHER = CARDS[:2]
GATE = TERMINALS[0]


@pytest.fixture
def city() -> City:
    """Counters 1 to 7: a card with Rp30,500, of which Rp100 are held, and Rp70 of a programme."""
    city = City()
    city.run(Issue(CARD, "account", "dki"), TopUp(CARD, 50_000, "dki"))
    city.run(TopUp(CARD, 70, purse="kjp", proof=PROOF), Tap(CARD, 3500, "mrtj", "in"))
    city.run(Purchase(CARD, 6000, "kiosk"), Purchase(CARD, 10_000, "kiosk"))
    city.run(Hold(CARD, 100, "merchant", "kiosk", 10 * MINUTE_MS))
    return city


TOLD: dict[str, tuple[Intent, int | None]] = {
    "tap": (Tap(CARD, 500, "mrtj", "in"), 30_000),
    "tap for nothing": (Tap(CARD, 0, "mrtj", "in"), 30_500),
    "tap on a programme": (Tap(CARD, 30, "mrtj", "in", purse="kjp", proof=PROOF), 40),
    "purchase": (Purchase(CARD, 500, "kiosk"), 30_000),
    "top-up": (TopUp(CARD, 500, "dki"), 31_000),
    "top-up that has yet to arrive": (TopUp(CARD, 500, "dki", leg="bank"), 30_500),
    "group": (
        Group((Tap(CARD, 9, "mrtj", "in"), Tap(CARD, 30, "mrtj", "in", purse="kjp", proof=PROOF))),
        40,
    ),
    "group with a second card": (
        Group((Tap(CARD, 10, "mrtj", "in", proof=PROOF), Tap(OTHER, 30, "mrtj", "in"))),
        30_490,
    ),
    "group without a card": (Group((Share("mrtj", "lrtj", 10),)), None),
    "subsidy": (Subsidy("kjp", "mrtj", 10), None),
    "share": (Share("mrtj", "lrtj", 10), None),
    "reversal": (Reversal(GATE, 4), 34_000),
    "reversal without a purse": (Reversal(GATE, 8), None),
    "refund": (Refund(GATE, 4, 100), 30_600),
    "adjustment": (Adjustment("officer", "why", ((1, CARD, 10), (9, "pool", -10)), CARD), 30_510),
    "adjustment without a card": (
        Adjustment("officer", "why", ((3, "mrtj", 10), (10, "account", -10))),
        None,
    ),
    "issue": (Issue(OTHER, "account", "dki"), None),
    "block": (Block(CARD, "lost"), 30_500),
    "unblock": (Unblock(CARD, "found"), None),
    "replace": (Replace(CARD, OTHER), 30_500),
    "hold": (Hold(CARD, 10, "merchant", "kiosk", 1000), 30_500),
    "purchase from all purses": (Purchase(CARD, 100, "kiosk", purse="*"), 30_400),
    "withdrawal": (Withdrawal(CARD, 20, "dki", "kjp", proof=PROOF), 50),
    "post": (Post(CARD, GATE, 7, 60), 30_440),
    "void": (Void(CARD, GATE, 7), None),
    "grant": (Grant(CARD, "free_ride", "elderly", "person-1", TODAY, TODAY), 30_500),
    "identify": (Identify(CARD, "person-1"), 30_500),
    "refusal": (Close(CARD), None),
}


@pytest.mark.parametrize("name", TOLD)
def test_a_wrong_balance_is_found_wherever_a_purse_was_used(city: City, name: str) -> None:
    intent, balance_rp = TOLD[name]
    city.run(Share("mrtj", "lrtj", 10))
    entry = city.send(intent)
    book = city.shard.book
    assert not list(findings_after(book, entry))
    wrong = replace(entry, balance_rp=entry.balance_rp + 1)
    if balance_rp is None:
        assert not list(findings_after(book, wrong))
    else:
        assert entry.balance_rp == balance_rp
        (finding,) = findings_after(book, wrong)
        assert finding == f"it tells a balance of Rp{balance_rp + 1}, which is Rp{balance_rp}"


def test_closing_leaves_nothing(city: City) -> None:
    city.run(Void(CARD, GATE, 7))
    entry = city.send(Close(CARD))
    assert entry.posted
    assert not list(findings_after(city.shard.book, entry))
    assert list(findings_after(city.shard.book, replace(entry, balance_rp=1)))


def test_an_unblocked_card_tells_its_balance(city: City) -> None:
    city.run(Block(CARD, "lost"))
    entry = city.send(Unblock(CARD, "found"))
    assert not list(findings_after(city.shard.book, entry))
    assert list(findings_after(city.shard.book, replace(entry, balance_rp=1)))


def test_a_card_tells_its_balance_when_a_grant_ends(city: City) -> None:
    city.run(Grant(CARD, "free_ride", "elderly", "person-1", TODAY, TODAY))
    entry = city.send(Revoke(CARD, "free_ride", "sold"))
    assert entry.posted
    assert not list(findings_after(city.shard.book, entry))
    assert list(findings_after(city.shard.book, replace(entry, balance_rp=1)))


def test_an_entry_without_fault_has_no_findings(city: City) -> None:
    book = city.shard.book
    before = book.cards.get(CARD)
    entry = city.entries[-1]
    assert before is not None
    fine = replace(entry, previous=before.last)
    assert not list(findings_before(book, fine, before))
    assert list(findings_before(book, fine, None))


def test_a_transaction_is_repeated_only_by_the_same_terminal(city: City) -> None:
    entry = city.entries[-1]
    assert is_repeated(city.shard.book, entry)
    assert not is_repeated(city.shard.book, replace(entry, terminal="GATE-9"))
    assert not is_repeated(city.shard.book, replace(entry, counter=99))


def test_what_no_chip_has_proved_moves_nothing_but_suspense(city: City) -> None:
    intent = Tap(CARD, 500, "mrtj", "in", proof=b"of no chip")
    entry = city.send(intent)
    book = folded(city.entries[:-1])
    card = book.cards.get(CARD)
    assert list(findings_before(book, entry, card)) == []
    moved = replace(entry, postings=((1, CARD, -500), (3, "mrtj", 500)))
    assert list(findings_before(book, moved, card)) == [
        "no chip has proved it, and it moves money all the same"
    ]
    believed = replace(entry, exceptions=())
    assert list(findings_before(book, believed, card)) == [
        "its proof is none, and it was posted as if it were one"
    ]


def test_what_a_chip_has_proved_is_as_it_should_be(city: City) -> None:
    entry = city.send(Tap(CARD, 500, "mrtj", "in", proof=b"first chip, 1"))
    book = folded(city.entries[:-1])
    assert list(findings_before(book, entry, book.cards.get(CARD))) == []
