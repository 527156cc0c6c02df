"""What a key is allowed to send and to ask.

A terminal moves money of the card before it. A service (a bank's link, the operator's desk, a
tool) does everything.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from engine.accounts import ALL_CARDS, PURSE_KINDS
from engine.transaction import (
    Group,
    Hold,
    Intent,
    Post,
    Purchase,
    Refund,
    Reversal,
    Tap,
    TopUp,
    Void,
)
from protocol.messages import DryRun, Question, TransactionOf

Role: TypeAlias = Literal["terminal", "service"]

TERMINAL_INTENTS: Final[frozenset[type[Intent]]] = frozenset(
    {Tap, Purchase, TopUp, Group, Reversal, Refund, Hold, Post, Void}
)


def may(role: Role, intent: Intent) -> bool:
    """Tell whether a role may submit an intent."""
    return role == "service" or type(intent) in TERMINAL_INTENTS


def may_ask(role: Role, terminal: str, question: Question) -> bool:
    """Tell whether a session of this role and terminal may ask a question.

    A terminal sees purses and its own transactions, and tries what it may submit.
    """
    if role == "service":
        return True
    if isinstance(question, TransactionOf):
        return question.terminal == terminal
    if isinstance(question, DryRun):
        return may(role, question.transaction.intent)
    return question.kind in PURSE_KINDS and question.owner != ALL_CARDS
