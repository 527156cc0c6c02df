"""The registry: who there is, how they are, and who has fallen silent."""

from __future__ import annotations

import pytest
import trio.testing

from actors import limits
from actors.fleet.news import News
from engine.fleet.commands import SetLane
from engine.fleet.terminals import Selection
from protocol.messages import CommandTerminals, Heartbeat, Register
from storage.errors import StorageFull
from storage.fleet.terminal_store import TerminalStore
from tests.actors.fleet.world import FakePeer, running, settled
from tests.actors.world import NOON_MS, Clock, Disk

SILENT_MS = int(limits.SILENT_S * 1_000) + 1


async def test_a_terminal_is_known_by_what_it_says_and_what_officers_note(
    autojump_clock: trio.testing.MockClock,
) -> None:
    disk, clock = Disk(), Clock()
    async with running(disk=disk, clock=clock) as city:
        gate = city.gate("G1", "gate 2.1")
        city.fleet.take(gate, "", Heartbeat(NOON_MS - 40, 7, 55, "degraded"))
        receipt = await city.order(Register("G1", "gate", "Bundaran HI", "mrt"))
        assert receipt.result == "done"
        await city.order(Register("G2", "bus"), order_id="2")
        city.fleet.leave(gate)
    async with running(disk=disk, clock=clock) as city:
        record = city.fleet.registry.records["G1"]
        assert (record.kind, record.place, record.operator) == ("gate", "Bundaran HI", "mrt")
        assert (record.firmware, record.key, record.backlog) == ("gate 2.1", b"k" * 8, 7)
        assert (record.clock_offset_ms, record.battery, record.reader) == (40, 55, "degraded")
        assert record.last_seen_ms == NOON_MS
        assert city.fleet.registry.records["G2"].last_seen_ms == 0
        assert [found.terminal for found in city.fleet.registry.behind("G1")] == ["G2"]


async def test_signs_of_life_are_written_now_and_then(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as city:
        city.gate()
        assert TerminalStore(city.disk.fleet).load() == []
        await trio.sleep(limits.FLEET_SAVE_S + limits.FLEET_WATCH_S + 1)
        assert [record.terminal for record in TerminalStore(city.disk.fleet).load()] == ["G1"]


async def test_a_terminal_that_has_a_command_before_it_is_known_whatever_happens(
    autojump_clock: trio.testing.MockClock,
) -> None:
    close = CommandTerminals(Selection(("G1",)), SetLane("closed"), NOON_MS + 60_000)
    async with running() as city:
        city.gate("G1")
        city.gate("G2")
        assert (await city.order(close)).result == "done"
        # What a node knows again that is killed now.
        assert [record.terminal for record in TerminalStore(city.disk.fleet).load()] == ["G1"]


async def test_what_found_no_room_is_written_when_there_is(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as city:
        city.gate()
        city.disk.fleet.fail_next(StorageFull("planted"))
        await trio.sleep(3 * limits.FLEET_SAVE_S + limits.FLEET_WATCH_S)
        assert [record.terminal for record in TerminalStore(city.disk.fleet).load()] == ["G1"]


async def test_a_stop_on_a_full_disk_is_a_stop(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as city:
        city.gate()
        city.disk.fleet.fail_next(StorageFull("planted"))
    assert TerminalStore(city.disk.fleet).load() == []


async def test_silent_terminals_are_told_once_and_again_when_they_are_back(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as city:
        for name in ("G1", "G2"):
            city.fleet.leave(city.gate(name))
        stays = city.gate("G3")
        await city.order(Register("G4", "gate"))
        city.clock.ms += SILENT_MS
        await trio.sleep(2 * limits.FLEET_WATCH_S + 1)
        assert city.notes == ["silent for more than 300 s: G1, G2"]
        assert list(city.fleet.registry.silent) == ["G1", "G2"]
        city.gate("G1")
        await trio.sleep(limits.FLEET_WATCH_S + 1)
        assert city.notes[1:] == ["heard of again: G1"]
        assert list(city.fleet.registry.silent) == ["G2"]
        city.fleet.leave(stays)


async def test_a_clock_that_is_off_is_told_once(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as city:
        gate = city.gate()
        for offset_ms in (40_000, 41_000, 0, -40_000):
            city.fleet.take(gate, "", Heartbeat(NOON_MS - offset_ms))
            city.fleet.news.tell()
        assert city.notes == ["clock off by more than 30 s: G1"] * 2


async def test_two_connections_of_a_terminal_are_one_terminal(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as city:
        first, second = city.gate(), city.gate()
        registry = city.fleet.registry
        assert (registry.connected, len([*registry.links_of("G1")])) == (1, 2)
        city.fleet.leave(first)
        assert registry.is_connected("G1")
        city.fleet.leave(second)
        city.fleet.leave(second)
        assert not registry.is_connected("G1")
        city.fleet.leave(FakePeer())


async def test_a_city_has_only_so_many_terminals(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TERMINALS_KNOWN_MAX", 1)
    async with running() as city:
        city.gate("G1")
        city.gate("G2")
        assert [*city.fleet.registry.records] == ["G1"], "it is served, and not remembered"
        assert (await city.order(Register("G2", "bus"))).code == "too_many"
        assert (await city.order(Register("G1", "bus"), order_id="2")).result == "done"
        await settled()


def test_news_of_many_terminals_is_one_line() -> None:
    told: list[str] = []
    news = News(told.append)
    for number in range(12):
        news.add("silent", f"G{number}")
    news.add("silent", "G0")
    news.add("back", "B1")
    news.tell()
    news.tell()
    names = ", ".join(f"G{number}" for number in range(10))
    assert told == [f"silent: {names} and 2 others", "back: B1"]
