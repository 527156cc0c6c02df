"""Answers about the fleet: what officers see is what is there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio.testing

from actors import limits
from actors.fleet.answers import FleetDesk
from actors.runtime import Kind, MailboxTrace, Node, State
from actors.runtime.trace import CrowdTrace, End, Ending
from actors.shard import Shard
from engine.fleet.commands import CommandState, SendJournal, SetLane
from engine.fleet.terminals import Selection
from engine.transaction import Tap, Transaction
from protocol.messages import (
    CommandFound,
    CommandOf,
    CommandPlace,
    Commands,
    CommandsOf,
    CommandTerminals,
    Failed,
    FleetAnswer,
    FleetQuestion,
    Heartbeat,
    JournalFound,
    JournalOf,
    JournalPart,
    Lists,
    ListsOf,
    Register,
    Report,
    Terminals,
    TerminalsOf,
    Tree,
    TreeOf,
)
from tests.actors.fleet.world import City, running, settled
from tests.actors.test_desk import answer
from tests.actors.world import (
    CARD,
    NOON_MS,
    ROOT,
    Clock,
    Disk,
    Sender,
    desk_on,
    fleet_on,
    open_with_card,
    seams_of,
    send,
    tap,
)

LATER_MS = NOON_MS + 60_000


class Desk:
    """A fleet, a shard, and somebody who asks about them."""

    def __init__(self, city: City, shard: Shard, snapshot: Node = ROOT) -> None:
        self.city = city
        self.shard = shard
        self._desk = FleetDesk(city.fleet, snapshot=lambda: snapshot, seams=seams_of(city.clock))

    async def ask(self, question: FleetQuestion) -> FleetAnswer | Failed:
        """Ask one question."""
        return await self._desk.answer(self.shard, question)

    async def terminals(self, question: TerminalsOf) -> Terminals:
        """Ask for terminals."""
        found = await self.ask(question)
        assert isinstance(found, Terminals)
        return found


@asynccontextmanager
async def asking(snapshot: Node = ROOT) -> AsyncIterator[Desk]:
    disk, clock = Disk(), Clock()
    shard = open_with_card(disk, clock)
    async with running(disk=disk, clock=clock) as city:
        yield Desk(city, shard, snapshot)


async def test_a_terminal_is_shown_with_how_it_is_and_what_is_missing_of_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with asking() as desk:
        city = desk.city
        gate = city.gate("G1", "gate 2")
        await city.order(Register("G1", "gate", "HI", "mrt"))
        city.fleet.take(gate, "", Heartbeat(NOON_MS - 9, 4, 80, "ok"))
        city.holds(gate, 7, b"x")
        for counter in (1, 4, 9):
            desk.shard.submit(Sender(), "G1", [tap(counter, 0)])
        (row,) = (await desk.terminals(TerminalsOf())).terminals
        assert (row.terminal, row.kind, row.place, row.operator) == ("G1", "gate", "HI", "mrt")
        assert (row.firmware, row.key, row.connected, row.silent) == (
            "gate 2",
            b"k" * 8,
            True,
            False,
        )
        assert (row.last_seen_ms, row.backlog, row.clock_offset_ms) == (NOON_MS, 4, 9)
        assert (row.battery, row.reader, row.lists) == (80, "ok", (("deny", 7),))
        assert (row.counter, row.missing, row.gaps) == (9, 6, ((2, 3), (5, 8)))


async def test_terminals_come_in_pages_and_by_conditions(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with asking() as desk:
        city = desk.city
        for number, (kind, place, operator) in enumerate(
            (("gate", "HI", "mrt"), ("bus", "", "tj"), ("gate", "Monas", "tj"))
        ):
            city.fleet.leave(city.gate(f"T{number}"))
            action = Register(f"T{number}", kind, place, operator)  # type: ignore[arg-type]
            await city.order(action, order_id=str(number))
        first = await desk.terminals(TerminalsOf(limit=2))
        assert [row.terminal for row in first.terminals] == ["T0", "T1"]
        assert (first.next, first.known, first.connected, first.silent) == ("T1", 3, 0, 0)
        rest = await desk.terminals(TerminalsOf(after=first.next, limit=2))
        assert ([row.terminal for row in rest.terminals], rest.next) == (["T2"], "")
        for question, names in (
            (TerminalsOf(kind="gate"), ["T0", "T2"]),
            (TerminalsOf(operator="tj"), ["T1", "T2"]),
            (TerminalsOf(place="HI"), ["T0"]),
            (TerminalsOf(silent=True), []),
        ):
            found = await desk.terminals(question)
            assert [row.terminal for row in found.terminals] == names
        city.gate("T0")
        city.clock.ms += int(limits.SILENT_S * 1_000) + 1
        await trio.sleep(limits.FLEET_WATCH_S + 1)
        silent = await desk.terminals(TerminalsOf(silent=True))
        assert [row.terminal for row in silent.terminals] == ["T1", "T2"]
        assert (silent.silent, silent.connected) == (2, 1)


async def test_the_tree_is_shown_parents_first(autojump_clock: trio.testing.MockClock) -> None:
    await trio.sleep(1)
    crowd = CrowdTrace(live=2, started=9, crashed=1, killed=0, refused=0, recent=())
    worker = Node(
        "desk",
        Kind.WORKER,
        State.RUNNING,
        trio.current_time(),
        restarts=1,
        history=(End(0.0, Ending.CRASHED, "ValueError: card 6013500100000001"),),
        mailbox=MailboxTrace(3, 10, 1.5, 20, 4),
    )
    tree = Node("node", Kind.SUPERVISOR, State.STARTING, 0.0, children=(worker,), crowd=crowd)
    async with asking(tree) as desk:
        await trio.sleep(2)
        found = await desk.ask(TreeOf())
        assert isinstance(found, Tree)
        root, child = found.rows
        assert (root.depth, root.name, root.kind, root.state) == (
            0,
            "node",
            "supervisor",
            "starting",
        )
        assert (root.age_ms, root.live, root.started, root.crashed) == (0, 2, 9, 1)
        assert (child.depth, child.name, child.restarts) == (1, "desk", 1)
        assert child.age_ms >= 2_000
        assert (child.waiting, child.waiting_max, child.oldest_ms) == (3, 10, 1_500)
        assert (child.accepted, child.refused) == (20, 4)
        assert child.last_end == "crashed ValueError", "no message: it may quote a card"
        assert (found.server_time_ms, found.position, found.quarantined) == (NOON_MS, 2, 0)


async def test_lists_are_shown_with_their_spread_and_the_drafts_that_wait(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with asking() as desk:
        city = desk.city
        await city.publish([("A", "lost")])
        city.holds(city.gate())
        many = tuple((f"{number:04}", "lost") for number in range(101))
        await city.publish(many, base=1)
        found = await desk.ask(ListsOf())
        assert isinstance(found, Lists)
        (row,), (draft,) = found.lists, found.drafts
        assert (row.name, row.version, row.entries, row.officer) == ("deny", 1, 1, "ani")
        assert (row.holders, row.connected, row.reached_ms) == (0, 1, (-1, -1, -1))
        assert (draft.draft, draft.officer, draft.changes) == ("d1", "ani", 101)


async def test_commands_are_shown_newest_first_with_where_they_stand(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with asking() as desk:
        city = desk.city
        gates = [city.gate(f"G{number}") for number in range(3)]
        for number in range(3):
            action = CommandTerminals(Selection(everybody=True), SetLane("open"), LATER_MS)
            await city.order(action, order_id=str(number))
        city.fleet.take(gates[1], "", Report("ani/2", "failed", "no motor"))
        await settled()
        found = await desk.ask(CommandsOf(limit=2))
        assert isinstance(found, Commands)
        assert ([row.id for row in found.commands], found.next) == (["ani/2", "ani/1"], 1)
        newest = found.commands[0]
        assert (newest.accepted, newest.delivered, newest.done, newest.failed, newest.expired) == (
            *(2, 0, 0),
            *(1, 0),
        )
        rest = await desk.ask(CommandsOf(before=found.next, limit=2))
        assert isinstance(rest, Commands)
        assert ([row.id for row in rest.commands], rest.next) == (["ani/0"], -1)
        one = await desk.ask(CommandOf("ani/2", limit=2))
        assert isinstance(one, CommandFound)
        assert (one.command, one.next) == (newest, "G1")
        assert one.terminals == (
            CommandPlace("G0", CommandState.ACCEPTED, NOON_MS, ""),
            CommandPlace("G1", CommandState.FAILED, NOON_MS, "no motor"),
        )
        last = await desk.ask(CommandOf("ani/2", after="G1"))
        assert isinstance(last, CommandFound)
        assert ([place.terminal for place in last.terminals], last.next) == (["G2"], "")
        missing = await desk.ask(CommandOf("ani/7"))
        assert isinstance(missing, Failed)
        assert missing.code == "not_found"


async def test_a_journal_is_shown_with_what_the_node_has_of_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with asking() as desk:
        city = desk.city
        gate = city.gate("G1")
        send(desk.shard, Tap(CARD, 0, "mrt", "in"), terminal="G1", first=5)
        action = CommandTerminals(Selection(("G1",)), SendJournal(5, 6), LATER_MS)
        await city.order(action)
        lines = [Transaction(counter, 1, Tap(CARD, 0, "mrt", "in")) for counter in (5, 6)]
        for part, line in enumerate(lines):
            city.fleet.take(gate, "G1", JournalPart("ani/1", part, (line,)))
            await settled()
        parts = [await desk.ask(JournalOf("ani/1", "G1", part)) for part in range(2)]
        positions, following = [], []
        for found in parts:
            assert isinstance(found, JournalFound)
            positions += [line.position for line in found.lines]
            following.append(found.next)
        assert (positions, following) == ([2, -1], [1, -1])
        for question in (JournalOf("ani/1", "G1", 2), JournalOf("ani/7", "G1")):
            missing = await desk.ask(question)
            assert isinstance(missing, Failed)


async def test_while_the_store_is_away_only_what_is_in_memory_is_answered() -> None:
    disk, clock = Disk(), Clock()
    shard = open_with_card(disk, clock)
    fleet = fleet_on(disk, clock)
    desk = FleetDesk(fleet, snapshot=lambda: ROOT, seams=seams_of(clock))
    assert isinstance(await desk.answer(shard, TerminalsOf()), Terminals)
    busy = await desk.answer(shard, ListsOf())
    assert isinstance(busy, Failed)
    assert busy.retry_after_ms > 0


async def test_the_desk_of_the_node_hands_such_questions_on(shard: Shard) -> None:
    assert desk_on(shard).trace().depth == 0
    assert isinstance(await answer(shard, TreeOf()), Tree)


@pytest.mark.parametrize("question", [TreeOf(), TerminalsOf()])
async def test_they_need_no_disk(shard: Shard, question: FleetQuestion) -> None:
    assert not isinstance(await answer(shard, question), Failed)
