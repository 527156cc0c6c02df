"""Lists, commands and clocks of gates at a real node, over real sockets that are cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from actors.listener import open_listening_socket
from engine.fleet.list_file import content_hash
from engine.keys import Role
from ops.node_process import NodeProcess
from storage.folder import DataFolder
from storage.key_store import KEYS_TABLES, KeyStore
from storage.lmdb_store import LmdbStore
from terminals import content, messages
from terminals.content import Content, Put
from terminals.device import Status
from terminals.intents import Intent
from terminals.keeper import FileKeeper
from terminals.keys import public_bytes
from terminals.messages import (
    JournalFound,
    OwnTransaction,
    RestartTerminal,
    SetLane,
    Tree,
)
from terminals.officer import Entry
from tests.e2e.city import (
    FAR_MS,
    City,
    Gate,
    Lines,
    Officer,
    now_ms,
    officer_at,
    terminal_at,
    until,
    until_told,
)

CARD = "6013500100000003"
LANE = ("lane", "closed")
EVERYBODY: Sequence[object] = ([], "", "", "", True)


@pytest.fixture
def city() -> Iterator[City]:
    with open_listening_socket("127.0.0.1", 0) as listening:
        yield City(listening)


def cards(count: int) -> list[Entry]:
    return [(f"60135001{number:08}", "lost") for number in range(count)]


async def until_holds(gate: Gate, version: int) -> None:
    await until(lambda: gate.lists.version("deny") == version)


# --- lists ----------------------------------------------------------------------------------------


async def test_what_an_officer_publishes_is_what_gates_hold(city: City) -> None:
    gate = Gate("GATE-1")
    async with (
        city.running(),
        gate.connected(city.url),
        officer_at(city.url) as ani,
    ):
        receipt = await ani.publish("one", cards(90), base=0)
        assert (receipt.result, receipt.version, receipt.count) == ("done", 1, 90)
        await until_holds(gate, 1)
        assert gate.lists.get("deny", CARD) == "lost"
        receipt = await ani.publish("two", [(CARD, None), ("6013999", "stolen")], base=1)
        assert (receipt.version, receipt.count) == (2, 2)
        await until_holds(gate, 2)
        assert gate.lists.get("deny", CARD) is None
        assert gate.lists.get("deny", "6013999") == "stolen"
        row = await until_told(ani.list, lambda row: row.holders == 1)
        assert row.hash == content_hash(gate.lists.items("deny"))
        assert (row.version, row.entries, row.connected, row.mismatches) == (2, 90, 1, 0)
        assert -1 not in row.reached_ms
        told = await ani.terminal("GATE-1")
        assert told.lists == (("deny", 2), ("fares", 0))


async def test_a_second_officer_approves_what_changes_much(city: City) -> None:
    gate = Gate("GATE-1")
    async with (
        city.running(),
        gate.connected(city.url),
        officer_at(city.url) as ani,
        officer_at(city.url, "budi") as budi,
    ):
        waiting = await ani.publish("much", cards(5_000), base=0)
        assert (waiting.result, waiting.code, waiting.count) == (
            "waiting",
            "second_officer",
            5_000,
        )
        lists = await budi.ask("lists")
        assert isinstance(lists, messages.Lists)
        assert [(draft.draft, draft.changes) for draft in lists.drafts] == [("much", 5_000)]
        assert gate.lists.version("deny") == 0
        own = await ani.order("approve-mine", ["list_approve", "much"])
        assert own.code == "second_officer"
        approved = await budi.order("approve", ["list_approve", "much"])
        assert (approved.result, approved.version) == ("done", 1)
        await until_holds(gate, 1)
        row = await ani.list()
        assert (row.officer, row.second_officer) == ("ani", "budi")


async def test_a_draft_that_others_overtook_changes_nothing_and_is_gone(city: City) -> None:
    async with city.running(), officer_at(city.url) as ani:
        await ani.publish("one", cards(5), base=0)
        late = await ani.publish("late", cards(9), base=0)
        assert (late.result, late.code) == ("refused", "version_passed")
        dropped = await ani.order("drop", ["list_withdraw", "late"])
        assert dropped.code == "draft_unknown"


async def test_a_version_waits_at_the_gate_for_its_time_on_the_nodes_clock(city: City) -> None:
    gate = Gate("GATE-1")
    gate.wrong_ms = 10**9
    async with (
        city.running(),
        gate.connected(city.url),
        officer_at(city.url) as ani,
    ):
        at_ms = now_ms() + 1_500
        await ani.publish("one", cards(5), base=0, activate_ms=at_ms)
        await until_told(ani.list, lambda row: row.holders == 1)
        assert (gate.lists.version("deny"), now_ms() < at_ms) == (0, True)
        await until_holds(gate, 1)
        assert now_ms() >= at_ms - 5


async def test_a_gate_that_comes_to_another_hash_is_given_the_whole_list(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = Content.changed

    def forgetful(before: Content, puts: Iterable[Put]) -> Content:
        # What changes the list leaves the last card out.
        return changed(before, list(puts)[:-1])

    gate = Gate("GATE-1")
    async with (
        city.running(),
        gate.connected(city.url),
        officer_at(city.url) as ani,
    ):
        await ani.publish("one", cards(90), base=0)
        await until_holds(gate, 1)
        monkeypatch.setattr(content.Content, "changed", forgetful)
        await ani.publish("two", [(CARD, None), ("6013999", "stolen")], base=1)
        await until_holds(gate, 2)
        assert gate.lists.get("deny", "6013999") == "stolen"
        row = await until_told(ani.list, lambda row: row.holders == 1)
        assert row.mismatches == 1


async def test_gates_come_to_the_same_list_whenever_their_lines_are_cut(
    city: City, tmp_path: Path
) -> None:
    gates = [Gate(f"GATE-{number}", FileKeeper(tmp_path / str(number))) for number in range(4)]
    entries = [(f"60135001{number * 7919 % 10**8:08}", f"why {number}") for number in range(60_000)]
    async with city.running(), AsyncExitStack() as connected:
        for gate in gates:
            await connected.enter_async_context(gate.connected(city.url))
        ani = await connected.enter_async_context(officer_at(city.url))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cut_often, [gate.lines for gate in gates] + [ani.lines])
            waiting = await ani.publish("much", entries, base=0)
            assert waiting.result == "waiting"
            async with officer_at(city.url, "budi") as budi:
                await budi.order("approve", ["list_approve", "much"])
            for gate in gates:
                await until_holds(gate, 1)
            nursery.cancel_scope.cancel()
        row = await until_told(ani.list, lambda row: row.holders == 4)
        assert (row.entries, row.file_bytes > 3 * 65_536) == (60_000, True)
        assert row.mismatches == 0
    assert sum(gate.lines.count for gate in gates) > 8
    for gate in gates:
        assert list(gate.lists.items("deny")) == sorted(entries)


async def _cut_often(lines: list[Lines]) -> None:
    for line in lines * 5:
        await trio.sleep(0.05)
        line.cut()


# --- commands -------------------------------------------------------------------------------------


async def test_a_command_reaches_one_gate_and_its_officer_sees_it_done(city: City) -> None:
    gate, other = Gate("GATE-1"), Gate("GATE-2")
    async with (
        city.running(),
        gate.connected(city.url),
        other.connected(city.url),
        officer_at(city.url) as ani,
    ):
        receipt = await ani.order("close", ["command", [["GATE-1"]], LANE, FAR_MS])
        assert (receipt.result, receipt.count) == ("done", 1)
        found = await ani.until_done("close", 1)
        assert [(place.terminal, place.state) for place in found.terminals] == [("GATE-1", "done")]
        assert (found.command.id, found.command.body) == ("ani/close", ["lane", "closed"])
        again = await ani.order("close", ["command", [["GATE-1"]], LANE, FAR_MS])
        assert again == receipt
        conflict = await ani.order("close", ["command", [["GATE-2"]], LANE, FAR_MS])
        assert conflict.code == "conflict"
    assert (gate.done, other.done) == ([SetLane("closed")], [])


async def test_a_command_to_many_reaches_those_that_are_away_when_they_come_back(
    city: City,
) -> None:
    gates = [Gate(f"GATE-{number}") for number in range(6)]
    async with city.running(), officer_at(city.url) as ani:
        async with AsyncExitStack() as first:
            for gate in gates:
                await first.enter_async_context(gate.connected(city.url))
            for gate in gates[:3]:
                await ani.order(f"r-{gate.name}", ["register", gate.name, "gate", "Kota"])
        async with AsyncExitStack() as some:
            for gate in gates[1:]:
                await some.enter_async_context(gate.connected(city.url))
            order = ["command", [[], "gate", "Kota"], LANE, FAR_MS]
            assert (await ani.order("close", order)).count == 3
            found = await ani.until_done("close", 2)
            assert found.terminals[0][:2] == ("GATE-0", "accepted")
        async with gates[0].connected(city.url):
            await ani.until_done("close", 3)
    assert [len(gate.done) for gate in gates] == [1, 1, 1, 0, 0, 0]


async def test_a_command_is_carried_out_once_however_often_lines_are_cut(city: City) -> None:
    gates = [Gate(f"GATE-{number}") for number in range(4)]
    async with city.running(), AsyncExitStack() as connected:
        for gate in gates:
            await connected.enter_async_context(gate.connected(city.url))
        ani = await connected.enter_async_context(officer_at(city.url))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cut_often, [gate.lines for gate in gates] + [ani.lines])
            for number in range(20):
                command = ["restart", "now"] if number % 2 else LANE
                receipt = await ani.order(f"c-{number}", ["command", EVERYBODY, command, FAR_MS])
                assert (receipt.result, receipt.count) == ("done", 4)
                await trio.sleep(0.02)
        for number in range(20):
            await ani.until_done(f"c-{number}", 4)
    expected = [SetLane("closed")] * 10 + [RestartTerminal("now")] * 10
    for gate in gates:
        assert sorted(map(str, gate.done)) == sorted(map(str, expected))


async def test_a_command_whose_time_is_over_is_not_carried_out(city: City) -> None:
    gate = Gate("GATE-1")
    async with city.running(), officer_at(city.url) as ani:
        await ani.order("r", ["register", "GATE-1", "gate"])
        soon = ["command", [["GATE-1"]], LANE, now_ms() + 300]
        assert (await ani.order("close", soon)).result == "done"
        await trio.sleep(0.4)
        async with gate.connected(city.url):
            await trio.sleep(0.2)
            late = await ani.order("late", ["command", [["GATE-1"]], LANE, now_ms() - 1])
            assert (late.result, late.code) == ("refused", "expired")
    assert gate.done == []


def written_down(first: int, last: int, count_max: int) -> Sequence[tuple[int, int, Intent]]:
    """Return a journal of six hundred taps."""
    tap = ["tap", "C", 3_500, "transjakarta", "in", "P00142", "5", "", b"proof", ""]
    found = [(n, 1_000 + n, tap) for n in range(1, 601) if first <= n <= last]
    return found[:count_max]


async def test_an_officer_reads_what_a_terminal_has_written_down(city: City) -> None:
    gate = Gate("GATE-1", journal=written_down)
    async with (
        city.running(),
        gate.connected(city.url) as client,
        officer_at(city.url) as ani,
    ):
        (outcome,) = await client.submit([(7, *written_down(7, 7, 1)[0][1:])])
        order = ["command", [["GATE-1"]], ["send_journal", 5, 900], FAR_MS]
        await ani.order("look", order)
        await ani.until_done("look", 1)
        one = await ani.ask("journal", "ani/look", "GATE-1")
        assert isinstance(one, JournalFound)
        assert (len(one.lines), one.next) == (500, 1)
        assert one.lines[0].transaction == OwnTransaction(5, 1_005, written_down(5, 5, 1)[0][2])
        assert [line.position for line in one.lines[:4]] == [-1, -1, outcome.position, -1]
        two = await ani.ask("journal", "ani/look", "GATE-1", 1)
        assert isinstance(two, JournalFound)
        assert (len(two.lines), two.next) == (96, -1)
        assert two.lines[-1].transaction.counter == 600


async def test_a_terminal_that_wants_neither_lists_nor_commands_is_left_alone(city: City) -> None:
    gate = Gate("GATE-1")
    async with (
        city.running(),
        gate.connected(city.url),
        terminal_at(city.url, "GATE-2") as plain,
        officer_at(city.url) as ani,
    ):
        await ani.publish("one", cards(5), base=0)
        await ani.order("close", ["command", EVERYBODY, LANE, FAR_MS])
        await ani.until_done("close", 1)
        await until_holds(gate, 1)
        (outcome,) = await plain.send([["tap", "C", 0, "transjakarta", "in"]])
        assert outcome.reason == "card_unknown"
        assert plain.statistics.unclaimed == 1
        assert (await ani.list()).connected == 1
    assert city.reports == []


# --- how a terminal is ----------------------------------------------------------------------------


async def test_an_officer_sees_how_a_terminal_is(city: City) -> None:
    gate = Gate("GATE-1")
    gate.status = Status(12, 87, "degraded")
    gate.wrong_ms = -90_000
    async with (
        city.running(),
        gate.connected(city.url) as client,
        officer_at(city.url) as ani,
    ):
        row = await until_told(lambda: ani.terminal("GATE-1"), lambda row: row.battery >= 0)
        assert (row.backlog, row.battery, row.reader) == (12, 87, "degraded")
        assert 89_000 < row.clock_offset_ms < 91_000
        assert abs(client.clock.offset_ms() - 90_000) < 1_000
        assert abs(client.clock.corrected_ms() - now_ms()) < 1_000
        assert (row.firmware, row.connected, row.silent) == ("gate 2.1", True, False)
        assert row.key == public_bytes(gate.key)[:8]
        tree = await ani.ask("tree")
        assert isinstance(tree, Tree)
        assert {"node", "shard", "fleet", "desk", "committer"} <= {one.name for one in tree.rows}


# --- a node that is killed ------------------------------------------------------------------------


def enroll(data: Path, name: str, key: Ed25519PrivateKey, role: Role) -> None:
    with DataFolder.open(data, create=True) as folder:
        path = folder.keys
    with closing(LmdbStore(path, tables=KEYS_TABLES)) as store:
        KeyStore(store).enroll(name, public_bytes(key), role=role, at_ms=1, note="")


async def test_lists_and_commands_outlive_a_node_that_is_killed(tmp_path: Path) -> None:
    gate = Gate("GATE-1", FileKeeper(tmp_path / "gate"))
    key = Ed25519PrivateKey.generate()
    enroll(tmp_path / "node", "GATE-1", gate.key, "terminal")
    enroll(tmp_path / "node", "ani", key, "operator")
    with mortal_node(tmp_path / "node") as node, trio.fail_after(100):
        async with (
            gate.connected(node.url),
            officer_at(node.url, key=key) as ani,
            trio.open_nursery() as nursery,
        ):
            done: list[int] = []
            nursery.start_soon(_publish_and_command, ani, done)
            for kill_at in (5, 15, 25):
                await until(partial(_has, done, kill_at))
                node.die_and_rise()
            await until_holds(gate, 30)
            for number in range(30):
                await ani.until_done(f"c-{number}", 1)
    assert gate.done == [SetLane("closed")] * 30
    assert dict(gate.lists.items("deny")) == {f"card-{number}": "lost" for number in range(30)}


class MortalNode:
    """A node in a process that is killed, and started again on the same address."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._node = NodeProcess.start(data)
        self.url = self._node.url

    def die_and_rise(self) -> None:
        self._node.kill()
        self._node = NodeProcess.start(self._data, listen=self._node.listen)

    def end(self) -> None:
        self._node.kill()


@contextmanager
def mortal_node(data: Path) -> Iterator[MortalNode]:
    node = MortalNode(data)
    try:
        yield node
    finally:
        node.end()


def _has(done: Sequence[int], count: int) -> bool:
    return len(done) >= count


async def _publish_and_command(ani: Officer, done: list[int]) -> None:
    for number in range(30):
        published = await ani.publish(f"d-{number}", [(f"card-{number}", "lost")], base=number)
        assert (published.result, published.version) == ("done", number + 1)
        ordered = await ani.order(f"c-{number}", ["command", [["GATE-1"]], LANE, FAR_MS])
        assert ordered.result == "done"
        done.append(number)
