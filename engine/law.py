"""The law: all rules, made ready for decisions."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from engine.fares.network import Network
from engine.fares.tariff import Tariffs, check_fares
from engine.rules.purses import RulesOn, purse_rules
from engine.rules.rulebook import Rulebook


class Law(Struct, frozen=True):
    """What decisions are made by.

    Attributes:
      rulebook: all rules.
      purses_on: finds the limits and the programmes of a day.
      tariffs: fares and conditions of rides, by day.
      articles: of each version of a rule, as an official would cite it.
    """

    rulebook: Rulebook
    purses_on: RulesOn
    tariffs: Tariffs
    articles: Mapping[str, str]


def law_of(rulebook: Rulebook, network: Network) -> Law:
    """Return the law that a rulebook makes.

    Raises:
      RulesInvalid: rules are missing, or contradict each other.
    """
    check_fares(rulebook)
    articles = {
        version.rule.version: f"{version.instrument.head.title}, {version.rule.article}"
        for rule_id in rulebook.ids
        for version in rulebook.versions(rule_id)
    }
    return Law(rulebook, purse_rules(rulebook), Tariffs(rulebook, network), articles)
