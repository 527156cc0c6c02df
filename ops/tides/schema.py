"""The table of TIDES: its columns, what they hold, and what was added.

Source: Transit ITS Data Exchange Specification (TIDES) v1.0 of 2025-12-23,
spec/fare_transactions.schema.json: names, order, types, `required`, and the values of `fare_action`
and `fare_media_id`, which later versions write in another case.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

SPEC_VERSION: Final = "1.0"

TIME: Final = pa.timestamp("ms", tz="UTC")

_TIDES: Final = (
    pa.field("transaction_id", pa.string(), nullable=False),
    pa.field("service_date", pa.date32(), nullable=False),
    pa.field("event_timestamp", TIME, nullable=False),
    pa.field("location_ping_id", pa.string()),
    # Whole rupiah: a number without a fraction.
    pa.field("amount", pa.int64(), nullable=False),
    pa.field("currency_type", pa.string()),
    pa.field("fare_action", pa.string(), nullable=False),
    pa.field("trip_id_performed", pa.string()),
    pa.field("trip_id_scheduled", pa.string()),
    pa.field("pattern_id", pa.string()),
    pa.field("trip_stop_sequence", pa.int32()),
    pa.field("scheduled_stop_sequence", pa.int32()),
    pa.field("vehicle_id", pa.string()),
    pa.field("device_id", pa.string()),
    pa.field("fare_id", pa.string()),
    pa.field("stop_id", pa.string()),
    pa.field("num_riders", pa.int32()),
    pa.field("fare_media_id", pa.string()),
    pa.field("rider_category", pa.string()),
    pa.field("fare_product", pa.string()),
    pa.field("fare_period", pa.string()),
    pa.field("fare_capped", pa.bool_(), nullable=False),
    pa.field("token_id", pa.string()),
    pa.field("balance", pa.int64()),
)
_OURS: Final = (
    pa.field("agency_id", pa.string(), nullable=False),
    pa.field("route_id", pa.string()),
    pa.field("posted_timestamp", TIME, nullable=False),
    pa.field("journal_position", pa.int64(), nullable=False),
)
"""What the specification has no column for, behind those that it has. The names are GTFS's."""

COLUMNS: Final = tuple(field.name for field in _TIDES)
"""Those of the specification, in its order."""

FARE_ACTIONS: Final = (
    "Unknown action type",
    "Purchase",
    "Enter",
    "Exit",
    "Transfer entrance",
    "Transfer exit",
    "Add",
    "New",
    "Capture",
    "Extend",
    "Combine",
    "Void",
    "Activate",
    "Adjust",
    "Other",
)
FARE_MEDIA: Final = (
    "Cash or coins",
    "Smart card or ticket",
    "Magnetic-stripe card or ticket",
    "Bank card",
    "Mobile NFC",
    "Optical scan",
    "Button pressed by driver or operator to indicate a boarding or alighting passenger.",
    "Other type",
)

SCHEMA: Final = pa.schema([*_TIDES, *_OURS], metadata={"tides": SPEC_VERSION})
