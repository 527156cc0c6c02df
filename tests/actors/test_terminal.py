"""One connection: what is taken, what is answered, and how it ends."""

from __future__ import annotations

import gc
import weakref
from typing import Final

import pytest
import trio
import trio.testing

from actors import limits
from actors.errors import ShardBroken
from actors.shard import Shard
from engine.accounts import PURSE
from protocol.limits import (
    HANDSHAKE_BYTES_MAX,
    HANDSHAKE_S,
    IDLE_S,
    SESSIONS_PER_TERMINAL_MAX,
)
from protocol.messages import Failed
from tests.actors.stage import Another, Stage, on_stage, outcome_in, ready, running
from tests.actors.world import (
    CARD,
    Clock,
    Sender,
    commit,
    tap,
)
from tests.protocol import peer

GOODBYE: Final = peer.masked(b"\x03\xe8", peer.CLOSE)


async def test_a_terminal_is_greeted_with_where_its_counter_stands(
    shard: Shard, clock: Clock
) -> None:
    async with on_stage(shard, clock) as stage:
        await stage.say(peer.hello("DESK-1"))
        (granted,) = await stage.say(peer.proof(terminal="DESK-1"))
        assert granted[2] == 2


async def test_outcomes_of_a_block_come_in_one_message(shard: Shard, clock: Clock) -> None:
    async with ready(shard, clock) as stage:
        assert await stage.say(peer.submit(2), peer.submit(1, first=3)) == []
        commit(shard)
        ((name, outcomes, given_back),) = stage.wire.take()
        assert (name, given_back) == ("outcome", 3)
        assert isinstance(outcomes, list)
        assert [outcome[:3] for outcome in outcomes] == [
            [1, "posted", 96_500],
            [2, "posted", 93_000],
            [3, "posted", 89_500],
        ]


async def test_a_repeat_is_answered_at_once(shard: Shard, clock: Clock) -> None:
    async with ready(shard, clock) as stage:
        await stage.say(peer.submit())
        assert outcome_in(await stage.say(peer.submit()))[1] == "in_progress"
        commit(shard)
        stage.wire.take()
        again = outcome_in(await stage.say(peer.submit()))
        assert (again[1], again[4]) == ("posted", True)


async def test_a_question_goes_to_the_desk_and_its_answer_comes_back(
    shard: Shard, clock: Clock
) -> None:
    async with ready(shard, clock) as stage:
        assert await stage.say(peer.pack("query", 5, ["balance", PURSE, CARD])) == []
        assert stage.desk.trace().depth == 1
        stage.actor.answer_query(5, Failed("busy", "", "", 200))
        assert stage.wire.take() == [["answer", 5, ["failed", "busy", "", "", 200]]]


async def test_a_service_follows_the_journal_until_it_has_enough(
    shard: Shard, clock: Clock, autojump_clock: trio.testing.MockClock
) -> None:
    async with ready(shard, clock, key=peer.StoredKey("service")) as stage:
        stage.wire.put(peer.masked(peer.pack("subscribe", 5, 1, [["top_up", "tap"]])))
        await trio.sleep(1)
        ((name, number, entries, following, head),) = stage.wire.take()
        assert (name, number, following, head) == ("feed", 5, 2, 2)
        assert isinstance(entries, list)
        ((position, entry),) = entries
        assert (position, entry[3][:3]) == (1, ["top_up", CARD, 100_000])
        stage.wire.put(peer.masked(peer.submit()))
        await trio.sleep(1)
        commit(shard)
        await trio.sleep(1)
        outcome, feed = stage.wire.take()
        assert (outcome[0], feed[0], feed[3:]) == ("outcome", "feed", [3, 3])
        stage.wire.put(peer.masked(peer.pack("unsubscribe", 5)))
        await trio.sleep(1)
        assert stage.wire.take() == [["feed_end", 5, "", "", "", 0]]
        assert stage.feeds.count == 0


async def test_a_subscription_ends_with_its_connection(
    shard: Shard, clock: Clock, autojump_clock: trio.testing.MockClock
) -> None:
    async with ready(shard, clock, key=peer.StoredKey("observer")) as stage:
        # In one go: what is not begun yet can be ended.
        said = await stage.say(peer.pack("subscribe", 5, 1), peer.pack("unsubscribe", 5))
        assert said == [["feed_end", 5, "", "", "", 0]]
        stage.wire.put(peer.masked(peer.pack("subscribe", 5, 1)))
        await trio.sleep(1)
        assert stage.feeds.count == 1
        stage.wire.put(peer.masked(b"\xc1"))
        await trio.sleep(1)
        assert [message[0] for message in stage.wire.take()] == ["feed", "error", "close"]
        commit_one(shard)
        await trio.sleep(1)
        assert stage.wire.take() == [], "nothing follows the last word"
        assert stage.feeds.count == 0


def commit_one(shard: Shard) -> None:
    shard.submit(Sender(), "GATE-2", [tap(1, 0)])
    commit(shard)


async def test_a_broken_rule_closes_this_connection_with_its_code(
    shard: Shard, clock: Clock
) -> None:
    async with ready(shard, clock) as stage:
        said = await stage.say(peer.submit(), peer.pack("submit", [[0, 1, peer.TAP]]))
        assert [message[0] for message in said] == ["error", "close"]
        assert said[0][1:3] == ["field_invalid", "submit.transactions[0].counter"]
        assert said[1][1] == 1007
        commit(shard)
        assert shard.book.terminals.get(peer.TERMINAL) is not None, "what came before it counts"
        assert await stage.say(peer.submit(1, first=9)) == [], "what comes after it does not"


async def test_a_long_message_is_taken_once_it_is_known_who_sends_it(
    shard: Shard, clock: Clock
) -> None:
    long = peer.submit(500)
    assert len(long) > HANDSHAKE_BYTES_MAX
    async with on_stage(shard, clock) as stage:
        stage.wire.put(peer.masked(long)[:14])
        await trio.testing.wait_all_tasks_blocked()
        assert stage.wire.take() == [["close", 1009]], "as soon as it says how long it is"
    async with ready(shard, clock) as stage:
        assert await stage.say(long) == []
        commit(shard)
        assert stage.wire.take()[0][2] == 500


async def test_pings_between_messages_are_bounded_in_a_second(
    shard: Shard, clock: Clock, mock_clock: trio.testing.MockClock
) -> None:
    unit = peer.masked(b"", peer.PING) * 250 + peer.masked(peer.pack("heartbeat", 1))
    async with ready(shard, clock) as stage:
        for _ in range(5):
            mock_clock.jump(1)
            stage.wire.put(unit * 10)
            await trio.testing.wait_all_tasks_blocked()
            assert not stage.wire.eof_sent
        stage.wire.take()
        stage.wire.put(unit * 10)
        await trio.testing.wait_all_tasks_blocked()
        assert stage.wire.eof_sent
        assert stage.wire.take()[-1] == ["close", 4006]


async def test_a_key_that_is_revoked_ends_the_open_session(shard: Shard, clock: Clock) -> None:
    async with ready(shard, clock) as stage:
        stage.actor.check_key(peer.StoredKey(), clock.ms)
        assert stage.wire.take() == []
        stage.actor.check_key(peer.StoredKey(revoked_ms=clock.ms), clock.ms)
        assert stage.wire.take() == [
            ["error", "key_revoked", "hello.public_key", ""],
            ["close", 4003],
        ]


async def test_a_key_that_had_expired_stays_so_when_the_clock_is_set_back(
    shard: Shard, clock: Clock
) -> None:
    clock.ms += 3_600_000
    stage = Stage(shard, clock)
    stage.enrolled = peer.StoredKey(expires_ms=clock.ms)
    clock.ms -= 3_600_000
    async with running(stage):
        await stage.say(peer.hello())
        assert await stage.say(peer.proof()) == [
            ["error", "key_expired", "hello.public_key", ""],
            ["close", 4010],
        ]


async def test_a_defect_is_told_to_the_terminal_that_met_it(
    shard: Shard, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("planted")

    monkeypatch.setattr(shard.book, "apply", fail)
    with pytest.RaisesGroup(ShardBroken, flatten_subgroups=True):
        async with ready(shard, clock) as stage:
            said = await stage.say(peer.submit())
            assert said == [["error", "internal_error", "", ""], ["close", 1011]]
            assert stage.wire.eof_sent
            stage.wire.put(b"")
            await stage.wire.closed.wait()


async def test_a_terminal_that_does_not_hang_up_is_cut_off(
    shard: Shard, clock: Clock, autojump_clock: trio.testing.MockClock
) -> None:
    async with ready(shard, clock) as stage:
        await stage.say(b"\xc1")
        stage.actor.check_deadline()
        assert not stage.wire.closed.is_set()
        await trio.sleep(limits.LINGER_S + 1)
        stage.actor.check_deadline()
        assert stage.wire.closed.is_set()


@pytest.mark.parametrize(("shaken", "silence_s"), [(False, HANDSHAKE_S), (True, IDLE_S)])
async def test_silence_ends_the_connection(
    shard: Shard,
    clock: Clock,
    mock_clock: trio.testing.MockClock,
    shaken: bool,  # noqa: FBT001 - a parameter of the test
    silence_s: int,
) -> None:
    async with ready(shard, clock) if shaken else on_stage(shard, clock) as stage:
        clock.ms += 1_000 * silence_s * 1_000
        stage.actor.check_deadline()
        assert stage.wire.take() == [], "a clock that was set ends nothing"
        mock_clock.jump(silence_s - 1)
        stage.actor.check_deadline()
        assert stage.wire.take() == []
        mock_clock.jump(1)
        stage.actor.check_deadline()
        error, close = stage.wire.take()
        assert error[1] == ("idle" if shaken else "handshake_timeout")
        assert close[0] == "close"


async def test_a_stop_answers_what_was_taken_and_says_goodbye(
    shard: Shard, clock: Clock, autojump_clock: trio.testing.MockClock
) -> None:
    async with ready(shard, clock) as stage:
        await stage.say(peer.submit())
        stage.life.stopping.set()
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert stage.wire.take() == []
        commit(shard)
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert [message[0] for message in stage.wire.take()] == ["outcome", "error", "close"]
        await stage.wire.closed.wait()
        assert trio.current_time() >= limits.LINGER_S


async def test_a_handshake_that_has_to_make_room_is_cut(shard: Shard, clock: Clock) -> None:
    async with on_stage(shard, clock) as stage:
        for _ in range(limits.HANDSHAKES_MAX):
            assert not stage.wire.closed.is_set()
            stage.reception.arrive(Another())
        assert stage.wire.closed.is_set()
        assert stage.wire.take() == [["error", "handshake_timeout", "", ""], ["close", 4004]]


async def test_who_is_in_makes_no_room_for_those_outside(shard: Shard, clock: Clock) -> None:
    async with ready(shard, clock) as stage:
        for _ in range(2 * limits.HANDSHAKES_MAX):
            stage.reception.arrive(Another())
        assert (await stage.say(peer.pack("heartbeat", 1)))[0][0] == "pulse"


async def test_a_terminal_that_came_anew_too_often_leaves_its_oldest_session(
    shard: Shard, clock: Clock
) -> None:
    async with ready(shard, clock) as stage:
        for _ in range(SESSIONS_PER_TERMINAL_MAX):
            assert stage.wire.take() == []
            stage.reception.greet(Another(), "another")
            stage.reception.greet(Another(), peer.TERMINAL)
        error, close = stage.wire.take()
        assert (error[1], close) == ("sessions_exceeded", ["close", 4012])


async def test_an_actor_that_ends_is_forgotten_at_the_reception(shard: Shard, clock: Clock) -> None:
    async with ready(shard, clock) as stage:
        assert stage.reception.counts() == (0, 1)
    assert stage.reception.counts() == (0, 0)
    async with on_stage(shard, clock) as stage:
        assert stage.reception.counts() == (1, 0)
    assert stage.reception.counts() == (0, 0)


async def test_others_are_served_while_a_terminal_has_much_to_say(
    shard: Shard, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TURN_S", 0.0)
    async with ready(shard, clock) as stage:
        stage.wire.put(peer.masked(peer.pack("heartbeat", 1)) * 500)
        answered: list[int] = []
        with trio.fail_after(20):
            while sum(answered) < 500:
                await trio.lowlevel.checkpoint()
                answered.append(len(stage.wire.take()))
        assert max(answered) < 200, "no turn is long"


async def test_who_goes_on_sending_when_all_is_said_is_cut_off(shard: Shard, clock: Clock) -> None:
    async with ready(shard, clock) as stage:
        await stage.say(b"\xc1")
        stage.wire.put(peer.masked(b"\x03\xe8", peer.CLOSE))
        for _ in range(limits.LINGER_READS_MAX):
            assert not stage.wire.closed.is_set()
            stage.wire.put(b"more")
            await trio.testing.wait_all_tasks_blocked()
        assert stage.wire.closed.is_set()


async def test_a_hang_up_ends_the_actor_and_what_was_decided_stays(
    shard: Shard, clock: Clock
) -> None:
    async with ready(shard, clock) as stage:
        await stage.say(peer.submit())
        stage.wire.put(b"")
        await trio.testing.wait_all_tasks_blocked()
        assert stage.wire.eof_sent
        stage.wire.put(b"")
        await stage.wire.closed.wait()
        commit(shard)
        assert shard.durable_position == 3


async def test_what_came_before_a_close_is_answered_before_it(shard: Shard, clock: Clock) -> None:
    async with ready(shard, clock) as stage:
        beat, close = peer.masked(peer.pack("heartbeat", 5)), peer.masked(b"\x03\xe8", peer.CLOSE)
        stage.wire.put(beat + close)
        await trio.testing.wait_all_tasks_blocked()
        pulse, goodbye = stage.wire.take()
        assert (pulse[:2], goodbye) == (["pulse", 5], ["close", 1000])


@pytest.mark.parametrize(
    "said",
    [
        peer.UPGRADE + peer.masked(b"half", fin=False),
        peer.UPGRADE + peer.masked(b"text", peer.TEXT),
        peer.UPGRADE + peer.masked(b"\xc1"),
        peer.UPGRADE + peer.masked(peer.hello()) + peer.masked(peer.pack("prove", bytes(64))),
        peer.UPGRADE + b"".join(map(peer.masked, (peer.hello(), peer.proof(), peer.hello()))),
        peer.UPGRADE.replace(b": 13", b": 8"),
        b"\r\n\r\n",
    ],
)
async def test_a_connection_that_has_ended_does_not_wait_for_the_collector(
    shard: Shard, clock: Clock, said: bytes
) -> None:
    gc.collect()
    gc.disable()
    try:
        stage = Stage(shard, clock)
        ended = weakref.ref(stage.actor)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.actor.run, stage.life)
            del stage.actor
            for data in (said, GOODBYE, b"", b""):
                stage.wire.put(data)
        assert stage.wire.closed.is_set()
        assert ended() is None
    finally:
        gc.enable()


async def test_nothing_is_sent_once_the_connection_is_closing(shard: Shard, clock: Clock) -> None:
    async with ready(shard, clock) as stage:
        await stage.say(peer.submit())
        stage.wire.put(peer.masked(b"\x03\xe8", peer.CLOSE))
        await trio.testing.wait_all_tasks_blocked()
        assert stage.wire.take() == [["close", 1000]]
        commit(shard)
        assert stage.wire.take() == []
