"""Every bound of the engine, with its reason beside it."""

from __future__ import annotations

from typing import Final

AMOUNT_RP_MAX: Final = 1_000_000_000
"""One amount of a payment: fifty times the fullest purse there may be."""

ADJUSTMENT_RP_MAX: Final = 1_000_000_000_000
"""One line of a correction: an operator's revenue of months."""

BALANCE_RP_MAX: Final = 100_000_000_000_000_000
"""How far from zero a correction may take an account: a million such lines. Advices are never
refused, so they may take it on from there: a group moves at most 16 amounts on one account (8
parts, each with a fee), and 500 million such groups still stay below 2**63, where views and
messages end."""

NAME_LENGTH_MAX: Final = 64
"""Cards, terminals, operators, banks, programmes, stops: the longest real name seen has 34."""

TEXT_LENGTH_MAX: Final = 200
"""Reasons written by officers."""

PROOF_BYTES_MAX: Final = 96
"""A chip's transaction proof: what was read before, what was written, and its MAC; 73 bytes."""

CHIP_UID_BYTES_MAX: Final = 10
"""The longest identifier of a contactless chip there is (ISO/IEC 14443-3)."""

GAPS_PER_CHIP_MAX: Final = 64
"""Ranges of missing counts remembered for one chip; each is a terminal that was lost before it
told of a tap, or is still to tell of it."""

GROUP_PARTS_MAX: Final = 8
"""Fare, subsidy, and shares of up to six operators."""

ADJUSTMENT_LINES_MAX: Final = 16
"""One officer's correction; a longer one is several corrections."""

KEPT_TAPS: Final = 8
"""Taps of a card, at least, among which a late one finds its place: those of two ordinary days.
Up to twice as many are kept, some 30 bytes each: they stand in the card's row, which is written
anew at each checkpoint in which it rode."""

PACKAGE_RIDES_MAX: Final = 16
"""Rides that are paid together: more than fit into the three hours of a package."""

TAP_AHEAD_MS_MAX: Final = 5 * 60 * 1000
"""How far the clock of a terminal may be ahead: beyond that, when it was cannot be told."""

TAP_LATE_MS_MAX: Final = 31 * 24 * 3600 * 1000
"""How late a tap may come and still be rated; who has waited a month for it asks an officer."""

ITEMS_MAX: Final = 32
"""Lines of a bill: a programme lists some twenty kinds of goods."""

ITEM_COUNT_MAX: Final = 10_000
"""Pieces in one of them: no purse can pay for more."""

CHARGES_PER_CARD_MAX: Final = 8
"""Kinds of levies that one card pays: rent, water, power, a stall, and as many again."""

PERIODS_KEPT_MAX: Final = 12
"""Months of a levy that are remembered: a rule that looks back does so for some months."""

PERIODS_AHEAD_MAX: Final = 6
"""Months for which a levy is paid in advance; half of those remembered are of the past then."""

PERIODS_BEHIND_MAX: Final = 120
"""Months that a levy may be late: what is older than ten years is not asked for any more."""

HOLDS_PER_CARD_MAX: Final = 8
"""A card is in one journey and at one till at a time; the rest is slack for lost voids."""

HOLD_MS_MAX: Final = 31 * 24 * 3600 * 1000
"""A month: the longest card-network authorisation."""

PURSES_PER_CARD_MAX: Final = 16
"""Programme purses; fifteen groups are entitled to programmes, one person may be in one."""

GRANTS_PER_CARD_MAX: Final = 16
"""As many as purses of programmes: a programme may come with one."""

ACCOUNTS_PER_KIND_MAX: Final = 100_000
"""Operators, merchants, banks, programmes: keeps a faulty sender from filling the memory."""

COUNTER_MAX: Final = 2**53 - 1
"""Largest integer that every client language holds exactly."""

TIME_MS_MAX: Final = 253_402_300_799_999
"""End of the year 9999."""

PERIOD_MAX: Final = 9999 * 12 + 11
"""Its last month, counted from the year 0."""

DAY_MAX: Final = 2_932_896
"""Its last day, counted from 1970-01-01."""

GAPS_PER_TERMINAL_MAX: Final = 4096
"""Ranges of missing counters remembered for one terminal; ten years of daily jumps fit."""

REPLACEMENTS_FOLLOWED_MAX: Final = 64
"""Cards that took over from each other, followed at once: one a year, for a life."""

LIST_KEY_LENGTH_MAX: Final = 128
"""A card, a rule, the name of a setting; in bytes it stays below what a store's key can hold."""

LIST_VALUE_LENGTH_MAX: Final = 1_000
"""What a list says of one key: a row of a fare table has some 200 characters."""

LOG_LEVEL_S_MAX: Final = 7 * 24 * 3600
"""A terminal that logs more goes back by itself: nobody remembers to tell it."""

TERMINALS_NAMED_MAX: Final = 1_000
"""Terminals named in one order; for more there are conditions."""
