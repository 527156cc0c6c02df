"""Telling a node of a journal: in order, and whoever wants to know is told what became of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trio

from actors.listener import open_listening_socket
from terminals.acceptance.rows import Tap
from terminals.acceptance.sender import Sender
from terminals.client import TerminalClient
from tests.e2e.city import City, on_the_spot, terminal_at
from tests.terminals.acceptance.lab import World
from tests.terminals.acceptance.test_journal import done


@pytest.fixture
def city() -> Iterator[City]:
    with open_listening_socket("127.0.0.1", 0) as listening:
        yield City(listening)


async def run_until_empty(sender: Sender, client: TerminalClient) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sender.run, client)
        await sender.wait_empty()
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()


async def test_each_tap_is_told_with_what_the_node_answered(city: City) -> None:
    world, told = World(), list[tuple[Tap, str]]()
    for _ in range(3):
        done(world.journal)
    sender = Sender(
        world.journal,
        world.timing,
        offload=on_the_spot,
        on_result=lambda tap, result: told.append((tap, result)),
    )
    async with city.running(), terminal_at(city.url, "GATE-01") as client:
        await run_until_empty(sender, client)
        assert not sender.online
    assert [tap.counter for tap, _ in told] == [1, 2, 3]
    assert {result for _, result in told} == {"posted"}
    settled = await sender.wait_settled(2)
    assert settled is not None
    assert settled.result == "posted"
    assert await sender.wait_settled(99) is None


async def test_what_was_sent_before_is_sent_with_the_same_time(city: City) -> None:
    world = World()
    done(world.journal)
    world.journal.fix_times({1: 1_700_000_000_000})
    sender = Sender(world.journal, world.timing, offload=on_the_spot)
    async with city.running(), terminal_at(city.url, "GATE-01") as client:
        await run_until_empty(sender, client)
    tap = world.journal.tap(1)
    assert tap is not None
    assert tap.at_ms == 1_700_000_000_000
