"""The rules of the document that bind a node, section by section."""

from __future__ import annotations

from typing import Final

from ops.conformance.kit import Kit
from ops.conformance.node import (
    commands,
    connection,
    encoding,
    endings,
    feed,
    fleet,
    handshake,
    lists,
    orders,
    purchases,
    questions,
    resending,
    rides,
    rights,
    session,
    transactions,
)
from ops.conformance.rules import Rule, Section

SECTIONS: Final[tuple[Section[Kit], ...]] = (
    connection.SECTION,
    encoding.SECTION,
    handshake.SECTION,
    session.SECTION,
    transactions.SECTION,
    rides.SECTION,
    purchases.SECTION,
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
    feed.SECTION,
)
"""In the order of the document. A new section gets a module of its own, and its line here."""

RULES: Final[tuple[Rule[Kit], ...]] = tuple(rule for section in SECTIONS for rule in section.rules)

NOT_TRIED: Final = {
    "busy:card_quarantined": "a card whose handler failed: a defect of the node",
    "busy:terminal_suspended": "too many advices of a terminal that no chip has proved",
    "busy:keys_unavailable": "a defect of the node, or of where it has its keys",
    "busy:overload": "depends on how fast the node is",
    "busy:restarting": "a defect of the node",
    "busy:storage_full": "the disk of the node is full",
    "code:internal_error": "a defect of the node",
    "code:certificate_mismatch": "the node demands certificates of terminals",
    "code:node_stopping": "whoever stops the node sees it",
    "failed:busy": "depends on how fast the node is; the kit asks again",
    "failed:internal_error": "a defect of the node",
    "limit:accounts_per_kind_max": "so many accounts would stay for ever",
    "limit:balance_rp_max": "takes a hundred thousand adjustments",
    "limit:gaps_per_chip_max": "chips do so many things, and no client",
    "limit:grants_per_card_max": "there are fewer programmes than grants fit on a card",
    "limit:nesting_max": "no field that can be at fault lies so deep",
    "order:internal_error": "a defect of the node",
    "order:overload": "depends on how fast the node is",
    "order:storage_full": "the disk of the node is full",
    "reason:account_limit": "so many accounts would stay for ever",
    "reason:card_quarantined": "a card whose handler failed: a defect of the node",
    "reason:clock_corrected": "of a node that has the keys of chips",
    "reason:day_limit": "no purse has such a limit at present",
    "reason:month_limit": "no purse has such a limit at present",
    "reason:proof_forged": "of a node that has the keys of chips",
    "reason:proof_repeated": "of a node that has the keys of chips",
    "reason:proof_unreadable": "of a node that has the keys of chips",
    "reason:too_many_grants": "there are fewer programmes than grants fit on a card",
    "receipt:busy": "depends on how fast the node is",
    "status:503": "the node is full, or is being stopped",
}
"""What a client cannot bring about by itself, or had better not, and why."""
