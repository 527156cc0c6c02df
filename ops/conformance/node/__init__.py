"""The rules of the document that bind a node, section by section."""

from __future__ import annotations

from typing import Final

from ops.conformance.node import (
    commands,
    connection,
    encoding,
    endings,
    fleet,
    handshake,
    lists,
    orders,
    questions,
    resending,
    rights,
    session,
    transactions,
)
from ops.conformance.rules import Rule, Section

SECTIONS: Final[tuple[Section, ...]] = (
    connection.SECTION,
    encoding.SECTION,
    handshake.SECTION,
    session.SECTION,
    transactions.SECTION,
    questions.SECTION,
    resending.OUTCOMES,
    resending.SECTION,
    endings.SECTION,
    endings.RECONNECTING,
    rights.SECTION,
    lists.SECTION,
    commands.SECTION,
    orders.SECTION,
    fleet.SECTION,
)
"""In the order of the document. A new section gets a module of its own, and its line here."""

RULES: Final[tuple[Rule, ...]] = tuple(rule for section in SECTIONS for rule in section.rules)
