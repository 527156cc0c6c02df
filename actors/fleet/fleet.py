"""The fleet: one actor for all that terminals hold, are told and tell, besides money.

    connections ──> Fleet.take ──> registry, list desk, command desk      (in memory, at once)
                        │
                        └── orders, reports, files to make ──> clerk      (on disk, one by one)

Its parts in memory outlive a failure of its store: the next life opens that anew and goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from functools import partial
from typing import TypeAlias

import trio

from actors import limits
from actors.fleet.clerk import Clerk, Job
from actors.fleet.command_desk import CommandDesk
from actors.fleet.list_desk import ListDesk
from actors.fleet.news import News
from actors.fleet.pump import Pump
from actors.fleet.registry import Link, Peer, Registry
from actors.runtime import Life, MailboxTrace
from actors.seams import Seams
from engine.fleet.lists import USUAL_GUARD, GuardRules
from protocol.errors import OrderCode
from protocol.messages import Fetch, Heartbeat, Holds, JournalPart, Order, Receipt, Report
from storage.errors import StorageError, StorageFull
from storage.store import Store

ToFleet: TypeAlias = Heartbeat | Holds | Fetch | Report | JournalPart | Order


class Fleet:
    """The terminals of a node, their lists and their commands.

    Args:
      open_store: opens the fleet's store and closes it in the end; entering it blocks.
      cards_issued: how many cards there are.
      seams: the host's clock, and where the disk is read and written.
      note: takes one line for the operator.
      guard: when a change of the deny list needs a second officer.

    Attributes:
      registry, lists, commands, news: the parts in memory.
      store: while it is open; None otherwise.
    """

    def __init__(
        self,
        *,
        open_store: Callable[[], AbstractContextManager[Store]],
        cards_issued: Callable[[], int],
        seams: Seams,
        note: Callable[[str], None],
        guard: GuardRules = USUAL_GUARD,
    ) -> None:
        self.news = News(note)
        self.registry = Registry(now_ms=seams.now_ms, news=self.news)
        self.lists = ListDesk(now_ms=seams.now_ms, news=self.news, wake=self._wake)
        self.commands = CommandDesk()
        self.store: Store | None = None
        self._open_store = open_store
        self._cards_issued = cards_issued
        self._now_ms = seams.now_ms
        self._offload = seams.offload
        self._seams = seams
        self._guard = guard
        self._pump = Pump(self.lists.chunk, self._offer_again)
        self._jobs: deque[Job] = deque()
        self._work = trio.Event()
        self._accepted = self._refused = 0

    # --- from connections, at once ------------------------------------------------------------

    def arrive(self, peer: Peer, terminal: str, firmware: str, key: bytes) -> None:
        """Take a terminal that has proven who it is, and tell it what it has to do."""
        link = self.registry.arrive(peer, terminal, firmware, key)
        self.commands.tell_all(link, self._now_ms())

    def leave(self, peer: Peer) -> None:
        """Let go of a connection."""
        link = self.registry.leave(peer)
        if link is not None:
            self.lists.leave(link)
            self._pump.leave(link)

    def take(self, peer: Peer, sender: str, message: ToFleet) -> None:
        """Take a message of a session that may send it."""
        if isinstance(message, Order | JournalPart):
            self._queue(peer, sender, message)
        elif (link := self.registry.links.get(peer)) is not None:
            self._take(link, message)

    def _take(self, link: Link, message: Heartbeat | Holds | Fetch | Report) -> None:
        match message:
            case Heartbeat():
                self.registry.heartbeat(link, message)
                self.commands.remind(link, self._now_ms())
            case Holds():
                self.lists.hold(link, message.lists)
                self.registry.hold(link)
            case Fetch():
                self._pump.put(link, message)
            case _:
                self.commands.report(link, message)
                self._wake()

    def _queue(self, peer: Peer, sender: str, message: Order | JournalPart) -> None:
        if self.store is None or len(self._jobs) >= limits.ORDERS_WAITING_MAX:
            self._refused += 1
            peer.tell(turned_away(message, OrderCode.OVERLOAD))
            return
        self._accepted += 1
        self._jobs.append(Job(peer, sender, message, trio.current_time()))
        self._wake()

    def _offer_again(self, link: Link, fetch: Fetch) -> None:
        self.lists.consider(link, fetch.name)

    def _wake(self) -> None:
        self._work.set()

    def trace(self) -> MailboxTrace:
        """Return what waits to be written."""
        return MailboxTrace(
            depth=len(self._jobs),
            depth_max=limits.ORDERS_WAITING_MAX,
            oldest_age_s=trio.current_time() - self._jobs[0].since_s if self._jobs else 0.0,
            accepted=self._accepted,
            refused=self._refused,
        )

    # --- the actor ----------------------------------------------------------------------------

    async def run(self, life: Life) -> None:
        """Look after the fleet until told to stop.

        Raises:
          StorageError: its store failed; another life may open it anew.

        Cancellation: what is being written is waited for.
        """
        with ExitStack() as held:
            store = await self._offload(partial(held.enter_context, self._open_store()))
            clerk = Clerk(
                store,
                self.registry,
                self.lists,
                self.commands,
                guard=self._guard,
                cards_issued=self._cards_issued,
                seams=self._seams,
            )
            await clerk.load()
            self.store = store
            life.ready()
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._pump.run)
                    nursery.start_soon(self._watch, clerk)
                    nursery.start_soon(self._work_off, clerk)
                    await life.stopping.wait()
                    nursery.cancel_scope.cancel()
            finally:
                self.store = None
                while self._jobs:
                    job = self._jobs.popleft()
                    job.peer.tell(turned_away(job.message, OrderCode.OVERLOAD))
            # A disk without room costs the last signs of life, and no more.
            with suppress(StorageFull):
                await clerk.save()

    async def _watch(self, clerk: Clerk) -> None:
        saved_s = trio.current_time()
        while True:
            await trio.sleep(limits.FLEET_WATCH_S)
            self.registry.look_for_silent()
            self.news.tell()
            try:
                await clerk.expire()
                if trio.current_time() - saved_s >= limits.FLEET_SAVE_S:
                    saved_s = trio.current_time()
                    await clerk.save()
            except StorageFull:
                # What found no room is kept in memory, and tried the next time.
                continue

    async def _work_off(self, clerk: Clerk) -> None:
        while True:
            self._work = trio.Event()
            await clerk.write_reports()
            await clerk.make_file()
            if self._jobs:
                await self._do(clerk, self._next_jobs())
            elif self.lists.next_wanted() is None and not self.commands.reports:
                await self._work.wait()

    def _next_jobs(self) -> list[Job]:
        """Take the next job, with those behind it if they can be done in one write."""
        jobs = [self._jobs.popleft()]
        while self._jobs and all(job.is_part for job in (jobs[-1], self._jobs[0])):
            jobs.append(self._jobs.popleft())
            if len(jobs) == limits.PARTS_AT_ONCE:
                break
        return jobs

    async def _do(self, clerk: Clerk, jobs: Sequence[Job]) -> None:
        receipts = [turned_away(job.message, OrderCode.OVERLOAD) for job in jobs]
        try:
            receipts = await clerk.do(jobs)
        except StorageFull:
            receipts = [turned_away(job.message, OrderCode.STORAGE_FULL) for job in jobs]
        except StorageError:
            raise
        except Exception:
            # The same again would fail again: it is not to be sent again.
            receipts = [_defect(job.message) for job in jobs]
            raise
        finally:
            # Also when the fleet ends: every order is answered.
            for job, receipt in zip(jobs, receipts, strict=True):
                job.peer.tell(receipt)


def _defect(message: Order | JournalPart) -> Receipt:
    text = "a defect of the node"
    return Receipt(message.id, "refused", OrderCode.INTERNAL_ERROR, "", text)


def turned_away(message: Order | JournalPart, code: OrderCode) -> Receipt:
    """Return the receipt for what was not looked at."""
    return Receipt(message.id, "busy", code, "", "send it again later")
