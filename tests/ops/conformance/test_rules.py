"""The rules are the document's: each sentence stands there, and everything in it is tried."""

from __future__ import annotations

from importlib.resources import files

import pytest

from ops.conformance.client import SCENARIOS
from ops.conformance.client import SECTIONS as PLAYED
from ops.conformance.client.stage import Stage
from ops.conformance.kit import Kit
from ops.conformance.node import NOT_TRIED, RULES, SECTIONS
from ops.conformance.rules import Rule
from ops.conformance.shape import SCHEMA
from tests.protocol import document


def test_sections_have_the_numbers_and_titles_of_the_document() -> None:
    titles = [(section.number, section.title) for section in SECTIONS]
    titles += [(section.number, section.title) for section in PLAYED]
    for number, title in titles:
        assert f"\n## {number}. {title}\n" in document.TEXT


@pytest.mark.parametrize("rule", [*RULES, *SCENARIOS], ids=lambda rule: f"{rule.id} {rule.name}")
def test_the_sentence_of_a_rule_stands_in_the_document(rule: Rule[Kit] | Rule[Stage]) -> None:
    assert " ".join(rule.sentence.split()) in " ".join(document.TEXT.split())


def test_the_examples_are_those_of_the_document() -> None:
    shown = document.blocks("setup")[0].body + "\n"
    shown += "".join(block.body for block in document.blocks("postings"))
    file = files("ops.conformance.node") / "postings.txt"
    assert file.read_text(encoding="utf-8") == shown


def test_each_rule_has_an_id_and_a_name_of_its_own() -> None:
    for rules in (
        [(rule.id, rule.name) for rule in RULES],
        [(rule.id, rule.name) for rule in SCENARIOS],
    ):
        for told in zip(*rules, strict=True):
            assert len(set(told)) == len(rules)


def test_each_limit_is_reached_by_a_rule_or_it_is_said_why_not() -> None:
    reached = {f"limit:{limit}" for rule in RULES for limit in rule.limits}
    known = {f"limit:{limit}" for limit in SCHEMA["x-limits"]}
    assert reached <= known
    excused = {each for each in NOT_TRIED if each.startswith("limit:")}
    assert known - reached == excused


def to_be_exercised() -> set[str]:
    """Return everything in the tables of the document that the kit can send or hear."""
    codes = {
        "code": SCHEMA["x-codes"],
        "failed": SCHEMA["x-failed"],
        "order": SCHEMA["x-order"],
        "busy": SCHEMA["x-busy"],
        "reason": SCHEMA["x-reasons"],
        "result": document.names("result"),
        "receipt": ("done", "waiting", "refused", "busy"),
        "status": [101, *(int(row[0]) for row in document.table("status"))],
    }
    named = {
        f"{family}:{name}"
        for family, stop, name in (key.partition(".") for key in SCHEMA["$defs"])
        if stop and family != "record"
    }
    return {f"{kind}:{code}" for kind, each in codes.items() for code in each} | named
