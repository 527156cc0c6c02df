"""A line tells an entry by the names of the protocol, and nothing of it is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import msgspec
from hypothesis import given

from engine.accounts import AccountKind
from engine.transaction import Intent
from ops.feed.named import lines_of, named, named_intent
from protocol import messages
from terminals import wire
from terminals.chip_answers import ChipFinding
from terminals.messages import Entry, Feed, FeedEntry
from tests.engine.histories import History, histories, play
from tests.protocol import document

OPERATIONS = (Path(document.__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
NUMBERS = {kind.name.lower(): kind.value for kind in AccountKind}


def as_told(history: History) -> tuple[FeedEntry, ...]:
    """Return the entries of a history as a node tells them to a client."""
    entries = [messages.FeedEntry(at, entry) for at, entry in enumerate(play(history).entries)]
    told = wire.decode(msgspec.msgpack.encode(messages.Feed(1, tuple(entries), 1, 1)))
    assert isinstance(told, Feed)
    return told.entries


def unnamed(value: object) -> object:
    """Take the names away again: what is left is what was sent."""
    if not isinstance(value, dict):
        return [unnamed(each) for each in value] if isinstance(value, list) else value
    values = [unnamed(each) for each in value.values()]
    if set(value) == {"kind", "owner", "amount_rp"}:
        return [NUMBERS[value["kind"]], *values[1:]]
    return values


def hexed(value: object) -> object:
    if isinstance(value, list | tuple):
        return [hexed(each) for each in value]
    return value.hex() if isinstance(value, bytes) else value


@given(histories)
def test_without_its_names_a_line_is_what_was_sent(history: History) -> None:
    entries = as_told(history)
    lines = lines_of(entries).splitlines()
    assert len(lines) == len(entries)
    for line, (position, entry) in zip(lines, entries, strict=True):
        told = json.loads(line)
        assert [*told] == ["position", *Entry._fields]
        assert unnamed(told) == [position, *map(hexed, entry)]


def test_the_names_are_those_of_the_protocol() -> None:
    sections = document.sections()
    assert [*Entry._fields] == [row[0] for row in sections["Record", "entry"]]
    for intent in get_args(Intent):
        kind = intent.__struct_config__.tag
        told = named_intent([kind, *intent.__struct_fields__])
        assert told.pop("kind") == kind
        assert [*told] == [row[0] for row in sections["Intent", kind]]


def test_what_a_later_version_may_have_added_does_no_harm() -> None:
    assert named_intent(["close", "C", "later"]) == {"kind": "close", "card": "C"}
    assert named_intent(["dance", "C", b"\x0a", 5]) == {"kind": "dance", "fields": ["C", "0a", 5]}
    assert named_intent(["tap", "C"]) == {"kind": "tap", "card": "C"}
    entry = Entry("T", 1, 1, ["close", "C"], 1, "", "", "", 0, (), ((77, "new", 5),), -1)
    told = named(FeedEntry(3, entry))
    assert told["postings"] == [{"kind": 77, "owner": "new", "amount_rp": 5}]


def test_what_was_found_of_a_proof_has_names_and_its_chip_in_hex() -> None:
    found = ChipFinding("forged", b"\x04\xde", 7, "amount_rp")
    entry = Entry("T", 1, 1, ["close", "C"], 1, "", "", "", 0, (), (), -1, chip=found)
    told = json.loads(lines_of([FeedEntry(3, entry)]))["chip"]
    assert told == {
        "finding": "forged",
        "uid": "04de",
        "counter": 7,
        "field": "amount_rp",
        "blocks": False,
    }
    assert [*told] == [row[0] for row in document.sections()["Record", "chip finding"]]


def test_no_entries_are_no_lines() -> None:
    assert lines_of([]) == b""


def test_operations_tell_every_field_of_a_line() -> None:
    cells = [row[0] for row in document.table("in a line", OPERATIONS)]
    told = [name.strip(" `") for cell in cells for name in cell.split(",")]
    assert sorted(told) == sorted(["position", *Entry._fields])
