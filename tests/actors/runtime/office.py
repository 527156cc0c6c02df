"""A supervisor with children that do what a test tells them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import trio

from actors.runtime import Backoff, ChildSpec, Intensity, Life, Report, Restart, Supervisor

THREE_A_MINUTE = Intensity(restarts_max=3, period_s=60, quiet_s=60)
NO_WAIT = Backoff(first_s=1.0, factor=2.0, longest_s=8.0, jitter=0.0)


class Planted(Exception):
    """What the children of these tests fail with."""


class Worker:
    """A child that runs until it is told to stop, to return, or to fail."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.lives = 0
        self.log = log
        self.command = trio.Event()
        self.failure: BaseException | None = None

    def fail(self, failure: BaseException | None = None) -> None:
        """End the present life with a failure."""
        self.failure = failure or Planted(self.name)
        self.command.set()

    def leave(self) -> None:
        """End the present life without one."""
        self.failure = None
        self.command.set()

    async def run(self, life: Life) -> None:
        """Be the child."""
        self.lives += 1
        self.command = trio.Event()
        self.log.append(f"+{self.name}")
        life.ready()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._obey, nursery.cancel_scope)
                await life.stopping.wait()
                nursery.cancel_scope.cancel()
        finally:
            self.log.append(f"-{self.name}")

    async def _obey(self, scope: trio.CancelScope) -> None:
        await self.command.wait()
        if self.failure:
            raise self.failure
        scope.cancel()


class Office:
    """A supervisor, its workers, and what was reported."""

    def __init__(
        self,
        *names: str,
        intensity: Intensity = THREE_A_MINUTE,
        restart: Restart = Restart.PERMANENT,
        fatal: tuple[type[Exception], ...] = (),
        **options: Any,  # noqa: ANN401 - passed on to the supervisor
    ) -> None:
        self.log: list[str] = []
        self.reports: list[Report] = []
        self.workers = {name: Worker(name, self.log) for name in names}
        specs = [
            ChildSpec(
                name,
                worker.run,
                restart,
                intensity=intensity,
                backoff=NO_WAIT,
                fatal=fatal,
            )
            for name, worker in self.workers.items()
        ]
        self.supervisor = Supervisor(
            "office", specs, report=self.reports.append, chance=float, **options
        )

    def __getitem__(self, name: str) -> Worker:
        """Return a worker."""
        return self.workers[name]


def temporary(
    name: str, start: Callable[[Life], Any], *, fatal: tuple[type[Exception], ...] = ()
) -> ChildSpec:
    """Return the spec of a dynamic child."""
    return ChildSpec(name, start, Restart.TEMPORARY, fatal=fatal)
