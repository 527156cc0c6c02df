"""What a key is allowed to send and to ask.

A terminal moves money of the card before it, and takes back what it moved itself. A service (a
bank's link, the operator's desk, a tool) does everything.
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
    Share,
    Subsidy,
    Tap,
    TopUp,
    Void,
)
from protocol.messages import (
    CommandOf,
    CommandsOf,
    DryRun,
    Fetch,
    FleetQuestion,
    FromTerminal,
    Holds,
    JournalOf,
    JournalPart,
    ListsOf,
    Order,
    Question,
    Report,
    TerminalsOf,
    TransactionOf,
    TreeOf,
)

Role: TypeAlias = Literal["terminal", "service", "operator", "observer"]

TERMINAL_INTENTS: Final[frozenset[type[Intent]]] = frozenset(
    {Tap, Purchase, TopUp, Group, Reversal, Refund, Hold, Post, Void}
)
"""What a terminal may submit, some of it with conditions: see `may`."""

_UNCONDITIONAL: Final[frozenset[type[Intent]]] = frozenset({Tap, Purchase, Hold, Post, Void})


FLEET_MESSAGES: Final[dict[type[FromTerminal], frozenset[Role]]] = {
    Holds: frozenset({"terminal"}),
    Fetch: frozenset({"terminal"}),
    Report: frozenset({"terminal"}),
    JournalPart: frozenset({"terminal"}),
    Order: frozenset({"operator"}),
}
"""Who may send messages about lists, commands and orders; all others are everybody's."""

FLEET_QUESTIONS: Final[dict[type[Question], frozenset[Role]]] = {
    TerminalsOf: frozenset({"operator", "observer"}),
    TreeOf: frozenset({"operator", "observer"}),
    ListsOf: frozenset({"operator", "observer"}),
    CommandsOf: frozenset({"operator"}),
    CommandOf: frozenset({"operator"}),
    JournalOf: frozenset({"operator"}),
}
"""Who may ask about the fleet. Commands and journals name cards."""


def may_send(role: Role, message: FromTerminal) -> bool:
    """Tell whether a session of this role may send a message of this kind at all."""
    allowed = FLEET_MESSAGES.get(type(message))
    return allowed is None or role in allowed


def may(role: Role, terminal: str, intent: Intent) -> bool:
    """Tell whether a session of this role and terminal may submit an intent.

    A terminal hands out no programme's money but what a ride costs, and no operator's but a part
    of that fare; it gives back what it took itself.
    """
    if role == "service" or type(intent) in _UNCONDITIONAL:
        return True
    if isinstance(intent, TopUp):
        return not intent.purse
    if isinstance(intent, Reversal | Refund):
        return intent.terminal == terminal
    return isinstance(intent, Group) and _may_group(intent)


def _may_group(group: Group) -> bool:
    carriers = {part.operator for part in group.parts if isinstance(part, Tap)}
    return all(
        part.operator in carriers
        if isinstance(part, Subsidy | Share)
        else not (isinstance(part, TopUp) and part.purse)
        for part in group.parts
    )


def may_ask(role: Role, terminal: str, question: Question) -> bool:
    """Tell whether a session of this role and terminal may ask a question.

    A terminal sees purses and its own transactions, and tries what it may submit.
    """
    if isinstance(question, FleetQuestion):
        return role in FLEET_QUESTIONS[type(question)]
    if role == "service":
        return True
    if isinstance(question, TransactionOf):
        return question.terminal == terminal
    if isinstance(question, DryRun):
        return may(role, terminal, question.transaction.intent)
    return question.kind in PURSE_KINDS and question.owner != ALL_CARDS
