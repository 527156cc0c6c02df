"""The supervision tree of a node.

    node (rest for one)
    ├── shard (one for all)     opens the store, then
    │   ├── committer           makes blocks durable
    │   └── checkpointer        writes views
    ├── desk                    answers questions
    └── listener (one for one)
        ├── accept, sweep
        └── terminal-n          one for each connection, temporary

A shard that fails is opened anew from its journal, and all behind it with it: terminals reconnect
and send again, which is always safe. A failed flush is never retried: it ends the tree.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial

from actors import limits
from actors.checkpointer import Checkpointer
from actors.committer import Committer
from actors.desk import Desk
from actors.listener import Listener
from actors.offload import Offload, in_thread
from actors.runtime import (
    ChildSpec,
    Intensity,
    Kind,
    Life,
    Node,
    Reporter,
    State,
    Strategy,
    Supervisor,
)
from actors.runtime.budget import Chance
from actors.shard import Shard
from actors.terminal import Services
from protocol.session import FindKey
from storage.errors import StorageDamaged, StorageFailed, StorageVersion
from storage.shard_store import ShardStore

_FATAL = (StorageFailed, StorageDamaged, StorageVersion)
_NO_SECOND_LIFE = Intensity(restarts_max=0)


class NodeTree:
    """One node: its shard, its desk, its listener.

    Args:
      open_store: opens the shard's store and closes it in the end; entering it blocks.
      listening: a listening socket, which stays the caller's.
      find_key: finds an enrolled key.
      now_ms: the host's clock, milliseconds since 1970.
      nonce: 32 fresh bytes of chance.
      chance: draws from [0, 1), for backoffs.
      report: takes what supervisors report.
      note: takes one line for the operator.
      offload: where blocking calls run.
    """

    def __init__(
        self,
        *,
        open_store: Callable[[], AbstractContextManager[ShardStore]],
        listening: socket.socket,
        find_key: FindKey,
        now_ms: Callable[[], int],
        nonce: Callable[[], bytes],
        chance: Chance,
        report: Reporter,
        note: Callable[[str], None],
        offload: Offload = in_thread,
    ) -> None:
        self._open_store = open_store
        self._now_ms = now_ms
        self._chance = chance
        self._report = report
        self._note = note
        self._offload = offload
        self._shard: Shard | None = None
        self._shard_supervisor: Supervisor | None = None
        desk = Desk(self.shard, offload=offload)
        services = Services(self.shard, desk, find_key, now_ms, nonce)
        self.listener = Listener(listening, services, report=report, note=note, chance=chance)
        self.supervisor = Supervisor(
            "node",
            [
                ChildSpec(
                    "shard",
                    self._run_shard,
                    start_timeout_s=limits.RECOVERY_S_MAX,
                    shutdown_timeout_s=limits.SHARD_STOP_S,
                    fatal=_FATAL,
                    tree=self._shard_snapshot,
                ),
                ChildSpec("desk", desk.run, mailbox=desk.trace),
                self.listener.supervisor.as_child(),
            ],
            strategy=Strategy.REST_FOR_ONE,
            report=report,
            chance=chance,
        )

    def shard(self) -> Shard:
        """Return the shard as it is now."""
        assert self._shard is not None, "the shard is started before all that use it"
        return self._shard

    def snapshot(self) -> Node:
        """Return the whole tree as data: states, restarts, depths, ages."""
        return self.supervisor.snapshot()

    async def _run_shard(self, life: Life) -> None:
        with ExitStack() as held:
            store = await self._offload(partial(held.enter_context, self._open_store()))
            shard = self._shard = Shard(store, now_ms=self._now_ms)
            committer = Committer(shard, offload=self._offload, report=self._note)
            checkpointer = Checkpointer(shard, offload=self._offload, report=self._note)
            # A life of these is a life of the shard: what they had in memory is not durable, so
            # the next one begins with the journal.
            children = [
                ChildSpec(
                    "committer",
                    committer.run,
                    shutdown_timeout_s=limits.SHARD_STOP_S,
                    intensity=_NO_SECOND_LIFE,
                    fatal=_FATAL,
                    mailbox=shard.trace,
                ),
                ChildSpec(
                    "checkpointer",
                    checkpointer.run,
                    shutdown_timeout_s=limits.SHARD_STOP_S,
                    intensity=_NO_SECOND_LIFE,
                    fatal=_FATAL,
                ),
            ]
            supervisor = self._shard_supervisor = Supervisor(
                "shard",
                children,
                strategy=Strategy.ONE_FOR_ALL,
                report=self._report,
                chance=self._chance,
            )
            await supervisor.run(life)

    def _shard_snapshot(self) -> Node:
        if self._shard_supervisor is None:
            return Node("shard", Kind.SUPERVISOR, State.STARTING, 0.0)
        return self._shard_supervisor.snapshot()

