"""A supervisor: a nursery with manners.

It starts its children in order, each when the one before is ready; starts them again when they
fail, as its strategy and their budgets allow; and stops them last first, each in two steps: it is
told to stop, and cancelled when its time is up. No task outlives it, nothing is swallowed.

One loop does all of it. The end of a life only notes what follows from it, at once and without
waiting, and wakes the loop; the loop looks at how things stand and brings them to where they
should be. So it does not matter what happened first, or how much happened at once.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeAlias

import trio

from actors.runtime.budget import Chance
from actors.runtime.children import Crowd, Post
from actors.runtime.errors import BudgetSpent, Bug, Escalation, FatalFailure
from actors.runtime.spec import ChildSpec, Life, Restart, Strategy
from actors.runtime.trace import End, Ending, Event, Kind, Node, Report, State, reason_of

Reporter: TypeAlias = Callable[[Report], None]


class Supervisor:
    """Keeps its children alive, or says why it cannot.

    Besides the static children it takes dynamic ones (`start_child`), which are all temporary: how
    they end is counted and spends nobody's budget. They stand behind the static children: they are
    stopped first and all together, also when a strategy other than ONE_FOR_ONE takes down a part
    of the static ones. Time is trio's clock.

    Args:
      name: in reports and snapshots.
      children: the static children, in the order of their start.
      strategy: who is started again when one of them fails.
      report: takes what an operator wants to know now. If it raises, that is a failure of the
        supervisor itself.
      chance: for the jitter of backoffs.
      dynamic_max: dynamic children at the same time.
      overdue_s: how long after its cancellation, and then how often, a child that is still there
        is reported.
    """

    def __init__(
        self,
        name: str,
        children: Sequence[ChildSpec] = (),
        *,
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        report: Reporter,
        chance: Chance,
        dynamic_max: int = 1_000,
        overdue_s: float = 5.0,
    ) -> None:
        if len({spec.name for spec in children}) < len(children):
            raise Bug(f"{name}: two children of one name")
        self.name = name
        self._strategy = strategy
        self._report = report
        self._chance = chance
        self._overdue_s = overdue_s
        self._state = State.STOPPED
        self._since_s = 0.0
        self._posts = [Post(spec) for spec in children]
        self._crowd = Crowd(dynamic_max)
        self._nursery: trio.Nursery | None = None
        # Something happened that the loop, or the watch for late children, should look at.
        self._news = trio.Event()
        self._late = trio.Event()
        self._verdict: Escalation | None = None
        # The first post that has to go down with another one; behind the last if none has to.
        self._recycle_from = len(children)

    # --- from outside -------------------------------------------------------------------------

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run as the root of a tree: the body begins when everybody is ready.

        Leaving the body stops the tree in order.

        Raises:
          Escalation: in an ExceptionGroup, as from any nursery; the body is cancelled.

        Cancellation: cancels the whole tree at once. So does a body that raises.
        """
        ready = trio.Event()
        life = Life(self.as_child(), trio.Event(), ready.set)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.run, life)
            await ready.wait()
            yield
            life.stop()

    def as_child(self) -> ChildSpec:
        """Return the spec of this supervisor below another one.

        It has no time limits of its own: each child below has, and cutting a tree short would only
        hide which of them is late.
        """
        return ChildSpec(
            self.name,
            self.run,
            start_timeout_s=math.inf,
            shutdown_timeout_s=math.inf,
            tree=self.snapshot,
        )

    def start_child(self, spec: ChildSpec) -> bool:
        """Start a dynamic child, or return False: too many are there, or the supervisor stops.

        What a refused child would have owned is still the caller's.
        """
        if spec.restart is not Restart.TEMPORARY:
            raise Bug(f"{self.name}/{spec.name}: a dynamic child is temporary")
        life = self._crowd.join(spec)
        if life is None or self._nursery is None:
            return False
        self._nursery.start_soon(life.live, self._dynamic_ended, name=spec.name)
        return True

    def snapshot(self) -> Node:
        """Return the tree from here on, as it is now."""
        return Node(
            self.name,
            Kind.SUPERVISOR,
            self._state,
            self._since_s,
            children=(*(post.trace() for post in self._posts), *self._crowd.nodes()),
            crowd=self._crowd.trace(),
        )

    async def run(self, life: Life) -> None:
        """Start the children and look after them until `life` is told to stop.

        Raises:
          Escalation: the budget of a child is spent, or a child failed fatally. The others have
            been stopped in order.

        Cancellation: cancels all children at once and waits for them; those that do not go are
        reported for as long as they stay.
        """
        if self._nursery is not None:
            raise Bug(f"{self.name} runs already")
        self._begin()
        try:
            async with self._watch_kept(), trio.open_nursery() as nursery:
                self._nursery = nursery
                await self._govern_and_stop(life, nursery)
        finally:
            self._nursery = None
            self._enter(State.FAILED if self._verdict else State.STOPPED)
        if self._verdict:
            raise self._verdict

    def _begin(self) -> None:
        for post in self._posts:
            post.open()
        self._recycle_from = len(self._posts)
        self._verdict = None
        self._enter(State.STARTING)

    # --- the loop -----------------------------------------------------------------------------

    async def _govern_and_stop(self, life: Life, nursery: trio.Nursery) -> None:
        try:
            with trio.CancelScope() as governing:
                nursery.start_soon(_cancel_when, life.stopping, governing)
                await self._govern(life)
            self._enter(State.STOPPING)
            await self._stop_from(0)
        finally:
            # Nobody is left, unless the tree is being cancelled: then all go at once, and from
            # now on each that is still there is late.
            self._abandon()
            nursery.cancel_scope.cancel()

    async def _govern(self, life: Life) -> None:
        """Keep the children as they should be, until that is impossible."""
        self._crowd.open()
        while True:
            await self._recycle()
            if self._verdict:
                return
            await self._wait_news(self._start_due(life))

    async def _wait_news(self, until_s: float = math.inf) -> None:
        with trio.move_on_at(until_s):
            await self._news.wait()
        self._news = trio.Event()

    async def _recycle(self) -> None:
        """Take down who goes down with a failed child; they come back when it does."""
        while (first := self._recycle_from) < len(self._posts):
            await self._stop_from(first)
            group = self._posts[first:]
            due_s = max(post.due_s for post in group)
            for post in group:
                post.reopen(due_s)
            # While they went, one that stands before them may have failed as well.
            if self._recycle_from == first:
                self._recycle_from = len(self._posts)
            self._crowd.open()

    def _start_due(self, life: Life) -> float:
        """Start who may start now, and return when the next one may."""
        now_s, wake_s = trio.current_time(), math.inf
        for post in self._posts:
            if post.wanted and post.vacant:
                if post.due_s <= now_s:
                    self._start(post)
                else:
                    wake_s = min(wake_s, post.due_s)
            if not post.settled:
                return wake_s
        if self._state is State.STARTING:
            self._enter(State.RUNNING)
            life.ready()
        return wake_s

    def _start(self, post: Post) -> None:
        assert self._nursery is not None
        life = post.fill(partial(self._static_ready, post))
        ended = partial(self._static_ended, post)
        self._nursery.start_soon(life.live, ended, name=post.spec.name)
        self._late.set()

    # --- stopping -----------------------------------------------------------------------------

    async def _stop_from(self, first: int) -> None:
        """Stop the dynamic children all together, then the posts from the last to `first`."""
        self._crowd.admits = False
        await self._stop(list(self._crowd.lives))
        for post in reversed(self._posts[first:]):
            if post.life:
                await self._stop([post.life])

    async def _stop(self, lives: Sequence[Life]) -> None:
        for life in lives:
            life.stop()
        self._late.set()
        for life in lives:
            while life.alive:
                await self._wait_news()

    def _abandon(self) -> None:
        """Expect the end of everybody now: the tree is being cancelled, if anybody is left."""
        self._enter(State.STOPPING)
        self._crowd.admits = False
        for post in self._posts:
            post.wanted = False
        for life in self._expected_to_end():
            life.gone_by_s = trio.current_time()
        self._late.set()

    # --- what a life tells --------------------------------------------------------------------

    def _static_ready(self, post: Post) -> None:
        post.settled = True
        self._news.set()

    def _static_ended(
        self, post: Post, life: Life, ending: Ending, failure: Exception | None
    ) -> None:
        ran_s = trio.current_time() - life.since_s if life.state is State.RUNNING else 0.0
        end = self._end(life, ending, failure)
        post.history.append(end)
        wait_s = None
        if retried := self._is_retried(life, failure):
            wait_s = post.budget.spend(end.at_s, ran_s, self._chance)
        if wait_s is None:
            post.give_up()
        else:
            post.due_s = end.at_s + wait_s
            self._recycle_from = min(self._recycle_from, self._first_down(post))
        self._tell_end(life, end, failure)
        if failure is not None and life.spec.is_fatal(failure):
            self._escalate(FatalFailure, life, tuple(post.history), failure)
        elif retried and wait_s is None:
            self._escalate(BudgetSpent, life, tuple(post.history), failure)

    def _dynamic_ended(self, life: Life, ending: Ending, failure: Exception | None) -> None:
        end = self._end(life, ending, failure)
        self._crowd.leave(life, end)
        self._tell_end(life, end, failure)
        if failure is not None and life.spec.is_fatal(failure):
            self._escalate(FatalFailure, life, (end,), failure)

    def _is_retried(self, life: Life, failure: Exception | None) -> bool:
        return (
            failure is not None
            and not life.spec.is_fatal(failure)
            and life.spec.restart is not Restart.TEMPORARY
            and not life.told
            and self._state is not State.STOPPING
        )

    def _first_down(self, post: Post) -> int:
        """Return the first post that goes down with this one."""
        if self._strategy is Strategy.ONE_FOR_ALL:
            return 0
        if self._strategy is Strategy.REST_FOR_ONE:
            return self._posts.index(post)
        return len(self._posts)

    def _end(self, life: Life, ending: Ending, failure: Exception | None) -> End:
        if failure is not None:
            reason = reason_of(failure)
        elif ending is Ending.KILLED:
            reason = f"still there {life.spec.shutdown_timeout_s:g} s after it was told to stop"
        else:
            reason = ending.value
        life.enter(State.STOPPED if failure is None else State.FAILED)
        self._news.set()
        return End(life.since_s, ending, reason)

    # --- reports ------------------------------------------------------------------------------

    def _tell_end(self, life: Life, end: End, failure: Exception | None) -> None:
        if end.ending in (Ending.CRASHED, Ending.KILLED):
            self._tell(Event(end.ending.value), life.spec.name, end.reason, failure)

    def _escalate(
        self,
        kind: type[Escalation],
        life: Life,
        history: tuple[End, ...],
        failure: Exception | None,
    ) -> None:
        # The first verdict stands, but for one: what must not be retried must not look as if it
        # could be, also when it came up while the others were being stopped for a lesser reason.
        if self._verdict is None or (
            kind is FatalFailure and not isinstance(self._verdict, FatalFailure)
        ):
            self._verdict = kind(self.name, life.spec.name, history)
            self._verdict.__cause__ = failure
            self._tell(Event.ESCALATED, life.spec.name, reason_of(self._verdict), self._verdict)

    def _tell(self, event: Event, child: str, reason: str, failure: Exception | None) -> None:
        self._report(Report(trio.current_time(), event, self.name, child, reason, failure))

    @asynccontextmanager
    async def _watch_kept(self) -> AsyncIterator[None]:
        """Watch, as long as the body runs, for children that are late to go.

        trio cannot abandon a task that shields itself: all that is left is to say so, and not
        only once. The watch is shielded too, for it is needed most when the tree is cancelled.
        """
        watching = trio.CancelScope(shield=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch, watching)
            try:
                yield
            finally:
                watching.cancel()

    async def _watch(self, watching: trio.CancelScope) -> None:
        with watching:
            while True:
                with trio.move_on_at(self._report_late()):
                    await self._late.wait()
                self._late = trio.Event()

    def _report_late(self) -> float:
        """Report who is late to go, and return when to look again."""
        now_s, look_s = trio.current_time(), math.inf
        for life in self._expected_to_end():
            if now_s >= life.gone_by_s + self._overdue_s:
                if life.state is not State.OVERDUE:
                    life.state, life.since_s = State.OVERDUE, life.gone_by_s
                reason = f"still there {now_s - life.since_s:g} s after it was cancelled"
                self._tell(Event.OVERDUE, life.spec.name, reason, None)
                life.gone_by_s = now_s
            look_s = min(look_s, life.gone_by_s + self._overdue_s)
        return look_s

    def _expected_to_end(self) -> list[Life]:
        """Return those whose end has a deadline: dynamic children only while all are stopped."""
        posts = [post.life for post in self._posts if post.life and post.life.alive]
        return posts if self._crowd.admits else [*posts, *self._crowd.lives]

    def _enter(self, state: State) -> None:
        self._state = state
        self._since_s = trio.current_time()


async def _cancel_when(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()
