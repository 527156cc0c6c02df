"""What can go wrong in the engine, and the stable codes of refusals.

    EngineError
    └── Bug             cannot happen; if it does, the state can no longer be trusted

A refusal is not an error: it is an answer, and carries one of the codes of `Reason`.
"""

from __future__ import annotations

from enum import StrEnum


class EngineError(Exception):
    """Root of the engine's exceptions."""


class Bug(EngineError):
    """An invariant does not hold: a defect of this program, not of its input."""


class Reason(StrEnum):
    """Why a transaction was refused, or why a posted advice was filed as an exception.

    The values are part of the protocol: they are never renamed and never reused.
    """

    NONE = ""
    ABOVE_CEILING = "above_ceiling"
    ACCOUNT_LIMIT = "account_limit"
    ACCOUNT_NAME = "account_name"
    AMOUNT_EXCEEDED = "amount_exceeded"
    BELOW_FLOOR = "below_floor"
    CARD_BLOCKED = "card_blocked"
    CARD_CLOSED = "card_closed"
    CARD_EXISTS = "card_exists"
    CARD_NOT_BLOCKED = "card_not_blocked"
    CARD_QUARANTINED = "card_quarantined"
    CARD_REPLACED = "card_replaced"
    CARD_UNKNOWN = "card_unknown"
    DAY_LIMIT = "day_limit"
    FUNDS_MIXED = "funds_mixed"
    GROUP_CARDS = "group_cards"
    HOLDS_OPEN = "holds_open"
    HOLD_EXPIRED = "hold_expired"
    HOLD_UNKNOWN = "hold_unknown"
    MEDIUM_IS_ACCOUNT = "medium_is_account"
    MEDIUM_IS_STORED = "medium_is_stored"
    MONTH_LIMIT = "month_limit"
    NOT_BALANCED = "not_balanced"
    NOT_RETURNABLE = "not_returnable"
    ORIGINAL_UNKNOWN = "original_unknown"
    PURSE_LIMIT = "purse_limit"
    PURSE_UNKNOWN = "purse_unknown"
    RECEIVE_LIMIT = "receive_limit"
    TOO_MANY_GAPS = "too_many_gaps"
    TOO_MANY_HOLDS = "too_many_holds"
