"""Taps that are rated: who is let in, who pays what, and what is owed."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import pytest

from engine.accounts import OWED, AccountKind
from engine.decisions import checks, decide
from engine.errors import Reason
from engine.fares.state import Boarding
from engine.fares.tariff import Tariffs
from engine.limits import TAP_AHEAD_MS_MAX, TAP_LATE_MS_MAX
from engine.rules.rulebook import Rulebook
from engine.transaction import (
    Adjustment,
    Block,
    Entry,
    Group,
    Hold,
    Issue,
    Purchase,
    Refund,
    Replace,
    Reversal,
    Tap,
    TopUp,
    Transaction,
)
from tests.engine.fares.test_ride import Along, at
from tests.engine.ledger import RULES, Ledger
from tests.engine.rules.written import rule, written
from tests.engine.rules_here import LAW, RULEBOOK

Direction: TypeAlias = Literal["in", "out", "reset"]

BRT: Final = "transjakarta_brt"
PROOF: Final = b"chip"
REVENUE: Final = AccountKind.OPERATOR_REVENUE
OF_RIDES: Final = frozenset(
    {
        *("amount_decided", "clock_ahead", "fare_unknown", "journey_open", "passback"),
        *("place_unknown", "tap_in_group", "too_late"),
    }
)
"""What taps that are rated are refused for besides what others are."""


class Riding(Ledger):
    """A ledger under the rules that come with the program, in July 2024."""

    def __init__(self, tariffs: Tariffs | None = None) -> None:
        now_ms = at("2024-07-03 08:00")
        rules = LAW.purses_on(now_ms // 86_400_000)
        super().__init__(rules, now_ms, tariffs or Tariffs(RULEBOOK, Along()))
        self.done(
            Issue("A", "account", "dki"), TopUp("A", 50_000, "dki"), Issue("S", "stored", "dki")
        )
        self.done(TopUp("S", 50_000, "dki", proof=PROOF))

    def tap(
        self,
        direction: Direction,
        place: str = "0",
        *,
        service: str = BRT,
        card: str = "A",
        amount_rp: int = 0,
        proof: bytes | None = None,
        minutes: float = 20,
        terminal: str = "T",
        purse: str = "",
    ) -> Entry:
        """Tap, and let some minutes pass."""
        operator = "mrtj" if service == "mrt" else "transjakarta"
        intent = Tap(card, amount_rp, operator, direction, place, "1", purse, proof, service)
        entry = self.send(intent, terminal)
        self.wait(int(minutes * 60_000))
        return entry

    def late(self, intent: Tap, at_ms: int, terminal: str = "L") -> Entry:
        """Send a tap of an earlier moment now."""
        now_ms, self.now_ms = self.now_ms, at_ms
        trial = self.dry_run(intent, terminal)
        self.now_ms = now_ms
        return self.post(
            decide(self.book, self.now, terminal, Transaction(trial.counter, at_ms, intent))
        )


@pytest.fixture
def riding() -> Riding:
    return Riding()


def test_an_authorisation_pays_when_the_ride_ends(riding: Riding) -> None:
    first = riding.tap("in")
    assert (first.postings, first.balance_rp) == ((), 50_000)
    assert first.rule == "fare.transjakarta@2005-01-01"
    assert riding.cards["A"].kept.rating.inside == Boarding(
        at("2024-07-03 08:00"), BRT, "0", "transjakarta"
    )
    last = riding.tap("out", "4000")
    assert last.postings == ((1, "A", -3_500), (REVENUE, "transjakarta", 3_500))
    assert (last.balance_rp, last.rule) == (46_500, "fare.transjakarta@2005-01-01")
    assert riding.cards["A"].main.spent_month_rp == 3_500


def test_a_package_gives_back_what_its_cap_leaves_over(riding: Riding) -> None:
    riding.tap("in", "Lebak Bulus", service="mrt")
    riding.tap("out", "Bundaran HI", service="mrt")
    riding.tap("in")
    entry = riding.tap("out", "1000")
    assert entry.rule.startswith("fare.integrated@")
    assert riding.balance_rp("A") == 40_000
    assert sum(entry.postings[0][2:]) == 4_000
    # What comes back has not been spent, and is nothing that came in.
    assert riding.cards["A"].main.received_month_rp == 50_000


def test_what_a_chip_paid_too_much_is_owed_and_a_later_advice_makes_it_even(
    riding: Riding,
) -> None:
    riding.tap("in", card="S", proof=PROOF)
    entry = riding.tap("out", "4000", card="S", amount_rp=5_000, proof=PROOF)
    assert entry.postings == (
        (1, "S", -5_000),
        (AccountKind.OWED_FARES, "S", 1_500),
        (REVENUE, "transjakarta", 3_500),
    )
    assert (entry.balance_rp, entry.exceptions) == (45_000, ())
    assert riding.balance_rp("S", OWED) == 1_500
    riding.tap("in", card="S", proof=PROOF)
    riding.tap("out", "4000", card="S", amount_rp=2_000, proof=PROOF)
    assert riding.balance_rp("S", OWED) == 0
    assert riding.accounts()[AccountKind.PURSE, "*"] == 50_000 + 43_000


def test_of_a_ride_with_more_than_two_lines_no_part_is_given_back(riding: Riding) -> None:
    riding.tap("in", card="S", proof=PROOF)
    entry = riding.tap("out", "4000", card="S", amount_rp=5_000, proof=PROOF)
    assert riding.send(Refund("T", entry.counter, 1_000)).reason is Reason.NOT_RETURNABLE
    riding.done(Refund("T", entry.counter, 5_000))
    assert (riding.balance_rp("S"), riding.balance_rp("S", OWED)) == (50_000, 0)
    assert riding.send(Refund("T", entry.counter, 5_000)).reason is Reason.AMOUNT_EXCEEDED
    riding.tap("in", "Lebak Bulus", service="mrt")
    riding.tap("out", "Bundaran HI", service="mrt")
    riding.tap("in")
    package = riding.tap("out", "1000")
    assert package.postings[0][2] > 0, "it gives back what the cap leaves over"
    for amount_rp in (1, 3_999):
        told = riding.send(Refund("T", package.counter, amount_rp))
        assert told.reason is Reason.NOT_RETURNABLE


def test_a_card_that_paid_at_both_ends_is_owed_one_of_them(riding: Riding) -> None:
    """October 2022: 3,500 at the tap-in and at the tap-out."""
    riding.tap("in", card="S", amount_rp=3_500, proof=PROOF)
    assert riding.balance_rp("S", OWED) == 3_500
    riding.tap("out", "4000", card="S", amount_rp=3_500, proof=PROOF)
    assert riding.balance_rp("S", OWED) == 3_500
    assert riding.accounts()[REVENUE, "transjakarta"] == 3_500


def test_an_officer_pays_out_what_is_owed(riding: Riding) -> None:
    riding.tap("in", card="S", amount_rp=3_500, proof=PROOF)
    riding.done(Adjustment("wati", "paid out", ((11, "S", -3_500), (5, "dki", 3_500)), "S"))
    assert riding.balance_rp("S", OWED) == 0


def test_what_is_owed_goes_to_the_card_that_takes_over(riding: Riding) -> None:
    riding.tap("in", card="S", amount_rp=3_500, proof=PROOF)
    riding.done(Replace("S", "S2"))
    assert riding.balance_rp("S2", OWED) == 3_500


@pytest.mark.parametrize(
    "intent",
    [
        Tap("S", 1, "tj", "in", purse=OWED, proof=PROOF),
        Purchase("S", 1, "shop", purse=OWED, proof=PROOF),
        TopUp("S", 1, purse=OWED, proof=PROOF),
        Tap("S", 0, "tj", "out", "0", purse=OWED, proof=PROOF, service="mikrotrans"),
    ],
)
def test_from_what_is_owed_nothing_is_paid_or_topped_up(
    riding: Riding, intent: Tap | Purchase | TopUp
) -> None:
    riding.tap("out", card="S", amount_rp=7_000, proof=PROOF)
    entry = riding.send(intent)
    assert Reason.ACCOUNT_NAME in entry.exceptions
    assert riding.balance_rp("S", OWED) == 3_500
    hold = riding.send(Hold("S", 1, "operator", "tj", 1, OWED))
    assert hold.reason is not Reason.NONE


# --- who is let in --------------------------------------------------------------------------------


def refused(entry: Entry) -> tuple[str, str, str]:
    assert not entry.postings
    assert entry.rating is None
    return entry.reason, entry.rule.partition("@")[0], entry.detail


def test_a_card_with_an_open_ride_is_refused_until_it_is_reset(riding: Riding) -> None:
    """In force since 4 October 2022."""
    riding.tap("in")
    before = riding.cards["A"].kept
    entry = riding.tap("in", "4000")
    assert refused(entry) == ("journey_open", "journey.tap_out", "card")
    assert riding.cards["A"].kept is before
    reset = riding.tap("reset", "4000")
    assert reset.postings == ((1, "A", -3_500), (REVENUE, "transjakarta", 3_500))
    assert riding.tap("in", "4000").posted


def test_at_noon_of_the_change_nobody_is_stranded(riding: Riding) -> None:
    """4 October 2022: rides that were open at midnight end as they began."""
    riding.now_ms = at("2022-10-03 23:50")
    for entry in (
        riding.tap("in"),
        riding.tap("out", "4000"),
        riding.tap("in", "0", service="lrt_jakarta"),
        riding.tap("out", "0", service="lrt_jakarta"),
    ):
        assert entry.posted, entry
    assert riding.balance_rp("A") == 50_000 - 3_500 - 5_000


def test_an_advice_tells_of_a_ride_that_was_let_in_all_the_same(riding: Riding) -> None:
    riding.tap("in", card="S", proof=PROOF)
    entry = riding.tap("in", "4000", card="S", proof=PROOF)
    assert (entry.reason, entry.exceptions) == ("", ())
    assert entry.postings == (
        (AccountKind.OWED_FARES, "S", -3_500),
        (REVENUE, "transjakarta", 3_500),
    )


def test_a_card_that_is_handed_back_is_told_so() -> None:
    figures = (
        f'services = ["{BRT}"]\nbalance_min_rp = 0\nmissing_out = "complete"\n'
        "double_tap_s = 10\npassback_s = 300\n"
    )
    one = written("p", rule("journey.tap_out", "journey", figures, since="2024-01-01"))
    riding = Riding(Tariffs(Rulebook([*RULEBOOK.instruments, one]), Along()))
    riding.tap("in", minutes=0.1)
    assert riding.tap("in", minutes=1).posted, "the same tap"
    assert refused(riding.tap("in", minutes=5)) == ("passback", "journey.tap_out", "card")
    assert riding.tap("in", "1", minutes=0.1).posted, "at another place"
    riding.wait(300_000)
    assert riding.tap("in", "1").posted, "later"


def test_an_open_ride_that_needs_no_tap_out_keeps_nobody_out(riding: Riding) -> None:
    riding.tap("in", service="mikrotrans")
    assert riding.tap("in").posted
    assert refused(riding.tap("in", service="krl")) == ("journey_open", "journey.tap_out", "card")


def test_an_advice_without_a_card_is_rated_as_one_of_a_card_that_may_come(riding: Riding) -> None:
    assert refused(riding.tap("in", card="not yet"))[0] == "card_unknown"
    entry = riding.tap("out", card="S", amount_rp=700, proof=PROOF, purse="no programme")
    assert (AccountKind.SUSPENSE, "purse", -700) in entry.postings
    assert riding.balance_rp("S", OWED) == 700 - 3_500


def test_a_ride_needs_money_on_the_card_but_not_where_it_is_free(riding: Riding) -> None:
    riding.done(Purchase("A", 45_001, "shop"))
    assert refused(riding.tap("in")) == ("below_floor", "journey.tap_out", "card")
    assert riding.tap("in", service="mikrotrans").posted
    riding.done(TopUp("A", 1, "dki"), Hold("A", 1, "operator", "tj", 3_600_000))
    riding.tap("out", service="mikrotrans")
    assert refused(riding.tap("in")) == ("below_floor", "journey.tap_out", "card")


def test_a_ride_that_costs_more_than_is_there_is_refused_at_its_end(riding: Riding) -> None:
    riding.tap("in", "Lebak Bulus", service="mrt")
    riding.done(Purchase("A", 36_001, "shop"))
    entry = riding.tap("out", "Bundaran HI", service="mrt")
    assert refused(entry) == ("below_floor", "purse.unregistered", "amount_rp")
    riding.done(TopUp("A", 1, "dki"))
    assert riding.tap("out", "Bundaran HI", service="mrt").posted


def test_a_card_that_is_blocked_or_unknown_is_refused(riding: Riding) -> None:
    riding.done(Block("A", "lost"))
    assert refused(riding.tap("in")) == ("card_blocked", "card.status", "card")
    assert refused(riding.tap("in", card="Z")) == ("card_unknown", "card.status", "card")
    assert refused(riding.tap("in", card="S")) == ("medium_is_stored", "card.medium", "proof")


def test_of_a_card_that_is_not_known_yet_an_advice_is_rated(riding: Riding) -> None:
    riding.tap("in", card="N", proof=PROOF)
    entry = riding.tap("out", "1", card="N", amount_rp=4_000, proof=PROOF)
    assert set(entry.exceptions) == {Reason.CARD_UNKNOWN, Reason.BELOW_FLOOR}
    assert riding.balance_rp("N", OWED) == 500
    assert riding.balance_rp("N") == -4_000


def test_an_advice_of_what_no_card_can_be_is_not_rated(riding: Riding) -> None:
    entry = riding.tap("out", card="no card", amount_rp=4_000, proof=PROOF)
    assert Reason.ACCOUNT_NAME in entry.exceptions
    assert entry.rating is None
    assert (AccountKind.SUSPENSE, "purse", -4_000) in entry.postings


# --- what cannot be rated -------------------------------------------------------------------------


def test_who_tells_an_amount_of_an_authorisation_is_told_that_it_is_decided(
    riding: Riding,
) -> None:
    entry = riding.tap("out", amount_rp=3_500)
    assert refused(entry) == ("amount_decided", "fare.transjakarta", "amount_rp")


@pytest.mark.parametrize(
    ("service", "place", "since_ms", "expected"),
    [
        (BRT, "0", TAP_AHEAD_MS_MAX + 1, ("clock_ahead", "tap.time", "at_ms")),
        (BRT, "0", -TAP_LATE_MS_MAX - 1, ("too_late", "tap.time", "at_ms")),
        ("camel", "0", 0, ("fare_unknown", "fare", "service")),
        ("mrt", "Monas", 0, ("place_unknown", "fare.mrt", "place")),
        ("krl", "Bogor", 0, ("place_unknown", "fare.krl", "place")),
    ],
)
def test_a_tap_that_cannot_be_rated_is_refused_and_an_advice_filed_as_it_was_told(
    riding: Riding, service: str, place: str, since_ms: int, expected: tuple[str, str, str]
) -> None:
    at_ms = riding.now_ms + since_ms
    intent = Tap("A", 0, "tj", "out", place, service=service)
    assert refused(riding.late(intent, at_ms)) == expected
    advice = Tap("S", 700, "tj", "out", place, proof=PROOF, service=service)
    entry = riding.late(advice, at_ms)
    assert (entry.exceptions, entry.rating) == ((expected[0],), None)
    assert entry.postings == ((1, "S", -700), (REVENUE, "tj", 700))


def test_where_rules_of_the_past_were_taken_away_a_tap_is_refused_and_no_card_is_to_blame(
    riding: Riding,
) -> None:
    riding.tap("in", "Blok M", service="mrt")
    without = [each for each in RULEBOOK.instruments if each.head.id != "pergub-34-2019"]
    riding.tariffs = Tariffs(Rulebook(without), Along())
    assert refused(riding.tap("reset")) == ("fare_unknown", "fare", "service")


def test_at_the_bounds_of_its_time_a_tap_is_rated(riding: Riding) -> None:
    for since_ms in (-TAP_LATE_MS_MAX, TAP_AHEAD_MS_MAX):
        intent = Tap("S", 0, "tj", "in", "0", proof=PROOF, service=BRT)
        assert riding.late(intent, riding.now_ms + since_ms).rating is not None


def test_a_tap_that_is_rated_stands_alone(riding: Riding) -> None:
    rated = Tap("A", 0, "tj", "out", "0", service=BRT)
    entry = riding.send(Group((Tap("A", 0, "tj", "in"), rated)))
    assert refused(entry) == ("tap_in_group", "fare", "parts[1].service")
    advice = Tap("S", 700, "tj", "out", "0", proof=PROOF, service=BRT)
    filed = riding.send(Group((advice,)))
    assert filed.exceptions == (Reason.TAP_IN_GROUP,)
    assert filed.postings == ((1, "S", -700), (REVENUE, "tj", 700))
    assert (filed.rule, filed.detail) == ("fare", "parts[0].service")


def test_where_there_is_no_room_for_an_operator_an_advice_goes_to_suspense(
    riding: Riding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "ACCOUNTS_PER_KIND_MAX", 0)
    entry = riding.tap("out", card="S", amount_rp=3_500, proof=PROOF)
    assert entry.exceptions == (Reason.ACCOUNT_LIMIT,)
    assert (AccountKind.SUSPENSE, "account", 3_500) in entry.postings
    assert refused(riding.tap("out"))[0] == "account_limit"


# --- taps that come late, and what is given back --------------------------------------------------


def test_a_tap_in_that_comes_late_changes_the_price_by_a_difference(riding: Riding) -> None:
    began_ms = riding.now_ms
    riding.wait(1_200_000)
    out = riding.tap("out", "Senayan", service="mrt")
    farthest_rp = -out.postings[0][2]
    assert farthest_rp == 10_000
    late = riding.late(Tap("A", 0, "mrtj", "in", "Blok M", service="mrt"), began_ms)
    assert late.postings == ((1, "A", 6_000), (REVENUE, "mrtj", -6_000))
    assert late.rule == "fare.mrt@2019-04-01"
    assert riding.balance_rp("A") == 46_000


def test_a_fare_that_was_paid_is_given_back_and_the_ride_stays(riding: Riding) -> None:
    riding.tap("in")
    entry = riding.tap("out", "4000")
    kept = riding.cards["A"].kept
    riding.done(Refund("T", entry.counter, 1_000))
    riding.done(Reversal("T", entry.counter))
    assert riding.balance_rp("A") == 50_000
    assert riding.cards["A"].kept is kept


def test_a_difference_is_given_back_with_its_fare(riding: Riding) -> None:
    riding.tap("in", card="S", proof=PROOF)
    entry = riding.tap("out", "4000", card="S", amount_rp=5_000, proof=PROOF)
    riding.done(Reversal("T", entry.counter))
    assert (riding.balance_rp("S"), riding.balance_rp("S", OWED)) == (50_000, 0)


def test_the_rules_of_the_tests_have_fares_as_well() -> None:
    ledger = Ledger(RULES)
    ledger.done(Issue("A", "account", "dki"))
    assert ledger.send(Tap("A", 0, "tj", "in", "0", service="mikrotrans")).posted
