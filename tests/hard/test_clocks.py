"""Clocks that are wrong: those of terminals, and the node's own, set back and forth."""

from __future__ import annotations

import random
from typing import Final

import pytest
import trio.testing

from actors.shard import Shard
from protocol.limits import FRAMES_PER_SECOND_MAX
from tests.actors.stage import Stage, outcome_in, ready
from tests.actors.world import NOON_MS, Clock, commit
from tests.protocol import peer

LATEST_MS: Final = 253_402_300_799_999
"""The last millisecond of the year 9999."""
YEAR_MS: Final = 365 * 24 * 3_600_000


async def tap(stage: Stage, shard: Shard, counter: int, at_ms: int) -> str:
    """Send one tap from a terminal whose clock says this; return what became of it."""
    said = await stage.say(peer.pack("submit", [[counter, at_ms, peer.TAP]]))
    commit(shard)
    return str(outcome_in(said + stage.wire.take())[1])


@pytest.mark.parametrize("at_ms", [0, 1, NOON_MS - 50 * YEAR_MS, NOON_MS + YEAR_MS, LATEST_MS])
async def test_a_terminal_whose_clock_is_wrong_is_served_like_any_other(
    shard: Shard, clock: Clock, at_ms: int
) -> None:
    async with ready(shard, clock) as stage:
        assert await tap(stage, shard, 1, at_ms) == "posted"
        assert await stage.say(peer.pack("heartbeat", at_ms)) == [["pulse", at_ms, clock.ms]]
        entry = shard.find_entry(peer.TERMINAL, 1)
        assert entry is not None
        assert (entry.at_ms, entry.decided_ms) == (at_ms, clock.ms)


@pytest.mark.parametrize("at_ms", [-1, LATEST_MS + 1, 2**63])
async def test_a_time_that_is_none_is_refused(shard: Shard, clock: Clock, at_ms: int) -> None:
    async with ready(shard, clock) as stage:
        error, close = await stage.say(peer.pack("submit", [[1, at_ms, peer.TAP]]))
        assert (error[1], close) == ("field_invalid", ["close", 1007])


@pytest.mark.parametrize("seed", range(5))
async def test_a_node_whose_clock_is_set_goes_on_and_its_journal_never_runs_backwards(
    shard: Shard, clock: Clock, seed: int
) -> None:
    rng = random.Random(seed)
    async with ready(shard, clock) as stage:
        for counter in range(1, 20):
            clock.ms += rng.choice((-YEAR_MS, -3_600_000, -1, 0, 1, 999, 86_400_000, 30 * YEAR_MS))
            clock.ms = max(clock.ms, 0)
            stage.actor.check_deadline()
            assert await tap(stage, shard, counter, NOON_MS) == "posted"
        assert await stage.say(peer.pack("heartbeat", 1)) == [["pulse", 1, clock.ms]]
    decided = [
        entry.decided_ms for block in shard.store.journal.blocks(0) for entry in block.entries
    ]
    assert len(decided) == 21
    assert decided == sorted(decided)


async def test_a_clock_that_stands_still_does_not_lift_the_rate(shard: Shard, clock: Clock) -> None:
    beat = peer.pack("heartbeat", 1)
    async with ready(shard, clock) as stage:
        for _ in range(2):
            # Its two messages of the handshake count as well.
            said = await stage.say(*[beat] * (FRAMES_PER_SECOND_MAX // 2 - 1))
            assert {message[0] for message in said} == {"pulse"}
        *_, error, close = await stage.say(beat)
        assert (error[1], close) == ("rate_exceeded", ["close", 4006])


async def test_a_clock_that_is_set_ends_no_session(
    shard: Shard, clock: Clock, autojump_clock: trio.testing.MockClock
) -> None:
    async with ready(shard, clock) as stage:
        for ms in (0, NOON_MS + 100 * YEAR_MS, NOON_MS):
            clock.ms = ms
            stage.actor.check_deadline()
            stage.actor.check_key(stage.enrolled, clock.ms)
        assert stage.wire.take() == []
