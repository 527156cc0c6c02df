"""Numbers of cards: one wrong digit, or two neighbours the wrong way round, is noticed."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.terminal.numbers import CARD_NUMBER, check_digit

PREFIXES = st.text("0123456789", min_size=15, max_size=15)


def whole(prefix: str) -> str:
    return prefix + check_digit(prefix)


def is_taken(number: str) -> bool:
    try:
        return CARD_NUMBER.convert(number, None, None) == number
    except click.BadParameter:
        return False


@pytest.mark.parametrize(
    ("digits", "check"), [("7992739871", "3"), ("936002000000001", "1"), ("0", "0")]
)
def test_the_check_digit_is_that_of_the_standard(digits: str, check: str) -> None:
    assert check_digit(digits) == check


@given(PREFIXES)
def test_a_whole_number_is_taken_with_or_without_blanks(prefix: str) -> None:
    number = whole(prefix)
    spaced = " ".join(number[at : at + 4] for at in range(0, 16, 4))
    assert CARD_NUMBER.convert(number, None, None) == number
    assert CARD_NUMBER.convert(spaced, None, None) == number


@given(PREFIXES, st.integers(0, 15), st.integers(1, 9))
def test_one_wrong_digit_is_noticed(prefix: str, at: int, by: int) -> None:
    number = whole(prefix)
    wrong = str((int(number[at]) + by) % 10)
    assert not is_taken(number[:at] + wrong + number[at + 1 :])


@given(PREFIXES, st.integers(0, 14))
def test_two_neighbours_the_wrong_way_round_are_noticed(prefix: str, at: int) -> None:
    number = whole(prefix)
    one, other = number[at], number[at + 1]
    swapped = number[:at] + other + one + number[at + 2 :]
    # The standard does not tell 09 from 90.
    assert is_taken(swapped) is (one == other or {one, other} == {"0", "9"})


@pytest.mark.parametrize("text", ["", "936002000000001", "93600200000000170", "936002000000001x"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="sixteen digits"):
        CARD_NUMBER.convert(text, None, None)


def test_digits_of_another_script_are_refused() -> None:
    assert not is_taken("\u0661" * 16)


def test_the_right_digit_is_told() -> None:
    with pytest.raises(click.BadParameter, match="9360020000000011 would be right"):
        CARD_NUMBER.convert("9360020000000018", None, None)
