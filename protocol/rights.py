"""What a key may send, submit and ask: one table, a row for each kind of message.

A role is a column. It may do what its cell says and nothing else; a kind without a row is nobody's.
A new kind of message, intent or question gets its row here, and the same row in docs/protocol.md:
the tests compare the two, and try every cell on a session and on a node.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal, NamedTuple, TypeAlias

from msgspec import Struct

from engine.accounts import ALL_CARDS, PURSE_KINDS
from engine.keys import Role
from engine.transaction import (
    Adjustment,
    Block,
    Close,
    Grant,
    Group,
    Hold,
    Identify,
    Intent,
    Issue,
    Post,
    Purchase,
    Refund,
    Replace,
    Reversal,
    Revoke,
    Share,
    Subsidy,
    Tap,
    TopUp,
    Unblock,
    Void,
    Withdrawal,
)
from protocol.messages import (
    Action,
    BalanceOf,
    ChipOf,
    CommandOf,
    CommandsOf,
    CommandTerminals,
    DryRun,
    Explain,
    Fetch,
    FromTerminal,
    Heartbeat,
    Hello,
    Holds,
    JournalOf,
    JournalPart,
    ListApprove,
    ListPart,
    ListPublish,
    ListsOf,
    ListWithdraw,
    Order,
    Prove,
    Query,
    Question,
    Register,
    Report,
    ShiftOf,
    StatementOf,
    Submit,
    Subscribe,
    TerminalsOf,
    TransactionOf,
    TreeOf,
    Unsubscribe,
)

View: TypeAlias = Literal["whole", "redacted"]
"""How much of an entry is shown."""


class Right(StrEnum):
    """What a cell says. Where it is neither `yes` nor `no`, what stands in the message decides."""

    YES = "yes"
    NO = "no"
    INNER = "inner"
    """What it holds is looked at: that has rows of its own."""
    OWN = "own"
    """It names a transaction of this very terminal, or a shift."""
    MAIN_PURSE = "main_purse"
    """The money goes to the card's own purse, not to one of a programme."""
    FARES = "fares"
    """Programmes and operators give a part of the fare of a tap beside it, and nothing else; no
    money goes to a programme's purse."""
    PURSES = "purses"
    """Of a purse of one card."""
    SUMS = "sums"
    """Of no single card: another kind of account, or the purses of all cards together."""
    TRIAL = "trial"
    """It tries what this role may submit."""
    REDACTED = "redacted"
    """Without what is personal."""


class Row(NamedTuple):
    """One kind of message: what each role may do with it."""

    terminal: Right
    service: Right
    operator: Right
    observer: Right


_NOBODY: Final = Row(Right.NO, Right.NO, Right.NO, Right.NO)

YES, NO, INNER, OWN, MAIN_PURSE, FARES, PURSES, SUMS, TRIAL, REDACTED = Right

# fmt: off
RIGHTS: Final[dict[type[Struct], Row]] = {
    # Messages         terminal    service  operator  observer
    Hello:         Row(YES,        YES,     YES,      YES),
    Prove:         Row(YES,        YES,     YES,      YES),
    Heartbeat:     Row(YES,        YES,     YES,      YES),
    Submit:        Row(INNER,      INNER,   INNER,    INNER),
    Query:         Row(INNER,      INNER,   INNER,    INNER),
    Subscribe:     Row(NO,         YES,     YES,      REDACTED),
    Unsubscribe:   Row(NO,         YES,     YES,      YES),
    Holds:         Row(YES,        NO,      NO,       NO),
    Fetch:         Row(YES,        NO,      NO,       NO),
    Report:        Row(YES,        NO,      NO,       NO),
    JournalPart:   Row(YES,        NO,      NO,       NO),
    Order:         Row(NO,         NO,      INNER,    NO),

    # Intents: what happens before a terminal, what backends settle, what a person decides.
    Tap:           Row(YES,        YES,     NO,       NO),
    Purchase:      Row(YES,        YES,     NO,       NO),
    TopUp:         Row(MAIN_PURSE, YES,     NO,       NO),
    Group:         Row(FARES,      YES,     NO,       NO),
    Subsidy:       Row(NO,         YES,     NO,       NO),
    Share:         Row(NO,         YES,     NO,       NO),
    Hold:          Row(YES,        YES,     NO,       NO),
    Post:          Row(YES,        YES,     NO,       NO),
    Void:          Row(YES,        YES,     NO,       NO),
    Withdrawal:    Row(YES,        YES,     NO,       NO),
    Reversal:      Row(OWN,        YES,     YES,      NO),
    Refund:        Row(OWN,        YES,     YES,      NO),
    Issue:         Row(NO,         YES,     YES,      NO),
    Block:         Row(NO,         YES,     YES,      NO),
    Unblock:       Row(NO,         YES,     YES,      NO),
    Identify:      Row(NO,         YES,     YES,      NO),
    Replace:       Row(NO,         YES,     YES,      NO),
    Close:         Row(NO,         YES,     YES,      NO),
    Grant:         Row(NO,         YES,     YES,      NO),
    Revoke:        Row(NO,         YES,     YES,      NO),
    Adjustment:    Row(NO,         NO,      YES,      NO),

    # Questions: those who only look see no card.
    BalanceOf:     Row(PURSES,     YES,     YES,      SUMS),
    StatementOf:   Row(PURSES,     YES,     YES,      NO),
    TransactionOf: Row(OWN,        YES,     YES,      NO),
    Explain:       Row(OWN,        YES,     YES,      NO),
    DryRun:        Row(TRIAL,      YES,     YES,      NO),
    ChipOf:        Row(NO,         YES,     YES,      NO),
    ShiftOf:       Row(OWN,        YES,     YES,      NO),
    TerminalsOf:   Row(NO,         NO,      YES,      YES),
    TreeOf:        Row(NO,         NO,      YES,      YES),
    ListsOf:       Row(NO,         NO,      YES,      YES),
    CommandsOf:    Row(NO,         NO,      YES,      NO),
    CommandOf:     Row(NO,         NO,      YES,      NO),
    JournalOf:     Row(NO,         NO,      YES,      NO),

    # Orders: what officers do to the fleet.
    ListPart:         Row(NO,      NO,      YES,      NO),
    ListPublish:      Row(NO,      NO,      YES,      NO),
    ListApprove:      Row(NO,      NO,      YES,      NO),
    ListWithdraw:     Row(NO,      NO,      YES,      NO),
    CommandTerminals: Row(NO,      NO,      YES,      NO),
    Register:         Row(NO,      NO,      YES,      NO),
}
# fmt: on


def may(role: Role, terminal: str, what: FromTerminal | Intent | Question | Action) -> bool:
    """Tell whether a session of this role and terminal may send, submit or ask something.

    A message whose right lies in what it holds may be sent; what it holds is asked about by itself.
    """
    row = RIGHTS.get(type(what), _NOBODY)
    right: Right = getattr(row, role)
    if right is YES:
        return True
    match right, what:
        case (Right.INNER, _) | (Right.REDACTED, Subscribe()):
            return True
        case Right.OWN, Reversal() | Refund() | TransactionOf() | Explain() | ShiftOf():
            return what.terminal == terminal
        case Right.MAIN_PURSE, TopUp():
            return not what.purse
        case Right.FARES, Group():
            return _shares_fares(what)
        case Right.PURSES, BalanceOf() | StatementOf():
            return _is_of_one_card(what)
        case Right.SUMS, BalanceOf():
            return not _is_of_one_card(what)
        case Right.TRIAL, DryRun():
            return may(role, terminal, what.transaction.intent)
        case _:
            return False


def view_of(role: Role) -> View:
    """Return how much of the journal a role sees that may follow it."""
    right: Right = getattr(RIGHTS[Subscribe], role)
    return "redacted" if right is REDACTED else "whole"


def _shares_fares(group: Group) -> bool:
    carriers = {part.operator for part in group.parts if isinstance(part, Tap)}
    return all(
        part.operator in carriers
        if isinstance(part, Subsidy | Share)
        else not (isinstance(part, TopUp) and part.purse)
        for part in group.parts
    )


def _is_of_one_card(question: BalanceOf | StatementOf) -> bool:
    return question.kind in PURSE_KINDS and question.owner != ALL_CARDS
