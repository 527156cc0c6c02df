"""What a client under test has to do, besides keeping to the document: docs/conformance.md."""

from __future__ import annotations

from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NAME: Final = "KIT-CLIENT"
SEED: Final = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
"""Its private key: the second test key of RFC 8032, section 7.1, which nobody else may use."""
PUBLIC: Final = (
    Ed25519PrivateKey.from_private_bytes(bytes.fromhex(SEED)).public_key().public_bytes_raw()
)

TRANSACTIONS: Final = 100
"""That it has to deliver, with the counters from 1 on."""
FIRST_MS: Final = 1_760_000_000_000
STEP_MS: Final = 1_000
INTENT: Final = ["tap", "6013500100000001", 3_500, "transjakarta", "in", "P00142", "5"]
DEFAULTS: Final[list[Any]] = ["", None]
"""Those of the fields behind `INTENT`, which it may send as well."""

LISTS: Final = ("deny", "settings")
"""That it wants to hear of; in the beginning it holds none of them."""

AHEAD_MS: Final = 3 * 24 * 3_600_000
"""How far the clock that the kit tells is ahead of the machine's."""


def transaction(counter: int) -> list[Any]:
    """Return a transaction as the client has to send it."""
    return [counter, FIRST_MS + counter * STEP_MS, list(INTENT)]


def is_as_told(sent: list[Any]) -> bool:
    """Tell whether a transaction is the one of its counter, with or without its defaults."""
    counter, at_ms, intent = sent
    size = len(INTENT)
    rest = intent[size:]
    return [counter, at_ms, intent[:size]] == transaction(counter) and rest == DEFAULTS[: len(rest)]
