"""Which entries a subscription wants.

Each condition is looked at by itself, on the whole entry, and all must hold. One on names holds
where a name stands in a field of the intent, or of one part of a group, or owns an account that the
lines of the entry touch: that is how a reversal, which names nobody, is found by whom it touches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from engine.accounts import (
    BANK_IN_TRANSIT,
    BANK_SETTLEMENT,
    FLOAT,
    OPERATOR_REVENUE,
    PROGRAMME_FUND,
    PROGRAMME_PURSE,
    Postings,
)
from engine.transaction import (
    Adjustment,
    Entry,
    Grant,
    Group,
    Hold,
    Intent,
    Issue,
    Purchase,
    Revoke,
    Share,
    Subsidy,
    Tap,
    TopUp,
    Withdrawal,
)
from protocol.messages import Filter

Matches: TypeAlias = Callable[[Entry], bool]
"""Tells whether an entry is wanted."""

_BANK_KINDS: Final = frozenset({BANK_SETTLEMENT, BANK_IN_TRANSIT, FLOAT})


def matcher(wanted: Filter) -> Matches:
    """Return what tells whether an entry is wanted; it keeps no state, so any thread may ask."""
    conditions: list[Matches] = []
    if wanted.kinds:
        conditions.append(_of_kinds(frozenset(wanted.kinds)))
    for names, fields, owner in (
        (wanted.operators, _operators, _operator_of),
        (wanted.banks, _banks, _bank_of),
        (wanted.programmes, _programmes, _programme_of),
    ):
        if names:
            conditions.append(_names(frozenset(names), fields, owner))
    if len(conditions) == 1:
        return conditions[0]
    return lambda entry: all(holds(entry) for holds in conditions)


def _of_kinds(kinds: frozenset[str]) -> Matches:
    def holds(entry: Entry) -> bool:
        intent = entry.intent
        if intent.__struct_config__.tag in kinds:
            return True
        return isinstance(intent, Group) and any(
            part.__struct_config__.tag in kinds for part in intent.parts
        )

    return holds


def _names(
    names: frozenset[str],
    fields: Callable[[Intent], tuple[str, ...]],
    owner_of: Callable[[int, str], str],
) -> Matches:
    def holds(entry: Entry) -> bool:
        intent = entry.intent
        if _touches(entry.postings):
            return True
        if isinstance(intent, Group):
            return any(not names.isdisjoint(fields(part)) for part in intent.parts)
        if isinstance(intent, Adjustment):
            # One that was refused has no postings.
            return _touches(intent.lines)
        return not names.isdisjoint(fields(intent))

    def _touches(postings: Postings) -> bool:
        return any(owner_of(kind, owner) in names for kind, owner, _ in postings)

    return holds


def _operators(intent: Intent) -> tuple[str, ...]:
    match intent:
        case Tap() | Subsidy():
            return (intent.operator,)
        case Share():
            return (intent.operator, intent.to_operator)
        case Hold(payee="operator"):
            return (intent.payee_name,)
        case _:
            return ()


def _banks(intent: Intent) -> tuple[str, ...]:
    return (intent.bank,) if isinstance(intent, TopUp | Issue | Withdrawal) else ()


def _programmes(intent: Intent) -> tuple[str, ...]:
    match intent:
        case Tap() | TopUp() | Hold() | Withdrawal():
            return (intent.purse,)
        case Purchase():
            return (intent.purse, intent.programme)
        case Subsidy() | Grant() | Revoke():
            return (intent.programme,)
        case _:
            return ()


# The empty text is nobody's name, and stands in no filter.


def _operator_of(kind: int, owner: str) -> str:
    return owner if kind == OPERATOR_REVENUE else ""


def _bank_of(kind: int, owner: str) -> str:
    return owner if kind in _BANK_KINDS else ""


def _programme_of(kind: int, owner: str) -> str:
    if kind == PROGRAMME_PURSE:
        return owner.partition("/")[2]
    return owner if kind == PROGRAMME_FUND else ""
