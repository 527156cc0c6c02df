"""Programmes that the tests grant: small figures, and none that a law knows."""

from __future__ import annotations

from datetime import date
from typing import Final

from engine.calendar import day_of_date
from engine.rules.programmes import ProgrammeRules, programme_rules
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
_LEVEL: Final = 'programme = "kjp"\nlevel = "{}"\nevery = "{}"\namount_rp = {}\ntuition_rp = {}'
_FOOD: Final = """
programme = "food"
per_month = 1
items = [{ name = "rice", what = "beras", price_rp = 5 }]
"""

PROGRAMMES: Final[ProgrammeRules] = programme_rules(
    Rulebook(
        [
            written(
                "test",
                rule("test.ride", "free_ride", _RIDE),
                rule("test.sd", "allowance", _LEVEL.format("sd", "month", 70, 20)),
                rule("test.lkp", "allowance", _LEVEL.format("lkp", "semester", 120, 0)),
                rule("test.quota", "item_quota", _FOOD),
            )
        ]
    ),
    day_of_date(date(2024, 1, 1)),
)
"""Of kjp there is Rp90 a month for sd, and Rp120 a semester for lkp."""
