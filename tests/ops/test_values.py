"""Times, spans and sizes, as people write them and as they are shown."""

from __future__ import annotations

from datetime import UTC, datetime

import click
import pytest

from ops import values
from ops.values import moment_ms, span_ms


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0), ("90s", 90), ("15m", 900), ("1h", 3_600), ("365d", 31_536_000)],
)
def test_a_span_has_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert span_ms(text) == 1000 * seconds


@pytest.mark.parametrize("text", ["", "1", "h", "1 h", "-1h", "1.5h", "1w", "1000000d", "1h30m"])
def test_what_is_no_span_says_how_one_is_written(text: str) -> None:
    with pytest.raises(ValueError, match="no span of time as 90s, 15m, 1h or 365d"):
        span_ms(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2027-01-31", datetime(2027, 1, 30, 17, tzinfo=UTC)),
        ("2027-01-31T12:00", datetime(2027, 1, 31, 5, tzinfo=UTC)),
        ("2027-01-31 12:00:30", datetime(2027, 1, 31, 5, 0, 30, tzinfo=UTC)),
        ("2027-01-31T12:00Z", datetime(2027, 1, 31, 12, tzinfo=UTC)),
        ("2027-01-31T12:00+08:00", datetime(2027, 1, 31, 4, tzinfo=UTC)),
    ],
)
def test_a_date_is_one_of_jakarta_unless_it_says_otherwise(text: str, moment: datetime) -> None:
    assert moment_ms(text) == 1000 * int(moment.timestamp())


@pytest.mark.parametrize("text", ["", "31-01-2027", "2027-02-30", "tomorrow", "365d"])
def test_what_is_no_date_says_how_one_is_written(text: str) -> None:
    with pytest.raises(ValueError, match="no date as 2027-01-31"):
        moment_ms(text)


def test_an_option_says_what_is_wrong_with_it() -> None:
    assert values.SPAN.convert("2m", None, None) == 120_000
    with pytest.raises(click.BadParameter, match="no span of time"):
        values.SPAN.convert("2 minutes", None, None)


@pytest.mark.parametrize(
    ("ms", "shown"),
    [
        (0, "0 s"),
        (-20, "-20 ms"),
        (999, "999 ms"),
        (1_000, "1 s"),
        (1_250, "1.2 s"),
        (-9_900, "-9.9 s"),
        (10_900, "10 s"),
        (119_000, "119 s"),
        (120_000, "2 min"),
        (7_199_000, "119 min"),
        (-7_200_000, "-2 h"),
        (172_799_000, "47 h"),
        (172_800_000, "2 d"),
    ],
)
def test_a_span_is_shown_in_the_largest_unit_of_which_there_are_two(ms: int, shown: str) -> None:
    assert values.shown_span(ms) == shown


def test_a_time_is_shown_as_in_jakarta() -> None:
    at_ms = values.moment_ms("2027-01-31T04:05:06")
    assert values.shown_time(at_ms) == "2027-01-31 04:05"
    assert values.shown_time(at_ms, seconds=True) == "2027-01-31 04:05:06"


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (1_023, "1023 B"),
        (1_536, "1.5 KiB"),
        (3 * 1024**2, "3.0 MiB"),
        (2048 * 1024**3, "2048.0 GiB"),
    ],
)
def test_bytes_are_shown_in_the_largest_unit(count: int, shown: str) -> None:
    assert values.shown_bytes(count) == shown


def test_what_would_steer_a_terminal_is_not_shown() -> None:
    assert (
        values.printable("gate\x1b[2J\n2.4")
        == "gate\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}2.4"
    )
    assert values.printable("Jalan Haji Ko\u010di\u0107") == "Jalan Haji Ko\u010di\u0107"
