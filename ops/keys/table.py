"""Keys as they are told: for programs, and as a table for people."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import asdict
from rich.console import Console
from rich.table import Table

from ops.values import shown_span, shown_time
from storage.key_store import KeyRecord, KeyState


def as_object(record: KeyRecord, now_ms: int) -> dict[str, object]:
    """Return a key for a program."""
    return {
        **asdict(record),
        "public_key": record.public_key.hex(),
        "state": record.state(now_ms).value,
    }


def show(console: Console, records: Iterable[KeyRecord], now_ms: int) -> None:
    """Print keys as a table."""
    table = Table("terminal", "role", "public key", "state", "enrolled (WIB)", "note")
    for record in records:
        table.add_row(
            record.terminal,
            record.role,
            record.public_key.hex(),
            in_words(record, now_ms),
            shown_time(record.enrolled_ms),
            record.note,
        )
    console.print(table)


def in_words(record: KeyRecord, now_ms: int) -> str:
    """Tell what a key is good for, and until when or since when."""
    state = record.state(now_ms)
    if state is KeyState.REVOKED:
        return f"revoked {shown_time(record.revoked_ms or 0)}"
    if record.expires_ms is None:
        return state.value
    if state is KeyState.EXPIRED:
        return f"expired {shown_time(record.expires_ms)}"
    return f"valid, expires in {shown_span(record.expires_ms - now_ms)}"
