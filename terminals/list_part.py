"""Keeps the lists of a terminal up to date over its client's connection."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

import trio

from engine.fleet.lists import ListName
from terminals import wire
from terminals.errors import KeeperFailed
from terminals.keeper import Keeper
from terminals.lists import Download, ListHolder, Mismatch, Wish
from terminals.messages import Chunk, FromNode, Offer, Ready
from terminals.part import Offload, Part, in_thread, untold

ANSWER_S: Final = 30.0
"""Longest wait for some of a file before it is asked for again."""

LOOK_S_MAX: Final = 60.0
"""Longest time between two looks whether a version's time has come: the clock may be corrected."""

RETRY_S: Final = 60.0
"""Before what the terminal's disk did not take is fetched again."""

CAPABILITY: Final = "lists"


def no_use(_name: str) -> None:
    """Take note of nothing."""


class ListPart(Part):
    """Holds lists, and fetches what is newer.

    Args:
      names: the lists wanted; those named first are fetched first.
      keeper: where they are kept.
      now_ms: the time by which versions begin to be used: the corrected clock.
      answer_s: longest wait for some of a file before it is asked for again.
      offload: runs what takes long: unpacking, and the disk.
      on_active: is told each list that has come into use, also those found at the start.
      note: takes one line for people, where something is wrong.
    """

    def __init__(
        self,
        names: Iterable[ListName],
        keeper: Keeper,
        *,
        now_ms: Callable[[], int],
        answer_s: float = ANSWER_S,
        offload: Offload = in_thread,
        on_active: Callable[[str], None] = no_use,
        note: Callable[[str], None] = untold,
    ) -> None:
        super().__init__()
        self._names = tuple(names)
        self._holder = ListHolder(self._names, keeper)
        self._now_ms = now_ms
        self._answer_s = answer_s
        self._offload = offload
        self._on_active = on_active
        self._note = note
        self._loaded = trio.Event()
        self._spoken = False
        self._asked: Wish | None = None
        self._asked_s = 0.0
        self._retry_s = math.inf
        self._work = trio.Event()

    def get(self, name: ListName, key: str) -> str | None:
        """Return what the list in use says of a key, or None if it says nothing."""
        content = self._holder.active(name)
        return None if content is None else content.get(key)

    def items(self, name: ListName) -> Iterable[tuple[str, str]]:
        """Walk the list in use, in the order of its keys."""
        return self._holder.active(name) or ()

    def version(self, name: ListName) -> int:
        """Return the version in use, 0 for none."""
        return self._holder.version(name)

    async def wait_loaded(self) -> None:
        """Wait until what was kept before is there to be asked."""
        await self._loaded.wait()

    # --- the session --------------------------------------------------------------------------

    def begin(self, ready: Ready) -> None:
        """Begin a connection, as `Part` says."""
        self._spoken = CAPABILITY in ready.capabilities
        self._asked = None
        self._holder.begin()

    def next_message(self, now_s: float) -> bytes | None:
        """Return what is to be sent now, as `Part` says."""
        holder = self._holder
        if not self._spoken or not self._loaded.is_set():
            return None
        if holder.changed:
            return wire.holds(holder.holds())
        wish = holder.wish()
        if wish is None or (wish == self._asked and now_s < self._asked_s + self._answer_s):
            return None
        self._asked, self._asked_s = wish, now_s
        return wire.fetch(*wish)

    def next_due_s(self) -> float:
        """Return when a lost wish is said again, as `Part` says."""
        if self._asked is None or self._asked != self._holder.wish():
            return math.inf
        return self._asked_s + self._answer_s

    def take(self, message: FromNode) -> bool:
        """Take an offer or a chunk, as `Part` says."""
        match message:
            case Offer():
                self._holder.take_offer(message)
            case Chunk():
                if self._holder.take_chunk(message):
                    # The same wish again is another one: what came may come to nothing.
                    self._asked = None
            case _:
                return False
        self._work.set()
        return True

    # --- what takes longer --------------------------------------------------------------------

    async def run(self) -> None:
        """Load, work out and activate lists, as `Part` says.

        Cancellation: what the disk is doing is waited for.
        """
        await self._load()
        while True:
            self._work = trio.Event()
            if (download := self._holder.complete()) is not None:
                await self._take_in(download)
                continue
            await self._activate()
            self._try_again()
            with trio.move_on_after(self._pause_s()):
                await self._work.wait()

    async def _load(self) -> None:
        try:
            troubles = await self._offload(self._holder.load)
        except KeeperFailed as error:
            troubles = [str(error)]
        for trouble in troubles:
            self._note(trouble)
        self._loaded.set()
        self._wake_session()
        for name in self._names:
            if self._holder.version(name):
                self._on_active(name)

    async def _take_in(self, download: Download) -> None:
        holder, name = self._holder, download.offer.name
        before = holder.active(name)
        worked = await self._offload(partial(holder.work_out, download))
        try:
            await self._offload(partial(holder.keep, download, worked, self._now_ms()))
        except KeeperFailed as error:
            self._note(str(error))
            holder.drop(download)
            self._retry_s = trio.current_time() + RETRY_S
            return
        if isinstance(worked, Mismatch):
            self._note(f"{name} {worked.version} is not used: {worked.why}")
        holder.settle(download, worked)
        self._wake_session()
        if holder.active(name) is not before:
            self._on_active(name)

    async def _activate(self) -> None:
        at_ms = self._holder.next_activation_ms()
        if at_ms is None or at_ms > self._now_ms():
            return
        begun, troubles = await self._offload(partial(self._holder.activate, self._now_ms()))
        for trouble in troubles:
            self._note(trouble)
        self._wake_session()
        for name in begun:
            self._on_active(name)

    def _try_again(self) -> None:
        if trio.current_time() >= self._retry_s:
            self._retry_s = math.inf
            self._holder.changed = True
            self._wake_session()

    def _pause_s(self) -> float:
        at_ms = self._holder.next_activation_ms()
        due_s = math.inf if at_ms is None else (at_ms - self._now_ms()) / 1_000
        retry_s = self._retry_s - trio.current_time()
        return min(max(0.0, due_s), LOOK_S_MAX, retry_s) if due_s < math.inf else retry_s
