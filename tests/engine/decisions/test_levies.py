"""Levies of months: what is waived, what becomes credit, and what is given back."""

from __future__ import annotations

from datetime import date
from random import Random
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.accounts import MERCHANT_PAYABLE, PROGRAMME_FUND, PURSE, SUSPENSE
from engine.calendar import day_of_date
from engine.decisions import checks
from engine.errors import Reason
from engine.law import law_of
from engine.limits import CHARGES_PER_CARD_MAX, PERIODS_AHEAD_MAX, PERIODS_BEHIND_MAX
from engine.limits import PERIODS_KEPT_MAX as KEPT
from engine.rules.rulebook import Rulebook
from engine.tally import Charged, Credit, Tally
from engine.transaction import Grant, Group, Intent, Purchase, Refund, Replace, Reversal, TopUp
from ops.claim.payments import payments_of
from ops.rulebook import NOWHERE
from tests.engine.rules.test_purses import EVERY
from tests.engine.rules.written import rule, written
from tests.engine.rules_here import LAW
from tests.engine.till import PROOF, Till

RENT: Final = 505_000
WAIVER: Final = "waiver.rusun_rent@2020-04-13"


def month(text: str) -> int:
    """Return a month, as `2020-04`, in the count of periods."""
    year, number = text.split("-")
    return int(year) * 12 + int(number) - 1


def rent(period: str, card: str = "A", amount_rp: int = RENT, *, charge: str = "rent",
         proof: bytes | None = None) -> Purchase:  # fmt: skip
    """Return the levy of a month."""
    return Purchase(
        card, amount_rp, "rusunawa", proof=proof, charge=charge, period=month(period)
    )  # fmt: skip


def till(when: str, *, granted: str = "2019-01-01") -> Till:
    """Return a ledger on whose card A the programme was granted from a day on; none: never."""
    ledger = Till(when)
    ledger.done(TopUp("A", 9_000_000, "dki"), TopUp("U", 1_500_000, "dki"))
    ledger.done(TopUp("S", 1_500_000, "dki"))
    if granted:
        since_day = day_of_date(date.fromisoformat(granted))
        # A programme is granted while it has rules; these examples begin before and after.
        ledger.rules = LAW.purses_on(day_of_date(date(2020, 5, 5)))
        ledger.done(Grant("A", "rusun", "terprogram", "warga-1", since_day, since_day + 3_000))
        ledger.go_to(when)
    return ledger


def paid(ledger: Till, period: str, amount_rp: int = RENT) -> tuple[int, int]:
    """Pay a levy; return what the purse and the fund paid of it, which the merchant has got."""
    entry = ledger.done(rent(period, amount_rp=amount_rp))
    sums = {PURSE: 0, PROGRAMME_FUND: 0, MERCHANT_PAYABLE: 0}
    for kind, _, line_rp in entry.postings:
        sums[kind] += line_rp
    assert sums[MERCHANT_PAYABLE] == amount_rp
    assert entry.balance_rp == ledger.balance_rp("A")
    return -sums[PURSE], -sums[PROGRAMME_FUND]


def credits_of(ledger: Till, card: str = "A") -> list[Credit]:
    """Return what credit a card has."""
    return list(ledger.cards[card].tally.credits)


# Each line: the source among the facts about rusun, the day of payment, the month, who pays.
EXAMPLES: Final[list[tuple[str, str, str, tuple[int, int]]]] = [
    ("100 % waiver of rusun rent from 13-4-2020", "2020-04-12", "2020-04", (RENT, 0)),
    ("100 % waiver of rusun rent from 13-4-2020", "2020-04-13", "2020-04", (0, RENT)),
    ("100 % waiver of rusun rent from 13-4-2020", "2020-04-13", "2020-03", (RENT, 0)),
    ("exemptions need start/end dates", "2020-05-02", "2020-08", (0, RENT)),
    ("until the pandemic status ended in June 2023", "2023-06-01", "2023-06", (0, RENT)),
    ("until the pandemic status ended in June 2023", "2023-07-01", "2023-06", (0, RENT)),
    ("until the pandemic status ended in June 2023", "2023-06-30", "2023-07", (RENT, 0)),
]


@pytest.mark.parametrize(("source", "day", "period", "shares"), EXAMPLES)
def test_rent_is_waived_as_the_instrument_says(
    source: str, day: str, period: str, shares: tuple[int, int]
) -> None:
    assert paid(till(day), period) == shares, source


def test_what_was_paid_already_is_carried_forward_until_it_is_used() -> None:
    """Source: water and electricity excluded, amounts already paid carried forward as credit."""
    ledger = till("2020-04-05")
    assert paid(ledger, "2020-04") == (RENT, 0)
    ledger.done(rent("2020-04", amount_rp=90_000, charge="water"))
    ledger.go_to("2020-05-05")
    assert paid(ledger, "2020-05") == (0, RENT)
    assert credits_of(ledger) == [Credit("rent", "rusun", RENT)]
    for number in range(month("2020-06"), month("2023-07")):
        year, index = divmod(number, 12)
        ledger.go_to(f"{year}-{index + 1:02}-05")
        assert paid(ledger, f"{year}-{index + 1:02}") == (0, RENT)
    ledger.go_to("2023-07-05")
    assert paid(ledger, "2023-07", 765_000) == (260_000, RENT)
    assert paid(ledger, "2023-08") == (RENT, 0)
    assert credits_of(ledger) == []


def test_a_waived_levy_cites_its_rule_and_moves_nothing_on_the_card() -> None:
    ledger = till("2020-05-05")
    entry = ledger.done(rent("2020-05"))
    assert entry.rule == WAIVER
    assert entry.postings == (
        (PURSE, "A", 0),
        (PROGRAMME_FUND, "rusun", -RENT),
        (MERCHANT_PAYABLE, "rusunawa", RENT),
    )
    assert entry.tally == Tally((), (Charged("rent", month("2020-05"), RENT, 0),))
    entry = ledger.done(Reversal(entry.terminal, entry.counter))
    assert ledger.cards["A"].tally == Tally()
    assert ledger.cards["A"].last == len(ledger.entries) - 1
    assert paid(ledger, "2020-05") == (0, RENT)


def test_what_a_fund_has_paid_for_levies_is_a_query() -> None:
    ledger = till("2020-04-05")
    ledger.done(rent("2020-04"))
    ledger.go_to("2020-05-05")
    entry = ledger.done(rent("2020-05"))
    back = ledger.done(Reversal(entry.terminal, entry.counter))
    claimed = [
        (found.card, found.kind, found.operator, found.amount_rp)
        for each in (entry, back)
        for found in payments_of(each, "rusun", ledger.find)
    ]
    assert claimed == [("A", "purchase", "rusunawa", RENT), ("A", "reversal", "rusunawa", -RENT)]


@pytest.mark.parametrize(
    ("granted", "shares"),
    [("2020-05-31", (0, RENT)), ("2020-06-01", (RENT, 0)), ("", (RENT, 0))],
)
def test_it_is_waived_to_those_who_were_granted_the_programme_by_the_end_of_the_month(
    granted: str, shares: tuple[int, int]
) -> None:
    ledger = till("2020-06-05", granted=granted)
    assert paid(ledger, "2020-05") == shares


@pytest.mark.parametrize(
    ("levy", "told"),
    [
        (rent("2020-06"), "period_paid levy period"),
        (rent("2020-06", amount_rp=1), "period_paid levy period"),
        (rent("2020-06", charge="water"), "posted"),
        (rent("2020-12", "U"), "posted"),
        (rent("2021-01", "U"), "period_unknown levy period"),
        (rent("2010-06", "U"), "posted"),
        (rent("2010-05", "U"), "period_unknown levy period"),
        (rent("2020-07", charge=""), "period_unknown levy period"),
        (Purchase("A", 1, "rusunawa", charge="rent"), "period_unknown levy period"),
    ],
    ids=str,
)
def test_a_levy_is_paid_once_for_a_month_not_too_far_from_now(levy: Purchase, told: str) -> None:
    assert (PERIODS_AHEAD_MAX, PERIODS_BEHIND_MAX) == (6, 120)
    ledger = till("2020-06-05")
    ledger.done(rent("2020-06"))
    assert ledger.told(levy) == told


def test_so_many_months_and_charges_are_remembered_and_no_more() -> None:
    ledger = till("2019-12-05", granted="")
    for number in range(1, KEPT + 1):
        ledger.done(rent(f"2019-{number:02}", amount_rp=10))
    assert ledger.told(rent("2018-12", amount_rp=10)) == "period_unknown levy period"
    ledger.done(rent("2020-01", amount_rp=10))
    assert len(ledger.cards["A"].tally.charged) == KEPT
    assert ledger.told(rent("2019-01", amount_rp=10)) == "period_unknown levy period"
    for number in range(1, CHARGES_PER_CARD_MAX):
        ledger.done(rent("2019-12", amount_rp=10, charge=f"charge-{number}"))
    assert ledger.told(rent("2019-12", charge="more")) == "too_many_charges levy charge"


def test_a_month_that_is_late_finds_its_place_among_the_others() -> None:
    ledger = till("2019-12-05", granted="")
    for period in ("2019-12", "2019-10", "2019-11"):
        ledger.done(rent(period, amount_rp=10))
    periods = [levy.period for levy in ledger.cards["A"].tally.charged]
    assert periods == [month("2019-10"), month("2019-11"), month("2019-12")]


def test_who_cannot_pay_the_rest_is_refused_and_nothing_is_remembered() -> None:
    ledger = till("2023-07-05")
    entry = ledger.send(rent("2023-07", amount_rp=9_200_000))
    assert (entry.reason, entry.detail, entry.tally) == (Reason.BELOW_FLOOR, "amount_rp", None)
    assert ledger.cards["A"].tally == Tally()


def test_a_fund_without_room_in_the_books_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = till("2020-05-05")
    ledger.done(Purchase("A", 1, "rusunawa"))
    monkeypatch.setattr(checks, "ACCOUNTS_PER_KIND_MAX", 0)
    assert ledger.told(rent("2020-05")) == "account_limit account.name charge"


def test_an_advice_takes_all_and_what_is_waived_is_credit_at_the_next_levy() -> None:
    ledger = till("2020-05-05", granted="")
    ledger.done(Grant("S", "rusun", "terprogram", "warga-1", 0, 30_000))
    entry = ledger.done(rent("2020-05", "S", proof=PROOF))
    assert entry.postings == ((PURSE, "S", -RENT), (MERCHANT_PAYABLE, "rusunawa", RENT))
    ledger.done(Replace("S", "A2"))
    again = ledger.send(rent("2020-05", "A2", amount_rp=7, proof=PROOF))
    assert again.exceptions == (Reason.PERIOD_PAID,)
    assert again.tally is None
    ledger.done(Reversal(again.terminal, again.counter))
    ledger.done(Reversal(entry.terminal, entry.counter))
    assert ledger.cards["A2"].tally == Tally()


def test_what_is_filed_in_a_group_is_taken_back_and_nothing_is_forgotten_by_that() -> None:
    ledger = till("2020-05-05")
    ledger.done(rent("2020-05", "S", proof=PROOF))
    both = Group((rent("2020-05", "S", 7, proof=PROOF), rent("2020-06", "S", 8)))
    entry = ledger.send(both)
    assert entry.exceptions == (Reason.PERIOD_PAID,)
    before = ledger.cards["S"].tally
    assert [levy.paid_rp for levy in before.charged] == [RENT, 8]
    ledger.done(Reversal(entry.terminal, entry.counter))
    assert ledger.cards["S"].tally == before
    assert ledger.balance_rp("S") == 1_600_000 - RENT


def test_an_advice_of_no_card_is_in_suspense_and_remembered_nowhere() -> None:
    ledger = till("2020-05-05")
    entry = ledger.send(rent("2020-05", "A B", proof=PROOF))
    assert (entry.postings[0][0], entry.tally) == (SUSPENSE, None)
    ledger.done(Reversal(entry.terminal, entry.counter))


def test_a_reversal_gives_credit_back_and_is_refused_after_a_levy_became_credit() -> None:
    ledger = till("2020-04-05")
    first = ledger.done(rent("2020-04"))
    ledger.go_to("2020-05-05")
    second = ledger.done(rent("2020-05"))
    assert ledger.told(Reversal(first.terminal, first.counter)).startswith("not_returnable")
    assert ledger.told(Refund(second.terminal, second.counter, 1)).startswith("not_returnable")
    ledger.go_to("2023-07-05")
    third = ledger.done(rent("2023-07"))
    assert credits_of(ledger) == []
    ledger.done(Reversal(third.terminal, third.counter))
    assert credits_of(ledger) == [Credit("rent", "rusun", RENT)]
    assert paid(ledger, "2023-07") == (0, RENT)


def test_levies_in_a_group_are_reversed_together() -> None:
    ledger = till("2020-05-05")
    parts = (rent("2020-05"), rent("2020-05", charge="water", amount_rp=90), rent("2020-03"))
    entry = ledger.done(Group((*parts, Purchase("A", 1, "rusunawa"))))
    assert len(ledger.cards["A"].tally.charged) == 3
    twice = Group((rent("2020-06"), rent("2020-06")))
    assert ledger.told(twice) == "period_paid levy parts[1].period"
    ledger.done(Reversal(entry.terminal, entry.counter))
    assert ledger.cards["A"].tally == Tally()


def test_the_card_that_takes_over_has_paid_what_the_old_one_paid() -> None:
    ledger = till("2020-04-05")
    ledger.done(rent("2020-04"))
    for period in ("2020-04", "2020-03"):
        ledger.send(rent(period, "A2", amount_rp=8, proof=PROOF))
    ledger.done(Replace("A", "A2"))
    paid_rp = {levy.period: levy.paid_rp for levy in ledger.cards["A2"].tally.charged}
    assert paid_rp == {month("2020-04"): RENT, month("2020-03"): 8}
    ledger.go_to("2020-05-05")
    ledger.done(rent("2020-05", "A2"))
    assert ledger.cards["A2"].tally.credits == (Credit("rent", "rusun", RENT),)


WAIVES: Final = 'programme = "{}"\ncharge = "rent"\npercent = {}\ncarries_forward = {}'


def ruled(*rules: str) -> Till:
    """Return a ledger with cards as above, and with waivers of these tests."""
    ledger = till("2021-06-05")
    rule_it(ledger, waives("any", "poor", 100, "2019-01-01"))
    ledger.done(Grant("A", "poor", "any", "warga-1", 0, 30_000))
    rule_it(ledger, *rules)
    return ledger


def rule_it(ledger: Till, *rules: str) -> None:
    """Let other waivers be known from now on."""
    rulebook = Rulebook([written("a", *EVERY, *rules)])
    ledger.rules = law_of(rulebook, NOWHERE).purses_on(ledger.now.day)


def waives(name: str, programme: str, percent: int, since: str, *, until: str = "",
           forward: bool = True) -> str:  # fmt: skip
    figures = WAIVES.format(programme, percent, str(forward).lower())
    ends = f"\nvalid_to = {until}" if until else ""
    return rule(f"w.{name}", "waiver", figures + ends, since=since)


@pytest.mark.parametrize(
    ("rules", "shares"),
    [
        ([waives("a", "rusun", 40, "2021-01-01"), waives("b", "poor", 60, "2021-01-01")], (40, 60)),
        ([waives("a", "rusun", 40, "2021-01-01"), waives("b", "poor", 60, "2021-06-02")], (60, 40)),
        ([waives("a", "rusun", 40, "2021-06-03"), waives("b", "poor", 60, "2021-06-04")], (60, 40)),
        ([waives("a", "rusun", 40, "2021-06-04"), waives("b", "poor", 60, "2021-06-04")], (40, 60)),
        ([waives("a", "other", 40, "2021-01-01")], (100, 0)),
        ([waives("a", "rusun", 40, "2021-06-06")], (100, 0)),
        ([waives("a", "rusun", 40, "2021-01-01", until="2021-06-01")], (60, 40)),
        ([waives("a", "rusun", 40, "2021-01-01", until="2021-05-31")], (100, 0)),
        ([waives("a", "rusun", 0, "2021-01-01")], (100, 0)),
        ([], (100, 0)),
    ],
)
def test_of_several_waivers_one_counts(rules: list[str], shares: tuple[int, int]) -> None:
    assert paid(ruled(*rules), "2021-06", 100) == shares


def test_what_is_waived_is_rounded_down() -> None:
    assert paid(ruled(waives("a", "rusun", 33, "2021-01-01")), "2021-06", 101) == (68, 33)


@pytest.mark.parametrize(
    ("amount_rp", "shares"),
    [(765_000, (0, 765_000)), (765_001, (1, 765_000)), (9_000_000, (8_235_000, 765_000))],
)
def test_no_more_is_waived_than_of_the_highest_rent(
    amount_rp: int, shares: tuple[int, int]
) -> None:
    """Source: warga terprogram rent Rp505,000 vs general Rp765,000 a month (2022 figure, C)."""
    assert paid(till("2020-05-05"), "2020-05", amount_rp) == shares


def test_a_waiver_that_does_not_carry_forward_makes_no_credit() -> None:
    ledger = ruled()
    ledger.done(rent("2021-06", amount_rp=100))
    rule_it(ledger, waives("a", "rusun", 50, "2021-01-01", forward=False))
    assert paid(ledger, "2021-07", 100) == (50, 50)
    assert credits_of(ledger) == []


def test_credit_of_two_programmes_is_used_in_the_order_in_which_it_was_made() -> None:
    ledger = ruled()
    ledger.done(*(rent(f"2021-0{number}", amount_rp=100) for number in (5, 6)))
    rule_it(
        ledger,
        waives("a", "rusun", 30, "2021-05-01", until="2021-05-31"),
        waives("b", "poor", 20, "2021-06-01", until="2021-06-30"),
    )
    entry = ledger.done(rent("2021-07", amount_rp=40))
    funds = [line for line in entry.postings if line[0] == PROGRAMME_FUND]
    assert funds == [(PROGRAMME_FUND, "rusun", -30), (PROGRAMME_FUND, "poor", -10)]
    assert ledger.cards["A"].tally.credits == (Credit("rent", "poor", 10),)
    ledger.done(Reversal(entry.terminal, entry.counter))
    assert sum(credit.amount_rp for credit in ledger.cards["A"].tally.credits) == 50


steps = st.lists(
    st.tuples(
        st.sampled_from(["pay", "pay", "pay", "undo", "rule"]),
        st.integers(1, 8),
        st.integers(1, 400),
    ),
    max_size=20,
)


@given(steps, st.randoms())
def test_no_credit_comes_from_nothing_and_none_is_lost(
    drawn: list[tuple[str, int, int]], chance: Random
) -> None:
    """What the card has paid is what is due of it by the rules, but for what it has as credit."""
    ledger, rules = ruled(), list[str]()
    had: dict[tuple[str, int], int] = {}
    for step, number, amount_rp in drawn:
        intent: Intent = rent(f"2021-0{number}", amount_rp=amount_rp)
        if step == "rule":
            programme = chance.choice(["rusun", "poor"])
            rules.append(waives(f"r{len(rules)}", programme, amount_rp % 101, f"2021-0{number}-01"))
            rule_it(ledger, *rules)
            continue
        if step == "undo" and had:
            intent = Reversal(*chance.choice(sorted(had)))
        entry = ledger.send(intent)
        if not entry.posted:
            continue
        if isinstance(intent, Reversal):
            del had[intent.terminal, intent.counter]
        else:
            of_card = sum(line[2] for line in entry.postings if line[0] == PURSE)
            had[entry.terminal, entry.counter] = -of_card
        tally = ledger.cards["A"].tally
        assert len(tally.charged) == len(had)
        assert all(0 <= levy.paid_rp <= levy.full_rp for levy in tally.charged)
        credit_rp = sum(credit.amount_rp for credit in tally.credits)
        assert all(credit.amount_rp > 0 for credit in tally.credits)
        assert sum(had.values()) == sum(levy.paid_rp for levy in tally.charged) + credit_rp
