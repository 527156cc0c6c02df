"""A terminal whose disk is full turns cards away, loses nothing, and goes on when there is room."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ops.virtual_card.card import VirtualCard
from storage.lmdb_store import LmdbStore, commit
from terminals.acceptance.journal import TABLES
from terminals.acceptance.refusal import Refusal
from terminals.acceptance.visit import Taken, Turned, Visit
from tests.crash.small_disk import mounted
from tests.terminals.acceptance.lab import NOON_MS, World, made_card
from tests.terminals.acceptance.test_visit import PRICE_RP, proved, value_of, visit

if TYPE_CHECKING:
    from storage.lmdb_store import LmdbTransaction

DISK_KIB = 3_072
MAP_BYTES = 256 << 10
FULL_RP = 10_000_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, of a few MiB."""
    place = tmp_path / "disk"
    with mounted(place, DISK_KIB):
        yield place


def refusal(visit: Visit) -> Refusal:
    assert isinstance(visit, Turned), visit
    return visit.refused.refusal


def ensure_agreed(world: World, card: VirtualCard) -> None:
    """Ensure that the chip and the journal tell the same, and that all of it is proved."""
    taps = world.journal.taps(1, 10**9, 10**9)
    assert all(map(proved, taps))
    assert value_of(card) == FULL_RP + sum(tap.change_rp for tap in taps)
    assert world.journal.attempts() == []


def test_a_disk_that_is_really_full_takes_no_money_and_goes_on_when_there_is_room(
    small_disk: Path,
) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(2_200 << 10))
    store = LmdbStore(small_disk / "journal", tables=TABLES, map_bytes=MAP_BYTES)
    world, card = World(store=store), made_card(value_rp=FULL_RP)
    taken = 0
    while isinstance(last := visit(world, card), Taken):
        taken += 1
        assert taken < 5_000
        world.wait(1)
    assert refusal(last) is Refusal.OUT_OF_ORDER
    assert refusal(visit(world, card)) is Refusal.OUT_OF_ORDER
    assert taken > 10
    ballast.unlink()
    back = visit(world, card)
    assert isinstance(back, Taken)
    assert isinstance(visit(world, card), Taken)
    ensure_agreed(world, card)
    store.close()
    again = LmdbStore(small_disk / "journal", tables=TABLES, map_bytes=MAP_BYTES)
    ensure_agreed(World(store=again, own_ms=NOON_MS + 1), card)
    again.close()


class FullDisk:
    """Has no room for some of the writes.

    Attributes:
      full: whether it has none now, and `after` so many writes more.
    """

    def __init__(self) -> None:
        self.full = False
        self.after = 0

    def __call__(self, transaction: LmdbTransaction) -> None:
        if self.full:
            self.after -= 1
            if self.after < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        commit(transaction)


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_disk_that_fills_up_in_the_middle_of_a_visit_charges_once(
    tmp_path: Path, after: int
) -> None:
    disk = FullDisk()
    store = LmdbStore(tmp_path, tables=TABLES, commit=disk)
    world, card = World(store=store), made_card(value_rp=FULL_RP)
    disk.full, disk.after = True, after
    first = visit(world, card)
    if after < 2:
        assert refusal(first) is Refusal.OUT_OF_ORDER
        assert value_of(card) == FULL_RP - after * PRICE_RP
        assert refusal(visit(world, card)) is Refusal.OUT_OF_ORDER
    disk.full = False
    back = visit(world, card)
    assert isinstance(back, Taken)
    assert back.recovered is (after == 1)
    assert len(world.journal.unsettled(10)) == (2 if after == 2 else 1)
    ensure_agreed(world, card)
    store.close()
