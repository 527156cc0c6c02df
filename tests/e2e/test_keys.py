"""Keys of a node that is at work: rotated, revoked and expired by commands beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import trio
from msgspec.structs import replace

from bench.line import Line, LineBroken, open_line, submit_frame
from bench.load import issue_cards
from engine.transaction import Block, Transaction
from ops.node import now_ms
from ops.node_process import NodeProcess
from storage.folder import DataFolder
from storage.key_store import KEYS_TABLES, KeyRecord, KeyStore
from storage.lmdb_store import LmdbStore
from terminals.keys import load_key, new_key, public_bytes
from tests.e2e.commands import run, run_json

BOUND_S = 20
"""Far above the second that is promised: machines that test are busy. The figure itself is one of
`jakarta-one bench`."""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeProcess]:
    process = NodeProcess.start(tmp_path / "node")
    yield process
    process.kill()


async def listen(line: Line) -> None:
    """Hear what the node says for as long as there is a connection."""
    while True:
        await line.outcomes()


async def closed_with(code: str, line: Line) -> None:
    with trio.fail_after(BOUND_S), pytest.raises(LineBroken, match=code):
        await listen(line)
    line.close()


def enrolled_until(folder: Path, record: KeyRecord) -> None:
    """Write a key as it is to be from now on."""
    with (
        DataFolder.open(folder, exclusive=False) as data,
        closing(LmdbStore(data.keys, tables=KEYS_TABLES)) as store,
    ):
        KeyStore(store).save([record])


async def test_a_session_ends_when_another_process_revokes_its_key(
    node: NodeProcess, tmp_path: Path
) -> None:
    folder = tmp_path / "node"
    for name in ("GATE-1", "GATE-2"):
        run_json("keys", "enroll", name, "--data", folder, "--key-out", tmp_path / name)
    line = await open_line(node.url, "GATE-1", load_key(tmp_path / "GATE-1"))
    other = await open_line(node.url, "GATE-2", load_key(tmp_path / "GATE-2"))
    await trio.to_thread.run_sync(run_json, "keys", "revoke", "GATE-1", "--data", folder)
    await closed_with("key_revoked", line)
    with pytest.raises(LineBroken, match="key_revoked"):
        await open_line(node.url, "GATE-1", load_key(tmp_path / "GATE-1"))
    (await open_line(node.url, "GATE-2", load_key(tmp_path / "GATE-2"))).close()
    other.close()


async def test_a_terminal_changes_over_to_a_new_key_without_a_pause(
    node: NodeProcess, tmp_path: Path
) -> None:
    folder, old, new = tmp_path / "node", tmp_path / "old.key", tmp_path / "new.key"
    run_json("keys", "enroll", "GATE-1", "--data", folder, "--key-out", old)
    before = await open_line(node.url, "GATE-1", load_key(old))
    told = run_json("keys", "rotate", "GATE-1", "--data", folder, "--key-out", new)
    assert [record["state"] for record in (told, *told["ending"])] == ["valid", "valid"]
    after = await open_line(node.url, "GATE-1", load_key(new))
    (await open_line(node.url, "GATE-1", load_key(old))).close()
    # The grace is cut short: what it would do in an hour is seen now.
    again = ("--public-key", told["public_key"], "--grace", "0s")
    run_json("keys", "rotate", "GATE-1", "--data", folder, *again)
    await closed_with("key_expired", before)
    with pytest.raises(LineBroken, match="key_expired"):
        await open_line(node.url, "GATE-1", load_key(old))
    (await open_line(node.url, "GATE-1", load_key(new))).close()
    after.close()


async def test_a_key_expires_while_its_session_is_open(node: NodeProcess, tmp_path: Path) -> None:
    folder, key = tmp_path / "node", new_key()
    record = KeyRecord("GUEST", public_bytes(key), "observer", now_ms())
    enrolled_until(folder, record)
    line = await open_line(node.url, "GUEST", key)
    enrolled_until(folder, replace(record, expires_ms=now_ms() + 1_500))
    # The node hears of the date now; at the date nobody writes anything.
    await closed_with("key_expired", line)
    with pytest.raises(LineBroken, match="key_expired"):
        await open_line(node.url, "GUEST", key)


async def test_a_node_for_trying_things_out_gives_each_name_its_role(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    node = NodeProcess.start(folder, dev=True)
    roles = {
        "operator-ani": "operator",
        "observer-1": "observer",
        "terminal-7": "terminal",
        "service-smpt": "service",
        "GATE-1": "service",
        "operator": "service",
        "operators-1": "service",
    }
    try:
        for name in roles:
            (await open_line(node.url, name, new_key())).close()
        await issue_cards(node.url, 2)
        line = await open_line(node.url, "observer-2", new_key())
        await line.send(submit_frame([Transaction(1, 1, Block("C", "lost"))]))
        await closed_with("not_allowed", line)
        listed = run_json("keys", "list", "--data", folder)["keys"]
        found = {record["terminal"]: record["role"] for record in listed}
        assert {name: found[name] for name in roles} == roles
    finally:
        node.kill()


def test_one_command_tells_what_a_file_of_keys_does_not_say_right(tmp_path: Path) -> None:
    file = tmp_path / "gates.csv"
    file.write_text(f"terminal,public_key\nGATE-1,{'11' * 32}\nGATE-2,22\n")
    done = run("keys", "enroll", "--from", file, "--data", tmp_path / "node")
    assert done.returncode == 1
    assert "line 3, column public_key" in done.stderr
