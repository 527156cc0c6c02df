"""Commands over a client's connections: each carried out once, and reported as often as asked."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from engine.fleet import commands as bodies
from engine.fleet.commands import CommandBody
from terminals import messages as own
from terminals.commands import RETRY_S
from terminals.errors import KeeperFailed
from tests.terminals.command_world import SERVER_MS, Terminal, last_states, reports, tell
from tests.terminals.fake_node import FakeNode, numbered
from tests.terminals.list_world import FailingKeeper


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


async def test_what_became_of_a_command_is_told_also_when_its_time_is_over(
    node: FakeNode, autojump_clock: MockClock
) -> None:
    terminal = Terminal(node)
    async with terminal.connected():
        await tell(node, expires_ms=SERVER_MS + 1_500)
        await trio.sleep(10)
        await tell(node, expires_ms=SERVER_MS + 1_500)
    assert reports(node)[-2:] == 2 * [("ani/1", "done", "")]
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
