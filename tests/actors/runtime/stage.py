"""Actors that take their time, and fail or return in the middle of it when a test asks them to."""

from __future__ import annotations

import trio

from actors.runtime import (
    Backoff,
    ChildSpec,
    Intensity,
    Life,
    Report,
    Restart,
    Strategy,
    Supervisor,
)
from tests.actors.runtime.office import Planted

NO_LIMIT = Intensity(restarts_max=1_000)
SHORT = Backoff(first_s=1.0, factor=1.0, longest_s=1.0, jitter=0.0)


class Actor:
    """A child that takes its time to start and to stop, and fails or returns when asked to."""

    def __init__(self, name: str, log: list[str], *, start_s: float = 0, stop_s: float = 0) -> None:
        self.name = name
        self.log = log
        self.start_s = start_s
        self.stop_s = stop_s
        self.alive = 0
        self.order: trio.MemorySendChannel[bool] | None = None

    def end(self, *, fails: bool) -> None:
        """Ask for the end of the present life, if there is one."""
        if self.order is not None:
            self.order.send_nowait(fails)

    async def run(self, life: Life) -> None:
        """Live once."""
        self.alive += 1
        assert self.alive == 1, "two lives at the same time"
        self.order, orders = trio.open_memory_channel[bool](100)
        self.log.append(f"+{self.name}")
        try:
            await trio.sleep(self.start_s)
            life.ready()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._wait_stop, life, nursery.cancel_scope)
                if await orders.receive():
                    raise Planted(self.name)
                nursery.cancel_scope.cancel()
        finally:
            self.alive -= 1
            self.order = None
            self.log.append(f"-{self.name}")

    async def _wait_stop(self, life: Life, scope: trio.CancelScope) -> None:
        await life.stopping.wait()
        await trio.sleep(self.stop_s)
        scope.cancel()

    def spec(self, restart: Restart = Restart.PERMANENT) -> ChildSpec:
        """Return a spec with restarts without limit, each a second later."""
        return ChildSpec(self.name, self.run, restart, intensity=NO_LIMIT, backoff=SHORT)


def stage(strategy: Strategy, *actors: Actor, **restarts: Restart) -> Supervisor:
    """Return a supervisor of actors; those that are not permanent are named."""
    specs = [actor.spec(restarts.get(actor.name, Restart.PERMANENT)) for actor in actors]
    return Supervisor("stage", specs, strategy=strategy, report=ignore, chance=float)


def cast(*names: str, **times: float) -> tuple[list[str], list[Actor]]:
    """Return actors and the log that they share."""
    log: list[str] = []
    return log, [Actor(name, log, **times) for name in names]


def ignore(_report: Report) -> None:
    """Take a report that a test does not look at."""
