"""The machine that the demo's node runs on: keys, the process, its death and its return."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Final

import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engine.keys import Role
from ops.demo.city import MIDNIGHT, NOON_MS
from ops.node import now_ms
from ops.node_process import NodeProcess
from storage.folder import DataFolder
from storage.key_store import KEYS_TABLES, KeyStore
from storage.lmdb_store import LmdbStore
from terminals.keys import new_key, public_bytes

LOADER: Final = "loader-"
"""Begins the names of the terminals of banks, which issue cards and top them up."""


def enrol(data: Path, terminals: Iterable[str]) -> dict[str, Ed25519PrivateKey]:
    """Make a data folder in which these terminals are enrolled; return their new keys.

    Raises:
      StorageError: the folder cannot be used.
    """
    keys = {terminal: new_key() for terminal in terminals}
    with (
        DataFolder.open(data, create=True) as folder,
        closing(LmdbStore(folder.keys, tables=KEYS_TABLES)) as store,
    ):
        enrolled = KeyStore(store)
        for terminal, key in keys.items():
            role: Role = "service" if terminal.startswith(LOADER) else "terminal"
            enrolled.enroll(terminal, public_bytes(key), role=role, at_ms=now_ms(), note="demo")
    return keys


class Host:
    """A node on a data folder, on the same address each time it is started."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._log = data / "node.log"
        self._node: NodeProcess | None = None
        self._listen = "127.0.0.1:0"

    @property
    def url(self) -> str:
        """Where terminals connect."""
        return f"ws://{self._listen}"

    @property
    def running(self) -> bool:
        """Whether there is a node."""
        return self._node is not None and self._node.running

    async def start(self) -> NodeProcess:
        """Start the node and wait until it listens.

        Raises:
          NodeFailed: it did not start.

        Cancellation: waits for the outcome, so that no process is left behind.
        """
        node = await trio.to_thread.run_sync(self._start)
        self._listen = node.listen
        return node

    def _start(self) -> NodeProcess:
        # Nobody else knows of this node, and its clock is that of the morning.
        clock = datetime.fromtimestamp(NOON_MS / 1000, MIDNIGHT.tzinfo).isoformat()
        self._node = NodeProcess.start(
            self._data, listen=self._listen, log=self._log, dev=True, options=("--clock", clock)
        )
        return self._node

    def kill(self) -> None:
        """End the node at once (SIGKILL), if there is one."""
        if self._node is not None and self._node.running:
            self._node.kill()

    async def stop(self) -> int:
        """Stop the node in good order and return its exit status.

        Raises:
          NodeFailed: it did not stop.
        """
        assert self._node is not None, "stop follows start"
        return await trio.to_thread.run_sync(self._node.stop)
