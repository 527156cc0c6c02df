"""docs/protocol.schema.json is the program's own account of the wire, and the document agrees."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from click.testing import CliRunner

from ops.cli import main
from protocol.errors import COME_BACK, Code
from protocol.messages import FromNode, FromTerminal
from protocol.schema import rendered, schema
from tests.protocol import document

FILE = Path(__file__).parent.parent.parent / "docs" / "protocol.schema.json"
SCHEMA: dict[str, Any] = schema()
DEFS: dict[str, Any] = SCHEMA["$defs"]


def test_the_committed_file_is_current() -> None:
    assert FILE.read_text("utf-8") == rendered(SCHEMA) + "\n", (
        "jakarta-one schema > docs/protocol.schema.json"
    )
    assert json.loads(rendered(SCHEMA)) == SCHEMA


def test_the_command_prints_it() -> None:
    printed = CliRunner().invoke(main, ["schema"])
    assert printed.output == FILE.read_text("utf-8")


def test_the_document_links_it() -> None:
    assert "(protocol.schema.json)" in document.TEXT


def test_every_table_of_the_document_has_a_definition_with_the_same_fields() -> None:
    prefixes = {"Order": "action"}
    for (kind, name), rows in document.sections().items():
        prefix = prefixes.get(kind, kind.lower())
        definition = DEFS[f"{prefix}.{name.replace(' ', '_')}"]
        items = [item for item in definition["prefixItems"] if "const" not in item]
        assert [item["title"] for item in items] == [row[0] for row in rows]
        defaults = [json.dumps(item["default"]) if "default" in item else "" for item in items]
        assert defaults == [row[2].replace("nil", "null") for row in rows]
        named = len(definition["prefixItems"]) - len(items)
        assert definition["minItems"] == named + defaults.count("")


def test_no_definition_is_left_over() -> None:
    described = {name.replace(" ", "_") for _, name in document.sections()}
    families = {"intent", "part", "question", "answer", "command", "action"}
    for name in set(DEFS) - {"from_terminal", "from_node"} - families:
        assert name.partition(".")[2] in described


def test_each_message_tells_its_direction_and_how_strictly_it_is_read() -> None:
    for direction, union in (("from_terminal", FromTerminal), ("from_node", FromNode)):
        for message in get_args(union):
            definition = DEFS[f"message.{message.__struct_config__.tag}"]
            assert definition["x-direction"] == direction
            assert definition.get("items", True) is (direction == "from_node")


def test_the_rule_for_coming_back_is_that_of_the_document() -> None:
    told = {row[0].strip("`"): row[3] for row in document.table("code")}
    assert told == {str(code): str(COME_BACK[code]) for code in Code}
    assert {code: each["come_back"] for code, each in SCHEMA["x-codes"].items()} == told


def test_every_limit_of_the_document_stands_in_it() -> None:
    told = {row[0].strip("`"): int(row[1]) for row in document.table("limit")}
    assert SCHEMA["x-limits"] == told


@pytest.mark.parametrize("bound", [0, 1, 2, 31, 32, 33, 64, 65])
def test_the_pattern_of_hex_digits_says_what_the_bounds_say(bound: int) -> None:
    found = [part for part in walked(DEFS) if "x-bytes" in part]
    assert found
    for part in found:
        low, high = part["x-bytes"]
        fits = low <= bound and (high is None or bound <= high)
        assert bool(re.search(part["pattern"], "0f" * bound)) is fits


def walked(value: object) -> list[dict[str, Any]]:
    """Return all objects inside a value."""
    if isinstance(value, list):
        return [found for item in value for found in walked(item)]
    if not isinstance(value, dict):
        return []
    return [value, *(found for item in value.values() for found in walked(item))]


def test_every_reference_leads_somewhere() -> None:
    for part in walked(SCHEMA):
        if "$ref" in part:
            assert part["$ref"].removeprefix("#/$defs/") in DEFS
