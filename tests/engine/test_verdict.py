"""The verdict on an intent."""

from __future__ import annotations

from engine.errors import Reason
from engine.verdict import CARD_RULE, FUNDS_RULE, Verdict, filed, refused


def test_a_refusal_moves_nothing_and_cites_its_rule() -> None:
    assert refused(Reason.CARD_UNKNOWN, CARD_RULE, "card", balance_rp=7) == Verdict(
        (), 7, Reason.CARD_UNKNOWN, "card.status", "card"
    )


def test_an_advice_is_posted_with_all_doubts_and_the_rule_of_the_first() -> None:
    lines = ((1, "A", -5), (3, "tj", 5))
    doubts = [
        (Reason.CARD_BLOCKED, CARD_RULE, "card"),
        (Reason.FUNDS_MIXED, FUNDS_RULE, "leg"),
        (Reason.CARD_BLOCKED, CARD_RULE, "purse"),
    ]
    verdict = filed(lines, 7, doubts)
    assert (verdict.postings, verdict.balance_rp) == (lines, 7)
    assert (verdict.reason, verdict.rule, verdict.detail) == (Reason.NONE, "card.status", "card")
    assert verdict.exceptions == (Reason.CARD_BLOCKED, Reason.FUNDS_MIXED)
