"""Section 5: what the money of programmes is for, by the rules that come with the program."""

from __future__ import annotations

import time
from typing import Any, Final

from ops.conformance.errors import check_equal
from ops.conformance.keys import SERVICE
from ops.conformance.kit import Kit
from ops.conformance.node.transactions import LIMITS, entry_of, refusals
from ops.conformance.rules import Section
from ops.conformance.shape import SCHEMA

SECTION: Final[Section[Kit]] = Section(5, "Transactions", mark="p")


def bought(card: str, amount_rp: int, *items: list[Any], kind: str = "stationery") -> list[Any]:
    """Return a purchase from the purse of the programme whose goods are listed."""
    return ["purchase", card, amount_rp, "toko", "", "kjp", None, kind, list(items)]


@SECTION.rule("names its `items`, all of them goods of the list,")
async def _the_money_of_a_programme_buys_what_it_is_for(kit: Kit) -> None:
    card = await kit.card()
    books, toys = ["books", 2, 20_000], ["toys", 1, 5_000]
    async with kit.session(SERVICE) as desk:
        await desk.posted(["top_up", card, 50_000, "", 0, "both", "kjp"])
        await refusals(
            desk,
            ("merchant_not_allowed", bought(card, 20_000, books, kind="jewellery")),
            ("goods_not_allowed", bought(card, 20_000)),
            ("goods_not_allowed", bought(card, 25_000, books, toys)),
            ("items_sum", bought(card, 20_001, books)),
            ("goods_not_allowed", ["hold", card, 1, "merchant", "toko", 1_000, "kjp"]),
        )
        outcome = (await desk.posted(bought(card, 20_000, books)))[0]
    check_equal("the balance", outcome["balance_rp"], 30_000)


@SECTION.rule("and each of them so often a month.")
async def _goods_at_the_price_of_a_programme_are_sold_once(kit: Kit) -> None:
    card, place = await kit.card(100_000), ["pasar_jaya", "", "", None, ""]
    rice, dear = ["rice", 1, 30_000], ["rice", 1, 30_001]
    async with kit.session(SERVICE) as desk:
        buy = ["purchase", card, 30_000, *place, [rice], "food"]
        await refusals(desk, ("not_entitled", buy))
        await desk.posted(["grant", card, "food", "kjp", kit.name("PERSON"), 0, LIMITS["day_max"]])
        await refusals(
            desk,
            ("price_differs", ["purchase", card, 30_001, *place, [dear], "food"]),
            (
                "merchant_not_allowed",
                ["purchase", card, 30_000, "toko", *place[1:], [rice], "food"],
            ),
        )
        bought = (await desk.posted(buy))[0]
        await refusals(desk, ("quota_used", buy))
        await desk.posted(["reversal", desk.terminal, bought["counter"]], buy)


@SECTION.rule(
    "and is paid once for a month.",
    limits=(
        *("period_max", "periods_ahead_max", "periods_behind_max"),
        *("periods_kept_max", "charges_per_card_max"),
    ),
)
async def _a_levy_is_paid_once_for_a_month(kit: Kit) -> None:
    card = await kit.card(1_000)
    now = time.gmtime()
    month = now.tm_year * 12 + now.tm_mon - 1

    def levy(period: int, charge: str = "rent") -> list[Any]:
        return ["purchase", card, 1, "rusunawa", "", "", None, "", [], "", charge, period]

    # Near the end of a month it is another one in Jakarta already.
    too_early = month + LIMITS["periods_ahead_max"] + 2
    async with kit.session(SERVICE) as desk:
        await desk.posted(levy(month))
        await refusals(
            desk,
            ("period_paid", levy(month)),
            ("period_unknown", levy(too_early)),
            ("period_unknown", levy(LIMITS["period_max"])),
            ("period_unknown", levy(month - LIMITS["periods_behind_max"] - 1)),
            ("period_unknown", levy(month, "")),
        )
        await desk.posted(*(levy(month - n - 1) for n in range(LIMITS["periods_kept_max"] - 1)))
        await refusals(desk, ("period_unknown", levy(month - LIMITS["periods_kept_max"])))
        others = [f"charge-{n}" for n in range(LIMITS["charges_per_card_max"])]
        await desk.posted(*(levy(month, charge) for charge in others[:-1]))
        await refusals(desk, ("too_many_charges", levy(month, others[-1])))


@SECTION.rule("From the purse `*` the purses of the card pay in the order that a rule sets,")
async def _several_purses_pay_in_order(kit: Kit) -> None:
    card = await kit.card(10_000)
    lines = [["books", 1, 8_000], ["toys", 1, 4_000]]
    async with kit.session(SERVICE) as desk:
        await desk.posted(["top_up", card, 5_000, "", 0, "both", "kjp"])
        buy = ["purchase", card, 12_000, "toko", "", "*", None, "stationery", lines]
        outcome = (await desk.posted(buy))[0]
        entry = await entry_of(desk, outcome)
        await refusals(desk, ("below_floor", buy))
    accounts = SCHEMA["x-accounts"]
    wanted = [
        [accounts["programme_purse"], f"{card}/kjp", -5_000],
        [accounts["merchant_payable"], "toko", 5_000],
        [accounts["purse"], card, -7_000],
        [accounts["merchant_payable"], "toko", 7_000],
    ]
    check_equal("the postings", entry["postings"], wanted)
    check_equal("the balance", outcome["balance_rp"], 3_000)


@SECTION.rule("The card's own money is paid out to registered holders only.")
async def _cash_is_paid_out_as_far_as_the_rules_say(kit: Kit) -> None:
    card, registered = await kit.card(5_000), await kit.card(5_000, registered=True)
    async with kit.session(SERVICE) as desk:
        await desk.posted(["top_up", registered, 5_000, "", 0, "both", "kjp"])
        await refusals(
            desk,
            ("not_registered", ["withdrawal", card, 1, "dki"]),
            ("cash_limit", ["withdrawal", registered, 1, "dki", "kjp"]),
        )
        outcome = (await desk.posted(["withdrawal", registered, 2_000, "dki"]))[0]
    check_equal("the balance", outcome["balance_rp"], 3_000)


@SECTION.rule("the lines of the bill; they add up to", limits=("items_max", "item_count_max"))
async def _a_bill_at_its_bounds_is_taken(kit: Kit) -> None:
    card, most = await kit.card(1_000), LIMITS["items_max"]
    lines = [["screws", LIMITS["item_count_max"], 1]] * most
    async with kit.session(SERVICE) as desk:
        await desk.posted(["purchase", card, most, "toko", "", "", None, "", lines])
