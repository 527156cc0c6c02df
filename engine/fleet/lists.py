"""Lists that terminals hold: deny list, fares, rules, settings, firmware.

A list maps texts to texts, in the order of its keys as bytes. Each version has a number, one more
than the one before, and a hash of its whole content, so that a terminal can tell whether what it
holds is what was published. A change puts some keys and removes others (the value None).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Final, Literal, TypeAlias, get_args

from msgspec import Meta, Struct

from engine import limits

ListName: TypeAlias = Literal["deny", "fares", "rules", "settings", "firmware"]

LIST_NAMES: Final[tuple[ListName, ...]] = get_args(ListName)

Key: TypeAlias = Annotated[str, Meta(min_length=1, max_length=limits.LIST_KEY_LENGTH_MAX)]
Value: TypeAlias = Annotated[str, Meta(max_length=limits.LIST_VALUE_LENGTH_MAX)]

Put: TypeAlias = tuple[Key, Value | None]
"""A key, and its new value; None removes it."""

DENY: Final = "deny"
"""The cards that terminals turn away: keys are cards, values say why."""


class GuardRules(Struct, frozen=True):
    """When a change of the deny list needs a second officer.

    In Sao Paulo 40,000 cards were once blocked by mistake (30-6-2023), 6,000 another time by the
    bad data of one garage (24-10-2019). Opening that many by mistake is a loss as well, so what is
    removed counts, too.

    Attributes:
      share_max: of all cards that were issued, those that one officer may change at once.
      cards_free: so many are always free, however few cards there are.
    """

    share_max: float = 0.001
    cards_free: int = 100

    def needs_second(self, changed: int, issued: int) -> bool:
        """Tell whether a change of so many cards, of so many issued, needs a second officer."""
        return changed > max(self.cards_free, int(self.share_max * issued))


USUAL_GUARD: Final = GuardRules()


def merged(changes: Iterable[Iterable[Put]]) -> dict[str, str | None]:
    """Return what several changes, the oldest first, come to together."""
    result: dict[str, str | None] = {}
    for change in changes:
        result.update(change)
    return result


def in_order(changes: dict[str, str | None]) -> Iterator[Put]:
    """Yield a change in the order of a list: by the bytes of its keys."""
    # UTF-8 keeps the order of code points, and so does Python.
    for key in sorted(changes):
        yield key, changes[key]


def difference(
    before: Iterator[tuple[str, str]], after: Iterator[tuple[str, str]]
) -> Iterator[Put]:
    """Yield what changes one list into another, both in order; neither is held in memory."""
    old, new = next(before, None), next(after, None)
    while old is not None or new is not None:
        if new is None or (old is not None and old[0] < new[0]):
            assert old is not None
            yield old[0], None
            old = next(before, None)
        elif old is None or new[0] < old[0]:
            yield new
            new = next(after, None)
        else:
            if old[1] != new[1]:
                yield new
            old, new = next(before, None), next(after, None)
