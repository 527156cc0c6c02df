"""What happens at the readers, told from what lay there before and what lies there now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from terminals.pcsc.service import Slot


@dataclass(frozen=True, slots=True)
class ReaderAppeared:
    """A reader is there."""

    reader: str


@dataclass(frozen=True, slots=True)
class ReaderVanished:
    """A reader is there no longer; its card was removed before."""

    reader: str


@dataclass(frozen=True, slots=True)
class CardInserted:
    """A card that answers lies on a reader; the ATR tells its kind, and nothing of whose it is."""

    reader: str
    atr: bytes


@dataclass(frozen=True, slots=True)
class MuteCardInserted:
    """Something that does not answer lies on a reader: two cards at once, or none that works."""

    reader: str


@dataclass(frozen=True, slots=True)
class CardRemoved:
    """Nothing lies on a reader any more, be it a card or something mute."""

    reader: str


@dataclass(frozen=True, slots=True)
class ServiceLost:
    """There is no service; all its readers have vanished before. The text says why."""

    text: str


@dataclass(frozen=True, slots=True)
class ServiceBack:
    """The service is there again; its readers appear next."""


ReaderEvent: TypeAlias = (
    ReaderAppeared
    | ReaderVanished
    | CardInserted
    | MuteCardInserted
    | CardRemoved
    | ServiceLost
    | ServiceBack
)


def changes(before: Mapping[str, Slot], now: Mapping[str, Slot]) -> Iterator[ReaderEvent]:
    """Tell what happened in between, reader by reader.

    A card that came and went unseen is not told of; one that was swapped is told of as two.
    """
    for reader in sorted(before.keys() | now.keys()):
        yield from _at(reader, before.get(reader), now.get(reader))


def _at(reader: str, before: Slot | None, now: Slot | None) -> Iterator[ReaderEvent]:
    was, there = _available(before), _available(now)
    if there is not None and was is None:
        yield ReaderAppeared(reader)
    if _card(was) != _card(there):
        if was is not None and was.present:
            yield CardRemoved(reader)
        if there is not None and there.present:
            yield MuteCardInserted(reader) if there.mute else CardInserted(reader, there.atr)
    if was is not None and there is None:
        yield ReaderVanished(reader)


def _available(slot: Slot | None) -> Slot | None:
    return slot if slot is not None and slot.available else None


def _card(slot: Slot | None) -> tuple[int, bool, bytes] | None:
    """Return what makes a card another one; who else uses it, and its power, do not."""
    return (slot.moves, slot.mute, slot.atr) if slot is not None and slot.present else None
