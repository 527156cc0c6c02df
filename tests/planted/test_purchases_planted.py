"""The properties of quotas, levies and the order of purses can fail: each finds what is planted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine import advance, book, tally
from engine.decisions import levies, purchases, purse_order, returns
from engine.purses import spend_room_rp
from engine.tally import Tally
from engine.transaction import Entry, Purchase
from tests.engine.decisions import test_levies, test_purse_order, test_quotas

Plant: TypeAlias = Callable[[pytest.MonkeyPatch], None]


class Property(NamedTuple):
    """What must hold, and of what."""

    name: str
    test: Callable[..., object]
    strategies: tuple[st.SearchStrategy[object], ...]

    def check(self) -> None:
        """Look for something of which it does not hold; the first that is found will do."""
        inner = self.test.hypothesis.inner_test  # type: ignore[attr-defined]
        briefly = settings(
            phases=[Phase.generate], database=None, derandomize=True, report_multiple_bugs=False
        )
        briefly(given(*self.strategies)(inner))()


QUOTA: Final = Property(
    "quota",
    test_quotas.test_nobody_gets_more_than_the_quota_whatever_is_bought_and_taken_back,
    (test_quotas.steps, st.randoms()),
)
CREDIT: Final = Property(
    "credit",
    test_levies.test_no_credit_comes_from_nothing_and_none_is_lost,
    (test_levies.steps, st.randoms()),
)
ORDER: Final = Property(
    "order",
    test_purse_order.test_no_purse_pays_for_other_goods_or_more_than_it_has,
    (test_purse_order.purchases, test_purse_order.kinds),
)


def uncounted_goods(patch: pytest.MonkeyPatch) -> None:
    """Nothing is counted of what was bought."""
    patch.setattr(purchases, "with_goods", lambda had, _now, _intent: had)


def goods_not_given_back(patch: pytest.MonkeyPatch) -> None:
    """A reversal gives money back and no goods."""
    patch.setattr(returns, "without_goods", lambda had, _now, _entry: had)


def fresh_quota_of_a_new_card(patch: pytest.MonkeyPatch) -> None:
    """The card that takes over has had nothing yet."""
    successor = advance.successor
    patch.setattr(
        book,
        "successor",
        lambda old, known, entry, at: replace(successor(old, known, entry, at), tally=Tally()),
    )


def credit_that_stays(patch: pytest.MonkeyPatch) -> None:
    """Credit that has paid for a levy is there for the next one as well."""
    credited = tally.credited
    patch.setattr(
        levies, "credited", lambda parts: credited(part for part in parts if part.amount_rp > 0)
    )


def credit_lost_with_a_reversal(patch: pytest.MonkeyPatch) -> None:
    """What a levy has used of credit is not given back with it."""
    without_levies = levies.without_levies

    def forgetful(had: Tally, original: Entry) -> Tally | None:
        left = without_levies(had, original)
        return None if left is None else replace(left, credits=had.credits)

    patch.setattr(returns, "without_levies", forgetful)


def reversed_after_it_became_credit(patch: pytest.MonkeyPatch) -> None:
    """A levy that has become credit is given back all the same."""
    without_levies = levies.without_levies

    def generous(had: Tally, original: Entry) -> Tally | None:
        left = without_levies(had, original)
        if left is not None:
            return left
        intent = original.intent
        assert isinstance(intent, Purchase)
        others = tuple(levy for levy in had.charged if levy.period != intent.period)
        return replace(had, charged=others)

    patch.setattr(returns, "without_levies", generous)


def list_without_goods(patch: pytest.MonkeyPatch) -> None:
    """The money of a programme pays for whatever is on the bill."""
    patch.setattr(purse_order._Bill, "_may", lambda *_: True)  # noqa: SLF001 - planted there


def purse_that_pays_too_much(patch: pytest.MonkeyPatch) -> None:
    """A purse has a rupiah more than it has."""
    patch.setattr(purse_order, "spend_room_rp", lambda *found: spend_room_rp(*found) + 1)


PLANTS: Final[list[tuple[Plant, Property]]] = [
    (uncounted_goods, QUOTA),
    (goods_not_given_back, QUOTA),
    (fresh_quota_of_a_new_card, QUOTA),
    (credit_that_stays, CREDIT),
    (credit_lost_with_a_reversal, CREDIT),
    (reversed_after_it_became_credit, CREDIT),
    (list_without_goods, ORDER),
    (purse_that_pays_too_much, ORDER),
]


@pytest.mark.parametrize(("plant", "holds"), PLANTS, ids=lambda each: getattr(each, "__name__", ""))
def test_a_planted_bug_is_found(
    plant: Plant, holds: Property, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        holds.check()


@pytest.mark.parametrize("holds", [QUOTA, CREDIT, ORDER], ids=lambda each: each.name)
def test_without_a_planted_bug_nothing_is_found(holds: Property) -> None:
    holds.check()
