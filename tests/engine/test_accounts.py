"""The chart of accounts: names, purses, lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.accounts import (
    OWED,
    OWED_FARES,
    PROGRAMME_PURSE,
    PURSE,
    PURSE_KINDS,
    AccountKind,
    card_in,
    is_name,
    purse_line,
    purse_of,
)
from engine.limits import NAME_LENGTH_MAX

NAMES = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="/*"),
    min_size=1,
    max_size=NAME_LENGTH_MAX // 2 - 1,
)


@given(NAMES)
def test_printable_ascii_without_blanks_slash_and_star_is_a_name(text: str) -> None:
    assert is_name(text)


@given(
    NAMES | st.just(""),
    st.sampled_from([" ", "/", "*", "\n", "\0", "\x7f", "é", "京"]),
    NAMES | st.just(""),
)
def test_one_other_character_makes_a_text_no_name(before: str, other: str, after: str) -> None:
    assert not is_name(before + other + after)


def test_the_empty_text_is_no_name_and_a_long_one_neither() -> None:
    assert not is_name("")
    assert is_name("n" * NAME_LENGTH_MAX)
    assert not is_name("n" * (NAME_LENGTH_MAX + 1))


@given(NAMES, NAMES | st.just(""), st.integers())
def test_a_line_on_a_purse_tells_card_and_programme(
    card: str, programme: str, amount_rp: int
) -> None:
    line = purse_line(card, programme, amount_rp)
    assert purse_of(line) == (card, programme)
    assert line[0] == (PROGRAMME_PURSE if programme else PURSE)
    assert line[2] == amount_rp


@pytest.mark.parametrize("kind", sorted(set(AccountKind) - PURSE_KINDS))
def test_a_line_on_another_account_is_on_no_purse(kind: AccountKind) -> None:
    assert purse_of((kind.value, "dki", 1)) is None


def test_a_line_on_what_is_owed_is_on_a_purse_that_no_programme_can_have() -> None:
    line = purse_line("A", OWED, 3)
    assert line == (OWED_FARES, "A", 3)
    assert purse_of(line) == ("A", OWED)
    assert not is_name(OWED)


def test_the_card_of_some_lines_is_that_of_the_first_purse() -> None:
    lines = (AccountKind.FEES.value, "top_up", 1), purse_line("A", "kjp", 2), purse_line("B", "", 3)
    assert card_in(lines) == "A"
    assert card_in(lines[:1]) == ""
    assert card_in(()) == ""


def test_the_numbers_of_the_kinds_are_those_of_the_journals_written_so_far() -> None:
    assert {kind.name: kind.value for kind in AccountKind} == {
        "PURSE": 1,
        "PROGRAMME_PURSE": 2,
        "OPERATOR_REVENUE": 3,
        "MERCHANT_PAYABLE": 4,
        "BANK_SETTLEMENT": 5,
        "BANK_IN_TRANSIT": 6,
        "PROGRAMME_FUND": 7,
        "FEES": 8,
        "FLOAT": 9,
        "SUSPENSE": 10,
        "OWED_FARES": 11,
    }
