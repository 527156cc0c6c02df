"""A terminal's journal on its way to the node: in parts, each sent until there is a receipt."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio
from trio.testing import MockClock

from engine.fleet import commands as bodies
from engine.transaction import Tap, Transaction
from protocol import limits
from protocol.messages import FromTerminal, JournalPart, Receipt, Report
from terminals.intents import Intent
from terminals.journal_sender import JournalSource
from terminals.orders import RECEIPT_S
from tests.terminals.command_world import Terminal, last_states, reports, tell
from tests.terminals.fake_node import TAP, FakeNode, FakeSession


def written_down(count: int, proof: bytes = b"p") -> JournalSource:
    """Return a journal of every second counter."""

    def read(first: int, last: int, count_max: int) -> Sequence[tuple[int, int, Intent]]:
        counters = [2 * n for n in range(1, count + 1) if first <= 2 * n <= last]
        return [(counter, 7, [*TAP[:-2], proof, TAP[-1]]) for counter in counters[:count_max]]

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
