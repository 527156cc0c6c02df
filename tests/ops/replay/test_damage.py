"""What a spreadsheet leaves behind is told apart from what a hand has mistyped."""

from __future__ import annotations

import pytest

from ops.replay.damage import (
    BLANK,
    DATES,
    EXAMPLES_MAX,
    NUMBERS,
    ROWS_MIN,
    SECONDS,
    SEPARATOR,
    DamageWatch,
)

GOOD = {"tapInTime": "2023-04-03 07:21:44", "tapOutTime": "", "payCardID": "180062659848800"}


def signs(rows: list[dict[str, str]]) -> list[str]:
    watch = DamageWatch()
    for line, row in enumerate(rows, start=2):
        watch.row(line, row)
    return [finding.sign for finding in watch.findings()]


@pytest.mark.parametrize(
    ("change", "sign"),
    [
        ({"tapInTime": "4/3/2023 07:21:44"}, DATES),
        ({"tapOutTime": "3.4.2023 07:21:44"}, DATES),
        ({"tapInTime": "2023-04-03 07:21"}, SECONDS),
        ({"tapInTime": "2023-04-03 7:21 PM"}, SECONDS),
        ({"payCardID": "1.80063E+14"}, NUMBERS),
        ({"payCardID": "1,8E14"}, NUMBERS),
        (dict.fromkeys(GOOD, ""), BLANK),
    ],
)
def test_a_sign_in_every_tenth_row_is_damage_and_in_one_of_many_none(
    change: dict[str, str], sign: str
) -> None:
    bad = {**GOOD, **change}
    assert signs([bad]) == [sign], "it is in all rows"
    assert signs([bad] * ROWS_MIN + [GOOD] * 20) == [sign]
    assert signs([bad] * (ROWS_MIN - 1) + [GOOD] * 20) == []
    assert signs([bad] * ROWS_MIN + [GOOD] * 100) == []


def test_a_row_counts_once_and_few_examples_are_kept() -> None:
    watch = DamageWatch()
    for line in range(2, 12):
        watch.row(line, {**GOOD, "tapInTime": "4/3/2023 7:21", "tapOutTime": "4/3/2023 8:21"})
    dates, seconds = watch.findings()
    assert (dates.sign, seconds.sign) == (DATES, SECONDS)
    assert dates.rows == seconds.rows == 10
    assert len(dates.examples) == EXAMPLES_MAX
    assert dates.examples[0] == (2, "tapInTime", "4/3/2023 7:21")


def test_a_good_file_has_no_findings() -> None:
    assert signs([GOOD] * 5) == []
    assert signs([]) == []


@pytest.mark.parametrize(("mark", "name"), [(";", "semicolons"), ("\t", "tabs")])
def test_another_separator_is_named(mark: str, name: str) -> None:
    watch = DamageWatch()
    assert not watch.header([f"a{mark}b"], ["a", "b"])
    (finding,) = watch.findings()
    assert finding.sign == SEPARATOR
    assert name in finding.text


def test_a_header_that_is_whole_can_be_read() -> None:
    watch = DamageWatch()
    assert watch.header(["a", "b", "c"], ["a", "b"])
    assert watch.header(["only"], ["only"])
