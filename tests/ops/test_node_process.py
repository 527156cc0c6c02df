"""A node in a process of its own, and the command `serve` behind it."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import trio

import ops.node_process
from actors.limits import SESSIONS_MAX
from bench.line import LineBroken, new_key, open_line
from bench.load import issue_cards
from ops.node import FILES_BESIDE
from ops.node_process import NodeFailed, NodeProcess, children
from ops.values import moment_ms
from storage.folder import DataFolder
from storage.journal import TABLES as JOURNAL_TABLES
from storage.journal import Journal
from storage.lmdb_store import LmdbStore

pytestmark = pytest.mark.slow


def serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops", "serve", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_a_node_serves_stops_in_order_and_replays_nothing_then(tmp_path: Path) -> None:
    node = NodeProcess.start(tmp_path / "node", dev=True)
    assert node.running
    assert node.rss_bytes() > 10_000_000
    await issue_cards(node.url, 3)
    assert node.stop() == 0
    again = NodeProcess.start(tmp_path / "node", listen=node.listen)
    assert again.url == node.url
    assert (node.ready["dev"], again.ready["dev"]) == (True, False)
    assert (again.ready["position"], again.ready["replayed"]) == (6, 0)
    again.kill()
    assert not again.running


async def test_what_a_killed_node_had_acknowledged_is_replayed(tmp_path: Path) -> None:
    node = NodeProcess.start(tmp_path / "node", dev=True)
    await issue_cards(node.url, 3)
    node.kill()
    again = NodeProcess.start(tmp_path / "node", dev=True)
    assert again.ready["position"] == 6
    again.stop()


async def test_the_processes_that_write_views_and_fleet_end_with_their_node(tmp_path: Path) -> None:
    node = NodeProcess.start(tmp_path / "node", dev=True)
    await issue_cards(node.url, 3)
    watched = [os.pidfd_open(writer) for writer in children(node.pid)]
    assert len(watched) == 2
    node.kill()
    with trio.fail_after(10):
        for writer in watched:
            await trio.lowlevel.wait_readable(writer)
            os.close(writer)


def test_a_node_may_hold_as_many_files_as_the_system_lets_it(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        node = NodeProcess.start(tmp_path / "node")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    allowed, _ = resource.prlimit(node.pid, resource.RLIMIT_NOFILE)
    node.stop()
    assert allowed == min(hard, SESSIONS_MAX + FILES_BESIDE)


async def test_without_dev_only_enrolled_keys_connect(tmp_path: Path) -> None:
    node = NodeProcess.start(tmp_path / "node")
    with trio.fail_after(10), pytest.raises(LineBroken, match="key_unknown"):
        await open_line(node.url, "GATE-1", new_key())
    node.stop()


def test_only_a_node_for_development_has_another_clock(tmp_path: Path) -> None:
    done = serve("--data", str(tmp_path / "node"), "--clock", "2023-04-16", "--json")
    assert done.returncode == 2
    assert "add --dev" in done.stderr
    assert not (tmp_path / "node").exists()


async def test_a_node_may_begin_at_a_moment_of_the_past(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    node = NodeProcess.start(folder, dev=True, options=("--clock", "2023-04-16"))
    await issue_cards(node.url, 3)
    node.stop()
    with ExitStack() as held:
        data = held.enter_context(DataFolder.open(folder, exclusive=False))
        store = LmdbStore(data.journal, tables=JOURNAL_TABLES, read_only=True)
        decided_ms = Journal(held.enter_context(closing(store))).entry_at(0).decided_ms
    assert 0 <= decided_ms - moment_ms("2023-04-16") < 60_000


def test_a_second_node_on_a_folder_is_refused_with_the_process_that_holds_it(
    tmp_path: Path,
) -> None:
    node = NodeProcess.start(tmp_path / "node")
    with pytest.raises(NodeFailed, match=f"in use by process {node.pid}"):
        NodeProcess.start(tmp_path / "node")
    node.stop()


def test_an_address_in_use_is_refused(tmp_path: Path) -> None:
    node = NodeProcess.start(tmp_path / "one")
    with pytest.raises(NodeFailed, match="in use"):
        NodeProcess.start(tmp_path / "two", listen=node.listen)
    node.stop()


def test_a_node_that_does_not_stop_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = NodeProcess.start(tmp_path / "node")
    monkeypatch.setattr(ops.node_process, "STOP_S_MAX", 0.0)
    with pytest.raises(NodeFailed, match="was killed"):
        node.stop()
    assert not node.running
    with pytest.raises(NodeFailed, match="is gone"):
        node.rss_bytes()


def test_a_node_that_never_listens_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ops.node_process, "START_S_MAX", 0.0)
    with pytest.raises(NodeFailed, match="did not start"):
        NodeProcess.start(tmp_path / "node")


@pytest.mark.parametrize("address", ["8145", "localhost:", ":8145", "127.0.0.1:99999", "::1:x"])
def test_an_address_that_is_none_is_explained(tmp_path: Path, address: str) -> None:
    done = serve("--data", str(tmp_path), "--listen", address)
    assert done.returncode == 2
    assert "is not HOST:PORT" in done.stderr


def test_without_encryption_only_loopback_is_served(tmp_path: Path) -> None:
    done = serve("--data", str(tmp_path), "--listen", "0.0.0.0:0")
    assert done.returncode == 2
    assert "without --tls-cert there is no encryption" in " ".join(done.stderr.split())


def test_a_newcomer_is_greeted_and_development_mode_is_said_loudly(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "ops", "serve", "--data", str(tmp_path / "node")),
            *("--listen", "localhost:0", "--dev"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={"PYTHONUNBUFFERED": "1", "COLUMNS": "200"},
    )
    assert process.stdout is not None
    said = "".join(process.stdout.readline() for _ in range(3))
    process.terminate()
    _, log = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Jakarta One serves" in said
    assert "DEVELOPMENT MODE" in said
    assert "WARNING DEVELOPMENT MODE" in log
    assert "stopping" in log


def test_a_damaged_journal_is_refused_with_its_block(tmp_path: Path) -> None:
    node = NodeProcess.start(tmp_path / "node", dev=True)
    trio.run(issue_cards, node.url, 3)
    node.kill()
    data = tmp_path / "node" / "journal" / "data.mdb"
    raw = data.read_bytes()
    at = raw.rindex(b"account")
    data.write_bytes(raw[:at] + b"Account" + raw[at + 7 :])
    done = serve("--data", str(tmp_path / "node"), "--listen", "127.0.0.1:0", "--json")
    assert done.returncode == 1
    assert "block" in json.loads(done.stdout)["error"]
    assert "block" in done.stderr.splitlines()[-1]
    verified = subprocess.run(
        [sys.executable, "-m", "ops", "verify", str(tmp_path / "node"), "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert verified.returncode == 1
    report = json.loads(verified.stdout)
    assert not report["ok"]
    assert report["first_bad_block"] is not None
