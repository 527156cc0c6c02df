"""The rules that come with the program."""

from __future__ import annotations

from typing import Final

from engine.rules.purses import RulesOn, purse_rules
from engine.rules.rulebook import Rulebook
from ops.rulebook import load_rulebook

RULEBOOK: Final[Rulebook] = load_rulebook()
RULES_ON: Final[RulesOn] = purse_rules(RULEBOOK)
