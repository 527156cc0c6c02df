"""Instruments that tests write."""

from __future__ import annotations

from engine.rules.reading import Instrument, read_instrument

HEAD = '[instrument]\nid = "{id}"\ntitle = "T"\nabout_id = "i"\nabout_en = "e"\n'
RULE = """
[[rule]]
id = "{id}"
kind = "{kind}"
article = "Pasal 1"
valid_from = {since}
grade = "A"
source = "these tests"
says_id = "begini"
says_en = "so"
"""


def rule(rule_id: str, kind: str, figures: str = "", *, since: str = "2019-01-01") -> str:
    """Return a rule as it stands in a file."""
    return RULE.format(id=rule_id, kind=kind, since=since) + figures + "\n"


def limit(purse: str, figures: str = "", *, since: str = "2019-01-01", until: str = "") -> str:
    """Return the limit of a purse."""
    name = f"purse.{purse}" + (".own" if "programme =" in figures else "")
    ends = f"valid_to = {until}\n" if until else ""
    return rule(name, "purse_limit", f'{ends}purse = "{purse}"\n{figures}', since=since)


def text_of(name: str, *rules: str) -> str:
    """Return an instrument as it stands in a file."""
    return HEAD.format(id=name) + "".join(rules)


def written(name: str, *rules: str) -> Instrument:
    """Return an instrument."""
    return read_instrument(text_of(name, *rules), f"{name}.toml")
