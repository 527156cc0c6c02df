"""Keys, dates and spans of time, as people write them and as they are shown."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ops.keys.values import moment_ms, public_key, shown_span, shown_time, span_ms


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


def test_a_time_is_shown_as_it_is_in_jakarta() -> None:
    assert shown_time(moment_ms("2027-01-31T12:00")) == "2027-01-31 12:00"


@pytest.mark.parametrize(
    ("span", "shown"),
    [
        *(("365d", "365 d"), ("47h", "47 h"), ("48h", "2 d"), ("119m", "119 min")),
        *(("119s", "119 s"), ("120s", "2 min"), ("0s", "0 s")),
    ],
)
def test_a_span_is_shown_in_its_largest_unit(span: str, shown: str) -> None:
    assert shown_span(span_ms(span)) == shown


def test_a_key_is_read_from_hex() -> None:
    assert public_key("11" * 32) == b"\x11" * 32


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "expected 32 bytes in hex"),
        ("11" * 31, "expected 32 bytes in hex"),
        ("no hex", "expected 32 bytes in hex"),
        ("00" * 32, "small order"),
    ],
)
def test_a_key_that_is_none_says_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        public_key(text)
