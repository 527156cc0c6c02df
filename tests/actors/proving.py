"""A chip of a few lines: it proves what it is told to, as a real one would."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from engine.advices import change_rp, on_cards
from engine.transaction import Group, Intent, Tap, TopUp, Transaction
from protocol.chip.keys import ChipKey, KeyStoreFailed, Role, SoftwareCardKeys
from protocol.chip.profile import (
    RECORD_BYTES,
    RECORD_FILE,
    VALUE_FILE,
    Record,
    Use,
    reader_identity,
)
from protocol.chip.proof import Effect, Proof
from protocol.chip.transaction_mac import (
    READER_BYTES,
    Committed,
    DataCommand,
    ValueCommand,
    data_piece,
    reader_piece,
    records_piece,
    transaction_keys,
    transaction_mac,
    value_piece,
)

VERSION: Final = 1
UID: Final = bytes.fromhex("04de5f1eacc040")
OTHER: Final = bytes.fromhex("04de5f1eacc041")
USES: Final = {"in": Use.TAP_IN, "out": Use.TAP_OUT, "reset": Use.RESET}
KEYS: Final = SoftwareCardKeys({(Role.PROOF, VERSION): bytes(range(16))})


class FailingKeys:
    """A store of keys that answers when it likes."""

    def __init__(self) -> None:
        self.fails = True
        self.asked = 0

    def card_key(self, role: Role, version: int, uid: bytes) -> ChipKey:
        """Return a key, or fail."""
        self.asked += 1
        if self.fails:
            raise KeyStoreFailed("the token is gone")
        return KEYS.card_key(role, version, uid)


def record_of(transaction: Transaction) -> Record:
    """Return the record that the chip writes about an advice."""
    movements = [part for _, part in on_cards(transaction.intent)]
    amount_rp = abs(sum(map(change_rp, movements)))
    part = next((part for part in movements if part.proof is not None), movements[0])
    use = Use.TOP_UP if isinstance(part, TopUp) else Use.PURCHASE
    use = USES[part.direction] if isinstance(part, Tap) else use
    return Record(use, transaction.at_ms // 1000, amount_rp, b"1234", transaction.counter)


def prove(
    transaction: Transaction,
    terminal: str,
    counter: int = 1,
    *,
    uid: bytes = UID,
    record: bytes | None = None,
    change: int | None = None,
) -> Transaction:
    """Return an advice with the proof of its chip, in its first part that is on a card."""
    intent = transaction.intent
    if change is None:
        change = sum(change_rp(part) for _, part in on_cards(intent))
    if record is None:
        record = record_of(transaction).encode()
    effect, before, sealed = Effect.of(change), bytes(RECORD_BYTES), bytes(READER_BYTES)
    pieces = [
        value_piece(ValueCommand.GET, VALUE_FILE, 50_000),
        records_piece(RECORD_FILE, 0, 1, before),
    ]
    if effect.command is not None:
        pieces.append(value_piece(effect.command, VALUE_FILE, effect.amount_rp))
    pieces.append(data_piece(DataCommand.WRITE_RECORD, RECORD_FILE, 0, record))
    pieces.append(reader_piece(reader_identity(terminal), sealed))
    keys = transaction_keys(KEYS.card_key(Role.PROOF, VERSION, uid), uid, counter)
    committed = Committed(counter, transaction_mac(keys, pieces))
    proof = Proof(VERSION, uid, committed, sealed, 50_000, before, record)
    return replace(transaction, intent=with_proof(intent, proof.encode()))


def with_proof(intent: Intent, proof: bytes) -> Intent:
    """Return an intent with a proof, in place of the one that it has."""
    if not isinstance(intent, Group):
        return replace(intent, proof=proof)
    parts = list(intent.parts)
    at = next(n for n, part in enumerate(parts) if getattr(part, "card", ""))
    at = next((n for n, part in enumerate(parts) if getattr(part, "proof", None)), at)
    parts[at] = replace(parts[at], proof=proof)
    return Group(tuple(parts))
