"""Rules of programmes and fees of the tests: small figures, and none that a law knows."""

from __future__ import annotations

from datetime import date
from typing import Final

from engine.calendar import day_of_date
from engine.rules.kinds import TopUpFee
from engine.rules.programmes import ProgrammeRules, programme_rules
from engine.rules.purses import top_up_fees
from engine.rules.rulebook import Rulebook
from tests.engine.rules.written import rule, written

_RIDE: Final = """
programme = "ride"
services = ["mrt"]
percent = 100
card_months = 6
groups = [
    { number = 1, name = "elderly", who_id = "lansia", who_en = "the old" },
    { number = 2, name = "worker", who_id = "pekerja", who_en = "workers" },
]
"""
_LEVEL: Final = """
programme = "kjp"
level = "{}"
every = "{}"
amount_rp = {}
tuition_rp = {}
cash_month_rp = {}
"""
_FOOD: Final = """
programme = "food"
per_month = 1
items = [{ name = "rice", what = "beras", price_rp = 5 }]
"""

_ON_US: Final = 'channel = "on_us"\nsteps = [{ up_to_rp = 60, fee_rp = 3 }, { fee_rp = 4 }]'
_OFF_US: Final = 'channel = "off_us"\nsteps = [{ fee_rp = 5 }]'

_BOOK: Final = Rulebook(
    [
        written(
            "test",
            rule("test.ride", "free_ride", _RIDE),
            rule("test.sd", "allowance", _LEVEL.format("sd", "month", 70, 20, 60)),
            rule("test.lkp", "allowance", _LEVEL.format("lkp", "semester", 120, 0, 80)),
            rule("test.quota", "item_quota", _FOOD),
            rule("test.on_us", "top_up_fee", _ON_US),
            rule("test.off_us", "top_up_fee", _OFF_US),
        )
    ]
)
_DAY: Final = day_of_date(date(2024, 1, 1))

PROGRAMMES: Final[ProgrammeRules] = programme_rules(_BOOK, _DAY)
"""Of kjp there is Rp90 a month for sd, and Rp120 a semester for lkp; in cash Rp60 and Rp80."""

FEES: Final[dict[str, TopUpFee]] = top_up_fees(_BOOK, _DAY)
"""Rp3 for up to Rp60 at the card's own bank and Rp4 above, Rp5 elsewhere."""
