"""The whole tree on real sockets: it starts, serves, fails as it should, and stops."""

from __future__ import annotations

import errno
import random
import socket
import ssl
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial

import msgspec
import pytest
import trio
from websockets.frames import Frame, Opcode

import actors.shard
from actors import limits
from actors.certificates import CertificateFiles, Certificates
from actors.listener import open_listening_socket
from actors.runtime import Event, FatalFailure, Mailbox, Node, Report, State
from actors.seams import Seams
from actors.tree import NodeTree, Stores
from bench.line import Line, LineBroken, new_key, open_line, submit_frame
from engine.accounts import PURSE
from engine.book import Book
from engine.chips import ChipFinding
from engine.decisions import decide
from engine.errors import Bug
from engine.moment import Moment
from engine.transaction import Entry, Issue, Share, Transaction
from protocol.messages import Answer, AnswerBody, BalanceOf, Feed, Query, Subscribe
from storage.errors import StorageDamaged, StorageFailed
from storage.shard_store import ShardStore
from tests.actors.world import CARD, Clock, Disk, FakeKeys, on_the_spot, tap
from tests.engine.rules_here import LAW
from tests.protocol.peer import StoredKey

pytestmark = pytest.mark.slow


class World:
    """A tree on a disk in memory, and what it said."""

    def __init__(
        self,
        disk: Disk,
        clock: Clock,
        listening: socket.socket,
        files: CertificateFiles | None = None,
    ) -> None:
        self.disk = disk
        self.keys = FakeKeys()
        self.reports: list[Report] = []
        self.notes: list[str] = []
        self.noted = trio.Event()
        self.listening = listening
        host, port = listening.getsockname()
        self.url = f"{'wss' if files else 'ws'}://{host}:{port}"
        self.tree = NodeTree(
            stores=Stores(self._open, disk.open_fleet),
            listening=listening,
            keys=self.keys,
            law=LAW,
            pseudonym=str.upper,
            seams=Seams(clock, partial(bytes, 32), random.Random(1).random, on_the_spot),
            report=self.reports.append,
            note=self._note,
            certificates=None
            if files is None
            else Certificates(files, offload=on_the_spot, note=self._note),
        )
        self.opened = 0
        self.reopened = trio.Event()

    def _note(self, line: str) -> None:
        self.notes.append(line)
        self.noted.set()

    def _open(self) -> AbstractContextManager[ShardStore]:
        self.opened += 1
        if self.opened > 1:
            self.reopened.set()
        return self.disk.open()

    async def line(self, terminal: str = "GATE-1", tls: ssl.SSLContext | None = None) -> Line:
        return await open_line(self.url, terminal, new_key(), tls)


@pytest.fixture
def world(disk: Disk, clock: Clock) -> Iterator[World]:
    """A tree that is not running yet."""
    with open_listening_socket("127.0.0.1", 0) as listening:
        yield World(disk, clock, listening)


async def post(line: Line, *transactions: Transaction) -> list[str]:
    await line.send(submit_frame(transactions))
    return [str(outcome.result) for outcome in await line.outcomes()]


async def test_taps_go_through_and_the_tree_can_be_read(world: World) -> None:
    with trio.fail_after(10):
        async with world.tree.supervisor.running():
            line = await world.line()
            issue = Transaction(1, 1, Issue(CARD, "account", "dki"))
            assert await post(line, issue, tap(2, 0)) == ["posted", "posted"]
            assert world.tree.listener.connections == 1
            tree = world.tree.snapshot()
            line.close()
    shard, listener, fleet, desk, feeds = tree.children
    assert feeds.name == "feeds"
    assert [child.name for child in shard.children] == ["checkpointer", "committer"]
    assert shard.children[1].mailbox is not None
    assert shard.children[1].mailbox.accepted == 2
    assert desk.mailbox is not None
    assert fleet.mailbox is not None
    assert [child.name for child in listener.children] == ["accept", "sweep", "keys", "terminal-1"]
    assert {node.state for node in walk(tree)} == {State.RUNNING}
    with world.disk.open() as store:
        assert store.recovered.replayed_entries == 0, "the last checkpoint was written"
        assert store.book.position == 2


def walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from walk(child)


async def test_before_it_runs_the_shard_is_only_starting(world: World) -> None:
    assert world.tree._shard_snapshot().state is State.STARTING  # noqa: SLF001


async def test_a_shard_that_fails_is_opened_anew_and_terminals_come_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with trio.fail_after(20):
        async with world.tree.supervisor.running():
            line = await world.line()
            assert await post(line, Transaction(1, 1, Issue(CARD, "account", "dki"))) == ["posted"]

            def fail(*_: object) -> None:
                message = "planted"
                raise RuntimeError(message)

            with monkeypatch.context() as planted:
                planted.setattr(world.tree.shard().store, "append", fail)
                await line.send(submit_frame([tap(2, 0)]))
                await world.reopened.wait()
            line.close()
            again = await _until_open(world)
            assert again.ready.last_counter == 1, "what was not durable was not decided"
            assert await post(again, tap(2, 0)) == ["posted"]
            again.close()
    assert Event.ESCALATED in {report.event for report in world.reports}


def plant(where: str, book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a share fail, where it is decided or half way through its application."""
    apply = book.apply

    def fail_to_decide(
        book: Book,
        now: Moment,
        terminal: str,
        transaction: Transaction,
        chip: ChipFinding | None,
    ) -> Entry:
        if isinstance(transaction.intent, Share):
            raise Bug("planted")
        return decide(book, now, terminal, transaction, chip)

    def fail_to_apply(entry: Entry) -> None:
        if isinstance(entry.intent, Share):
            book.accounts[3]["mrtj"] = 500
            raise Bug("planted")
        apply(entry)

    if where == "decide":
        monkeypatch.setattr(actors.shard, "decide", fail_to_decide)
    else:
        monkeypatch.setattr(book, "apply", fail_to_apply)


@pytest.mark.parametrize("where", ["apply", "decide"])
async def test_a_failure_in_the_middle_of_a_decision_opens_the_shard_anew(
    world: World, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    # No card is to blame for what one operator hands to another.
    share = Share("transjakarta", "mrtj", 500)
    batch = [tap(2, 0), Transaction(3, 1, share), tap(4, 0)]
    with trio.fail_after(20):
        async with world.tree.supervisor.running():
            line, bystander = await world.line(), await world.line("GATE-2")
            assert await post(line, Transaction(1, 1, Issue(CARD, "account", "dki"))) == ["posted"]
            with monkeypatch.context() as planted:
                plant(where, world.tree.shard().book, planted)
                await line.send(submit_frame(batch))
                await closed_with("internal_error", line)
                await world.reopened.wait()
            await closed_with("node_stopping", bystander)
            again = await _until_open(world)
            assert again.ready.last_counter == 1, "what was not durable was not decided"
            assert await post(again, *batch) == ["posted"] * 3
            again.close()
            stopped_s = trio.current_time()
        assert trio.current_time() - stopped_s < limits.SHARD_STOP_S / 10
    assert world.opened == 2
    crashed = [report for report in world.reports if report.child == "committer"]
    assert {type(report.failure) for report in crashed[:1]} == {Bug}
    with world.disk.open() as store:
        assert store.book.position == 4
        assert store.book.sum_of_accounts_rp() == 0


async def test_questions_that_fail_and_a_desk_that_fails_disturb_no_terminal(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[object] = []
    failed_again = trio.Event()

    def fail(*_: object) -> None:
        failures.append(_)
        if len(failures) > 8 + limits.QUERY_WORKERS:
            failed_again.set()
        raise ValueError("planted")

    with trio.fail_after(20):
        async with world.tree.supervisor.running():
            line = await world.line()
            issue = Transaction(1, 1, Issue(CARD, "account", "dki"))
            with monkeypatch.context() as planted:
                planted.setattr(world.tree.shard().store, "balance_rp", fail)
                answers = [await ask(line, number) for number in range(8)]
            assert {getattr(body, "code", "") for body in answers} == {"internal_error"}
            with monkeypatch.context() as planted:
                planted.setattr(Mailbox, "get", fail)
                await ask(line, 8)
                await failed_again.wait()
            assert await post(line, issue) == ["posted"], "the same line goes on"
            line.close()
    assert world.opened == 1
    assert {report.child for report in world.reports} == {"balance", "desk"}


async def ask(line: Line, number: int) -> AnswerBody:
    """Ask for a balance, and return what is answered."""
    query = msgspec.msgpack.encode(Query(number, BalanceOf(PURSE, CARD)))
    await line.send(Frame(Opcode.BINARY, query).serialize(mask=True))
    (message,) = await line.messages()
    assert isinstance(message, Answer)
    return message.answer


async def subscribe(line: Line) -> None:
    wanted = msgspec.msgpack.encode(Subscribe(1, 0))
    await line.send(Frame(Opcode.BINARY, wanted).serialize(mask=True))


async def followed(line: Line, until: int) -> list[int]:
    """Subscribe to the journal; return the positions that came until so much was told."""
    await subscribe(line)
    found: list[int] = []
    following = 0
    while following < until:
        for message in await line.messages():
            assert isinstance(message, Feed)
            found += [entry.position for entry in message.entries]
            following = message.next
    return found


async def test_a_subscription_ends_with_its_shard_and_the_next_one_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with trio.fail_after(20):
        async with world.tree.supervisor.running():
            line, follower = await world.line(), await world.line("REPORTS")
            assert await post(line, Transaction(1, 1, Issue(CARD, "account", "dki"))) == ["posted"]
            assert await followed(follower, 1) == [0]

            def fail(*_: object) -> None:
                raise ValueError("planted")

            with monkeypatch.context() as planted:
                planted.setattr(world.tree.shard().store, "append", fail)
                await line.send(submit_frame([tap(2, 0)]))
                await world.reopened.wait()
            # Its own end, and that of the connection.
            await closed_with("busy|node_stopping", follower)
            line.close()
            again = await _until_open(world)
            assert await post(again, tap(2, 0), tap(3, 0)) == ["posted"] * 2
            assert await followed(again, 3) == [0, 1, 2]
            again.close()


async def test_a_journal_that_a_feed_cannot_read_ends_the_tree(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StorageDamaged("planted")

    with trio.fail_after(10), pytest.RaisesGroup(FatalFailure):
        async with world.tree.supervisor.running():
            line = await world.line()
            assert await post(line, Transaction(1, 1, Issue(CARD, "account", "dki"))) == ["posted"]
            monkeypatch.setattr(world.tree.shard().store.journal, "passing", fail)
            await subscribe(line)
            try:
                await trio.sleep_forever()
            finally:
                line.close()


async def test_a_revoked_key_ends_its_open_session_on_the_wire(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "KEYS_LOOK_S", 0.01)
    with trio.fail_after(10):
        async with world.tree.supervisor.running():
            kept, revoked = await world.line("GATE-1"), await world.line("GATE-2")
            world.keys.set("GATE-2", StoredKey(revoked_ms=1))
            await closed_with("key_revoked", revoked)
            assert await post(kept, Transaction(1, 1, Issue(CARD, "account", "dki"))) == ["posted"]
            kept.close()


async def closed_with(code: str, line: Line) -> None:
    with pytest.raises(LineBroken, match=code):
        await line.outcomes()
    line.close()


async def _until_open(world: World) -> Line:
    while True:
        try:
            return await world.line()
        except OSError:
            await trio.sleep(0.05)


async def test_a_failed_flush_ends_the_tree(world: World) -> None:
    with trio.fail_after(10), pytest.RaisesGroup(FatalFailure):
        async with world.tree.supervisor.running():
            line = await world.line()
            world.disk.journal.fail_next(StorageFailed("the flush failed"))
            await line.send(submit_frame([Transaction(1, 1, Issue(CARD, "account", "dki"))]))
            try:
                await trio.sleep_forever()
            finally:
                line.close()
    assert world.opened == 1


async def test_a_connection_too_many_is_told_so(
    disk: Disk, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SESSIONS_MAX", 1)
    with open_listening_socket("127.0.0.1", 0) as listening, trio.fail_after(10):
        world = World(disk, clock, listening)
        async with world.tree.supervisor.running():
            line = await world.line()
            with pytest.raises(LineBroken, match="503"):
                await world.line("GATE-2")
            assert await post(line, Transaction(1, 1, Issue(CARD, "account", "dki"))) == ["posted"]
            line.close()


async def test_silent_connections_keep_nobody_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HANDSHAKES_MAX", 3)
    with trio.fail_after(10):
        async with world.tree.supervisor.running():
            address = world.listening.getsockname()
            silent = [await trio.open_tcp_stream(*address) for _ in range(3)]
            (await world.line()).close()
            assert await silent[0].receive_some() == b"", "the oldest made room"
            for stream in silent:
                await stream.aclose()


class OutOfFiles:
    """A listening socket that cannot accept, for a while."""

    def __init__(self, real: socket.socket, error: int) -> None:
        self._real = real
        self.error = error
        self.failures = 1

    def fileno(self) -> int:
        return self._real.fileno()

    def accept(self) -> tuple[socket.socket, object]:
        if self.failures:
            self.failures -= 1
            raise OSError(self.error, "planted")
        return self._real.accept()


async def test_running_out_of_files_is_said_and_passes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SWEEP_S", 0.01)
    monkeypatch.setattr(
        world.tree.listener, "_listening", OutOfFiles(world.listening, errno.EMFILE)
    )
    with trio.fail_after(10):
        async with world.tree.supervisor.running():
            (await world.line()).close()
    assert len(world.notes) == 1


async def test_a_broken_listening_socket_is_a_failure_of_its_child_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.tree.listener, "_listening", OutOfFiles(world.listening, errno.EBADF))
    with trio.fail_after(10):
        async with world.tree.supervisor.running():
            (await world.line()).close()
    assert [report.child for report in world.reports] == ["accept"]


def test_an_address_in_use_is_refused(world: World) -> None:
    with pytest.raises(OSError, match="in use"):
        open_listening_socket("127.0.0.1", world.listening.getsockname()[1])


def test_an_address_may_be_of_either_family() -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        listening = open_listening_socket("::1", 0)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with listening:
        assert listening.family is socket.AF_INET6
