"""The rows of the views: names of the tables, and how keys and values are written.

| table | key | value |
|---|---|---|
| cards | card | Card |
| terminals | terminal | Seen |
| returned | transaction | rupiah given back of it |
| holders | programme and pseudonym of a person | the card on which it was last granted |
| chips | UID of a chip | ChipCounts |
| accounts | account | balance in rupiah |
| runs | transaction | position of it, and how many follow it there |
| exceptions | position | what the ledger dislikes in that entry |
| balances | account, position | balance in rupiah before the entry at that position |
| landmarks | position | nothing: the balances that changed since the landmark before are kept |
| standing | `standing` | where the views stand |

Values are msgpack. A transaction is keyed by the length of its terminal's name, the name and the
counter: those of one terminal lie together, by ascending counter, whatever a name is made of. An
account is keyed by its kind and, in the same way, its owner. Numbers in keys are big-endian.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from engine.card import Card
from engine.chips import ChipCounts
from engine.errors import Reason
from engine.seen import Seen
from storage.errors import StorageDamaged
from storage.store import Row

V = TypeVar("V")

CARDS: Final = "cards"
TERMINALS: Final = "terminals"
RETURNED: Final = "returned"
HOLDERS: Final = "holders"
CHIPS: Final = "chips"
ACCOUNTS: Final = "accounts"
RUNS: Final = "runs"
EXCEPTIONS: Final = "exceptions"
BALANCES: Final = "balances"
LANDMARKS: Final = "landmarks"
STANDING: Final = "standing"

DERIVED_TABLES: Final = (
    *(CARDS, TERMINALS, RETURNED, HOLDERS, CHIPS, ACCOUNTS),
    *(RUNS, EXCEPTIONS, BALANCES, LANDMARKS),
)
"""All that say something of the journal."""

VIEWS_TABLES: Final = (*DERIVED_TABLES, STANDING)
"""The tables of the views' store."""

VIEWS_FORMAT: Final = 4
"""Counted up when a row changes its shape; views of another format are built anew."""

STANDING_KEY: Final = b"standing"
NUMBER_BYTES: Final = 8
_LENGTH_BYTES: Final = 2


class Standing(Struct, frozen=True, array_like=True, gc=False):
    """Where the views stand.

    Attributes:
      format: `VIEWS_FORMAT` of the program that wrote them.
      position: they are the fold of all entries before it.
      block_hash: hash of the block that holds the last of these; empty at position 0.
      decided_ms: the moment at which the last of these was decided.
    """

    format: int
    position: int
    block_hash: bytes
    decided_ms: int


VIEWS_REMEDY: Final = (
    "Stop the node and delete the folder `views`: it is built anew from the journal."
)
"""What to do about damaged views: a backup would cost what was acknowledged since."""

NOWHERE: Final = Standing(VIEWS_FORMAT, 0, b"", 0)
"""Nothing stands in the views."""

RunValue: TypeAlias = tuple[int, int]
"""First position and count of a run."""

encode: Final = msgspec.msgpack.Encoder().encode
CARD: Final = msgspec.msgpack.Decoder(Card)
SEEN: Final = msgspec.msgpack.Decoder(Seen)
AMOUNT: Final = msgspec.msgpack.Decoder(int)
CHIP: Final = msgspec.msgpack.Decoder(ChipCounts)
CARD_NAME: Final = msgspec.msgpack.Decoder(str)
RUN: Final = msgspec.msgpack.Decoder(RunValue)
REASONS: Final = msgspec.msgpack.Decoder(tuple[Reason, ...])
STANDING_VALUE: Final = msgspec.msgpack.Decoder(Standing)


def decode(decoder: msgspec.msgpack.Decoder[V], value: bytes) -> V:
    """Return what a value says.

    Raises:
      StorageDamaged: it is not what was written.
    """
    try:
        return decoder.decode(value)
    except msgspec.MsgspecError as error:
        raise unreadable(str(error)) from error


def decode_all(
    decoder: msgspec.msgpack.Decoder[V], values: Iterable[bytes | None]
) -> list[V | None]:
    """Return what values say; None where there is none.

    Raises:
      StorageDamaged: one is not what was written.
    """
    try:
        return [None if value is None else decoder.decode(value) for value in values]
    except msgspec.MsgspecError as error:
        raise unreadable(str(error)) from error


def unreadable(why: str) -> StorageDamaged:
    """Return the error that refuses the views, with what to do about it."""
    return StorageDamaged(f"the views cannot be read ({why}). {VIEWS_REMEDY}")


def position_key(position: int) -> bytes:
    """Return the key of a position."""
    return position.to_bytes(NUMBER_BYTES)


def number_of(key: bytes) -> int:
    """Return the number that a key ends with."""
    return int.from_bytes(key[-NUMBER_BYTES:])


def name_key(name: str) -> bytes:
    """Return the key of a card or a terminal."""
    # The empty name, which stands for none, is asked for too; a store knows no empty key.
    return name.encode() or b"\0"


def transaction_key(terminal: str, counter: int) -> bytes:
    """Return the key of a transaction."""
    return terminal_key(terminal) + counter.to_bytes(NUMBER_BYTES)


def terminal_key(terminal: str) -> bytes:
    """Return what the keys of all transactions of a terminal begin with."""
    raw = terminal.encode()
    return len(raw).to_bytes(_LENGTH_BYTES) + raw


def account_key(kind: int, owner: str) -> bytes:
    """Return the key of an account."""
    return bytes((kind,)) + terminal_key(owner)


def account_of(key: bytes) -> tuple[int, str]:
    """Return kind and owner of an account's key.

    Raises:
      StorageDamaged: it is the key of no account.
    """
    try:
        return key[0], key[1 + _LENGTH_BYTES :].decode()
    except UnicodeDecodeError as error:
        raise unreadable(str(error)) from error


def merged_runs(rows: Iterable[Row]) -> Iterator[Row]:
    """Join the rows of runs that continue each other: what is left depends on the journal alone."""
    last: tuple[bytes, int, RunValue] | None = None
    for key, value in rows:
        terminal, counter = key[:-NUMBER_BYTES], number_of(key)
        position, count = decode(RUN, value)
        if last is not None:
            key_before, counter_before, (position_before, count_before) = last
            follows = (key_before[:-NUMBER_BYTES], counter_before + count_before)
            if (terminal, counter) == follows and position == position_before + count_before:
                last = (key_before, counter_before, (position_before, count_before + count))
                continue
            yield key_before, encode(last[2])
        last = (key, counter, (position, count))
    if last is not None:
        yield last[0], encode(last[2])


def describe(table: str, key: bytes) -> str:
    """Return a key for a person to read."""
    if table in (EXCEPTIONS, LANDMARKS):
        return f"position {number_of(key)}"
    if table in (RUNS, RETURNED):
        return f"{_printable(key[_LENGTH_BYTES:-NUMBER_BYTES])} counter {number_of(key)}"
    if table == CHIPS:
        return key.hex()
    if table == ACCOUNTS:
        return f"{key[0]} {_printable(key[1 + _LENGTH_BYTES :])}"
    if table == BALANCES:
        return f"{describe(ACCOUNTS, key[:-NUMBER_BYTES])} position {number_of(key)}"
    return _printable(key)


def _printable(raw: bytes) -> str:
    return raw.decode("ascii", "backslashreplace")
