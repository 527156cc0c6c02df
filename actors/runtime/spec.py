"""The words of supervision, and one life of a child as the child sees it."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TypeAlias

import trio
from msgspec import Struct
from msgspec.structs import replace

from actors.runtime.budget import Backoff, Intensity
from actors.runtime.errors import FatalFailure, StartTimeout, UnexpectedExit
from actors.runtime.trace import End, Ending, Kind, MailboxTrace, Node, State


class Restart(StrEnum):
    """Which ends of a child are followed by another life."""

    PERMANENT = "permanent"
    """Each, but for one it was told to make; returning is a failure."""
    TRANSIENT = "transient"
    """A crash; returning means that its work is done, until a sibling takes it along."""
    TEMPORARY = "temporary"
    """None, also when its siblings are started again."""


class Strategy(StrEnum):
    """Who is started again when a child fails. Who goes down does so last first."""

    ONE_FOR_ONE = "one_for_one"
    """The child alone."""
    REST_FOR_ONE = "rest_for_one"
    """The child, those behind it, and all dynamic children."""
    ONE_FOR_ALL = "one_for_all"
    """Everybody."""


class ChildSpec(Struct, frozen=True):
    """What a supervisor knows about a child.

    Attributes:
      name: unique among the static children of a supervisor.
      start: the child itself. It calls `life.ready()` when it can be relied on, ends soon after
        `life.stopping` is set, and raises when it fails.
      restart: which ends are followed by another life.
      start_timeout_s: a child that is not ready by then is cancelled, and has crashed.
      shutdown_timeout_s: what it has for an orderly end before it is cancelled.
      intensity: how often it may fail.
      backoff: how long it waits before it is started again.
      fatal: failures that are never retried, here or above: the whole tree ends.
      mailbox: shows the child's mailbox in snapshots.
      tree: shows what is below the child in snapshots.
    """

    name: str
    start: Start
    restart: Restart = Restart.PERMANENT
    start_timeout_s: float = 30.0
    shutdown_timeout_s: float = 5.0
    intensity: Intensity = Intensity()
    backoff: Backoff = Backoff()
    fatal: tuple[type[Exception], ...] = ()
    mailbox: Callable[[], MailboxTrace] | None = None
    tree: Callable[[], Node] | None = None

    def is_fatal(self, failure: Exception) -> bool:
        """Tell whether a failure, or a part of a group of them, is never retried."""
        kinds: tuple[type[Exception], ...] = (FatalFailure, *self.fatal)
        if isinstance(failure, ExceptionGroup):
            return failure.subgroup(kinds) is not None
        return isinstance(failure, kinds)

    def trace(
        self, state: State, since_s: float, restarts: int = 0, history: tuple[End, ...] = ()
    ) -> Node:
        """Return the place of a child in a snapshot."""
        node = self.tree() if self.tree else Node(self.name, Kind.WORKER, state, since_s)
        return replace(
            node,
            state=state,
            since_s=since_s,
            restarts=restarts,
            history=history,
            mailbox=self.mailbox() if self.mailbox else None,
        )


class Life:
    """One life of a child, from its start to its end.

    The child calls `ready` and watches `stopping`; the rest is its supervisor's.

    Attributes:
      stopping: set when the child should come to an orderly end.
      state: where the life stands.
      since_s: when it came there.
      told: whether the supervisor asked for the end.
      gone_by_s: when nothing should be left of it: the deadline of its start or of its stop.
    """

    __slots__ = ("_on_ready", "_scope", "gone_by_s", "since_s", "spec", "state", "stopping", "told")

    def __init__(self, spec: ChildSpec, stopping: trio.Event, on_ready: Callable[[], None]) -> None:
        self.spec = spec
        self.stopping = stopping
        self.state = State.STARTING
        self.since_s = trio.current_time()
        self.told = False
        self.gone_by_s = self.since_s + spec.start_timeout_s
        self._on_ready = on_ready
        self._scope = trio.CancelScope(deadline=self.gone_by_s)

    def ready(self) -> None:
        """Say that this child can be relied on; the next one may start."""
        if self.state is State.STARTING and not self._scope.cancel_called:
            self.enter(State.RUNNING)
            self._scope.deadline = self.gone_by_s = math.inf
            self._on_ready()

    def stop(self) -> None:
        """Tell the child to stop; when its time is up, trio cancels it."""
        if self.alive and not self.told:
            self.told = True
            self.enter(State.STOPPING)
            self._scope.deadline = self.gone_by_s = self.since_s + self.spec.shutdown_timeout_s
            self.stopping.set()

    @property
    def alive(self) -> bool:
        """Whether the child has a task."""
        return self.state is not State.STOPPED and self.state is not State.FAILED

    def enter(self, state: State) -> None:
        """Note a state and its moment."""
        self.state = state
        self.since_s = trio.current_time()

    async def live(self, ended: Ended) -> None:
        """Run the child to its end, and tell `ended` how it came, whatever way that is.

        What the child raises goes to `ended`. Cancellation, and what no program should catch
        (KeyboardInterrupt, SystemExit), goes on its way, also out of a group.
        """
        ending, failure = Ending.ABORTED, None
        try:
            with self._scope:
                await self.spec.start(self)
            ending = self._ending()
            failure = self._fault(ending)
        except* Exception as group:  # noqa: BLE001 - it is recorded, whatever it is
            failure = _alone(group)
        finally:
            ended(self, ending if failure is None else Ending.CRASHED, failure)
            del failure  # it knows this frame: without the cycle it goes when it is let go

    def _ending(self) -> Ending:
        """Return how a life ended that raised nothing."""
        cut_short = self._scope.cancelled_caught
        if self.told:
            return Ending.KILLED if cut_short else Ending.STOPPED
        if cut_short:
            return Ending.CRASHED
        # Who returns from a tree that is being cancelled may have shielded itself that long.
        aborted = trio.current_effective_deadline() == -math.inf
        return Ending.ABORTED if aborted else Ending.RETURNED

    def _fault(self, ending: Ending) -> Exception | None:
        """Return what is wrong with such an end, if anything is."""
        if ending is Ending.CRASHED:
            return StartTimeout(f"not ready within {self.spec.start_timeout_s:g} s")
        if ending is Ending.RETURNED and self.spec.restart is Restart.PERMANENT:
            return UnexpectedExit("a permanent child returned")
        return None


Start: TypeAlias = Callable[[Life], Awaitable[None]]
Ended: TypeAlias = Callable[[Life, Ending, Exception | None], None]


def _alone(failure: Exception) -> Exception:
    """Take a lone failure out of the groups that nurseries put around it."""
    while isinstance(failure, ExceptionGroup) and len(failure.exceptions) == 1:
        failure = failure.exceptions[0]
    return failure
