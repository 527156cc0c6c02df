"""The examples of the document, with cards of their own: what is posted by which intent.

They stand in postings.txt as the document has them: first what comes before, then, behind an empty
line, each transaction with its postings.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from itertools import takewhile
from typing import Any, Final, NamedTuple

from ops.conformance.shape import SCHEMA

_KINDS: Final = {number: kind for kind, number in SCHEMA["x-accounts"].items()}
_REFERS: Final = {"reversal": 1, "refund": 1, "post": 2, "void": 2}
"""Intents that name another transaction, and where its terminal stands."""


class Example(NamedTuple):
    """A transaction, and the lines that stand under it."""

    intent: list[Any]
    told: list[str]


class Names(NamedTuple):
    """What the names of the document are called in a trial.

    Attributes:
      cards: and persons, by the letter that the document gives them.
      terminal: that of the document's `T`.
      counter: of the first transaction.
    """

    cards: dict[str, str]
    terminal: str
    counter: int

    def intent(self, intent: list[Any]) -> list[Any]:
        """Return an intent with names of the trial."""
        named = [self._named(value) for value in intent]
        if (at := _REFERS.get(intent[0])) is not None:
            named[at : at + 2] = [self.terminal, self.counter + intent[at + 1] - 1]
        return named

    def _named(self, value: Any) -> Any:  # noqa: ANN401 - as MessagePack has them
        if isinstance(value, list):
            return [self._named(item) for item in value]
        return self.cards.get(value, value) if isinstance(value, str) else value

    def lines(self, told: list[str]) -> list[str]:
        """Return the lines under an intent with names of the trial."""
        found = []
        for line in told:
            words = line.split(" ")
            card, stroke, programme = words[1].partition("/")
            words[1] = self.cards.get(card, card) + stroke + programme
            found.append(" ".join(words))
        return found


def lines_of(entry: dict[str, Any]) -> list[str]:
    """Return what the document would write under an entry."""
    if entry["reason"]:
        return [f"refused {entry['reason']}"]
    lines = [f"{_KINDS[kind]} {owner} {rp:+}" for kind, owner, rp in entry["postings"]]
    return lines + [f"exception {reason}" for reason in entry["exceptions"]]


def setup() -> list[list[Any]]:
    """Return the intents that come before each example."""
    return [_read(line) for line in takewhile(bool, _text())]


def examples() -> Iterator[Example]:
    """Yield the examples."""
    lines = _text()
    found: Example | None = None
    for line in lines[lines.index("") + 1 :]:
        if line.startswith(" "):
            assert found is not None
            found.told.append(line.strip())
            continue
        if found is not None:
            yield found
        found = Example(_read(line), [])
    if found is not None:
        yield found


def _text() -> list[str]:
    file = files("ops.conformance.node") / "postings.txt"
    return file.read_text(encoding="utf-8").splitlines()


def _read(line: str) -> list[Any]:
    intent = json.loads(line, object_hook=lambda proof: bytes.fromhex(proof["hex"]))
    assert isinstance(intent, list)
    return intent
