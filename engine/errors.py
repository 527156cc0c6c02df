"""What can go wrong in the engine, and the stable codes of refusals.

    EngineError
    ├── Bug             cannot happen; if it does, the state can no longer be trusted
    ├── RulesInvalid    instruments cannot be used (engine.rules.reading)
    └── NoFare          no fare can be told (engine.fares.ride)

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
    ABOVE_ALLOWANCE = "above_allowance"  # a programme gives this group less
    ABOVE_CEILING = "above_ceiling"  # the purse would hold more than it may
    ACCOUNT_LIMIT = "account_limit"  # no room for another account of this kind
    ACCOUNT_NAME = "account_name"  # no account can have this name
    ALREADY_GRANTED = "already_granted"  # to the same person, or on the same card to another one
    AMOUNT_DECIDED = "amount_decided"  # the rules say what it costs: it carries no amount
    # More than is left of the hold or of the original, or than an account may come to.
    AMOUNT_EXCEEDED = "amount_exceeded"
    BELOW_FLOOR = "below_floor"  # not enough money, or it is held
    CARD_BLOCKED = "card_blocked"
    CARD_CLOSED = "card_closed"
    CARD_EXISTS = "card_exists"  # the name of the new card is taken
    CARD_NOT_BLOCKED = "card_not_blocked"
    CARD_QUARANTINED = "card_quarantined"  # the card's handler failed; an operator looks into it
    CARD_REGISTERED = "card_registered"  # its holder is known already
    CARD_REPLACED = "card_replaced"
    CARD_UNKNOWN = "card_unknown"  # no card of this name was issued
    CASH_LIMIT = "cash_limit"  # more than may be taken in cash in a month
    CHIP_MISMATCH = "chip_mismatch"  # the chip is not that of the card
    CLOCK_AHEAD = "clock_ahead"  # it says that it happens later than now
    CLOCK_CORRECTED = "clock_corrected"  # the chip was told another time, by a clock that was wrong
    DAY_LIMIT = "day_limit"  # more than may be spent in a day
    FARE_UNKNOWN = "fare_unknown"  # no rule says what a ride of this service costs
    FEE_TOO_HIGH = "fee_too_high"  # a top-up costs more than the rule allows
    FUNDS_MIXED = "funds_mixed"  # funds that are kept apart in one movement
    GOODS_NOT_ALLOWED = "goods_not_allowed"  # goods that the programme has no money for, or unnamed
    GRANT_OVER = "grant_over"  # its last day is gone, or before its first
    GRANT_TOO_LONG = "grant_too_long"  # longer than the rule lets a card be good for
    GROUP_CARDS = "group_cards"  # the parts name more than one card
    GROUP_UNKNOWN = "group_unknown"  # the programme gives this group nothing
    HOLDS_OPEN = "holds_open"  # a card with open holds cannot be closed
    HOLD_EXPIRED = "hold_expired"
    HOLD_UNKNOWN = "hold_unknown"  # there is no such hold, or it was posted or voided
    ITEMS_SUM = "items_sum"  # the lines of the bill do not add up to the amount
    JOURNEY_OPEN = "journey_open"  # the last ride was not tapped out
    MEDIUM_IS_ACCOUNT = "medium_is_account"  # an advice for a card that has no value on the chip
    MEDIUM_IS_STORED = "medium_is_stored"  # an authorisation for a card whose value is on the chip
    MERCHANT_NOT_ALLOWED = "merchant_not_allowed"  # no merchant for the money of the programme
    MONTH_LIMIT = "month_limit"  # more than may be spent in a month
    NOT_BALANCED = "not_balanced"  # the lines do not sum to zero
    NOT_ENTITLED = "not_entitled"  # no grant of the programme at whose price something is sold
    NOT_GRANTED = "not_granted"  # the card has no grant of this programme
    NOT_REGISTERED = "not_registered"  # only a registered card pays out cash
    NOT_RETURNABLE = "not_returnable"  # the original moved nothing, or is of another kind
    ORIGINAL_UNKNOWN = "original_unknown"  # there is no such transaction
    PASSBACK = "passback"  # the card was handed back to somebody else
    PERIOD_PAID = "period_paid"  # the levy of this month was paid already
    PERIOD_UNKNOWN = "period_unknown"  # no month of a levy, or too far from now
    PLACE_UNKNOWN = "place_unknown"  # the fare of the service does not know this place
    PRICE_DIFFERS = "price_differs"  # the programme has another price for these goods
    PROGRAMME_UNKNOWN = "programme_unknown"  # no programme of this name gives anything today
    PROOF_FORGED = "proof_forged"  # no chip did this, or not for this terminal
    PROOF_REPEATED = "proof_repeated"  # this count of the chip was taken before
    PROOF_UNREADABLE = "proof_unreadable"  # no proof, or of a key that the node does not have
    PURSE_LIMIT = "purse_limit"  # no room for another purse on the card
    PURSE_UNKNOWN = "purse_unknown"  # the card has no purse of this programme
    QUOTA_USED = "quota_used"  # more of these goods than there is for one in a month
    RECEIVE_LIMIT = "receive_limit"  # more than may come in during a month
    TAP_IN_GROUP = "tap_in_group"  # a tap that is rated stands alone
    TOO_LATE = "too_late"  # too many later taps of the card came before it, or a month has passed
    TOO_MANY_CHARGES = "too_many_charges"  # no room for another kind of levy on the card
    TOO_MANY_GRANTS = "too_many_grants"  # no room for another grant on the card
    TOO_MANY_HOLDS = "too_many_holds"  # no room for another hold on the card
