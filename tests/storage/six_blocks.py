"""A small journal with its views, to be verified after something was done to it."""

from __future__ import annotations

from typing import Final

from engine.transaction import Grant, Issue, Refund, Replace, Tap, TopUp
from storage.journal import BLOCKS
from storage.memory_store import MemoryStore
from storage.store import all_rows
from storage.verify import Report, verify
from storage.view_rows import VIEWS_TABLES
from tests.storage.city import CARDS as NAMES
from tests.storage.city import CHIPS, HOLDERS, PROOF, TODAY, City

BLOCKS_THERE: Final = 6


def tap(card: str = NAMES[0], proof: bytes | None = None) -> Tap:
    return Tap(card, 3500, "transjakarta", "in", proof=proof)


def six_blocks() -> City:
    """Return six blocks, with every table of the views in use, and two landmarks."""
    city = City()
    city.run(Issue(NAMES[0], "account", "dki", chip=CHIPS[0]), Issue(NAMES[1], "account", "dki"))
    city.run(*(TopUp(card, 50_000, "dki") for card in NAMES[:2]))
    city.run(tap(), tap(NAMES[1]), tap(proof=PROOF))
    city.shard.views.write_landmark(city.durable, city.shard.book.accounts)
    city.shard.checkpoint()
    city.run(Refund("GATE-1", 5, 500), Replace(NAMES[1], NAMES[2]), terminal="BUS-2")
    grant = Grant(NAMES[2], "free_ride", "elderly", HOLDERS[0], TODAY, TODAY)
    city.run(tap(), grant, tap(NAMES[1]))
    city.shard.checkpoint()
    city.shard.views.write_landmark(city.durable, city.shard.book.accounts)
    city.run(tap())
    return city


def verified(city: City, *, in_memory_max: int = 1_000_000, views: bool = True) -> Report:
    return verify(
        city.journal,
        city.views if views else None,
        MemoryStore(tables=VIEWS_TABLES),
        entries_in_memory_max=in_memory_max,
    )


def block_rows(city: City) -> list[tuple[bytes, bytes]]:
    return list(all_rows(city.journal, BLOCKS))
