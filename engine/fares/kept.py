"""The taps of a card that are kept, so that one that comes late is put in its place.

    base ──> older half ──> middle ──> newer taps ──> rating

A tap in the order of time is rated from `rating` alone. One that comes late is put among the taps
that are kept, and those after it are rated without it and with it; what that changes the price by
is its charge. Once there are twice `KEPT_TAPS`, the older half is let go and `middle` becomes the
base. So a tap finds its place as long as fewer than `KEPT_TAPS` later ones of the card came before
it; one that comes after that is too late.

Only where ratings stand needs the rules: an entry carries that (`rating`, `middle`), and all the
rest follows from the tap.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import chain, product
from typing import Final, TypeAlias, get_args

import msgspec

from engine.accounts import Posting
from engine.card import Granted
from engine.fares.rating import rate, rate_all
from engine.fares.ride import Charge
from engine.fares.state import Direction, Kept, Rating, SeenTap
from engine.fares.tariff import Tariffs
from engine.limits import KEPT_TAPS
from engine.rules.kinds import Service
from engine.transaction import Entry, Tap

_ENCODE: Final = msgspec.msgpack.Encoder().encode
_DECODE: Final = msgspec.msgpack.Decoder(list[tuple[int, int, str, str]]).decode
_KINDS: Final = tuple(product(get_args(Service), get_args(Direction)))
_NUMBERS: Final = {kind: number for number, kind in enumerate(_KINDS)}
"""Service and direction of a tap as one number: a new service comes behind all others."""
_ARRAY_16: Final = b"\xdc"
"""How an array begins, before the number of its values (msgpack specification, array 16)."""


Rated: TypeAlias = tuple[Rating, Rating | None, Charge]
"""What the entry of a tap tells (`rating`, `middle`), and what it adds to the price of all taps."""


def seen_tap(at_ms: int, intent: Tap) -> SeenTap:
    """Return a tap as its rating sees it."""
    return SeenTap(
        at_ms,
        intent.direction,
        intent.service,  # type: ignore[arg-type]  # one that no rule knows is not rated
        intent.place,
        intent.operator,
    )


def rate_in_place(
    kept: Kept, tap: SeenTap, tariffs: Tariffs, grants: Sequence[Granted]
) -> Rated | None:
    """Rate a tap of a card, whenever it comes; None: it is too late."""
    if tap.at_ms > kept.newest_ms:
        rating, charge = rate(kept.rating, tap, tariffs, grants)
        return rating, None, charge
    before = taps_of(kept)
    place = bisect_left(before, tap)
    if kept.settled and place == 0:
        return None
    # What comes before it stays as it is; what comes after is rated without it and with it.
    known, base = (0, kept.base) if place < KEPT_TAPS else (KEPT_TAPS, kept.middle)
    there, _ = rate_all(before[known:place], tariffs, grants, rating=base)
    later = before[place:]
    _, old = rate_all(later, tariffs, grants, rating=there)
    older = max(0, KEPT_TAPS - place)
    after = [tap, *later]
    middle, new = rate_all(after[:older], tariffs, grants, rating=there)
    rating, newer = rate_all(after[older:], tariffs, grants, rating=middle)
    new += newer
    card_rp = sum(charge.card_rp for charge in new) - sum(charge.card_rp for charge in old)
    charge = Charge(card_rp, _difference(old, new), new[0].rule)
    return rating, middle if place < KEPT_TAPS else None, charge


def with_entry(kept: Kept, entry: Entry, rating: Rating) -> Kept:
    """Return the taps of a card with that of an entry, whose rating is given."""
    intent = entry.intent
    assert isinstance(intent, Tap), "only taps are rated"
    count, newest_ms = kept.count + 1, kept.newest_ms
    middle, middle_bytes = kept.middle, kept.middle_bytes
    if entry.at_ms > newest_ms:
        newest_ms = entry.at_ms
        number = _NUMBERS[intent.service, intent.direction]
        taps = kept.taps + _ENCODE((newest_ms, number, intent.place, intent.operator))
        if count == KEPT_TAPS:
            middle, middle_bytes = rating, len(taps)
    else:
        before = taps_of(kept)
        tap = seen_tap(entry.at_ms, intent)
        place = bisect_left(before, tap)
        # Most come late by little: what is behind it is short.
        behind = b"".join(map(_encoded, before[place:]))
        ahead = kept.taps[: len(kept.taps) - len(behind)]
        taps = b"".join((ahead, _encoded(tap), behind))
        if place < KEPT_TAPS <= count:
            middle = entry.middle or middle
            after = [*before[:place], tap, *before[place:]]
            middle_bytes = sum(len(_encoded(each)) for each in after[:KEPT_TAPS])
    if count < 2 * KEPT_TAPS:
        return Kept(rating, newest_ms, count, taps, kept.base, kept.settled, middle, middle_bytes)
    newer = taps[middle_bytes:]
    settled = True
    return Kept(rating, newest_ms, KEPT_TAPS, newer, middle, settled, rating, len(newer))


def taps_of(kept: Kept) -> list[SeenTap]:
    """Return the taps that are kept, in the order of time."""
    found: list[SeenTap] = []
    encoded = _ARRAY_16 + kept.count.to_bytes(2, "big") + kept.taps
    for at_ms, number, place, operator in _DECODE(encoded):
        service, direction = _KINDS[number]
        found.append(SeenTap(at_ms, direction, service, place, operator))
    return found


def _encoded(tap: SeenTap) -> bytes:
    return _ENCODE((tap.at_ms, _NUMBERS[tap.service, tap.direction], tap.place, tap.operator))


def _difference(old: Iterable[Charge], new: Iterable[Charge]) -> tuple[Posting, ...]:
    changes: dict[tuple[int, str], int] = {}
    for charges, sign in ((new, 1), (old, -1)):
        for kind, owner, amount_rp in chain.from_iterable(charge.lines for charge in charges):
            changes[kind, owner] = changes.get((kind, owner), 0) + sign * amount_rp
    return tuple((*account, amount_rp) for account, amount_rp in changes.items() if amount_rp)
