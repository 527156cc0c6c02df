"""The rules of the document that bind a client, in the order in which they are played."""

from __future__ import annotations

from typing import Final

from ops.conformance.client import commanding, delivering, listing, reconnecting, watched
from ops.conformance.client.stage import Stage
from ops.conformance.rules import Rule, Section

SECTIONS: Final[tuple[Section[Stage], ...]] = (
    delivering.CONNECTION,
    delivering.HANDSHAKE,
    delivering.SECTION,
    delivering.ENCODING,
    reconnecting.ENDINGS,
    reconnecting.SECTION,
    listing.SECTION,
    commanding.SECTION,
    reconnecting.THE_END,
    watched.CONNECTION,
    watched.ENCODING,
    watched.HANDSHAKE,
    watched.SESSION,
    watched.OUTCOMES,
    watched.SENDING,
)
"""Each leaves the client as the next one needs it, so they are always played whole."""

SCENARIOS: Final[tuple[Rule[Stage], ...]] = tuple(
    rule for section in SECTIONS for rule in section.rules
)
