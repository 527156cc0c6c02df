"""A terminal at its node: lists, orders, backlogs, and a node that would not have it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import pairwise
from typing import TypeVar, cast

import pytest
import trio
from msgspec import structs

from actors.listener import open_listening_socket
from storage.errors import StorageFailed, StorageFull
from storage.memory_store import MemoryStore
from terminals import officer
from terminals.acceptance.rows import Tap
from terminals.acceptance.timing import Timing
from terminals.acceptance.uplink import AWAY_S_FIRST, AWAY_S_MAX, only_terminal_error
from terminals.clock import NodeClock
from terminals.errors import ClientClosed, NodeRefused
from terminals.link import Link
from terminals.messages import CommandBody, JournalFound, Pulse, SetLane
from tests.e2e.city import City, CutLink, officer_at, until, until_told
from tests.terminals.acceptance.lab import BRT, NOON_MS, made_card
from tests.terminals.acceptance.test_lane import Street

T = TypeVar("T")


@pytest.fixture
def city() -> Iterator[City]:
    with open_listening_socket("127.0.0.1", 0) as listening:
        yield City(listening)


async def test_lists_are_used_as_soon_as_they_are_there_and_kept(city: City) -> None:
    street = Street(city.url)
    denied = street.uplink.published("deny")
    assert denied("6013") is None
    assert street.uplink.version("deny") == 0
    async with city.running(), officer_at(city.url) as ani, street.online():
        await ani.publish("one", [("6013", "lost")], base=0)
        await until(lambda: denied("6013") == "lost")
        assert street.uplink.version("deny") == 1
    street.start()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(street.uplink.run)
        await street.uplink.wait_loaded()
        assert street.uplink.published("deny")("6013") == "lost"
        nursery.cancel_scope.cancel()


async def test_who_uses_a_list_is_told_all_of_it_whenever_it_changes_and_at_the_start(
    city: City,
) -> None:
    street, told = Street(city.url), list[list[tuple[str, str]]]()
    street.uplink.use_with("rules", lambda entries: told.append(list(entries)))
    async with city.running(), officer_at(city.url) as ani, street.online():
        lines = [("fare.toml#00001", "[instrument]")]
        await officer.publish(ani.client, "rules", "one", lines, base=0, whole=True)
        await until(lambda: bool(told))
    street.start()
    street.uplink.use_with("rules", lambda entries: told.append(list(entries)))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(street.uplink.run)
        await street.uplink.wait_loaded()
        nursery.cancel_scope.cancel()
    assert told[0] == told[-1] == lines
    assert len(told) >= 2


async def test_an_officer_reads_what_a_terminal_has_written_down(city: City) -> None:
    card, street = made_card(), Street(city.url)
    async with city.running(), officer_at(city.url) as ani, street.online():
        await street.visit(card)
        await street.told()
        order = ["command", [[BRT.terminal]], ["send_journal", 1, 10], 10**13]
        receipt = await ani.order("j1", order)
        assert receipt.result == "done", receipt
        await ani.until_done("j1", 1)
        found = await ani.ask("journal", "ani/j1", BRT.terminal)
        assert isinstance(found, JournalFound)
        assert [line.transaction.counter for line in found.lines] == [1]


async def test_an_officer_closes_a_lane(city: City) -> None:
    street, done = Street(city.url), list[CommandBody]()

    async def handler(body: CommandBody) -> str:
        await trio.lowlevel.checkpoint()
        done.append(body)
        return ""

    street.uplink.handle_with(handler)
    order = ["command", [[BRT.terminal]], ["lane", "closed"], 10**13]
    async with city.running(), officer_at(city.url) as ani, street.online():
        await ani.order("close", order)
        await ani.until_done("close", 1)
    assert done == [SetLane("closed")]


async def test_a_terminal_without_anybody_to_carry_out_orders_says_so(city: City) -> None:
    street = Street(city.url)
    order = ["command", [[BRT.terminal]], ["lane", "closed"], 10**13]
    async with city.running(), officer_at(city.url) as ani, street.online():
        await ani.order("close", order)
        found = await until_told(
            lambda: ani.command("close"), lambda found: bool(found.command.failed)
        )
    assert found.command.done == 0


async def test_a_node_that_would_not_have_it_is_tried_again_and_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    tries: list[float] = []

    def refusing(_url: str) -> AbstractAsyncContextManager[Link]:
        tries.append(trio.current_time())
        raise NodeRefused("key_unknown", "", "not enrolled")

    street = Street("ws://nowhere", connect=refusing)
    with trio.move_on_after(3_600):
        await street.uplink.run()
    pauses = [later - before for before, later in pairwise(tries)]
    assert pauses[0] < pauses[3] < pauses[6]
    assert AWAY_S_FIRST / 2 <= pauses[0] <= AWAY_S_FIRST
    assert all(AWAY_S_MAX / 2 <= pause <= AWAY_S_MAX for pause in pauses[6:])
    assert street.notes == ["key_unknown: not enrolled"] * len(tries)


async def test_a_node_that_refuses_at_once_does_not_keep_lists_from_being_used(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A large list takes longer to load than a node takes to say no."""

    async def slow_disk(call: Callable[[], T], /) -> T:
        await trio.sleep(1)
        return call()

    def refusing(_url: str) -> AbstractAsyncContextManager[Link]:
        raise NodeRefused("key_unknown", "", "not enrolled")

    street = Street("ws://nowhere", connect=refusing, offload=slow_disk)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(street.uplink.run)
        with trio.fail_after(60):
            await street.uplink.wait_loaded()
        nursery.cancel_scope.cancel()


async def test_a_disk_that_is_full_when_the_node_answers_is_tried_again(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("terminals.acceptance.uplink.FULL_S", 0.01)
    card, street = made_card(), Street(city.url)
    await street.visit(card)
    store = street.world.store
    assert isinstance(store, MemoryStore)
    async with city.running():
        store.fail_next(StorageFull("no room"))
        async with street.online():
            await street.told()
    assert "no room" in street.notes
    assert street.results() == ["posted"]


async def test_a_disk_that_fails_ends_the_terminal(city: City) -> None:
    street = Street(city.url)
    store = street.world.store
    assert isinstance(store, MemoryStore)
    store.fail_next(StorageFailed("dying"))
    async with city.running():
        with pytest.RaisesGroup(pytest.RaisesExc(StorageFailed), flatten_subgroups=True):
            async with street.online():
                await trio.sleep_forever()


def test_what_several_tasks_of_a_client_found_out_at_once_is_told_once() -> None:
    refused, closed = NodeRefused("a", "", "b"), ClientClosed("c")
    assert only_terminal_error(refused) is refused
    assert only_terminal_error(ExceptionGroup("", [refused, closed])) is refused
    assert only_terminal_error(ExceptionGroup("", [ExceptionGroup("", [closed])])) is closed
    with pytest.RaisesGroup(NodeRefused, KeyError):
        only_terminal_error(ExceptionGroup("", [refused, KeyError()]))
    with pytest.RaisesGroup(KeyError):
        only_terminal_error(ExceptionGroup("", [KeyError()]))


async def test_a_node_that_had_the_terminal_for_long_is_soon_tried_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    tries: list[float] = []

    @asynccontextmanager
    async def refusing(_url: str) -> AsyncIterator[Link]:
        tries.append(trio.current_time())
        if len(tries) == 8:
            await trio.sleep(2 * AWAY_S_MAX)
        if tries:
            raise NodeRefused("key_unknown", "", "not enrolled")
        yield CutLink(cast("Link", None))

    street = Street("ws://nowhere", connect=refusing)
    with trio.move_on_after(5_000):
        await street.uplink.run()
    pauses = [later - before for before, later in pairwise(tries)]
    assert pauses[6] >= AWAY_S_MAX / 2
    assert pauses[7] <= 2 * AWAY_S_MAX + AWAY_S_FIRST
    assert pauses[8] <= 2 * AWAY_S_FIRST


# --- time -----------------------------------------------------------------------------------------


class Clocks:
    """A terminal's own clock, a steady one, and the node's as it is told."""

    def __init__(self) -> None:
        self.own_ms = NOON_MS
        self.steady_s = 50.0
        self.clock = NodeClock(lambda: self.own_ms, steady_s=lambda: self.steady_s)

    def pass_by(self, seconds: float) -> None:
        self.own_ms += round(seconds * 1000)
        self.steady_s += seconds

    def hear(self, node_ms: int) -> None:
        self.clock.exchange(self.steady_s, node_ms)


def test_a_stamp_says_what_is_known() -> None:
    clocks = Clocks()
    timing = Timing(clocks.clock, 3)
    assert timing.stamp() == (stamp := timing.stamp())
    assert (stamp.own_ms, stamp.node_ms, stamp.run, stamp.steady_ms) == (NOON_MS, -1, 3, 50_000)
    clocks.hear(NOON_MS + 777)
    assert timing.stamp().node_ms == NOON_MS + 777


def test_how_long_ago_something_was_is_told_by_the_best_clock_there_is() -> None:
    clocks = Clocks()
    timing = Timing(clocks.clock, 1)
    stamp = timing.stamp()
    clocks.pass_by(10)
    clocks.own_ms += 99_000
    assert timing.age_ms(stamp) == 10_000
    later = Timing(clocks.clock, 2)
    assert later.age_ms(stamp) == 109_000
    clocks.hear(NOON_MS)
    known = timing.stamp()
    clocks.pass_by(5)
    assert later.age_ms(known) == 5_000


def test_a_clock_that_forgets_the_time_without_power_goes_on_from_the_last_contact() -> None:
    clocks = Clocks()
    clocks.own_ms = 0
    timing = Timing(clocks.clock, 2, not_before_ms=NOON_MS)
    assert timing.now_ms() == NOON_MS
    clocks.pass_by(1_800)
    assert timing.now_ms() == NOON_MS + 1_800_000
    clocks.own_ms = NOON_MS + 7_200_000
    assert timing.now_ms() == NOON_MS + 7_200_000
    clocks.hear(NOON_MS - 60_000)
    assert timing.now_ms() == NOON_MS - 60_000


def test_what_was_before_a_clock_is_told_as_its_beginning() -> None:
    clocks = Clocks()
    timing = Timing(clocks.clock, 1)
    stamp = timing.stamp()
    tap = Tap(counter=1, stamp=stamp, at_ms=-1, change_rp=0, packed=b"")
    clocks.hear(5)
    clocks.pass_by(10)
    assert timing.told_ms(tap) == 5
    assert timing.told_ms(structs.replace(tap, at_ms=77)) == 77
    assert timing.told_ms(structs.replace(tap, stamp=timing.stamp())) == 10_005
    # Of a run before, when the own clock was as wrong as it is now.
    assert Timing(clocks.clock, 2).told_ms(tap) == 5


def test_a_pulse_that_nobody_waits_for_changes_nothing() -> None:
    clocks = Clocks()
    clocks.clock.pulse(Pulse(1, 2))
    assert not clocks.clock.synchronised
