"""All tables together."""

from __future__ import annotations

from typing import Final

from tests.protocol.autobahn import (
    closing,
    compression,
    fragmentation,
    framing,
    opening,
    sizes,
    utf8,
)

ROWS: Final = (
    *framing.ROWS,
    *fragmentation.ROWS,
    *utf8.ROWS,
    *closing.ROWS,
    *sizes.ROWS,
    *compression.ROWS,
)
OPENINGS: Final = opening.ROWS
