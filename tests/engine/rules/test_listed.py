"""Instruments as entries of a list, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.limits import LIST_KEY_LENGTH_MAX, LIST_VALUE_LENGTH_MAX
from engine.rules.listed import entries_of, texts_of
from engine.rules.reading import RulesInvalid

LINES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,9}\.toml", fullmatch=True)


@given(files=st.dictionaries(NAMES, st.lists(LINES, min_size=1, max_size=9), max_size=4))
def test_what_is_put_into_a_list_comes_out_of_it(files: dict[str, list[str]]) -> None:
    texts = {name: "".join(f"{line}\n" for line in lines) for name, lines in files.items()}
    entries = list(entries_of(texts))
    assert entries == sorted(entries)
    assert texts_of(reversed(entries)) == texts


def test_a_line_that_changes_is_an_entry_that_changes() -> None:
    before = dict(entries_of({"fare.toml": "[rule]\namount_rp = 3500\n"}))
    after = dict(entries_of({"fare.toml": "[rule]\namount_rp = 5000\n"}))
    assert before.items() ^ after.items() == {
        ("fare.toml#00002", "amount_rp = 3500"),
        ("fare.toml#00002", "amount_rp = 5000"),
    }


@pytest.mark.parametrize(
    ("text", "name", "told"),
    [
        ("a", "No Name.toml", "no room for a name"),
        ("a", f"{'x' * LIST_KEY_LENGTH_MAX}.toml", "no room for a name"),
        ("\n" * 100_000, "a.toml", "more lines"),
        ("x" * (LIST_VALUE_LENGTH_MAX + 1), "a.toml", "a.toml:1: longer than"),
    ],
)
def test_what_has_no_room_in_a_list_is_told(text: str, name: str, told: str) -> None:
    with pytest.raises(RulesInvalid, match=told):
        list(entries_of({name: text}))


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ([("fare", "x")], "'fare' is no line of a file"),
        ([("a.toml#00002", "x")], "a.toml:1: this line is missing"),
        ([("a.toml#00001", "x"), ("a.toml#00003", "x")], "a.toml:2: this line is missing"),
    ],
)
def test_a_list_that_is_no_files_is_refused(entries: list[tuple[str, str]], told: str) -> None:
    with pytest.raises(RulesInvalid, match=told):
        texts_of(entries)
