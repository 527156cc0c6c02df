"""Every kind of intent against every reason to refuse it, and to dislike it as an advice."""

from __future__ import annotations

from copy import deepcopy

import pytest
from msgspec.structs import replace

from engine.accounts import FEES, SUSPENSE
from engine.book import Book
from engine.chips import UNPROVED
from engine.decisions import checks, grants, returns
from engine.errors import Reason
from engine.transaction import (
    Intent,
    Purchase,
    Refund,
    Reversal,
    Tap,
    TopUp,
    Withdrawal,
)
from tests.engine.decisions.cases import CASES, REASONS, Case
from tests.engine.decisions.prepared import PROOF, prepared
from tests.engine.decisions.test_rides import OF_RIDES
from tests.engine.ledger import Ledger

ADVICES = [
    case._replace(intent=replace(case.intent, proof=PROOF))
    for case in CASES
    if isinstance(case.intent, Tap | Purchase | TopUp | Withdrawal)
    and case.reason != "medium_is_stored"
]


def case_id(case: Case) -> str:
    return f"{case.reason}-{case.intent}"


@pytest.fixture
def ledger(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """The prepared ledger; with no room for new accounts or grants where a case is about that."""
    ledger = prepared()
    case = request.node.callspec.params["case"]
    if case.reason == "account_limit":
        monkeypatch.setattr(checks, "ACCOUNTS_PER_KIND_MAX", 0)
    if case.reason == "too_many_grants":
        monkeypatch.setattr(grants, "GRANTS_PER_CARD_MAX", 0)
    return ledger


def contents(book: Book) -> dict[str, object]:
    """Return all that a book holds, as a copy."""
    return {name: value for name, value in deepcopy(vars(book)).items() if name != "find_entry"}


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_it_is_refused_for_the_reason_with_its_rule_field_and_balance(
    case: Case, ledger: Ledger
) -> None:
    before = contents(ledger.book)
    entry = ledger.dry_run(case.intent)
    assert contents(ledger.book) == before
    assert entry.reason is Reason(case.reason)
    assert (entry.rule, entry.detail) == (case.rule, case.detail)
    assert entry.balance_rp == case.balance_rp
    assert (entry.postings, entry.exceptions) == ((), ())


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_a_refusal_is_remembered_and_changes_nothing_else(case: Case, ledger: Ledger) -> None:
    before = contents(ledger.book)
    cards = dict(ledger.cards)
    entry = ledger.send(case.intent)
    after = contents(ledger.book)
    for name in ("accounts", "returned", "holders"):
        assert after[name] == before[name]
    card = cards.get(case.intent.card)
    if card is not None:
        assert entry.previous == card.last
        cards[card.id] = replace(card, last=len(ledger.entries) - 1)
    assert ledger.cards == cards


@pytest.mark.parametrize("case", ADVICES, ids=case_id)
def test_what_an_authorisation_is_refused_for_is_filed_with_an_advice(
    case: Case, ledger: Ledger
) -> None:
    assert isinstance(case.intent, Tap | Purchase | TopUp | Withdrawal)
    entry = ledger.send(case.intent)
    assert entry.posted
    assert case.reason in entry.exceptions
    credit_rp = sum(amount_rp for _, _, amount_rp in entry.postings if amount_rp > 0)
    fee_rp = sum(amount_rp for kind, _, amount_rp in entry.postings if kind == FEES)
    assert credit_rp == case.intent.amount_rp + fee_rp
    if any(kind == SUSPENSE for kind, _, _ in entry.postings):
        homeless = {Reason.ACCOUNT_NAME, Reason.ACCOUNT_LIMIT, Reason.PURSE_LIMIT}
        assert homeless & set(entry.exceptions)


@pytest.mark.parametrize("intent", [Reversal("replaced", 1), Refund("replaced", 1, 5)], ids=str)
def test_a_return_is_refused_when_too_many_cards_took_over(
    intent: Intent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(returns, "REPLACEMENTS_FOLLOWED_MAX", 0)
    entry = prepared().send(intent)
    assert (entry.reason, entry.rule) == (Reason.CARD_REPLACED, "card.status")


def test_the_table_has_a_case_for_every_reason_of_every_kind() -> None:
    found = {(type(case.intent), case.reason) for case in CASES}
    found |= {(Reversal, "card_replaced"), (Refund, "card_replaced")}
    assert found == {(kind, reason) for kind, text in REASONS.items() for reason in text.split()}


def test_every_reason_is_some_kinds_but_those_of_advices_and_of_the_shard() -> None:
    known = {reason for text in REASONS.values() for reason in text.split()}
    others = {"", "card_quarantined", "medium_is_account", "clock_corrected"}
    # On the day of this ledger few programmes have rules: theirs have tables of their own.
    others |= {"items_sum", "merchant_not_allowed", "goods_not_allowed"}
    others |= {"not_entitled", "price_differs", "quota_used"}
    others |= {"period_paid", "period_unknown", "too_many_charges"}
    others |= {reason.value for reason in UNPROVED}
    assert known | others | OF_RIDES == set(Reason)
