"""Food at the price of the city, by the instrument that comes with the program."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.accounts import MERCHANT_PAYABLE, PURSE, SUSPENSE
from engine.errors import Reason
from engine.tally import Bought, Tally
from engine.transaction import (
    Grant,
    Group,
    Intent,
    Item,
    Purchase,
    Refund,
    Replace,
    Reversal,
    Revoke,
    Tap,
    TopUp,
)
from tests.engine.till import PROOF, Till

DAY: Final = "2024-03-05"
QUOTA: Final = "food.monthly@2022-01-01"
PRICES: Final = {
    "rice": 30_000,
    "beef": 35_000,
    "chicken": 8_000,
    "mackerel": 13_000,
    "eggs": 10_000,
    "milk": 30_000,
}
MARCH: Final = 2024 * 12 + 2


def till(when: str = DAY, *, granted: bool = True) -> Till:
    """Return a ledger on whose card A the programme was granted, or not."""
    ledger = Till(when, "food")
    ledger.done(TopUp("A", 900_000, "dki"))
    if granted:
        ledger.done(Grant("A", "food", "kjp", "anak-1", ledger.now.day, ledger.now.day + 100))
    return ledger


def buy(*names: str, card: str = "A", merchant: str = "pasar_jaya", proof: bytes | None = None,
        extra_rp: int = 0) -> Purchase:  # fmt: skip
    """Return a purchase of one of each of some goods, the last of them dearer by an amount."""
    lines = [Item(name, 1, PRICES.get(name, 5_000)) for name in names]
    if extra_rp:
        lines[-1] = Item(names[-1], 1, lines[-1].amount_rp + extra_rp)
    amount_rp = sum(line.amount_rp for line in lines) or 1_000
    return Purchase(card, amount_rp, merchant, "", "", proof, "", tuple(lines), "food")


# Each line: the source among the facts about subsidised food, goods or a purchase, what is told.
EXAMPLES: Final[list[tuple[str, Purchase, str]]] = [
    ("beras 5 kg 30,000", buy("rice"), "posted"),
    ("beef 1 kg 35,000", buy("beef"), "posted"),
    ("chicken 8,000", buy("chicken"), "posted"),
    ("mackerel 1 kg 13,000", buy("mackerel"), "posted"),
    ("eggs 15 pcs 10,000", buy("eggs"), "posted"),
    ("UHT milk 24 pcs 30,000", buy("milk"), "posted"),
    ("sum 126,000", buy(*PRICES), "posted"),
    ("PJLP pay 96,000 without milk", buy("rice", "beef", "chicken", "mackerel", "eggs"), "posted"),
    ("beef 1 kg 35,000", buy("rice", "beef", extra_rp=1), f"price_differs {QUOTA} items[1]"),
    ("six items", buy("rice", "sugar"), f"goods_not_allowed {QUOTA} items[1]"),
    ("six items", buy(), f"goods_not_allowed {QUOTA} items"),
    ("each item once a month", buy("rice", "rice"), f"quota_used {QUOTA} items[1]"),
    ("sellers Food Station", buy("rice", merchant="food_station"), "posted"),
    ("Dharma Jaya", buy("beef", merchant="dharma_jaya"), "posted"),
    ("Pasar Jaya", buy("rice", merchant="toko"), f"merchant_not_allowed {QUOTA} merchant"),
    ("per entitled person", buy("rice", card="U"), f"not_entitled {QUOTA} programme"),
]


@pytest.mark.parametrize(("source", "purchase", "told"), EXAMPLES)
def test_food_is_sold_as_the_instrument_says(source: str, purchase: Purchase, told: str) -> None:
    assert till().told(purchase) == told, source


def test_of_several_pieces_all_are_counted_and_paid() -> None:
    ledger = till()
    two = Purchase("A", 60_000, "pasar_jaya", "", "", None, "", (Item("rice", 2, 60_000),), "food")
    assert ledger.told(two) == f"quota_used {QUOTA} items[0]"


def test_a_programme_without_a_price_sells_nothing() -> None:
    ledger = till()
    rice = (Item("rice", 1, 30_000),)
    for programme in ("kjp", "nothing"):
        purchase = Purchase("A", 30_000, "pasar_jaya", "", "", None, "", rice, programme)
        assert ledger.told(purchase) == "not_entitled purchase.programme programme"
    ledger.go_to("2021-12-31")
    assert ledger.told(buy("rice")) == "not_entitled purchase.programme programme"


def test_what_was_bought_is_written_down_and_counts_for_the_month() -> None:
    ledger = till()
    entry = ledger.done(buy("rice", "eggs"))
    tally = Tally((Bought("food", "rice", MARCH, 1), Bought("food", "eggs", MARCH, 1)))
    assert entry.tally == ledger.cards["A"].tally == tally
    assert entry.postings == ((PURSE, "A", -40_000), (MERCHANT_PAYABLE, "pasar_jaya", 40_000))
    ledger.done(buy("milk"), Tap("A", 0, "tj", "in"))
    ledger.go_to("2024-03-31")
    assert ledger.told(buy("rice")) == f"quota_used {QUOTA} items[0]"
    ledger.go_to("2024-04-01")
    ledger.done(buy("rice"))
    assert ledger.cards["A"].tally == Tally((Bought("food", "rice", MARCH + 1, 1),))


def test_a_grant_that_is_over_or_revoked_entitles_to_nothing() -> None:
    ledger = till()
    ledger.done(Revoke("A", "food", "moved away"))
    assert ledger.told(buy("rice")) == f"not_entitled {QUOTA} programme"
    late = till()
    late.go_to("2024-06-14")
    assert late.told(buy("rice")) == f"not_entitled {QUOTA} programme"
    late.go_to("2024-06-13")
    late.done(buy("rice"))


def test_a_reversal_gives_the_goods_back_and_a_refund_does_not() -> None:
    ledger = till()
    first = ledger.done(buy("rice", "eggs"))
    ledger.done(Refund(first.terminal, first.counter, 40_000))
    assert ledger.told(buy("rice")) == f"quota_used {QUOTA} items[0]"
    second = ledger.done(buy("milk", "beef"))
    ledger.done(Refund(second.terminal, second.counter, 10_000))
    ledger.done(Reversal(second.terminal, second.counter), buy("milk"))
    assert ledger.told(buy("rice")) == f"quota_used {QUOTA} items[0]"
    assert ledger.told(buy("beef")) == "posted"


def test_what_is_reversed_in_another_month_gives_no_goods_back() -> None:
    ledger = till()
    first = ledger.done(buy("rice"))
    ledger.go_to("2024-04-01")
    ledger.done(buy("rice"))
    entry = ledger.done(Reversal(first.terminal, first.counter))
    assert entry.tally == ledger.cards["A"].tally == Tally((Bought("food", "rice", MARCH + 1, 1),))


def test_the_parts_of_a_group_count_together_and_are_given_back_together() -> None:
    ledger = till()
    twice = Group((buy("rice"), buy("eggs", "rice")))
    assert ledger.told(twice) == f"quota_used {QUOTA} parts[1].items[1]"
    entry = ledger.done(Group((buy("rice"), Tap("A", 100, "tj", "in"), buy("eggs"))))
    assert ledger.told(buy("eggs")) == f"quota_used {QUOTA} items[0]"
    ledger.done(Reversal(entry.terminal, entry.counter), buy("rice", "eggs"))


def test_the_card_that_takes_over_has_had_what_the_old_one_had() -> None:
    ledger = till()
    first = ledger.done(buy("rice"))
    ledger.send(buy("eggs", card="A2", proof=PROOF))
    ledger.done(Replace("A", "A2"))
    assert ledger.told(buy("rice", card="A2")) == f"quota_used {QUOTA} items[0]"
    assert ledger.told(buy("eggs", card="A2")) == f"quota_used {QUOTA} items[0]"
    ledger.done(Reversal(first.terminal, first.counter), buy("rice", card="A2"))


def test_a_quota_goes_with_the_person_from_card_to_card_and_not_with_the_card() -> None:
    ledger = till()
    ledger.done(buy("rice"), Revoke("A", "food", "lost"))
    today = ledger.now.day
    entry = ledger.done(Grant("U", "food", "kjp", "anak-1", today, today + 100))
    assert entry.tally == ledger.cards["U"].tally == Tally((Bought("food", "rice", MARCH, 1),))
    assert ledger.told(buy("rice", card="U")) == f"quota_used {QUOTA} items[0]"
    ledger.done(buy("eggs", card="U"), Grant("A", "food", "kjp", "anak-2", today, today + 100))
    ledger.done(buy("rice"))
    renewed = ledger.done(Grant("A", "food", "kjp", "anak-2", today, today + 200))
    assert renewed.tally is None
    ledger.done(Revoke("A", "food", "moved"), Revoke("U", "food", "moved"))
    ledger.done(Grant("A", "food", "kjp", "anak-1", today, today + 100))
    assert ledger.told(buy("eggs")) == f"quota_used {QUOTA} items[0]"
    assert ledger.told(buy("rice", "milk")) == f"quota_used {QUOTA} items[0]"
    ledger.done(buy("milk"))
    ledger.go_to("2024-04-01")
    ledger.done(Revoke("A", "food", "moved"))
    ledger.done(Grant("U", "food", "kjp", "anak-1", today + 27, today + 100))
    ledger.done(buy("rice", "eggs", card="U"))


def test_an_advice_is_posted_filed_and_counted() -> None:
    ledger = till()
    entry = ledger.send(buy("rice", "sugar", "rice", card="S", merchant="toko", proof=PROOF,
                            extra_rp=1))  # fmt: skip
    assert entry.exceptions == (
        Reason.NOT_ENTITLED,
        Reason.MERCHANT_NOT_ALLOWED,
        Reason.GOODS_NOT_ALLOWED,
        Reason.PRICE_DIFFERS,
        Reason.QUOTA_USED,
    )
    assert (entry.rule, entry.detail) == (QUOTA, "programme")
    assert entry.tally == Tally((Bought("food", "rice", MARCH, 2),))
    again = ledger.send(buy("eggs", card="S", proof=PROOF))
    assert again.exceptions == (Reason.NOT_ENTITLED,)
    ledger.done(Reversal(entry.terminal, entry.counter))
    assert ledger.cards["S"].tally == Tally((Bought("food", "eggs", MARCH, 1),))


def test_an_advice_of_a_card_that_cannot_be_counts_nowhere_and_can_be_taken_back() -> None:
    ledger = till()
    entry = ledger.send(buy("rice", card="A B", proof=PROOF))
    assert (entry.postings[0][0], entry.tally) == (SUSPENSE, None)
    ledger.done(Reversal(entry.terminal, entry.counter))
    rice = (Item("rice", 1, 30_000),)
    unknown = Purchase("new", 30_000, "toko", "", "", PROOF, "", rice, "nothing")
    entry = ledger.send(unknown)
    assert Reason.NOT_ENTITLED in entry.exceptions
    assert entry.tally is None, "no quota counts it"


DAYS: Final = ("2024-03-31", "2024-04-01", "2024-04-30", "2024-05-01")
baskets = st.lists(st.sampled_from(["rice", "eggs", "milk"]), min_size=1, max_size=3)
steps = st.lists(
    st.tuples(st.sampled_from(["buy", "buy", "undo", "refund", "day", "card"]), baskets),
    max_size=25,
)


@given(steps, st.randoms())
def test_nobody_gets_more_than_the_quota_whatever_is_bought_and_taken_back(
    drawn: list[tuple[str, list[str]]], chance: Random
) -> None:
    ledger, card, days = till(), "A", iter(DAYS)
    month = DAY[:7]
    had: dict[tuple[str, int], tuple[str, list[str]]] = {}
    for step, names in drawn:
        intent: Intent = buy(*names, card=card)
        if step == "day" and (day := next(days, "")):
            ledger.go_to(day)
            month = day[:7]
        elif step == "card":
            intent = Replace(card, f"{card}x")
            card = f"{card}x"
        elif step in {"undo", "refund"} and had:
            original = chance.choice(sorted(had))
            intent = Refund(*original, 1) if step == "refund" else Reversal(*original)
        entry = ledger.send(intent)
        if isinstance(intent, Purchase) and entry.posted:
            had[entry.terminal, entry.counter] = month, names
        if isinstance(intent, Reversal) and entry.posted:
            del had[intent.terminal, intent.counter]
        counts = Counter((when, name) for when, bought in had.values() for name in bought)
        assert max(counts.values(), default=0) <= 1
        missing = [name for name in PRICES if not counts[month, name]]
        assert ledger.told(buy(*missing, card=card)) == "posted", "nor less"
