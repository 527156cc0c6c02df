"""What the money of a programme buys, by the instruments that come with the program."""

from __future__ import annotations

from typing import Final, Literal

import pytest
from msgspec.structs import replace

from engine.accounts import MERCHANT_PAYABLE, PROGRAMME_PURSE
from engine.errors import Reason
from engine.transaction import Group, Hold, Item, Post, Purchase, Tap
from tests.engine.till import PROOF, Till

DAY: Final = "2024-03-05"
BOOKS: Final = Item("books", 2, 20_000)
PAYEES: Final[tuple[Literal["merchant", "operator"], ...]] = ("merchant", "operator")
TOYS: Final = Item("toys", 1, 5_000)


def buy(*items: Item, kind: str = "stationery", purse: str = "kjp", extra_rp: int = 0) -> Purchase:
    """Return a purchase of goods, from a purse of card A."""
    amount_rp = sum(item.amount_rp for item in items) + extra_rp
    return Purchase("A", amount_rp, "toko", "", purse, None, kind, items)


LIST: Final = "kjp.goods@2024-01-01"
NO_MERCHANT: Final = f"merchant_not_allowed {LIST}"

# Each line: the source among the facts about KJP Plus and KJMU, a day, a purchase, what is told.
EXAMPLES: Final[list[tuple[str, str, Purchase, str]]] = [
    ("books, stationery, uniform", DAY, buy(BOOKS), "posted"),
    ("books, stationery, uniform", DAY, buy(BOOKS, Item("uniform", 1, 80_000)), "posted"),
    ("a closed list", DAY, buy(BOOKS, TOYS), f"goods_not_allowed {LIST} items[1]"),
    ("a closed list", DAY, buy(extra_rp=9_000), f"goods_not_allowed {LIST} items"),
    ("chemist/health aids", DAY, buy(Item("hearing_aid", 1, 1), kind="health"), "posted"),
    ("supermarkets/food", DAY, buy(Item("nutritious_snacks", 3, 9_000), kind="food"), "posted"),
    ("merchant kinds", DAY, buy(BOOKS, kind="jewellery"), f"{NO_MERCHANT} merchant_kind"),
    ("merchant kinds", DAY, buy(BOOKS, kind=""), f"{NO_MERCHANT} merchant_kind"),
    ("no list before it was reported", "2023-12-31", buy(TOYS, kind="toys"), "posted"),
    ("KJMU: pocket money", DAY, buy(TOYS, kind="toys", purse="kjmu"), "posted"),
    ("the card's own money", DAY, buy(TOYS, kind="toys", purse=""), "posted"),
    ("all the rest non-cash", DAY, buy(BOOKS, extra_rp=-1), "items_sum purchase.items items"),
    ("its own money", DAY, buy(TOYS, purse="", extra_rp=1), "items_sum purchase.items items"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "day", "purchase", "told"), EXAMPLES)
def test_money_of_a_programme_buys_what_its_instrument_says(
    source: str, day: str, purchase: Purchase, told: str
) -> None:
    assert Till(day, "kjp", "kjmu").told(purchase) == told, source


def test_what_is_against_the_card_is_told_before_what_is_against_the_goods() -> None:
    ledger = Till(DAY, "kjp")
    assert ledger.told(buy(TOYS, extra_rp=200_000)).startswith("below_floor")


def test_an_advice_is_posted_and_all_that_is_against_it_is_filed() -> None:
    ledger = Till(DAY, "kjp")
    items = (TOYS, Item("sweets", 1, 1_000))
    entry = ledger.send(Purchase("S", 6_500, "toko", "", "kjp", PROOF, "toys", items))
    assert entry.exceptions == (
        Reason.ITEMS_SUM,
        Reason.MERCHANT_NOT_ALLOWED,
        Reason.GOODS_NOT_ALLOWED,
    )
    assert (entry.rule, entry.detail) == ("purchase.items", "items")
    assert entry.postings == ((PROGRAMME_PURSE, "S/kjp", -6_500), (MERCHANT_PAYABLE, "toko", 6_500))
    assert ledger.balance_rp("S", "kjp") == entry.balance_rp == 193_500


def test_a_part_of_a_group_is_looked_at_as_well() -> None:
    ledger = Till(DAY, "kjp")
    entry = ledger.send(Group((Tap("A", 0, "tj", "in"), buy(BOOKS, TOYS))))
    assert (entry.reason, entry.detail) == (Reason.GOODS_NOT_ALLOWED, "parts[1].items[1]")


def test_money_with_a_list_is_not_held() -> None:
    ledger = Till(DAY, "kjp", "kjmu")
    for payee in PAYEES:
        hold = Hold("A", 5_000, payee, "toko", 60_000, "kjp")
        assert ledger.told(hold) == f"goods_not_allowed {LIST} purse"
        ledger.done(replace(hold, purse="kjmu"), replace(hold, purse=""))


def test_what_was_held_before_there_was_a_list_is_posted() -> None:
    ledger = Till("2023-12-31", "kjp")
    hold = ledger.done(Hold("A", 5_000, "merchant", "toko", 2 * 24 * 3600 * 1000, "kjp"))
    ledger.go_to("2024-01-01")
    ledger.done(Post("A", hold.terminal, hold.counter, 5_000))
    assert ledger.balance_rp("A", "kjp") == 195_000
