"""The intents as the node reads them."""

from __future__ import annotations

import msgspec
import pytest

from engine import transaction
from engine.transaction import Issue, Replace, Tap, TopUp, Transaction, Withdrawal
from terminals import intents, wire
from terminals.intents import Intent


@pytest.mark.parametrize(
    ("intent", "expected"),
    [
        (
            intents.tap("c", 3_500, "op", "in", place="P1", line="1T", proof=b"p"),
            Tap("c", 3_500, "op", "in", "P1", "1T", "", b"p"),
        ),
        (intents.tap("c", 0, "op", "out"), Tap("c", 0, "op", "out")),
        (intents.top_up("c", 10_000, "dki", proof=b"p"), TopUp("c", 10_000, "dki", proof=b"p")),
        (intents.top_up("c", 10_000, "dki"), TopUp("c", 10_000, "dki")),
        (intents.withdrawal("c", 5_000, "dki"), Withdrawal("c", 5_000, "dki")),
        (
            intents.withdrawal("c", 5_000, "dki", purse="kjp", place="ATM-7"),
            Withdrawal("c", 5_000, "dki", "kjp", "ATM-7"),
        ),
        (intents.issue("c", "stored", "dki"), Issue("c", "stored", "dki")),
        (
            intents.issue("c", "stored", "dki", chip=b"\x04uid"),
            Issue("c", "stored", "dki", chip=b"\x04uid"),
        ),
        (intents.replace("c", "d"), Replace("c", "d")),
        (intents.replace("c", "d", chip=b"\x04uid"), Replace("c", "d", b"\x04uid")),
    ],
)
def test_an_intent_is_read_as_it_was_meant(intent: Intent, expected: transaction.Intent) -> None:
    packed = wire.transaction(1, 2, intent)
    assert msgspec.msgpack.decode(packed, type=Transaction) == Transaction(1, 2, expected)
