"""Commands over a client's connections: each carried out once, and reported as often as asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from engine.fleet import commands as bodies
from engine.fleet.commands import CommandBody
from engine.transaction import Tap, Transaction
from protocol import limits, messages
from protocol.messages import FromTerminal, JournalPart, Receipt, Report
from terminals import messages as own
from terminals.client import ClientOptions
from terminals.clock import NodeClock
from terminals.commands import RETRY_S, CommandPart, Handler
from terminals.device import Device
from terminals.errors import KeeperFailed
from terminals.intents import Intent
from terminals.journal_sender import JournalSource
from terminals.keeper import Keeper, MemoryKeeper
from terminals.orders import RECEIPT_S
from tests.terminals.fake_node import TAP, FakeNode, FakeSession, numbered
from tests.terminals.list_world import FailingKeeper, now_ms, on_the_spot

SERVER_MS = 1_000_000
LANE = bodies.SetLane("closed")


class Terminal:
    """A terminal that does what it is told, and writes that down.

    Attributes:
      done: what it was told to do.
      answer: why it fails.
      pause_s: how long it takes.
    """

    def __init__(
        self,
        node: FakeNode,
        keeper: Keeper | None = None,
        *,
        handler: Handler | None = None,
        journal: JournalSource | None = None,
    ) -> None:
        self.done: list[own.CommandBody] = []
        self.notes: list[str] = []
        self.answer = ""
        self.pause_s = 0.0
        self._node = node
        self.keeper = keeper or MemoryKeeper()
        self.clock = NodeClock(now_ms)
        self.commands = CommandPart(
            handler or self.handle,
            self.keeper,
            clock=self.clock,
            journal=journal,
            offload=on_the_spot,
            note=self.notes.append,
        )
        node.server_ms = lambda: SERVER_MS + now_ms()

    async def handle(self, body: own.CommandBody) -> str:
        self.done.append(body)
        await trio.sleep(self.pause_s)
        return self.answer

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        device = Device(clock=self.clock, commands=self.commands)
        async with self._node.open(options=ClientOptions(device=device)):
            yield


async def tell(
    node: FakeNode,
    command_id: str = "ani/1",
    body: CommandBody = LANE,
    expires_ms: int = 10**12,
    *,
    wait_s: float = 1,
) -> None:
    """Tell a terminal of a command, and give it time."""
    await node.sessions[-1].say(messages.Command(command_id, body, expires_ms))
    await trio.sleep(wait_s)


def reports(node: FakeNode) -> list[tuple[str, str, str]]:
    told = [message for message in node.told if isinstance(message, Report)]
    return [(message.id, message.state, message.text) for message in told]


def last_states(node: FakeNode) -> dict[str, str]:
    return {command_id: state for command_id, state, _ in reports(node)}


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (bodies.SetLane("open"), own.SetLane("open")),
        (bodies.ChangeChip("C", "reset_journey"), own.ChangeChip("C", "reset_journey")),
        (bodies.RestartTerminal(), own.RestartTerminal("idle")),
        (bodies.SetLogLevel("debug"), own.SetLogLevel("debug", 3_600)),
    ],
)
async def test_a_command_is_reported_delivered_carried_out_and_reported_done(
    node: FakeNode, autojump_clock: MockClock, body: CommandBody, read: own.CommandBody
) -> None:
    terminal = Terminal(node)
    terminal.pause_s = 5
    async with terminal.connected():
        await tell(node, body=body)
        assert reports(node) == [("ani/1", "delivered", "")]
        await trio.sleep(5)
    assert reports(node) == [("ani/1", "delivered", ""), ("ani/1", "done", "")]
    assert terminal.done == [read]


async def test_a_command_that_fails_is_reported_with_the_reason(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    terminal = Terminal(node)
    terminal.answer = "the gate is jammed"
    async with terminal.connected():
        await tell(node)
    assert reports(node)[-1] == ("ani/1", "failed", "the gate is jammed")


async def test_a_handler_with_a_defect_fails_its_command_and_nothing_else(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async def broken(_body: own.CommandBody) -> str:
        await trio.lowlevel.checkpoint()
        raise KeyError("card 6013")

    terminal = Terminal(node, handler=broken)
    async with terminal.connected():
        await tell(node)
        await tell(node, "ani/2")
    assert reports(node)[-1] == ("ani/2", "failed", "a defect of the terminal: KeyError")
    assert terminal.notes == 2 * ["a command failed: KeyError"]


async def test_a_command_that_is_told_again_is_reported_again_and_not_done_again(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    terminal = Terminal(node)
    terminal.pause_s = 10
    async with terminal.connected():
        await tell(node)
        await tell(node)
        assert reports(node) == 2 * [("ani/1", "delivered", "")]
        await trio.sleep(10)
        await tell(node)
        node.sessions[-1].drop()
        await trio.sleep(5)
        await tell(node)
    assert reports(node)[2:] == 3 * [("ani/1", "done", "")]
    assert len(terminal.done) == 1


async def test_a_command_that_is_told_twice_at_once_is_taken_once(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    terminal = Terminal(node)
    async with terminal.connected():
        for _ in range(3):
            await tell(node, wait_s=0)
        await trio.sleep(1)
    assert len(terminal.done) == 1


async def test_what_was_done_before_a_start_is_not_done_again(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    terminal = Terminal(node)
    async with terminal.connected():
        await tell(node)
    again = Terminal(node, terminal.keeper)
    async with again.connected():
        await tell(node)
    assert reports(node)[-1] == ("ani/1", "done", "")
    assert (len(terminal.done), len(again.done)) == (1, 0)


async def test_a_command_that_is_told_before_the_memory_is_read_is_not_done_again(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    terminal = Terminal(node)
    async with terminal.connected():
        await tell(node)
    keeper = FailingKeeper({name: terminal.keeper.read(name) for name in terminal.keeper.names()})
    keeper.unreadable = True
    again = Terminal(node, keeper)
    async with again.connected():
        await tell(node)
        assert len(reports(node)) == 2
        keeper.unreadable = False
        await trio.sleep(RETRY_S)
    assert reports(node)[-1] == ("ani/1", "done", "")
    assert (again.done, again.notes) == ([], ["the folder is gone"])


async def test_what_was_cut_off_is_reported_failed(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    terminal = Terminal(node)
    terminal.pause_s = 1_000
    async with terminal.connected():
        await tell(node)
    again = Terminal(node, terminal.keeper)
    async with again.connected():
        await tell(node)
    assert reports(node)[-1][1] == "failed"
    assert "broke down over it" in reports(node)[-1][2]
    assert again.done == []


async def test_what_was_taken_and_not_begun_is_begun_after_a_start(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    terminal = Terminal(node)
    terminal.pause_s = 1_000
    async with terminal.connected():
        await tell(node, "ani/1")
        await tell(node, "ani/2")
    again = Terminal(node, terminal.keeper)
    async with again.connected():
        await trio.sleep(1)
    assert len(again.done) == 1
    assert reports(node)[-1] == ("ani/2", "done", "")


async def test_nothing_is_begun_before_the_node_has_told_its_clock(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    terminal = Terminal(node)
    terminal.pause_s = 1_000
    async with terminal.connected():
        await tell(node, "ani/1")
        await tell(node, "ani/2", expires_ms=SERVER_MS + 50_000)
    again = Terminal(node, terminal.keeper)
    node.refusals = 7
    async with again.connected():
        assert trio.current_time() > 50
        await trio.sleep(1)
    assert again.done == []


async def test_what_is_too_late_is_not_even_taken(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    terminal = Terminal(node)
    async with terminal.connected():
        await tell(node, expires_ms=SERVER_MS)
        await tell(node, "ani/2", expires_ms=SERVER_MS + 1_500)
    assert last_states(node) == {"ani/2": "done"}
    assert len(terminal.done) == 1


async def test_what_has_become_too_late_while_it_waited_is_not_begun(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    terminal = Terminal(node)
    terminal.pause_s = 100
    async with terminal.connected():
        await tell(node, "ani/1")
        await tell(node, "ani/2", expires_ms=SERVER_MS + 50_000)
        await tell(node, "ani/3")
        await trio.sleep(500)
    assert last_states(node) == {"ani/1": "done", "ani/2": "delivered", "ani/3": "done"}
    assert len(terminal.done) == 2


async def test_commands_of_one_kind_keep_their_order_and_hold_up_no_other(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    terminal = Terminal(node)
    terminal.pause_s = 100
    async with terminal.connected():
        await tell(node, "ani/1", bodies.SetLane("closed"))
        await tell(node, "ani/2", bodies.SetLane("open"))
        await tell(node, "ani/3", bodies.SetLogLevel("debug"))
        assert terminal.done == [own.SetLane("closed"), own.SetLogLevel("debug", 3_600)]
        await trio.sleep(100)
        assert terminal.done[2:] == [own.SetLane("open")]


async def test_an_unknown_command_fails(node: FakeNode, autojump_clock: MockClock) -> None:
    terminal = Terminal(node)
    async with terminal.connected():
        payload = b"\x94\xa7command\xa5ani/1\x91\xa5dance\xcf\x00\x00\x01\x00\x00\x00\x00\x00"
        await node.sessions[0].say_bytes(payload)
        await trio.sleep(1)
    assert reports(node)[-1][1:] == ("failed", "this terminal does not know the command dance")
    assert terminal.done == []


async def test_a_node_without_commands_is_told_nothing(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    node.capabilities = ("submit",)
    async with Terminal(node).connected():
        await tell(node)
    assert node.told == []


async def test_a_client_without_commands_passes_them_over(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    async with node.open() as client:
        await tell(node)
        await client.submit(numbered(1))
        assert client.statistics.unclaimed == 1


async def test_a_full_disk_takes_no_command_and_begins_none(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    keeper = FailingKeeper(fails_at=1)
    terminal = Terminal(node, keeper)
    async with terminal.connected():
        await tell(node)
        assert (reports(node), terminal.done) == ([], [])
        keeper.fail_in(1, KeeperFailed)
        await tell(node)
        assert (last_states(node), terminal.done) == ({"ani/1": "delivered"}, [])
        keeper.fails_at = 10**9
        await trio.sleep(RETRY_S)
        assert last_states(node) == {"ani/1": "done"}
    assert len(terminal.notes) == 2


async def test_what_was_done_is_reported_though_the_disk_is_full(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    keeper = FailingKeeper(fails_at=3)
    terminal = Terminal(node, keeper)
    async with terminal.connected():
        await tell(node)
    assert last_states(node) == {"ani/1": "done"}
    assert len(terminal.notes) == 1


async def test_more_commands_than_can_be_remembered_are_left_to_the_node(
    node: FakeNode, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("terminals.command_book.COMMANDS_MAX", 2)
    terminal = Terminal(node)
    terminal.pause_s = 100
    async with terminal.connected():
        for number in range(4):
            await tell(node, f"ani/{number}")
        assert last_states(node) == {"ani/0": "delivered", "ani/1": "delivered"}
        await trio.sleep(300)
        await tell(node, "ani/2")
        assert last_states(node)["ani/2"] == "delivered"


# --- journals -------------------------------------------------------------------------------------


def written_down(count: int, proof: bytes = b"p") -> JournalSource:
    """Return a journal of every second counter."""

    def read(first: int, last: int, count_max: int) -> Sequence[tuple[int, int, Intent]]:
        counters = [2 * n for n in range(1, count + 1) if first <= 2 * n <= last]
        return [(counter, 7, [*TAP[:-1], proof]) for counter in counters[:count_max]]

    return read


class Clerk:
    """Keeps parts of journals, as a node does; the first answers can be others."""

    def __init__(self, node: FakeNode, *first: Receipt | None) -> None:
        self.parts: list[JournalPart] = []
        self.times_s: list[float] = []
        self.drops: set[int] = set()
        self._first = list(first)
        node.on_told = self.answer

    async def answer(self, session: FakeSession, message: FromTerminal) -> None:
        if not isinstance(message, JournalPart):
            return
        self.parts.append(message)
        self.times_s.append(trio.current_time())
        if len(self.parts) in self.drops:
            session.drop()
        elif not self._first:
            await session.say(Receipt(message.id, "done", count=message.part))
        elif (receipt := self._first.pop(0)) is not None:
            await session.say(receipt)

    @property
    def kept(self) -> list[Transaction]:
        found = {part.part: part.transactions for part in self.parts}
        assert list(found) == list(range(len(found)))
        return [line for transactions in found.values() for line in transactions]


def journal_lines(counters: range) -> list[Transaction]:
    tap = Tap("card", 3_500, "transjakarta", "in", proof=b"p")
    return [Transaction(counter, 7, tap) for counter in counters]


async def test_a_journal_is_sent_in_parts_and_then_reported_done(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    clerk, terminal = Clerk(node), Terminal(node, journal=written_down(1_234))
    async with terminal.connected():
        await tell(node, body=bodies.SendJournal(3, 2_400))
        assert last_states(node) == {"ani/1": "done"}
    assert clerk.kept == journal_lines(range(4, 2_401, 2))
    assert [len(part.transactions) for part in clerk.parts] == [500, 500, 199]
    assert node.told[-1] == Report("ani/1", "done")


async def test_a_journal_whose_end_is_that_of_a_part_has_no_empty_part(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    clerk, terminal = Clerk(node), Terminal(node, journal=written_down(500))
    async with terminal.connected():
        await tell(node, body=bodies.SendJournal(1, 5_000))
    assert [len(part.transactions) for part in clerk.parts] == [500]
    assert last_states(node) == {"ani/1": "done"}


async def test_a_journal_without_what_is_asked_for_is_sent_as_one_empty_part(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    clerk, terminal = Clerk(node), Terminal(node, journal=written_down(5))
    async with terminal.connected():
        await tell(node, body=bodies.SendJournal(100, 200))
    assert clerk.parts == [JournalPart("ani/1", 0, ())]
    assert last_states(node) == {"ani/1": "done"}


async def test_parts_fit_into_a_frame(node: FakeNode, autojump_clock: MockClock) -> None:
    node.frame_bytes_max = 4_096
    clerk, terminal = Clerk(node), Terminal(node, journal=written_down(300))
    async with terminal.connected():
        await tell(node, "a" * 64 + "/" + "b" * 64, bodies.SendJournal(1, 900))
    assert clerk.kept == journal_lines(range(2, 601, 2))
    assert len(clerk.parts) > 3
    assert max(node.sessions[0].received_bytes) <= 4_096


async def test_a_part_without_a_receipt_is_sent_again_on_the_next_connection(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    clerk, terminal = Clerk(node), Terminal(node, journal=written_down(1_200))
    clerk.drops = {1, 3}
    async with terminal.connected():
        await tell(node, body=bodies.SendJournal(1, 9_999), wait_s=20)
    assert [part.part for part in clerk.parts] == [0, 0, 1, 1, 2]
    assert clerk.kept == journal_lines(range(2, 2_401, 2))
    assert last_states(node) == {"ani/1": "done"}


async def test_a_part_that_is_turned_away_is_sent_again_ever_more_rarely(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    clerk = Clerk(node, *4 * [Receipt("ani/1", "busy", "overload")])
    terminal = Terminal(node, journal=written_down(5))
    async with terminal.connected():
        await tell(node, body=bodies.SendJournal(1, 99), wait_s=30)
    assert clerk.times_s == pytest.approx([0, 1, 3, 7, 15])
    assert last_states(node) == {"ani/1": "done"}


async def test_a_journal_that_nobody_wants_has_failed(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    Clerk(node, Receipt("ani/1", "refused", "no_target", "", "nobody asked"))
    terminal = Terminal(node, journal=written_down(5))
    async with terminal.connected():
        await tell(node, body=bodies.SendJournal(1, 99))
    assert reports(node)[-1] == ("ani/1", "failed", "no_target: nobody asked")


@pytest.mark.parametrize("other", [Receipt("ani/2", "done"), Receipt("ani/1", "done", count=5)])
async def test_a_receipt_for_something_else_is_passed_over(
    node: FakeNode, autojump_clock: MockClock, other: Receipt
) -> None:
    clerk = Clerk(node, other)
    terminal = Terminal(node, journal=written_down(5))
    async with terminal.connected():
        await tell(node, body=bodies.SendJournal(1, 99))
        assert last_states(node) == {"ani/1": "delivered"}
        await trio.sleep(RECEIPT_S + 5)
    # The connection on which a receipt was lost is left.
    assert len(node.sessions) == len(clerk.parts) == 2
    assert last_states(node) == {"ani/1": "done"}


async def test_a_journal_longer_than_any_may_be_has_failed(
    node: FakeNode, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "JOURNAL_PARTS_MAX", 2)
    clerk, terminal = Clerk(node), Terminal(node, journal=written_down(1_001))
    async with terminal.connected():
        await tell(node, body=bodies.SendJournal(1, 9_999))
    assert len(clerk.parts) == 2
    assert reports(node)[-1][1:] == ("failed", "more than 2 parts: ask for less")


async def test_a_terminal_without_a_journal_says_so(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    terminal = Terminal(node)
    async with terminal.connected():
        await tell(node, body=bodies.SendJournal(1, 99))
        await node.sessions[0].say(Receipt("ani/1", "done"))
        await trio.sleep(1)
    assert reports(node)[-1][1:] == ("failed", "this terminal keeps no journal")


async def test_a_journal_that_was_cut_off_is_sent_again_after_a_start(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    Clerk(node, None)
    terminal = Terminal(node, journal=written_down(5))
    async with terminal.connected():
        await tell(node, body=bodies.SendJournal(1, 99))
    clerk = Clerk(node)
    again = Terminal(node, terminal.keeper, journal=written_down(5))
    async with again.connected():
        await trio.sleep(1)
    assert clerk.kept == journal_lines(range(2, 11, 2))
    assert last_states(node) == {"ani/1": "done"}
