"""Commands: told whenever a terminal is there, done once, and known wherever they stand."""

from __future__ import annotations

import pytest
import trio.testing

from actors import limits
from engine.fleet.commands import CommandState, SendJournal, SetLane
from engine.fleet.terminals import Selection
from engine.transaction import Tap, Transaction
from protocol.messages import (
    Command,
    CommandTerminals,
    Heartbeat,
    JournalPart,
    Receipt,
    Register,
    Report,
)
from storage.errors import StorageFull
from storage.fleet.command_store import CommandStore, Place
from tests.actors.fleet.world import City, running, settled
from tests.actors.world import NOON_MS, Clock, Disk

CLOSE = SetLane("closed")
LATER_MS = NOON_MS + 60_000
ACCEPTED, DELIVERED, DONE, FAILED, EXPIRED = CommandState


def to(*terminals: str, expires_ms: int = LATER_MS) -> CommandTerminals:
    return CommandTerminals(Selection(terminals), CLOSE, expires_ms)


def standing(city: City, number: int = 0) -> dict[str, Place]:
    return dict(CommandStore(city.disk.fleet).places(number))


async def test_a_command_goes_to_a_terminal_that_is_there_and_its_reports_are_kept(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as city:
        gate, other = city.gate("G1"), city.gate("G2")
        receipt = await city.order(to("G1"))
        assert (receipt.result, receipt.count) == ("done", 1)
        assert gate.take(Command) == Command("ani/1", CLOSE, LATER_MS)
        assert other.told == []
        for report, kept in (
            (Report("ani/1", "delivered"), DELIVERED),
            (Report("ani/1", "failed", "it is failed"), FAILED),
            (Report("ani/1", "done"), FAILED),
        ):
            city.clock.ms += 1
            city.fleet.take(gate, "", report)
            await settled()
            assert standing(city)["G1"].state is kept
        assert standing(city)["G1"] == Place(FAILED, city.clock.ms - 1, "it is failed")


async def test_an_order_that_is_sent_again_is_done_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    disk, clock = Disk(), Clock()
    async with running(disk=disk, clock=clock) as city:
        gate = city.gate()
        first = await city.order(to("G1"))
        gate.take(Command)
        assert await city.order(to("G1")) == first
        assert gate.told == []
        other = await city.order(to("G1", expires_ms=LATER_MS + 1))
        assert (other.result, other.code, other.field) == ("refused", "conflict", "order.id")
        assert (await city.order(to("G1"), officer="budi")).result == "done", "ids are a sender's"
    async with running(disk=disk, clock=clock) as city:
        assert await city.order(to("G1")) == first
        assert len(standing(city)) == 1


async def test_a_terminal_that_connects_is_told_what_is_open(
    autojump_clock: trio.testing.MockClock,
) -> None:
    disk, clock = Disk(), Clock()
    async with running(disk=disk, clock=clock) as city:
        city.fleet.leave(city.gate())
        await city.order(to("G1"), order_id="1")
        await city.order(to("G1"), order_id="2")
        gate = city.gate()
        assert [message.id for message in gate.told if isinstance(message, Command)] == [
            "ani/1",
            "ani/2",
        ]
        city.fleet.take(gate, "", Report("ani/1", "done"))
        await settled()
    async with running(disk=disk, clock=clock) as city:
        gate = city.gate()
        assert gate.take(Command).id == "ani/2"


async def test_a_terminal_that_says_nothing_of_a_command_is_told_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as city:
        gate = city.gate()
        await city.order(to("G1"))
        gate.take(Command)
        city.fleet.take(gate, "", Heartbeat(NOON_MS))
        assert gate.told == []
        await trio.sleep(limits.RESEND_S)
        city.fleet.take(gate, "", Heartbeat(NOON_MS))
        gate.take(Command)
        city.fleet.take(gate, "", Heartbeat(NOON_MS))
        assert gate.told == []


async def test_a_command_expires_and_a_late_report_still_counts(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as city:
        gate, other = city.gate("G1"), city.gate("G2")
        await city.order(to("G1", "G2"))
        city.fleet.take(other, "", Report("ani/1", "done"))
        city.clock.ms = LATER_MS
        await trio.sleep(limits.FLEET_WATCH_S + 1)
        assert {name: place.state for name, place in standing(city).items()} == {
            "G1": EXPIRED,
            "G2": DONE,
        }
        gate.told.clear()
        city.fleet.leave(gate)
        gate = city.gate("G1")
        assert gate.told == [], "its time is over"
        city.fleet.take(gate, "", Report("ani/1", "done"))
        await settled()
        assert standing(city)["G1"].state is DONE


async def test_a_command_whose_time_is_over_is_not_told_before_it_is_marked(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as city:
        city.fleet.leave(city.gate())
        await city.order(to("G1"))
        city.clock.ms = LATER_MS
        assert city.gate().told == []


async def test_reports_of_nobody_and_of_nothing_change_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as city:
        city.gate("G1")
        other = city.gate("G2")
        await city.order(to("G1"))
        city.fleet.take(other, "", Report("ani/1", "done"))
        city.fleet.take(other, "", Report("ani/7", "done"))
        city.fleet.take(object(), "", Report("ani/1", "done"))  # type: ignore[arg-type]
        await settled()
        assert {name: place.state for name, place in standing(city).items()} == {"G1": ACCEPTED}


async def test_of_two_reports_that_wait_the_later_state_is_written(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as city:
        gate = city.gate()
        await city.order(to("G1"))
        for state in ("done", "delivered"):
            city.fleet.take(gate, "", Report("ani/1", state))
        await settled()
        assert standing(city)["G1"].state is DONE


async def test_reports_beyond_the_bound_are_told_again_later(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REPORTS_WAITING_MAX", 1)
    async with running() as city:
        gate, other = city.gate("G1"), city.gate("G2")
        await city.order(to("G1", "G2"))
        for peer in (gate, other):
            city.fleet.take(peer, "", Report("ani/1", "done"))
        await settled()
        assert standing(city)["G2"].state is ACCEPTED


async def test_reports_on_a_full_disk_are_told_again_later(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as city:
        gate = city.gate()
        await city.order(to("G1"))
        gate.told.clear()
        city.disk.fleet.fail_next(StorageFull("planted"))
        city.fleet.take(gate, "", Report("ani/1", "done"))
        await settled()
        assert standing(city)["G1"].state is ACCEPTED
        await trio.sleep(limits.RESEND_S)
        city.fleet.take(gate, "", Heartbeat(NOON_MS))
        gate.take(Command)


async def test_a_selection_meets_all_conditions(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as city:
        for note in (
            Register("G1", "gate", "HI", "tj"),
            Register("G2", "gate", "Monas", "tj"),
            Register("B1", "bus", "", "tj"),
        ):
            await city.order(note, order_id=note.terminal)
        for number, (targets, count) in enumerate(
            (
                (Selection(kind="gate"), 2),
                (Selection(kind="gate", place="HI"), 1),
                (Selection(("G1", "B1", "G1"), kind="bus"), 1),
                (Selection(operator="tj"), 3),
                (Selection(everybody=True), 3),
            )
        ):
            action = CommandTerminals(targets, CLOSE, LATER_MS)
            assert (await city.order(action, order_id=str(number))).count == count


@pytest.mark.parametrize(
    ("action", "code", "field"),
    [
        (CommandTerminals(Selection(), CLOSE, LATER_MS), "no_target", "order.action.targets"),
        (to("G1", expires_ms=NOON_MS), "expired", "order.action.expires_ms"),
        (to("G1", "X"), "terminal_unknown", "order.action.targets.terminals[1]"),
        (
            CommandTerminals(Selection(kind="bus"), CLOSE, LATER_MS),
            "no_target",
            "order.action.targets",
        ),
    ],
)
async def test_a_command_for_nobody_or_too_late_is_refused_and_names_the_field(
    autojump_clock: trio.testing.MockClock, action: CommandTerminals, code: str, field: str
) -> None:
    async with running() as city:
        city.gate("G1").told.clear()
        receipt = await city.order(action)
        assert (receipt.result, receipt.code, receipt.field) == ("refused", code, field)
        assert await city.order(action) == receipt


async def test_a_terminal_has_only_so_many_commands_before_it(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "COMMANDS_OPEN_MAX", 1)
    async with running() as city:
        city.gate()
        assert (await city.order(to("G1"), order_id="1")).result == "done"
        assert (await city.order(to("G1"), order_id="2")).code == "too_many"


async def test_many_terminals_are_told_with_pauses_for_taps(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TOLD_AT_ONCE", 2)
    async with running() as city:
        gates = [city.gate(f"G{number}") for number in range(5)]
        action = CommandTerminals(Selection(everybody=True), CLOSE, LATER_MS)
        await city.order(action)
        for gate in gates:
            gate.take(Command)


# --- journals of terminals --------------------------------------------------------------------


async def test_a_journal_is_kept_part_by_part_for_who_was_asked(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as city:
        gate, other = city.gate("G1"), city.gate("G2")
        action = CommandTerminals(Selection(("G1",)), SendJournal(1, 5), LATER_MS)
        await city.order(action)
        await city.order(to("G1"), order_id="2")
        gate.told.clear()
        line = Transaction(1, 1, Tap("C", 0, "mrt", "in"))
        city.fleet.take(gate, "G1", JournalPart("ani/1", 3, (line,)))
        await settled()
        assert gate.take(Receipt) == Receipt("ani/1", "done", count=3)
        assert CommandStore(city.disk.fleet).journal(0, "G1", 3) == (line,)
        for peer, name, command in (
            (other, "G2", "ani/1"),
            (gate, "G1", "ani/2"),
            (gate, "G1", "x"),
        ):
            city.fleet.take(peer, name, JournalPart(command, 0, (line,)))
            await settled()
            receipt = peer.take(Receipt)
            assert (receipt.result, receipt.code) == ("refused", "no_target")
