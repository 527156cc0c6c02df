"""Files of trips, of the form that the public data has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

HEADER = (
    "transID,payCardID,payCardBank,payCardName,payCardSex,payCardBirthDate,corridorID,"
    "corridorName,direction,tapInStops,tapInStopsName,tapInStopsLat,tapInStopsLon,stopStartSeq,"
    "tapInTime,tapOutStops,tapOutStopsName,tapOutStopsLat,tapOutStopsLon,stopEndSeq,tapOutTime,"
    "payAmount"
)
OUT = "P00253,Tegalan,-6.203101,106.85715,12.0"


def row(
    trans_id: str,
    card: str,
    bank: str = "dki",
    *,
    corridor: str = "5",
    stop: str = "P00142",
    at: str = "2023-04-03 07:21:44",
    out: str = OUT,
    out_at: str = "2023-04-03 08:00:53",
    amount: str = "3500.0",
) -> str:
    """Return one row."""
    return (
        f"{trans_id},{card},{bank},Someone,M,2008,{corridor},Some - Where,1.0,{stop},Pal Putih,"
        f"-6.184631,106.84402,7,{at},{out},{out_at},{amount}"
    )


def write(path: Path, rows: Sequence[str]) -> Path:
    """Write a file of these rows, with a header."""
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


def busy_stop(count: int, days: int = 2) -> list[str]:
    """Return trips that all begin and end at the same two stops, over few cards."""
    return [
        row(
            f"T{number:04}",
            f"60{number % 7}",
            at=f"2023-04-0{3 + number % days} 07:{number // 60:02}:{number % 60:02}",
            out_at=f"2023-04-0{3 + number % days} 07:{10 + number // 60}:{number % 60:02}",
        )
        for number in range(count)
    ]
