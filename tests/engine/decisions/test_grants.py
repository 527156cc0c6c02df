"""Who is entitled to what, on which card, and until when."""

from __future__ import annotations

from datetime import date

import pytest

from engine.calendar import DAY_MS, day_of, day_of_date
from engine.card import Granted
from engine.decisions import grants
from engine.errors import Reason
from engine.transaction import Block, Close, Grant, Issue, Replace, Revoke
from tests.engine.ledger import NOON, Ledger, wib_ms

TODAY = day_of(NOON)


def ride(
    card: str,
    since_day: int = TODAY,
    until_day: int = TODAY + 9,
    *,
    holder: str = "ani",
    group: str = "elderly",
) -> Grant:
    return Grant(card, "ride", group, holder, since_day, until_day)


@pytest.fixture
def ledger() -> Ledger:
    """Two cards."""
    ledger = Ledger()
    ledger.done(Issue("A", "account", "dki"), Issue("B", "stored", "dki"))
    return ledger


def test_a_grant_stands_on_the_card_and_the_entry_names_its_rule(ledger: Ledger) -> None:
    entry = ledger.done(ride("A"))
    assert (entry.rule, entry.detail, entry.postings) == ("test.ride@2019-01-01", "", ())
    assert ledger.cards["A"].grants == (Granted("ride", "elderly", "ani", TODAY, TODAY + 9),)
    assert ledger.holders == {"ride/ani": "A"}


def test_a_person_has_several_programmes_and_each_once(ledger: Ledger) -> None:
    ledger.done(ride("A"), Grant("A", "kjp", "sd", "ani", TODAY, TODAY))
    ledger.done(Grant("B", "food", "anybody", "ani", TODAY, TODAY))
    assert [granted.programme for granted in ledger.cards["A"].grants] == ["ride", "kjp"]
    for again in (ride("B"), ride("B", group="worker"), ride("A", group="worker")):
        assert ledger.send(again).reason is Reason.ALREADY_GRANTED


def test_only_free_rides_are_good_for_so_many_months(ledger: Ledger) -> None:
    ledger.done(Grant("A", "kjp", "lkp", "ani", TODAY, TODAY + 9999))
    ledger.done(Grant("A", "food", "x", "ani", TODAY, TODAY + 9999))
    first = day_of_date(date(2024, 1, 31))
    last = day_of_date(date(2024, 7, 30))
    refusal = ledger.send(ride("A", first, last + 1))
    assert (refusal.reason, refusal.detail) == (Reason.GRANT_TOO_LONG, "until_day")
    ledger.done(ride("A", first, last))


def test_a_renewal_takes_the_place_of_the_grant_before_it(ledger: Ledger) -> None:
    ledger.done(ride("A", TODAY, TODAY + 9), ride("A", TODAY - 5, TODAY + 4))
    assert ledger.cards["A"].grants == (Granted("ride", "elderly", "ani", TODAY - 5, TODAY + 4),)


@pytest.mark.parametrize(
    ("since_day", "kept"), [(TODAY + 5, True), (TODAY + 10, True), (TODAY + 11, False)]
)
def test_a_renewal_before_the_grant_is_over_leaves_no_day_without(
    ledger: Ledger, since_day: int, *, kept: bool
) -> None:
    ledger.done(ride("A", TODAY, TODAY + 9), ride("A", since_day, since_day + 180))
    found = ledger.cards["A"].last_grant("ride")
    assert found is not None
    assert found.since_day == (TODAY if kept else since_day)
    assert found.until_day == since_day + 180


def test_when_a_grant_is_over_another_group_card_or_person_may_come(ledger: Ledger) -> None:
    ledger.done(ride("A", TODAY, TODAY + 1), ride("B", TODAY, TODAY + 1, holder="budi"))
    ledger.wait(DAY_MS)
    for other in (ride("A", holder="citra"), ride("A", group="worker"), ride("B")):
        assert ledger.send(other).reason is Reason.ALREADY_GRANTED
    ledger.now_ms = wib_ms(2024, 1, 17)
    ledger.done(ride("B"), ride("A", holder="budi", group="worker"))
    assert ledger.holders == {"ride/ani": "B", "ride/budi": "A"}
    assert ledger.cards["B"].grants == (Granted("ride", "elderly", "ani", TODAY, TODAY + 9),)


def test_a_revoked_grant_leaves_the_others_and_may_be_given_anew(ledger: Ledger) -> None:
    ledger.done(ride("A"), Grant("A", "kjp", "sd", "ani", TODAY, TODAY))
    ledger.done(Revoke("A", "ride", "sold"))
    assert [granted.programme for granted in ledger.cards["A"].grants] == ["kjp"]
    assert ledger.send(Revoke("A", "ride", "sold")).reason is Reason.NOT_GRANTED
    ledger.done(ride("B", group="worker"), ride("A", holder="budi"))
    assert ledger.send(ride("A")).reason is Reason.ALREADY_GRANTED


def test_the_card_of_a_person_may_be_anothers_by_now(ledger: Ledger) -> None:
    ledger.done(ride("A"), Revoke("A", "ride", "moved"), ride("A", holder="budi"))
    ledger.done(ride("B"))
    assert ledger.holders == {"ride/ani": "B", "ride/budi": "A"}


def test_a_card_that_takes_over_takes_the_grants_over(ledger: Ledger) -> None:
    ledger.done(ride("A"), Replace("A", "N"))
    assert ledger.cards["A"].grants == ()
    assert ledger.cards["N"].grants == (Granted("ride", "elderly", "ani", TODAY, TODAY + 9),)
    assert ledger.send(ride("B")).reason is Reason.ALREADY_GRANTED
    ledger.done(ride("N", TODAY + 10, TODAY + 19))


def test_a_grant_that_is_over_takes_nothing_from_the_one_that_followed_it(ledger: Ledger) -> None:
    ledger.done(ride("A", TODAY, TODAY))
    ledger.wait(DAY_MS)
    ledger.done(ride("B"), Replace("A", "N"))
    assert ledger.holders == {"ride/ani": "B"}
    assert ledger.send(ride("N")).reason is Reason.ALREADY_GRANTED


def test_a_card_that_ends_ends_its_grants(ledger: Ledger) -> None:
    ledger.done(ride("A"), Close("A"))
    assert ledger.cards["A"].grants == ()
    ledger.done(ride("B", group="worker"))


def test_a_blocked_card_is_granted_and_revoked(ledger: Ledger) -> None:
    ledger.done(Block("A", "lost"), ride("A"))
    assert ledger.cards["A"].grants
    ledger.done(Revoke("A", "ride", "sold"))
    assert not ledger.cards["A"].grants


def test_a_renewal_needs_no_room(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grants, "GRANTS_PER_CARD_MAX", 1)
    ledger.done(ride("A"), ride("A"))
    refusal = ledger.send(Grant("A", "kjp", "sd", "ani", TODAY, TODAY))
    assert refusal.reason is Reason.TOO_MANY_GRANTS
