"""The key watch: whose key ends is sent away within a second, and nobody else is looked for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from actors import limits
from actors.key_watch import KeyWatch
from actors.keys import LatestTime
from actors.shard import Shard
from actors.terminal import TerminalActor
from tests.actors.stage import Stage, ready
from tests.actors.test_committer import a_life
from tests.actors.world import Clock, FakeKeys
from tests.protocol.peer import StoredKey

HOUR_MS = 3_600_000


class Watched:
    """A watch over some terminals, and what it says."""

    def __init__(self, clock: Clock, *stages: Stage) -> None:
        self.keys = FakeKeys()
        self.notes: list[str] = []
        self.terminals: list[TerminalActor] = [stage.actor for stage in stages]
        self.latest_ms = LatestTime(clock, int)
        self.life = a_life()
        self.watch = KeyWatch(self.terminals, self.keys, self.latest_ms, self.notes.append)


@asynccontextmanager
async def watching(clock: Clock, *stages: Stage) -> AsyncIterator[Watched]:
    watched = Watched(clock, *stages)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watched.watch.run, watched.life)
        yield watched
        watched.life.stopping.set()


async def look() -> None:
    """Let the watch look once more."""
    await trio.sleep(limits.KEYS_LOOK_S)
    await trio.testing.wait_all_tasks_blocked()


def test_it_looks_often_enough_to_keep_the_promise() -> None:
    assert limits.KEYS_LOOK_S <= 0.25, "the rest of the second is for looking the keys up"


async def test_all_keys_are_looked_up_when_one_may_have_changed_and_else_none(
    shard: Shard, clock: Clock, autojump_clock: trio.testing.MockClock
) -> None:
    async with ready(shard, clock) as one, watching(clock, one) as watched:
        await look()
        assert watched.keys.looks == [1]
        for _ in range(20):
            await look()
        assert watched.keys.looks == [1]
        watched.keys.set("ANOTHER", StoredKey())
        await look()
        assert watched.keys.looks == [1, 1]
        assert one.wire.take() == []


@pytest.mark.parametrize(
    ("key", "code", "close"),
    [
        (StoredKey(revoked_ms=1), "key_revoked", 4003),
        (StoredKey(expires_ms=1), "key_expired", 4010),
        (None, "key_unknown", 4002),
    ],
)
async def test_a_key_that_is_taken_away_ends_its_session_and_no_other(
    shard: Shard,
    clock: Clock,
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
    key: StoredKey | None,
    code: str,
    close: int,
) -> None:
    monkeypatch.setattr(limits, "KEYS_AT_ONCE", 1)
    async with (
        ready(shard, clock) as kept,
        ready(shard, clock, terminal="GATE-02") as ended,
        watching(clock, kept, ended) as watched,
    ):
        watched.keys.set("GATE-02", key)
        await look()
        assert watched.keys.looks == [1, 1], "not more at once than others can wait for"
        assert ended.wire.take() == [["error", code, "hello.public_key", ""], ["close", close]]
        assert kept.wire.take() == []
        watched.keys.set("GATE-02", key)
        await look()
        assert watched.keys.looks == [1, 1, 1], "who is on the way out has no key"


async def test_a_key_expires_at_its_date_though_nobody_writes_anything(
    shard: Shard, clock: Clock, autojump_clock: trio.testing.MockClock
) -> None:
    key = StoredKey(expires_ms=clock.ms + HOUR_MS)
    async with ready(shard, clock, key=key) as stage, watching(clock, stage) as watched:
        watched.keys.set("GATE-01", key)
        clock.ms += HOUR_MS - 1
        await look()
        assert (stage.wire.take(), watched.keys.looks) == ([], [1])
        clock.ms += 1
        await look()
        assert stage.wire.take()[-1] == ["close", 4010]


async def test_a_longer_life_that_was_given_meanwhile_counts(
    shard: Shard, clock: Clock, autojump_clock: trio.testing.MockClock
) -> None:
    key = StoredKey(expires_ms=clock.ms + 1)
    async with ready(shard, clock, key=key) as stage, watching(clock, stage):
        clock.ms += 1
        await look()
        assert stage.wire.take() == []
        assert stage.actor.session.key_expires_ms is None


async def test_a_clock_that_is_set_back_is_told_of_once_and_ends_keys_all_the_same(
    shard: Shard, clock: Clock, autojump_clock: trio.testing.MockClock
) -> None:
    key = StoredKey(expires_ms=clock.ms + 1)
    async with ready(shard, clock, key=key) as stage, watching(clock, stage) as watched:
        watched.keys.set("GATE-01", key)
        clock.ms += 1
        watched.latest_ms()
        clock.ms -= HOUR_MS
        for _ in range(3):
            await look()
        assert stage.wire.take()[-1] == ["close", 4010]
        (note,) = watched.notes
        assert note.startswith("the clock stands 3600 s behind a time that it has shown before")
        clock.ms += HOUR_MS
        await look()
        clock.ms -= limits.CLOCK_BEHIND_MS_MAX
        await look()
        assert len(watched.notes) == 1, "a clock that is put right by a little is no news"
        clock.ms -= 1_000
        await look()
        assert len(watched.notes) == 2
