"""The host: keys with the right roles, and a node that dies and comes back at the same address."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
import trio

from ops.demo.host import Host, enrol
from storage.folder import DataFolder
from storage.key_store import KEYS_TABLES, KeyStore
from storage.lmdb_store import LmdbStore
from terminals.keys import public_bytes


def test_loaders_are_enrolled_as_service_and_gates_as_terminals(tmp_path: Path) -> None:
    keys = enrol(tmp_path / "data", ["loader-dki", "MRT-01-in"])
    with (
        DataFolder.open(tmp_path / "data") as folder,
        closing(LmdbStore(folder.keys, tables=KEYS_TABLES)) as store,
    ):
        records = [KeyStore(store).find(name, public_bytes(key)) for name, key in keys.items()]
    roles = {record.terminal: record.role for record in records if record}
    assert roles == {"loader-dki": "service", "MRT-01-in": "terminal"}


async def test_node_that_was_killed_comes_back_at_the_same_address(tmp_path: Path) -> None:
    host = Host(tmp_path / "data")
    enrol(tmp_path / "data", ["MRT-01-in"])
    host.kill()
    assert not host.running
    try:
        with trio.fail_after(60):
            first = await host.start()
            assert host.url == first.url
            host.kill()
            assert not host.running
            second = await host.start()
            assert (second.url, host.running) == (first.url, True)
            assert second.pid != first.pid
            assert await host.stop() == 0
    finally:
        host.kill()
    assert not host.running


async def test_stop_before_start_is_a_defect(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        await Host(tmp_path).stop()
