"""Rows add up to the accounts of operators, to the rupiah, whatever happened."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest
from hypothesis import given

from engine.accounts import OPERATOR_REVENUE
from engine.limits import TIME_MS_MAX
from ops.tides.rows import KINDS, Row, columns, rows_of
from ops.tides.schema import COLUMNS, FARE_ACTIONS, FARE_MEDIA, SCHEMA, SPEC_VERSION
from protocol.redaction import pseudonyms
from terminals.messages import Entry, FeedEntry
from tests.engine.histories import History, histories, play
from tests.ops.feed.test_named import OPERATIONS, as_told
from tests.protocol import document


def table(rows: list[Row]) -> pa.Table:
    return pa.Table.from_pydict(columns(rows, SCHEMA.names), SCHEMA)


@given(histories)
def test_the_rows_of_an_operator_add_up_to_its_account(history: History) -> None:
    rows = [row for found in as_told(history) for row in rows_of(found)]
    sums: Counter[str] = Counter()
    for row in rows:
        amount_rp = row["amount"]
        assert isinstance(amount_rp, int)
        sums[str(row["agency_id"])] += amount_rp
    accounts = play(history).book.accounts[OPERATOR_REVENUE]
    assert {agency: total for agency, total in sums.items() if total} == {
        operator: total for operator, total in accounts.items() if total
    }
    identities = [row["transaction_id"] for row in rows]
    assert len(set(identities)) == len(identities)
    assert {row["fare_action"] for row in rows} <= set(FARE_ACTIONS)
    assert {row["fare_media_id"] for row in rows} <= {None, *FARE_MEDIA}
    assert table(rows).validate(full=True) is None


@given(histories)
def test_what_makes_a_row_is_of_a_kind_that_is_asked_for(history: History) -> None:
    for found in as_told(history):
        if rows_of(found):
            assert found.entry.intent[0] in KINDS
        elif found.entry.intent[0] == "tap":
            assert found.entry.reason, "a ride that was posted is a row"


def test_the_columns_are_those_of_the_specification() -> None:
    """Copied from spec/fare_transactions.schema.json of v1.0, with what it requires."""
    told = [
        *("transaction_id!", "service_date!", "event_timestamp!", "location_ping_id", "amount!"),
        *("currency_type", "fare_action!", "trip_id_performed", "trip_id_scheduled", "pattern_id"),
        *("trip_stop_sequence", "scheduled_stop_sequence", "vehicle_id", "device_id", "fare_id"),
        *("stop_id", "num_riders", "fare_media_id", "rider_category", "fare_product"),
        *("fare_period", "fare_capped!", "token_id", "balance"),
    ]
    assert [*COLUMNS] == [name.rstrip("!") for name in told]
    assert [*SCHEMA.names[: len(COLUMNS)]] == [*COLUMNS]
    for name in told:
        assert SCHEMA.field(name.rstrip("!")).nullable == (name[-1] != "!"), name
    assert SCHEMA.metadata == {b"tides": SPEC_VERSION.encode()}


T_MS = 1_760_000_000_000


def rows(
    intent: list[object],
    *postings: tuple[int, str, int],
    at_ms: int = T_MS,
    reason: str = "",
    balance_rp: int = 500,
) -> list[Row]:
    decided_ms = T_MS + 9
    entry = Entry(
        *("GATE-1", 7, at_ms, intent, decided_ms, reason, "", "", balance_rp, (), postings, -1)
    )
    return rows_of(FeedEntry(41, entry))


def told(made: list[Row], *names: str) -> list[tuple[object, ...]]:
    return [tuple(row.get(name) for name in names) for row in made]


TAP: list[object] = ["tap", "C", 3500, "mrt", "out", "P00142", "1", "", None]


def test_a_tap_is_a_row_with_all_that_is_known_of_it() -> None:
    (row,) = rows(TAP, (1, "C", -3500), (3, "mrt", 3500))
    (shown,) = table([row]).to_pylist()
    assert {name: value for name, value in shown.items() if value is not None} == {
        "transaction_id": "GATE-1/7/1",
        "service_date": date(2025, 10, 9),
        "event_timestamp": datetime(2025, 10, 9, 8, 53, 20, tzinfo=UTC),
        "amount": 3500,
        "currency_type": "IDR",
        "fare_action": "Exit",
        "device_id": "GATE-1",
        "stop_id": "P00142",
        "num_riders": 1,
        "fare_capped": False,
        "token_id": "C",
        "balance": 500,
        "agency_id": "mrt",
        "route_id": "1",
        "posted_timestamp": datetime(2025, 10, 9, 8, 53, 20, 9_000, tzinfo=UTC),
        "journal_position": 41,
    }


def test_the_day_is_that_of_jakarta_by_the_terminals_clock() -> None:
    late_ms = int(datetime(2025, 10, 9, 17, tzinfo=UTC).timestamp() * 1000)
    for at_ms, day in ((late_ms - 1, date(2025, 10, 9)), (late_ms, date(2025, 10, 10))):
        (shown,) = table(rows(TAP, at_ms=at_ms)).to_pylist()
        assert shown["service_date"] == day
    (shown,) = table(rows(TAP, at_ms=TIME_MS_MAX)).to_pylist()
    assert shown["service_date"] == date(9999, 12, 31), "a clock that is far off makes no fault"


def test_a_ride_that_moved_nothing_is_a_row_of_zero() -> None:
    made = rows(["tap", "C", 0, "mrt", "in"])
    assert told(made, "amount", "fare_action", "agency_id") == [(0, "Enter", "mrt")]
    made = rows(["tap", "C", 9, "m*t", "in", "", "", "", b"x"], (1, "C", -9), (10, "account", 9))
    assert told(made, "amount", "agency_id", "fare_media_id") == [
        (0, "m*t", "Smart card or ticket")
    ]


def test_the_parts_of_a_group_are_rows_of_their_own() -> None:
    group: list[object] = [
        "group",
        [
            ["tap", "C", 5000, "tj", "out", "", "", "kjp"],
            ["subsidy", "free", "tj", 3000],
            ["share", "tj", "mrt", 2000],
            ["top_up", "C", 10_000, "dki"],
        ],
    ]
    made = rows(
        group,
        *((2, "C/kjp", -5000), (3, "tj", 5000), (7, "free", -3000), (3, "tj", 3000)),
        *((3, "tj", -2000), (3, "mrt", 2000), (5, "dki", -10_000), (1, "C", 10_000)),
    )
    assert told(made, "transaction_id", "agency_id", "amount", "fare_action", "fare_product") == [
        ("GATE-1/7/1", "tj", 5000, "Exit", "kjp"),
        ("GATE-1/7/2", "tj", 3000, "Other", "free"),
        ("GATE-1/7/3", "tj", -2000, "Other", None),
        ("GATE-1/7/4", "mrt", 2000, "Other", None),
    ]
    assert {row["token_id"] for row in made} == {"C"}


@pytest.mark.parametrize(
    ("intent", "action"),
    [
        (["reversal", "T", 1], "Void"),
        (["refund", "T", 1, 5], "Adjust"),
        (["adjustment", "ani", "why", [[1, "C", 5], [3, "mrt", -5]], "C"], "Adjust"),
        (["post", "C", "T", 1, 5], "Other"),
    ],
)
def test_what_gives_back_or_corrects_is_a_row_with_its_sign(
    intent: list[object], action: str
) -> None:
    made = rows(intent, (1, "C", 5), (3, "mrt", -5))
    assert told(
        made, "agency_id", "amount", "fare_action", "token_id", "num_riders", "balance"
    ) == [("mrt", -5, action, "C", None, None)]


def test_what_was_refused_or_is_nobodys_fare_is_no_row() -> None:
    assert rows(TAP, reason="card_blocked") == []
    assert rows(["purchase", "C", 5, "shop"], (1, "C", -5), (4, "shop", 5)) == []
    assert rows(["top_up", "C", 5, "dki"], (5, "dki", -5), (1, "C", 5)) == []
    assert rows(["hold", "C", 5, "operator", "lrt", 60]) == []


def test_an_observers_rows_have_no_balance() -> None:
    card = pseudonyms(bytes(32))("C")
    (row,) = rows(["tap", card, 5, "mrt", "in"], (1, card, -5), (3, "mrt", 5), balance_rp=0)
    assert (row["token_id"], row["balance"]) == (card, None)


def test_operations_tell_every_column_that_is_filled() -> None:
    cells = [row[0] for row in document.table("column", OPERATIONS)]
    told = [name.strip(" `") for cell in cells for name in cell.split(",")]
    (row,) = rows(TAP, (1, "C", -3500), (3, "mrt", 3500))
    assert sorted([*told, "fare_action"]) == sorted(row), "the actions have a table of their own"
    actions = {cell for row in document.table("entry", OPERATIONS) for cell in row[1].split(", ")}
    assert actions <= {f"`{action}`" for action in FARE_ACTIONS}
