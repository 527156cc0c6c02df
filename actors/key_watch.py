"""The key watch: ends the sessions of keys that were revoked, or have expired, within a second.

It looks several times in that second. Most looks cost one read of the store's version and a walk
over the sessions' dates; keys are looked up only where one may have changed, many at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

import trio

from actors import limits
from actors.keys import Keys, LatestTime
from actors.runtime import Life
from actors.terminal import TerminalActor

CLOCK_BEHIND: Final = (
    "the clock stands {behind_s} s behind a time that it has shown before: "
    "keys that had expired by then stay so"
)


class KeyWatch:
    """A child of the listener.

    Args:
      connections: the terminals that are connected, as they are at each look.
      keys: who may connect.
      latest_ms: the time by which keys expire.
      note: takes one line for the operator.
    """

    def __init__(
        self,
        connections: Collection[TerminalActor],
        keys: Keys,
        latest_ms: LatestTime,
        note: Callable[[str], None],
    ) -> None:
        self._connections = connections
        self._keys = keys
        self._latest_ms = latest_ms
        self._note = note
        self._is_behind = False

    async def run(self, life: Life) -> None:
        """Look after the keys until told to stop."""
        life.ready()
        version: int | None = None
        while not life.stopping.is_set():
            with trio.move_on_after(limits.KEYS_LOOK_S):
                await life.stopping.wait()
            self._tell_clock()
            # A key that was revoked before this look is found by it; one revoked after it makes
            # another version.
            before, version = version, self._keys.version()
            if version == before:
                await self._check(self._expired())
            else:
                await self._check(list(self._connections))

    def _expired(self) -> list[TerminalActor]:
        now_ms = self._latest_ms()
        return [
            terminal
            for terminal in self._connections
            if (expires_ms := terminal.session.key_expires_ms) is not None and expires_ms <= now_ms
        ]

    async def _check(self, terminals: list[TerminalActor]) -> None:
        proven = [(key, terminal) for terminal in terminals if (key := terminal.session.key)]
        for first in range(0, len(proven), limits.KEYS_AT_ONCE):
            some = proven[first : first + limits.KEYS_AT_ONCE]
            now_ms = self._latest_ms()
            for (_, terminal), found in zip(
                some, self._keys.find_many([key for key, _ in some]), strict=True
            ):
                terminal.check_key(found, now_ms)
            # Looking for twenty thousand keys takes a while: taps come in between.
            await trio.lowlevel.checkpoint()

    def _tell_clock(self) -> None:
        behind_ms = self._latest_ms.behind_ms
        if behind_ms <= limits.CLOCK_BEHIND_MS_MAX:
            self._is_behind = False
        elif not self._is_behind:
            self._is_behind = True
            self._note(CLOCK_BEHIND.format(behind_s=behind_ms // 1000))
