"""Subscriptions: what consumers get, at which pace, and how it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TypeVar

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from actors import limits
from actors.feed import Feeds, Following
from actors.runtime import Event, Report
from actors.shard import Shard
from protocol.messages import FeedEnd, Filter, Subscribe, Unsubscribe
from protocol.redaction import pseudonyms
from protocol.rights import View
from storage.errors import StorageDamaged
from tests.actors.test_committer import Gate, a_life
from tests.actors.world import CARD, Clock, Disk, Sender, commit, on_the_spot, tap, unreported
from tests.protocol.peer import unpack

T = TypeVar("T")
PSEUDONYM = pseudonyms(bytes(32))
ALL = Filter()
NOTHING = Filter(kinds=("void",))


class Reader:
    """A consumer that keeps what it is sent, and reads only while it is told to."""

    def __init__(self) -> None:
        self.open = True
        self.reads = trio.Event()
        self.reads.set()
        self.said: list[tuple[float, list[object]]] = []
        self.ends: list[FeedEnd] = []

    async def wait_low(self) -> None:
        while not self.reads.is_set():
            await self.reads.wait()

    def send_feed(self, payload: bytes) -> None:
        assert self.reads.is_set()
        self.said.append((trio.current_time(), unpack(payload)))

    def end_feed(self, end: FeedEnd) -> None:
        self.ends.append(end)

    def take(self) -> list[tuple[int, list[int], int, int]]:
        """Return id, positions, `next` and `head` of what came since the last look."""
        told = []
        for _, (_, number, found, following, head) in self.said:
            assert isinstance(number, int)
            assert isinstance(found, list)
            assert isinstance(following, int)
            assert isinstance(head, int)
            told.append((number, [position for position, _ in found], following, head))
        self.said.clear()
        return told


class Stage:
    """A shard with two entries, its feeds, and one connection."""

    def __init__(self, shard: Shard, nursery: trio.Nursery, feeds: Feeds) -> None:
        self.shard = shard
        self.feeds = feeds
        self.reader = Reader()
        self.following = Following(feeds, self.reader, shard)
        self.nursery = nursery
        self._counter = 0

    def subscribe(
        self, number: int = 1, position: int = 0, wanted: Filter = ALL, view: View = "whole"
    ) -> None:
        self.following.take(Subscribe(number, position, wanted), view, self.nursery)

    def unsubscribe(self, number: int = 1) -> None:
        self.following.take(Unsubscribe(number), "whole", self.nursery)

    def submit(self, count: int = 1) -> None:
        taps = [tap(self._counter + number, 0) for number in range(1, count + 1)]
        self._counter += count
        self.shard.submit(Sender(), "GATE-1", taps)

    def write(self, count: int = 1) -> None:
        """Make so many entries durable, as one block."""
        self.submit(count)
        commit(self.shard)


@asynccontextmanager
async def on_stage(
    shard: Shard,
    *,
    offload: Callable[..., object] = on_the_spot,
    report: Callable[[Report], None] = unreported,
) -> AsyncIterator[Stage]:
    feeds = Feeds(PSEUDONYM, offload=offload, report=report)  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        yield Stage(shard, nursery, feeds)
        nursery.cancel_scope.cancel()
    assert feeds.count == 0


async def quiet() -> None:
    """Wait until all that can be sent was sent, and no news is left to tell."""
    await trio.sleep(2 * limits.FEED_NEWS_S)


async def test_what_is_durable_is_sent_and_then_what_becomes_so(
    shard: Shard, autojump_clock: MockClock
) -> None:
    async with on_stage(shard) as stage:
        stage.subscribe()
        await quiet()
        assert stage.reader.take() == [(1, [0, 1], 2, 2)]
        stage.submit()
        await quiet()
        assert stage.reader.take() == [], "an open block is nobody's to see"
        commit(shard)
        await quiet()
        assert stage.reader.take() == [(1, [2], 3, 3)]


async def test_what_becomes_durable_within_a_moment_is_sent_together(
    shard: Shard, autojump_clock: MockClock
) -> None:
    async with on_stage(shard) as stage:
        stage.subscribe(position=2)
        await quiet()
        assert stage.reader.take() == [(1, [], 2, 2)], "it has caught up, and hears it"
        stage.write()
        await trio.sleep(limits.FEED_GATHER_S / 2)
        for _ in range(3):
            stage.write()
        await quiet()
        assert stage.reader.take() == [(1, [2], 3, 3), (1, [3, 4, 5], 6, 6)]


async def test_a_long_history_comes_in_bounded_messages(
    shard: Shard, autojump_clock: MockClock
) -> None:
    async with on_stage(shard) as stage:
        for _ in range(3):
            stage.write(400)
        stage.subscribe(position=1)
        await quiet()
        told = stage.reader.take()
        assert [len(found) for _, found, _, _ in told] == [500, 500, 201]
        assert [position for _, found, _, _ in told for position in found] == [*range(1, 1202)]
        assert [(following, head) for _, _, following, head in told] == [
            (501, 1202),
            (1001, 1202),
            (1202, 1202),
        ]


async def test_behind_the_end_it_waits_for_its_position(
    shard: Shard, autojump_clock: MockClock
) -> None:
    async with on_stage(shard) as stage:
        stage.subscribe(position=5)
        await quiet()
        assert stage.reader.take() == [(1, [], 5, 2)]
        stage.write(2)
        await quiet()
        assert stage.reader.take() == []
        stage.write(2)
        await quiet()
        assert stage.reader.take() == [(1, [5], 6, 6)]


async def test_the_position_moves_on_though_nothing_is_wanted(
    shard: Shard, autojump_clock: MockClock
) -> None:
    async with on_stage(shard) as stage:
        stage.subscribe(wanted=NOTHING)
        began_s = trio.current_time()
        while trio.current_time() < began_s + 20:
            stage.write()
            await trio.sleep(0.1)
        last = shard.durable_position
        await quiet()
        times_s = [at_s for at_s, _ in stage.reader.said]
        told = stage.reader.take()
        assert all(not found for _, found, _, _ in told)
        assert told[-1][2] == last, "the last of it is told, too"
        assert 8 <= len(told) <= 13
        assert max(later_s - at_s for at_s, later_s in pairwise(times_s)) < 2.5


async def test_a_filter_passes_over_what_is_not_wanted(
    shard: Shard, autojump_clock: MockClock
) -> None:
    async with on_stage(shard) as stage:
        stage.write(5_000)
        stage.subscribe(1, wanted=Filter(kinds=("issue", "top_up")))
        stage.subscribe(2, wanted=Filter(kinds=("top_up",), banks=("none",)))
        await quiet()
        told = stage.reader.take()
        assert [each for each in told if each[0] == 1] == [
            (1, [0, 1], 1_000, 5_002),
            (1, [], 5_002, 5_002),
        ]
        assert [each for each in told if each[0] == 2] == [(2, [], 5_002, 5_002)]


async def test_an_observer_sees_no_card(shard: Shard, autojump_clock: MockClock) -> None:
    async with on_stage(shard) as stage:
        stage.subscribe(1, view="redacted")
        stage.subscribe(2)
        await quiet()
        told = {said[1]: repr(said) for _, said in stage.reader.said}
        redacted, whole = told[1], told[2]
        assert CARD not in redacted
        assert PSEUDONYM(CARD) in redacted
        assert CARD in whole


async def test_after_its_end_nothing_comes_and_the_id_is_free(
    shard: Shard, autojump_clock: MockClock
) -> None:
    gate = Gate()
    async with on_stage(shard, offload=gate) as stage:
        stage.subscribe()
        await trio.sleep(1)
        assert gate.calls == 1
        stage.unsubscribe()
        assert stage.reader.ends == [FeedEnd(1)], "at once, though a step is under way"
        stage.subscribe(position=1)
        gate.open.set()
        await quiet()
        assert stage.reader.take() == [(1, [1], 2, 2)]
        stage.unsubscribe()
        stage.write()
        await quiet()
        assert stage.reader.take() == []
        assert stage.reader.ends == [FeedEnd(1)] * 2
        assert stage.feeds.count == 0


async def test_who_does_not_read_holds_one_message_back_and_nobody_up(
    shard: Shard, autojump_clock: MockClock
) -> None:
    steps = 0

    async def counted(call: Callable[[], T], /) -> T:
        nonlocal steps
        steps += 1
        return call()

    async with on_stage(shard, offload=counted) as stage:
        stage.write(3_000)
        stage.subscribe(1)
        while not stage.reader.take():  # noqa: ASYNC110 - the reader is a list
            await trio.sleep(limits.FEED_REST_S)
        stage.reader.reads = trio.Event()
        steps = 0
        other = Reader()
        following = Following(stage.feeds, other, shard)
        following.take(Subscribe(9, 0), "whole", stage.nursery)
        for _ in range(10):
            stage.write(1_000)
            await trio.sleep(10)
        assert stage.reader.take() == []
        assert other.take()[-1][2] == 13_002
        seen = steps
        stage.reader.reads.set()
        await quiet()
        assert steps > seen
        found = [position for _, found, _, _ in stage.reader.take() for position in found]
        assert found == [*range(found[0], 13_002)]


async def test_when_the_other_end_reads_again_each_sends_in_its_turn(
    shard: Shard, autojump_clock: MockClock
) -> None:
    """Several wait on one connection: the first to go on fills it, and the others wait again."""
    async with on_stage(shard) as stage:
        reader = stage.reader
        most = 0

        async def wait_low() -> None:
            nonlocal most
            while reader.said:
                await trio.sleep(1)
                most = max(most, len(reader.said))
                reader.said.clear()

        reader.wait_low = wait_low  # type: ignore[method-assign]
        stage.write(2_000)
        for number in range(4):
            stage.subscribe(number)
        await trio.sleep(60)
        assert most == 1


async def test_while_taps_are_many_it_goes_slowly_and_goes_on(
    shard: Shard, autojump_clock: MockClock
) -> None:
    async with on_stage(shard) as stage:
        stage.write(3_000)
        stage.submit(int(limits.OPEN_ENTRIES_MAX * limits.FEED_LOAD_SHARE) + 1)
        began_s = trio.current_time()
        stage.subscribe()
        await quiet()
        times_s = [at_s - began_s for at_s, _ in stage.reader.said]
        assert len(times_s) == 7
        for number, at_s in enumerate(times_s, start=1):
            assert at_s == pytest.approx(number * limits.FEED_PAUSE_S)


async def test_a_node_has_room_for_so_many_and_says_so(
    shard: Shard, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    monkeypatch.setattr(limits, "FEEDS_MAX", 2)
    async with on_stage(shard) as stage:
        for number in (1, 2, 3):
            stage.subscribe(number)
        (end,) = stage.reader.ends
        assert (end.id, end.code, end.retry_after_ms) == (3, "busy", 10_000)
        stage.unsubscribe(1)
        await quiet()
        stage.subscribe(3)
        await quiet()
        assert {number for number, *_ in stage.reader.take()} == {2, 3}


async def test_a_defect_ends_the_subscription_and_is_reported_once(
    shard: Shard, autojump_clock: MockClock
) -> None:
    reports: list[Report] = []

    async def fail(_call: Callable[[], T], /) -> T:
        raise ZeroDivisionError

    async with on_stage(shard, offload=fail, report=reports.append) as stage:
        for number in (1, 2):
            stage.subscribe(number)
        await quiet()
        assert {end.id for end in stage.reader.ends} == {1, 2}
        assert {(end.code, end.retry_after_ms) for end in stage.reader.ends} == {
            ("internal_error", 0)
        }
    assert [(report.event, report.supervisor) for report in reports] == [(Event.CRASHED, "feeds")]


async def test_a_journal_that_cannot_be_read_ends_the_node(
    shard: Shard, autojump_clock: MockClock
) -> None:
    async def fail(_call: Callable[[], T], /) -> T:
        raise StorageDamaged("planted")

    async with on_stage(shard, offload=fail) as stage:
        stage.subscribe()
        with pytest.RaisesGroup(StorageDamaged):
            await stage.feeds.run(a_life())
        assert [end.code for end in stage.reader.ends] == ["internal_error"]


async def test_the_watch_ends_when_it_is_told_to(shard: Shard, autojump_clock: MockClock) -> None:
    life = a_life()
    async with on_stage(shard) as stage, trio.open_nursery() as nursery:
        nursery.start_soon(stage.feeds.run, life)
        await trio.sleep(1)
        life.stopping.set()


@pytest.mark.parametrize("at_work", [False, True])
async def test_a_shard_that_ends_ends_what_follows_it(
    shard: Shard, autojump_clock: MockClock, *, at_work: bool
) -> None:
    async def closed(_call: Callable[[], T], /) -> T:
        shard.end()
        raise StorageDamaged("its store was closed")

    async with on_stage(shard, offload=closed if at_work else on_the_spot) as stage:
        stage.subscribe()
        await quiet()
        shard.end()
        await quiet()
        (end,) = stage.reader.ends
        assert (end.code, end.retry_after_ms) == ("busy", limits.RESTART_RETRY_MS)


async def test_a_connection_that_is_closed_is_followed_no_more(
    shard: Shard, autojump_clock: MockClock
) -> None:
    async with on_stage(shard) as stage:
        stage.subscribe()
        await quiet()
        stage.reader.open = False
        stage.write()
        await quiet()
        assert stage.feeds.count == 0


async def test_a_reconnect_goes_on_where_it_was(
    disk: Disk, clock: Clock, shard: Shard, autojump_clock: MockClock
) -> None:
    async with on_stage(shard) as stage:
        stage.write(1_234)
        stage.subscribe(position=3)
        await quiet()
        told = stage.reader.take()
    again = disk.shard(clock)
    found: list[int] = []
    for _, before, following, _ in told:
        found += before
        async with on_stage(again) as stage:
            stage.subscribe(position=following)
            await quiet()
            rest = [position for _, each, _, _ in stage.reader.take() for position in each]
        assert found + rest == [*range(3, 1_236)]
