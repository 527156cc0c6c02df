"""One connection: what is taken, what is answered, and how it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from actors import limits
from actors.errors import ShardBroken
from actors.feed import Feeds
from actors.keys import LatestTime
from actors.shard import Shard
from actors.terminal import Services, TerminalActor
from engine.accounts import PURSE
from protocol.limits import HANDSHAKE_BYTES_MAX, HANDSHAKE_S, IDLE_S
from protocol.messages import Failed
from protocol.session import KeyName
from tests.actors.test_committer import a_life
from tests.actors.world import (
    CARD,
    Clock,
    Disk,
    Sender,
    commit,
    desk_on,
    fleet_on,
    on_the_spot,
    tap,
    unreported,
)
from tests.protocol import peer


class Wire:
    """A transport in memory: what the terminal sends is put in, what it gets is kept."""

    def __init__(self) -> None:
        self.sent = bytearray()
        self.eof_sent = False
        self.names: frozenset[str] | None = None
        self.closed = trio.Event()
        self._put, self._get = trio.open_memory_channel[bytes](100)

    async def receive(self) -> bytes:
        await trio.lowlevel.checkpoint()
        return b"" if self.closed.is_set() else await self._get.receive()

    def put(self, data: bytes) -> None:
        self._put.send_nowait(data)

    def send_nowait(self, data: bytes) -> None:
        self.sent += data

    async def flush(self) -> None:
        await trio.sleep_forever()

    @property
    def unsent_bytes(self) -> int:
        return 0

    async def wait_low(self) -> None:
        await trio.lowlevel.checkpoint()

    def send_eof(self) -> None:
        self.eof_sent = True

    def close(self) -> None:
        if not self.closed.is_set():
            self.closed.set()
            self._put.send_nowait(b"")

    def certified_names(self) -> frozenset[str] | None:
        return self.names

    def take(self) -> list[list[object]]:
        """Return the messages sent since the last look; a close frame as `close`, code."""
        messages: list[list[object]] = []
        data = bytes(self.sent)
        if data.startswith(b"HTTP"):
            data = data.partition(b"\r\n\r\n")[2]
        while data:
            size, start = data[1], 2
            if size == 126:
                size, start = int.from_bytes(data[2:4], "big"), 4
            body = data[start : start + size]
            if data[0] & 0x0F == peer.PONG:
                messages.append(["pong"])
            elif data[0] & 0x0F == peer.CLOSE:
                messages.append(["close", int.from_bytes(body[:2], "big")])
            else:
                messages.append(peer.unpack(body))
            data = data[start + size :]
        self.sent.clear()
        return messages


class Stage:
    """A terminal actor, its wire, and the node behind it."""

    def __init__(self, shard: Shard, clock: Clock) -> None:
        self.wire = Wire()
        self.life = a_life()
        self.enrolled: peer.StoredKey | None = peer.StoredKey()
        disk = Disk()
        self.fleet = fleet_on(disk, clock, print)
        # It takes orders, and never gets round to them.
        self.fleet.store = disk.fleet
        self.desk = desk_on(shard, fleet=self.fleet)
        self.feeds = Feeds(str.upper, offload=on_the_spot, report=unreported)
        self.actor = TerminalActor(
            self.wire,
            Services(
                shard=lambda: shard,
                desk=self.desk,
                fleet=self.fleet,
                feeds=self.feeds,
                keys=self,
                latest_ms=LatestTime(clock, int),
                now_ms=clock,
                nonce=lambda: peer.NONCE,
            ),
        )

    def find(self, terminal: str, public_key: bytes) -> peer.StoredKey | None:
        return self.enrolled

    def find_many(self, names: Sequence[KeyName]) -> list[peer.StoredKey | None]:
        return [self.enrolled for _ in names]

    def version(self) -> int:
        return 0

    async def say(self, *payloads: bytes) -> list[list[object]]:
        """Send messages in one go and return what comes back at once."""
        self.wire.put(b"".join(peer.masked(payload) for payload in payloads))
        await trio.testing.wait_all_tasks_blocked()
        return self.wire.take()


@asynccontextmanager
async def on_stage(shard: Shard, clock: Clock) -> AsyncIterator[Stage]:
    async with running(Stage(shard, clock)) as stage:
        yield stage


@asynccontextmanager
async def running(stage: Stage) -> AsyncIterator[Stage]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.actor.run, stage.life)
        stage.wire.put(peer.UPGRADE)
        await trio.testing.wait_all_tasks_blocked()
        assert bytes(stage.wire.sent).startswith(b"HTTP/1.1 101")
        stage.wire.take()
        yield stage
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def ready(
    shard: Shard,
    clock: Clock,
    *,
    terminal: str = peer.TERMINAL,
    key: peer.StoredKey | None = None,
) -> AsyncIterator[Stage]:
    async with on_stage(shard, clock) as stage:
        stage.enrolled = key or peer.StoredKey()
        (challenge,) = await stage.say(peer.hello(terminal))
        (granted,) = await stage.say(peer.proof(terminal=terminal))
        assert (challenge[0], granted[0]) == ("challenge", "ready")
        yield stage


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


def outcome_in(messages: list[list[object]]) -> list[object]:
    """Return the one outcome in the one message that came back."""
    ((_, outcomes, _),) = messages
    assert isinstance(outcomes, list)
    (outcome,) = outcomes
    return list(outcome)


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


async def test_nothing_is_sent_once_the_connection_is_closing(shard: Shard, clock: Clock) -> None:
    async with ready(shard, clock) as stage:
        await stage.say(peer.submit())
        stage.wire.put(peer.masked(b"\x03\xe8", peer.CLOSE))
        await trio.testing.wait_all_tasks_blocked()
        assert stage.wire.take() == [["close", 1000]]
        commit(shard)
        assert stage.wire.take() == []
