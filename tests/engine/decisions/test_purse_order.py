"""Several purses on one card, and the order in which they pay."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.accounts import MERCHANT_PAYABLE, PROGRAMME_FUND, PROGRAMME_PURSE, PURSE, SUSPENSE
from engine.errors import Reason
from engine.law import law_of
from engine.limits import ACCOUNTS_PER_KIND_MAX
from engine.rules.rulebook import Rulebook
from engine.transaction import (
    Block,
    Entry,
    Grant,
    Group,
    Hold,
    Item,
    Purchase,
    Refund,
    Reversal,
    Tap,
    Withdrawal,
)
from ops.rulebook import NOWHERE
from tests.engine.rules.test_purses import EVERY
from tests.engine.rules.written import rule, written
from tests.engine.till import PROOF, Till

ORDER: Final = "purse.order@2017-10-13"
DAY: Final = "2024-03-05"


def buy(*items: tuple[str, int], kind: str = "stationery", card: str = "A",
        proof: bytes | None = None) -> Purchase:  # fmt: skip
    """Return a purchase of goods at prices, from the purses in order."""
    lines = tuple(Item(name, 1, amount_rp) for name, amount_rp in items)
    amount_rp = sum(line.amount_rp for line in lines)
    return Purchase(card, amount_rp, "toko", "", "*", proof, kind, lines)


def unnamed(amount_rp: int, card: str = "A", *, proof: bytes | None = None) -> Purchase:
    """Return a purchase that names no goods."""
    return Purchase(card, amount_rp, "toko", "", "*", proof)


def shares(entry: Entry) -> dict[str, int]:
    """Return what each purse has paid, in order; the merchant got it, line by line."""
    payers, payees = entry.postings[::2], entry.postings[1::2]
    assert [-line[2] for line in payers] == [line[2] for line in payees]
    assert {line[:2] for line in payees} == {(MERCHANT_PAYABLE, "toko")}
    return {line[1].partition("/")[2] or "own": -line[2] for line in payers}


# Each line: the source, a purchase on a card with Rp200,000 of KJP and of KJMU and Rp100,000 of its
# own, who pays.
EXAMPLES: Final[list[tuple[str, Purchase, dict[str, int]]]] = [
    ("KJP before KJMU (a guess)", buy(("books", 50_000)), {"kjp": 50_000}),
    ("KJP goods are a closed list", buy(("toys", 50_000)), {"kjmu": 50_000}),
    (
        "KJP goods are a closed list",
        buy(("toys", 30_000), ("books", 50_000)),
        {"kjp": 50_000, "kjmu": 30_000},
    ),
    ("merchant kinds", buy(("books", 50_000), kind="jewellery"), {"kjmu": 50_000}),
    ("goods are named", unnamed(50_000), {"kjmu": 50_000}),
    (
        "each as much as it may",
        buy(("books", 250_000), ("toys", 100_000)),
        {"kjp": 200_000, "kjmu": 150_000},
    ),
    (
        "the card's own pays the rest",
        buy(("books", 150_000), ("bag", 100_000), ("toys", 200_000)),
        {"kjp": 200_000, "kjmu": 200_000, "own": 50_000},
    ),
    (
        "all that there is",
        buy(("books", 200_000), ("toys", 300_000)),
        {"kjp": 200_000, "kjmu": 200_000, "own": 100_000},
    ),
]


@pytest.mark.parametrize(("source", "purchase", "expected"), EXAMPLES)
def test_purses_pay_in_the_order_of_the_instrument(
    source: str, purchase: Purchase, expected: dict[str, int]
) -> None:
    ledger = Till(DAY, "kjp", "kjmu", "food")
    entry = ledger.done(purchase)
    assert shares(entry) == expected, source
    assert (entry.rule, entry.detail) == (ORDER, "")
    assert entry.balance_rp == ledger.balance_rp("A") == 100_000 - expected.get("own", 0)
    assert ledger.balance_rp("A", "food") == 200_000, "it is in no order"


def test_what_does_not_suffice_is_refused_for_the_reason_of_the_last_purse() -> None:
    ledger = Till(DAY, "kjp", "kjmu")
    limits = ledger.rules.registered.rule
    entry = ledger.send(buy(("books", 200_001), ("toys", 300_000)))
    assert (entry.reason, entry.rule) == (Reason.BELOW_FLOOR, limits)
    assert (entry.detail, entry.balance_rp, entry.postings) == ("amount_rp", 100_000, ())


@pytest.mark.parametrize(
    ("purchase", "told"),
    [
        (unnamed(100_001, "U"), "below_floor purse.unregistered@2018-05-04 amount_rp"),
        (unnamed(1, "new"), "card_unknown card.status card"),
        (unnamed(1, "S"), "medium_is_stored card.medium proof"),
        (replace(unnamed(1), merchant="t/ko"), "account_name account.name merchant"),
        (replace(buy(("books", 5)), amount_rp=6), "items_sum purchase.items items"),
    ],
    ids=str,
)
def test_other_reasons_are_those_of_any_purchase(purchase: Purchase, told: str) -> None:
    assert Till(DAY).told(purchase) == told


def test_a_card_that_is_blocked_pays_from_no_purse() -> None:
    ledger = Till(DAY, "kjp")
    ledger.done(Block("A", "lost"))
    for purchase in (buy(("books", 5)), unnamed(5)):
        assert ledger.told(purchase) == "card_blocked card.status card"


def test_what_is_held_on_a_purse_stays_there() -> None:
    ledger = Till(DAY, "kjmu")
    ledger.done(Hold("A", 150_000, "merchant", "toko", 60_000, "kjmu"))
    assert shares(ledger.done(unnamed(70_000))) == {"kjmu": 50_000, "own": 20_000}


def test_only_a_purchase_may_name_all_purses_and_only_where_a_rule_orders_them() -> None:
    ledger = Till(DAY, "kjp")
    assert ledger.told(Tap("A", 5, "tj", "in", purse="*")).startswith("purse_unknown")
    assert ledger.told(Hold("A", 5, "merchant", "toko", 5, "*")).startswith("purse_unknown")
    assert ledger.told(Withdrawal("A", 5, "dki", "*")).startswith("purse_unknown")
    ledger.go_to("2017-10-12")
    assert ledger.told(unnamed(5)).startswith("purse_unknown")
    entry = ledger.send(unnamed(5, "S", proof=PROOF))
    assert entry.postings[0] == (SUSPENSE, "purse", -5)
    assert Reason.ACCOUNT_NAME in entry.exceptions


def test_a_reversal_gives_each_purse_its_own_back() -> None:
    ledger = Till(DAY, "kjp", "kjmu")
    before = ledger.accounts()
    entry = ledger.done(buy(("books", 200_000), ("toys", 250_000)))
    ledger.done(Reversal(entry.terminal, entry.counter))
    assert ledger.accounts() == before
    assert ledger.balance_rp("A", "kjp") == ledger.balance_rp("A", "kjmu") == 200_000
    purse = ledger.cards["A"].purse("kjp")
    assert purse is not None
    assert (purse.spent_day_rp, purse.spent_month_rp) == (0, 0)


def test_refunds_go_back_in_the_opposite_order() -> None:
    ledger = Till(DAY, "kjp", "kjmu")
    entry = ledger.done(buy(("books", 100_000), ("toys", 250_000)))
    assert shares(entry) == {"kjp": 100_000, "kjmu": 200_000, "own": 50_000}
    original = (entry.terminal, entry.counter)
    back = ledger.done(Refund(*original, 20_000))
    assert back.postings == ((PURSE, "A", 20_000), (MERCHANT_PAYABLE, "toko", -20_000))
    back = ledger.done(Refund(*original, 80_000))
    assert back.postings == (
        (PURSE, "A", 30_000),
        (MERCHANT_PAYABLE, "toko", -30_000),
        (PROGRAMME_PURSE, "A/kjmu", 50_000),
        (MERCHANT_PAYABLE, "toko", -50_000),
    )
    back = ledger.done(Reversal(*original))
    assert back.postings == (
        (PROGRAMME_PURSE, "A/kjmu", 150_000),
        (MERCHANT_PAYABLE, "toko", -150_000),
        (PROGRAMME_PURSE, "A/kjp", 100_000),
        (MERCHANT_PAYABLE, "toko", -100_000),
    )
    assert ledger.send(Refund(*original, 1)).reason is Reason.AMOUNT_EXCEEDED


def test_an_advice_is_paid_in_order_and_the_cards_own_purse_bears_the_rest() -> None:
    ledger = Till(DAY, "kjmu")
    entry = ledger.send(unnamed(350_000, "S", proof=PROOF))
    assert shares(entry) == {"kjmu": 200_000, "own": 150_000}
    assert entry.exceptions == (Reason.BELOW_FLOOR,)
    assert entry.rule == "purse.unregistered@2018-05-04"
    assert entry.balance_rp == ledger.balance_rp("S") == -50_000


def test_a_part_of_a_group_is_paid_in_order_on_what_is_left() -> None:
    ledger = Till(DAY, "kjmu")
    entry = ledger.done(Group((unnamed(150_000), unnamed(80_000))))
    assert entry.postings[2][:2] == (PROGRAMME_PURSE, "A/kjmu")
    assert (ledger.balance_rp("A", "kjmu"), ledger.balance_rp("A")) == (0, 70_000)
    assert entry.balance_rp == 70_000
    entry = ledger.send(Group((unnamed(60_000), unnamed(60_000))))
    assert (entry.detail, entry.balance_rp) == ("parts[1].amount_rp", 70_000)


def test_the_merchant_is_a_new_account_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Till(DAY, "kjmu")
    merchants = ledger.book.accounts[MERCHANT_PAYABLE]
    merchants.update({f"m{number}": 0 for number in range(ACCOUNTS_PER_KIND_MAX - 1)})
    assert shares(ledger.done(unnamed(250_000))) == {"kjmu": 200_000, "own": 50_000}
    assert ledger.told(replace(unnamed(5), merchant="other")).startswith("account_limit")


def test_goods_and_levies_of_a_programme_are_paid_in_order_too() -> None:
    ledger = Till(DAY, "kjmu")
    ledger.done(Grant("A", "food", "any", "anak-1", 0, 30_000))
    rice = (Item("rice", 1, 30_000),)
    entry = ledger.done(Purchase("A", 30_000, "pasar_jaya", "", "*", None, "", rice, "food"))
    assert entry.postings[0] == (PROGRAMME_PURSE, "A/kjmu", -30_000)
    assert entry.tally is not None
    ledger.go_to("2020-05-05")
    ledger.done(Grant("A", "rusun", "any", "warga-1", 0, 30_000))
    levy = Purchase("A", 500_000, "rusunawa", "", "*", charge="rent", period=2020 * 12 + 4)
    entry = ledger.done(levy)
    assert entry.rule == ORDER
    assert entry.postings[:2] == ((PURSE, "A", 0), (PROGRAMME_FUND, "rusun", -500_000))


def test_of_a_levy_that_is_waived_in_part_no_line_is_paid_by_a_list() -> None:
    half = 'programme = "rusun"\ncharge = "rent"\npercent = 50'
    goods = 'programme = "kjp"\nmerchant_kinds = [""]\ngoods = ["rent"]'.replace('""', '"rusun"')
    ledger = ruled(
        '["kjp", "own"]', rule("w.half", "waiver", half), rule("l.kjp", "spending_list", goods)
    )
    ledger.done(Grant("A", "rusun", "any", "warga-1", 0, 30_000))
    levy = Purchase("A", 60_000, "toko", "", "*", None, "rusun", (Item("rent", 1, 60_000),),
                    charge="rent", period=2024 * 12 + 2)  # fmt: skip
    entry = ledger.done(levy)
    assert entry.postings[0] == (PURSE, "A", -30_000)
    whole = replace(levy, period=levy.period - 12 * 6)
    assert ledger.done(whole).postings[0] == (PROGRAMME_PURSE, "A/kjp", -60_000)


def ruled(order: str, *rules: str, split: bool = True) -> Till:
    """Return a ledger with purses of three programmes, and with an order of these tests."""
    ledger = Till(DAY, "kjp", "kjmu", "food")
    figures = f"purses = {order}\nsplit = {str(split).lower()}"
    rulebook = Rulebook([written("a", *EVERY, rule("o.all", "purse_order", figures), *rules)])
    ledger.rules = law_of(rulebook, NOWHERE).purses_on(ledger.now.day)
    return ledger


@pytest.mark.parametrize(
    ("order", "split", "amount_rp", "expected"),
    [
        ('["food", "kjp", "own"]', True, 250_000, {"food": 200_000, "kjp": 50_000}),
        ('["kjp", "food", "own"]', True, 250_000, {"kjp": 200_000, "food": 50_000}),
        ('["nothing", "kjp", "own"]', True, 250_000, {"kjp": 200_000, "own": 50_000}),
        ('["own"]', True, 90_000, {"own": 90_000}),
        ('["food", "own"]', False, 200_000, {"food": 200_000}),
        ('["food", "own"]', False, 90_000, {"food": 90_000}),
    ],
)
def test_the_order_is_a_rule(
    *, order: str, split: bool, amount_rp: int, expected: dict[str, int]
) -> None:
    assert shares(ruled(order, split=split).done(unnamed(amount_rp))) == expected


def test_where_nothing_may_be_split_the_first_purse_pays_that_can_pay_all() -> None:
    ledger = ruled('["kjp", "kjmu", "own"]', split=False)
    ledger.done(Purchase("A", 150_000, "toko", purse="kjp"))
    assert shares(ledger.done(unnamed(60_000))) == {"kjmu": 60_000}
    assert shares(ledger.done(unnamed(50_000))) == {"kjp": 50_000}
    assert ledger.told(unnamed(150_000)).startswith("below_floor")


bills = st.lists(
    st.tuples(st.sampled_from(["books", "toys", "bag"]), st.integers(0, 300_000)), max_size=6
)


purchases = st.lists(bills, max_size=5)
kinds = st.sampled_from(["stationery", "jewellery"])


@given(purchases, kinds)
def test_no_purse_pays_for_other_goods_or_more_than_it_has(
    drawn: list[list[tuple[str, int]]], kind: str
) -> None:
    ledger = Till(DAY, "kjp", "kjmu")
    for items in drawn:
        purchase = buy(*items, kind=kind)
        if not purchase.amount_rp:
            continue
        had = {name: ledger.balance_rp("A", name) for name in ("kjp", "kjmu", "")}
        school_rp = sum(rp for name, rp in items if name != "toys") if kind == "stationery" else 0
        by_kjp = min(school_rp, had["kjp"])
        entry = ledger.send(purchase)
        assert entry.posted == (purchase.amount_rp - by_kjp <= had["kjmu"] + had[""])
        if entry.posted:
            found = shares(entry)
            assert sum(found.values()) == purchase.amount_rp
            assert found.get("kjp", 0) == by_kjp
            assert found.get("own", 0) == max(0, purchase.amount_rp - by_kjp - had["kjmu"])
        assert min(ledger.balance_rp("A", name) for name in had) >= 0
