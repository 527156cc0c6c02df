"""A blocking call in a thread that trio can leave alone.

Calls into PC/SC may never come back: a service that is frozen, a card that holds a command. So a
thread here is not waited for without a bound, as `trio.to_thread` would, and still says when it
has come back, which an abandoned call of `trio.to_thread` does not.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

import trio

T = TypeVar("T")


class ThreadCall(Generic[T]):
    """A function that runs in a thread, from now on.

    Attributes:
      done: set when it has come back.
    """

    def __init__(
        self,
        function: Callable[[], T],
        name: str,
        on_end: Callable[[], None] | None = None,
    ) -> None:
        self.done = trio.Event()
        self._on_end = on_end
        self._token = trio.lowlevel.current_trio_token()
        self._unwrap: Callable[[], T] | None = None
        trio.lowlevel.start_thread_soon(function, lambda end: self._tell(end.unwrap), name)

    def result(self) -> T:
        """Return what the function returned, or raise what it raised, once it has come back."""
        assert self._unwrap is not None, "asked for a result before there is one"
        return self._unwrap()

    def _tell(self, unwrap: Callable[[], T]) -> None:
        self._unwrap = unwrap
        # A thread that was left alone may outlive the run; then nobody wants to know.
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._end)

    def _end(self) -> None:
        if self._on_end is not None:
            self._on_end()
        self.done.set()


async def call(
    function: Callable[[], T],
    name: str,
    *,
    bound_s: float,
    interrupt: Callable[[], object] | None = None,
) -> T:
    """Run a blocking function in a thread, and return what it returns.

    Args:
      function: to run.
      name: of its thread.
      bound_s: for how long a cancelled call is waited for.
      interrupt: makes the function return early. It is called again until that is so, because it
        may come before the function has begun to wait; and in a thread, for it may block too.

    Cancellation: `interrupt` is called, and the thread waited for; after `bound_s` it is left
      alone.
    """
    running = ThreadCall(function, name)
    try:
        await running.done.wait()
    finally:
        with trio.move_on_after(bound_s, shield=True):
            await _interrupted(running, name, interrupt, bound_s / 20)
    return running.result()


async def _interrupted(
    running: ThreadCall[T], name: str, interrupt: Callable[[], object] | None, again_s: float
) -> None:
    interrupting: ThreadCall[object] | None = None
    while not running.done.is_set():
        if interrupt is not None and (interrupting is None or interrupting.done.is_set()):
            interrupting = ThreadCall(interrupt, f"{name}, interrupting")
        with trio.move_on_after(again_s):
            await running.done.wait()
