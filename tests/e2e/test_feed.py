"""Real consumers of a real node: lines, files, and readers that are slow, gone, or not allowed."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
import trio
from websockets.frames import Frame, Opcode

from bench.line import Line, new_key, open_line
from bench.load import card_name, issue_cards, open_lines, prepare, stream
from engine.keys import Role
from ops.endings import LIKE_CTRL_C
from ops.node_process import NodeProcess
from protocol.messages import Feed, Subscribe
from storage.folder import DataFolder
from storage.key_store import KEYS_TABLES, KeyStore
from storage.lmdb_store import LmdbStore
from terminals.keys import save_key
from tests.crash.consumers import entries_in
from tests.e2e.commands import environment, run, run_json

CARDS = 50


@pytest.fixture(autouse=True)
def _signals_as_in_a_terminal() -> Iterator[None]:
    """Whoever started the tests may have had some signals ignored, as nohup does."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in LIKE_CTRL_C}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeProcess]:
    """A node with cards, a service REPORTS and an observer EYES."""
    enroll(tmp_path)
    running = NodeProcess.start(tmp_path / "node", dev=True)
    trio.run(issue_cards, running.url, CARDS)
    yield running
    if running.running:
        running.stop()


def enroll(place: Path) -> None:
    """Enrol a key for each role, as `jakarta-one keys enroll` does."""
    roles: dict[str, Role] = {"REPORTS": "service", "EYES": "observer", "GATE": "terminal"}
    with (
        DataFolder.open(place / "node", create=True) as folder,
        closing(LmdbStore(folder.keys, tables=KEYS_TABLES)) as store,
    ):
        for name, role in roles.items():
            key = new_key()
            save_key(place / f"{name}.key", key)
            public = key.public_key().public_bytes_raw()
            KeyStore(store).enroll(name, public, role=role, at_ms=1)


def follow(node: NodeProcess, place: Path, *more: str, name: str = "REPORTS") -> list[str]:
    """Return the arguments of `jakarta-one feed`."""
    return ["feed", "--url", node.url, "--key", str(place / f"{name}.key"), "--name", name, *more]


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_lines_are_the_journal_as_the_role_may_see_it(node: NodeProcess, tmp_path: Path) -> None:
    journal = entries_in(tmp_path / "node")
    assert len(journal) == 2 * CARDS
    told = lines(run(*follow(node, tmp_path, "--no-follow")))
    assert [line["position"] for line in told] == [*range(len(journal))]
    assert [line["intent"]["card"] for line in told] == [entry.intent.card for entry in journal]
    seen = run(*follow(node, tmp_path, "--no-follow", "--kind", "top_up", name="EYES"))
    assert [line["position"] for line in lines(seen)] == [*range(1, len(journal), 2)]
    assert len({line["intent"]["card"] for line in lines(seen)}) == CARDS
    assert not any(card_name(number) in seen.stdout for number in range(CARDS))
    refused = run(*follow(node, tmp_path, "--no-follow", name="GATE"))
    assert refused.returncode == 1
    assert "for the role terminal" in refused.stderr


def test_a_state_is_where_the_next_run_goes_on(node: NodeProcess, tmp_path: Path) -> None:
    state = ("--no-follow", "--state", str(tmp_path / "state"))
    first = lines(run(*follow(node, tmp_path, "--from", "30", *state)))
    assert [line["position"] for line in first] == [*range(30, 2 * CARDS)]
    trio.run(lambda: issue_cards(node.url, 2, first=CARDS))
    rest = lines(run(*follow(node, tmp_path, "--from", "30", *state)))
    assert [line["position"] for line in rest] == [*range(2 * CARDS, 2 * CARDS + 4)]
    (tmp_path / "state").write_text("somewhere")
    assert "holds no position" in run(*follow(node, tmp_path, *state)).stderr


def started(arguments: list[str], place: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ops", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(place),
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(
    node: NodeProcess, tmp_path: Path, number: signal.Signals
) -> None:
    state = tmp_path / "state"
    process = started(follow(node, tmp_path, "--state", str(state)), tmp_path)
    assert process.stdout is not None
    for _ in range(2 * CARDS):
        assert process.stdout.readline()
    process.send_signal(number)
    said, told = process.communicate(timeout=30)
    assert (process.returncode, said, told) == (0, "", "")
    assert state.read_text() == f"{2 * CARDS}\n"


def test_a_reader_that_has_seen_enough_ends_it_in_order(node: NodeProcess, tmp_path: Path) -> None:
    process = started(follow(node, tmp_path), tmp_path)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=30) == 0
    assert process.stderr.read() == ""
    process.stderr.close()


def test_it_goes_on_when_the_node_was_killed_and_started_again(
    node: NodeProcess, tmp_path: Path
) -> None:
    process = started(follow(node, tmp_path), tmp_path)
    assert process.stdout is not None
    told = [json.loads(process.stdout.readline())["position"] for _ in range(2 * CARDS)]
    listen = node.listen
    node.kill()
    again = NodeProcess.start(tmp_path / "node", listen=listen, dev=True)
    trio.run(lambda: issue_cards(again.url, 3, first=CARDS))
    told += [json.loads(process.stdout.readline())["position"] for _ in range(6)]
    process.terminate()
    rest, _ = process.communicate(timeout=30)
    assert (process.returncode, rest) == (0, "")
    assert told == [*range(2 * CARDS + 6)]
    again.stop()


async def test_files_add_up_to_the_accounts_of_operators(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    enroll(tmp_path)
    running = await trio.to_thread.run_sync(lambda: NodeProcess.start(folder, dev=True))
    await issue_cards(running.url, CARDS)
    await load(running, frames=8)
    export = ["export", "tides", "--url", running.url, "--out", str(tmp_path / "fares")]
    made = ("--key", str(tmp_path / "EYES.key"), "--name", "EYES")
    first = await trio.to_thread.run_sync(lambda: run_json(*export, *made, "--rows", "300"))
    assert (first["from"], first["next"]) == (0, 2 * CARDS + 8 * 4 * 50)
    assert first["rows"] == 8 * 4 * 50
    assert first["files"] > 3
    await load(running, frames=1)
    second = await trio.to_thread.run_sync(lambda: run_json(*export, *made))
    assert (second["from"], second["rows"], second["files"]) == (first["next"], 200, 1)
    table = pq.read_table(tmp_path / "fares")
    told = sum(table["amount"].to_pylist())
    assert told == sum(
        amount_rp
        for entry in entries_in(folder)
        for kind, _, amount_rp in entry.postings
        if kind == 3
    )
    assert set(table["agency_id"].to_pylist()) == {"transjakarta"}
    assert all(card.startswith("*") for card in table["token_id"].to_pylist())
    again = await trio.to_thread.run_sync(lambda: run(*export, *made))
    assert "0 rows in 0 files" in again.stdout
    await trio.to_thread.run_sync(running.stop)


async def load(node: NodeProcess, *, frames: int, cards: int = CARDS) -> int:
    """Stream frames of fifty taps from four terminals, all of which are posted."""
    chance = random.Random(frames)
    gates = await open_lines(node.url, 4, prefix="load")
    prepared = [
        prepare(line, frames=frames, taps_per_frame=50, cards=cards, chance=chance)
        for line in gates
    ]
    done = await stream(gates, prepared, taps_per_frame=50, window=2)
    for line in gates:
        line.close()
    return done.taps


class Idler:
    """A consumer with four subscriptions that does not read until it is told to."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.next = dict.fromkeys(range(4), 0)
        self.positions: dict[int, list[int]] = {number: [] for number in range(4)}

    async def subscribe(self) -> None:
        for number in self.next:
            payload = msgspec.msgpack.encode(Subscribe(number, 0))
            await self._line.send(Frame(Opcode.BINARY, payload).serialize(mask=True))

    async def read(self, end: int) -> None:
        """Read until all subscriptions have come to an end."""
        while min(self.next.values()) < end:
            for message in await self._line.messages():
                assert isinstance(message, Feed)
                self.positions[message.id] += [entry.position for entry in message.entries]
                self.next[message.id] = message.next
        self._line.close()


@pytest.mark.slow
@pytest.mark.usefixtures("no_cover")
async def test_consumers_that_do_not_read_hold_up_no_tap_and_little_memory(tmp_path: Path) -> None:
    node = await trio.to_thread.run_sync(lambda: NodeProcess.start(tmp_path / "node", dev=True))
    many = 10 * CARDS
    await issue_cards(node.url, many)
    key = new_key()
    with trio.fail_after(200):
        await load(node, frames=200, cards=many)
        before = node.rss_bytes()
        idlers = [Idler(await open_line(node.url, f"IDLE-{n}", key)) for n in range(4)]
        for idler in idlers:
            await idler.subscribe()
        # Each of them wants a journal of ten megabytes, four times: a socket takes a part of one.
        assert await load(node, frames=100, cards=many) == 100 * 4 * 50
        grown = node.rss_bytes() - before
        end = len(entries_in(tmp_path / "node"))
        for idler in idlers:
            await idler.read(end)
            assert all(found == [*range(end)] for found in idler.positions.values())
    await trio.to_thread.run_sync(node.stop)
    assert grown < 64 * 2**20, f"{grown / 2**20:.0f} MiB"
