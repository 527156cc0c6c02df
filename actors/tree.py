"""The supervision tree of a node.

    node (rest for one)
    ├── shard (one for all)     opens the store, then
    │   ├── checkpointer        writes views
    │   └── committer           makes blocks durable
    ├── listener (one for one)
    │   ├── accept, sweep, keys, certificates
    │   └── terminal-n          one for each connection, temporary
    ├── fleet                   lists, commands, orders
    ├── desk                    answers questions
    └── feeds                   watches over what consumers follow

A shard that fails is opened anew from its journal, and all behind it with it: terminals reconnect
and send again, which is always safe. Fleet, desk and feeds stand last: no terminal goes down with
them. A failed flush of the journal is never retried: it ends the tree.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial

from msgspec import Struct

from actors import limits
from actors.certificates import Certificates
from actors.checkpointer import Checkpointer
from actors.committer import Committer
from actors.desk import Desk
from actors.errors import FATAL
from actors.feed import Feeds
from actors.fleet.answers import FleetDesk
from actors.fleet.fleet import Fleet
from actors.keys import Keys, LatestTime
from actors.listener import Listener, ListeningSocket
from actors.proofs import ProofJudge
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
from actors.seams import Seams
from actors.shard import Shard
from actors.terminal import Services
from engine.law import Law
from protocol.redaction import Pseudonym
from storage.shard_store import ShardStore
from storage.store import Store

_NO_SECOND_LIFE = Intensity(restarts_max=0)
_MANY_LIVES = Intensity(restarts_max=20)
"""More than fit into the period between waits that double: it is tried again for ever."""


class Stores(Struct, frozen=True):
    """What a node keeps on disk: each call opens a store and closes it in the end; entering blocks.

    Attributes:
      shard: journal, views and book.
      fleet: terminals, lists and commands.
    """

    shard: Callable[[], AbstractContextManager[ShardStore]]
    fleet: Callable[[], AbstractContextManager[Store]]


class NodeTree:
    """One node: its shard, its listener, its fleet, its desk.

    Args:
      stores: what it keeps on disk.
      listening: a listening socket, which stays the caller's.
      keys: who may connect.
      law: what decisions are made by.
      pseudonym: stands for a card where cards are not shown.
      seams: time, chance and threads.
      report: takes what supervisors report.
      note: takes one line for the operator.
      certificates: what the listener shows; without them nothing is encrypted.
      judge: of the proofs of advices; without one they are posted whatever they hold.
    """

    def __init__(  # noqa: PLR0913 - all that a node is made of
        self,
        *,
        stores: Stores,
        listening: ListeningSocket,
        keys: Keys,
        law: Law,
        pseudonym: Pseudonym,
        seams: Seams,
        report: Reporter,
        note: Callable[[str], None],
        certificates: Certificates | None = None,
        judge: ProofJudge | None = None,
    ) -> None:
        self._stores = stores
        self._law = law
        self._judge = judge
        self._seams = seams
        self._report = report
        self._note = note
        self._shard: Shard | None = None
        self._shard_supervisor: Supervisor | None = None
        self.fleet = Fleet(
            open_store=stores.fleet, cards_issued=self._cards_issued, seams=seams, note=note
        )
        fleet_desk = FleetDesk(self.fleet, snapshot=self.snapshot, seams=seams)
        desk = Desk(self.shard, fleet_desk, offload=seams.offload, report=report)
        feeds = Feeds(pseudonym, offload=seams.offload, report=report)
        latest_ms = LatestTime(seams.now_ms, lambda: self.shard().book.decided_ms)
        services = Services(
            self.shard, desk, self.fleet, feeds, keys, latest_ms, seams.now_ms, seams.nonce
        )
        self.listener = Listener(
            listening,
            services,
            report=report,
            note=note,
            chance=seams.chance,
            certificates=certificates,
        )
        self.supervisor = Supervisor(
            "node",
            self._children(desk, feeds),
            strategy=Strategy.REST_FOR_ONE,
            report=report,
            chance=seams.chance,
        )

    def _children(self, desk: Desk, feeds: Feeds) -> list[ChildSpec]:
        return [
            ChildSpec(
                "shard",
                self._run_shard,
                start_timeout_s=limits.RECOVERY_S_MAX,
                shutdown_timeout_s=limits.SHARD_STOP_S,
                fatal=FATAL,
                tree=self._shard_snapshot,
            ),
            self.listener.supervisor.as_child(),
            # Taps need neither of these, so their failures are no reason to end the node.
            ChildSpec(
                "fleet",
                self.fleet.run,
                start_timeout_s=limits.RECOVERY_S_MAX,
                intensity=_MANY_LIVES,
                mailbox=self.fleet.trace,
            ),
            ChildSpec("desk", desk.run, intensity=_MANY_LIVES, fatal=FATAL, mailbox=desk.trace),
            ChildSpec("feeds", feeds.run, fatal=FATAL),
        ]

    def shard(self) -> Shard:
        """Return the shard as it is now."""
        assert self._shard is not None, "the shard is started before all that use it"
        return self._shard

    def _cards_issued(self) -> int:
        return self.shard().store.cards_issued()

    def snapshot(self) -> Node:
        """Return the whole tree as data: states, restarts, depths, ages."""
        return self.supervisor.snapshot()

    async def _run_shard(self, life: Life) -> None:
        with ExitStack() as held:
            store = await self._seams.offload(partial(held.enter_context, self._stores.shard()))
            shard = self._shard = Shard(
                store, now_ms=self._seams.now_ms, law=self._law, judge=self._judge
            )
            committer = Committer(shard, offload=self._seams.offload, report=self._note)
            checkpointer = Checkpointer(shard, offload=self._seams.offload, report=self._note)
            # A life of these is a life of the shard: what they had in memory is not durable, so
            # the next one begins with the journal.
            # The last to start is the first to stop: the last checkpoint waits for no block that
            # a full disk does not take.
            children = [
                ChildSpec(
                    "checkpointer",
                    checkpointer.run,
                    shutdown_timeout_s=limits.SHARD_STOP_S,
                    intensity=_NO_SECOND_LIFE,
                    fatal=FATAL,
                ),
                ChildSpec(
                    "committer",
                    committer.run,
                    shutdown_timeout_s=limits.SHARD_STOP_S,
                    intensity=_NO_SECOND_LIFE,
                    fatal=FATAL,
                    mailbox=shard.trace,
                ),
            ]
            supervisor = self._shard_supervisor = Supervisor(
                "shard",
                children,
                strategy=Strategy.ONE_FOR_ALL,
                report=self._report,
                chance=self._seams.chance,
            )
            await supervisor.run(life)

    def _shard_snapshot(self) -> Node:
        if self._shard_supervisor is None:
            return Node("shard", Kind.SUPERVISOR, State.STARTING, 0.0)
        return self._shard_supervisor.snapshot()
