"""The rules that come with the program."""

from __future__ import annotations

from typing import Final

from engine.law import Law, law_of
from engine.rules.rulebook import Rulebook
from ops.rulebook import NOWHERE, load_rulebook

RULEBOOK: Final[Rulebook] = load_rulebook()
LAW: Final[Law] = law_of(RULEBOOK, NOWHERE)
