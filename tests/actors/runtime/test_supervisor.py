"""Strategies, budgets, backoff, escalation, and an end in two steps; all under a mock clock."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.runtime import (
    Backoff,
    BudgetSpent,
    Bug,
    ChildSpec,
    Ending,
    Event,
    FatalFailure,
    Intensity,
    Kind,
    Life,
    Report,
    Restart,
    StartTimeout,
    State,
    Strategy,
    Supervisor,
)
from actors.runtime.budget import Budget
from actors.runtime.trace import REASON_CHARS_MAX, reason_of
from tests.actors.runtime.office import NO_WAIT, Office, Planted, temporary


@pytest.mark.parametrize(
    ("strategy", "failing", "expected"),
    [
        (Strategy.ONE_FOR_ONE, "b", ["-b", "+b"]),
        (Strategy.REST_FOR_ONE, "b", ["-b", "-c", "+b", "+c"]),
        (Strategy.REST_FOR_ONE, "a", ["-a", "-c", "-b", "+a", "+b", "+c"]),
        (Strategy.ONE_FOR_ALL, "b", ["-b", "-c", "-a", "+a", "+b", "+c"]),
    ],
)
async def test_each_strategy_takes_down_its_own_last_first_and_starts_in_order(
    autojump_clock: MockClock, strategy: Strategy, failing: str, expected: list[str]
) -> None:
    office = Office("a", "b", "c", strategy=strategy)
    async with office.supervisor.running():
        assert office.log == ["+a", "+b", "+c"]
        office.log.clear()
        office[failing].fail()
        await trio.sleep(30)
        assert office.log == expected
        office.log.clear()
    assert office.log == ["-c", "-b", "-a"]
    assert [report.event for report in office.reports] == [Event.CRASHED]


@pytest.mark.parametrize(
    ("restart", "fails", "lives"),
    [
        (Restart.PERMANENT, True, 2),
        (Restart.PERMANENT, False, 2),
        (Restart.TRANSIENT, True, 2),
        (Restart.TRANSIENT, False, 1),
        (Restart.TEMPORARY, True, 1),
        (Restart.TEMPORARY, False, 1),
    ],
)
async def test_what_follows_an_end_depends_on_the_kind_of_child(
    autojump_clock: MockClock,
    restart: Restart,
    fails: bool,  # noqa: FBT001 - a parameter of the test
    lives: int,
) -> None:
    office = Office("a", restart=restart)
    async with office.supervisor.running():
        if fails:
            office["a"].fail()
        else:
            office["a"].leave()
        await trio.sleep(30)
        assert office["a"].lives == lives


async def test_a_spent_budget_escalates_with_the_history(autojump_clock: MockClock) -> None:
    office = Office("a", "b", intensity=Intensity(restarts_max=2, period_s=60))
    with pytest.RaisesGroup(BudgetSpent) as raised:
        async with office.supervisor.running():
            for _ in range(3):
                office["a"].fail()
                await trio.sleep(10)
    (verdict,) = raised.value.exceptions
    assert isinstance(verdict, BudgetSpent)
    assert (verdict.supervisor, verdict.child, len(verdict.history)) == ("office", "a", 3)
    assert isinstance(verdict.__cause__, Planted)
    assert office["b"].lives == 1, "no child spends the budget of another"
    assert office.log[-1] == "-b"
    assert office.supervisor.snapshot().state is State.FAILED


async def test_each_child_has_a_budget_of_its_own(autojump_clock: MockClock) -> None:
    office = Office("a", "b", intensity=Intensity(restarts_max=2, period_s=1_000))
    async with office.supervisor.running():
        for _ in range(2):
            office["a"].fail()
            office["b"].fail()
            await trio.sleep(20)
        assert (office["a"].lives, office["b"].lives) == (3, 3)


async def test_failures_far_apart_and_quiet_times_do_not_add_up(autojump_clock: MockClock) -> None:
    office = Office("a", intensity=Intensity(restarts_max=1, period_s=10, quiet_s=50))
    async with office.supervisor.running():
        for _ in range(5):
            office["a"].fail()
            await trio.sleep(60)
        assert office["a"].lives == 6


async def test_the_wait_grows_and_starts_short_again_after_a_quiet_time(
    autojump_clock: MockClock,
) -> None:
    office = Office("a", intensity=Intensity(restarts_max=9, period_s=1_000, quiet_s=100))
    async with office.supervisor.running():
        waits = []
        for pause_s in (0, 0, 0, 200, 0):
            await trio.sleep(pause_s)
            lives, began_s = office["a"].lives, trio.current_time()
            office["a"].fail()
            while office["a"].lives == lives:  # noqa: ASYNC110 - the clock jumps
                await trio.sleep(0.1)
            waits.append(round(trio.current_time() - began_s))
    assert waits == [1, 2, 4, 1, 2]


@given(
    draws=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=12),
    jitter=st.floats(0, 1),
)
def test_jitter_only_shortens_a_wait_and_the_longest_wait_bounds_all(
    draws: list[float], jitter: float
) -> None:
    backoff = Backoff(first_s=0.5, factor=3.0, longest_s=20.0, jitter=jitter)
    budget = Budget(Intensity(restarts_max=100), backoff)
    for number, draw in enumerate(draws):
        full_s = min(0.5 * 3.0**number, 20.0)
        wait_s = budget.spend(float(number), 0.0, iter([draw]).__next__)
        assert wait_s is not None
        assert full_s * (1 - jitter) <= wait_s <= full_s


async def test_an_escalation_goes_through_two_levels(autojump_clock: MockClock) -> None:
    inner = Office("a", intensity=Intensity(restarts_max=0))
    reports = inner.reports
    outer = Supervisor("top", [inner.supervisor.as_child()], report=reports.append, chance=float)
    with pytest.RaisesGroup(BudgetSpent) as raised:
        async with outer.running():
            for _ in range(7):
                inner["a"].fail()
                await trio.sleep(3)
    (verdict,) = raised.value.exceptions
    assert isinstance(verdict, BudgetSpent)
    assert verdict.supervisor == "top"
    assert isinstance(verdict.__cause__, BudgetSpent)
    assert verdict.__cause__.supervisor == "office"
    assert inner["a"].lives > 1, "the level above tried the whole office again"


async def test_a_fatal_failure_is_retried_at_no_level(autojump_clock: MockClock) -> None:
    inner = Office("a", fatal=(Planted,))
    outer = Supervisor(
        "top", [inner.supervisor.as_child()], report=inner.reports.append, chance=float
    )
    with pytest.RaisesGroup(FatalFailure):
        async with outer.running():
            inner["a"].fail()
            await trio.sleep_forever()
    assert inner["a"].lives == 1


async def test_a_fatal_failure_inside_a_group_is_fatal(autojump_clock: MockClock) -> None:
    office = Office("a", fatal=(Planted,))
    with pytest.RaisesGroup(FatalFailure):
        async with office.supervisor.running():
            office["a"].fail(ExceptionGroup("two", [Planted("x"), ValueError("y")]))
            await trio.sleep_forever()


async def test_a_start_that_throws_is_tried_again(autojump_clock: MockClock) -> None:
    tries = 0

    async def start(life: Life) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise Planted
        life.ready()
        await life.stopping.wait()

    supervisor = Supervisor(
        "office", [ChildSpec("a", start, backoff=NO_WAIT)], report=lambda _: None, chance=float
    )
    began_s = trio.current_time()
    async with supervisor.running():
        assert tries == 3
        assert trio.current_time() - began_s == pytest.approx(3, abs=0.1)
        (node,) = supervisor.snapshot().children
        assert (node.restarts, len(node.history)) == (2, 2)


async def test_a_start_that_never_becomes_ready_has_crashed(autojump_clock: MockClock) -> None:
    async def start(_life: Life) -> None:
        await trio.sleep_forever()

    spec = ChildSpec("a", start, start_timeout_s=5, intensity=Intensity(restarts_max=0))
    supervisor = Supervisor("office", [spec], report=lambda _: None, chance=float)
    with pytest.RaisesGroup(BudgetSpent) as raised:
        async with supervisor.running():
            pytest.fail("it was never ready")
    assert isinstance(raised.value.exceptions[0].__cause__, StartTimeout)
    assert trio.current_time() >= 5


async def test_a_child_that_does_not_stop_in_time_is_cancelled(autojump_clock: MockClock) -> None:
    async def stubborn(life: Life) -> None:
        life.ready()
        await trio.sleep_forever()

    reports: list[Report] = []
    supervisor = Supervisor(
        "office",
        [ChildSpec("a", stubborn, shutdown_timeout_s=7)],
        report=reports.append,
        chance=float,
    )
    async with supervisor.running():
        began_s = trio.current_time()
    assert trio.current_time() - began_s == pytest.approx(7, abs=0.1)
    assert [report.event for report in reports] == [Event.KILLED]


async def test_a_child_that_ignores_cancellation_is_reported_until_it_goes(
    autojump_clock: MockClock,
) -> None:
    release = trio.Event()

    async def shielded(life: Life) -> None:
        life.ready()
        with trio.CancelScope(shield=True):
            await release.wait()

    office = Office(overdue_s=5.0)
    spec = ChildSpec("deaf", shielded, shutdown_timeout_s=1)
    supervisor = Supervisor("top", [spec], report=office.reports.append, chance=float, overdue_s=5)
    async with trio.open_nursery() as nursery:
        life = Life(supervisor.as_child(), trio.Event(), lambda: None)
        nursery.start_soon(supervisor.run, life)
        await trio.sleep(1)
        life.stop()
        await trio.sleep(20)
        (node,) = supervisor.snapshot().children
        assert node.state is State.OVERDUE
        overdue = [report for report in office.reports if report.event is Event.OVERDUE]
        assert len(overdue) >= 3
        release.set()
    assert supervisor.snapshot().state is State.STOPPED


async def test_ten_thousand_sessions_end_at_once_and_spend_no_budget(
    autojump_clock: MockClock,
) -> None:
    hang_up = trio.Event()
    office = Office("a", dynamic_max=10_000)

    def session(number: int) -> Callable[[Life], object]:
        async def run(life: Life) -> None:
            life.ready()
            await hang_up.wait()
            if number % 100 == 0:
                raise Planted(str(number))

        return run

    async with office.supervisor.running():
        for number in range(10_000):
            assert office.supervisor.start_child(temporary(f"s{number}", session(number)))
        assert not office.supervisor.start_child(temporary("one too many", session(1)))
        hang_up.set()
        await trio.sleep(1)
        node = office.supervisor.snapshot()
        assert node.crowd is not None
        assert (node.crowd.live, node.crowd.started, node.crowd.crashed) == (0, 10_000, 100)
        assert node.crowd.refused == 1
        assert len(node.crowd.recent) == 16
        assert office["a"].lives == 1
        assert node.state is State.RUNNING


async def test_dynamic_children_stop_first_and_all_together(autojump_clock: MockClock) -> None:
    office = Office("a")

    async def slow(life: Life) -> None:
        life.ready()
        await life.stopping.wait()
        await trio.sleep(3)
        office.log.append("-session")

    async with office.supervisor.running():
        for number in range(50):
            office.supervisor.start_child(temporary(f"s{number}", slow))
        await trio.sleep(1)
        began_s = trio.current_time()
    assert trio.current_time() - began_s == pytest.approx(3, abs=0.1)
    assert office.log == ["+a", *["-session"] * 50, "-a"]


async def test_a_fatal_failure_of_a_dynamic_child_ends_the_supervisor(
    autojump_clock: MockClock,
) -> None:
    async def bad(life: Life) -> None:
        life.ready()
        raise Planted

    office = Office("a")
    with pytest.RaisesGroup(FatalFailure):
        async with office.supervisor.running():
            office.supervisor.start_child(temporary("bad", bad, fatal=(Planted,)))
            await trio.sleep_forever()


async def test_cancelling_the_parent_leaves_no_task(autojump_clock: MockClock) -> None:
    office = Office("a", "b")
    with trio.move_on_after(5):
        async with office.supervisor.running():
            await trio.sleep_forever()
    assert office.log[:2] == ["+a", "+b"]
    assert sorted(office.log[2:]) == ["-a", "-b"]
    assert office.reports == []


async def test_an_interrupt_is_never_swallowed(autojump_clock: MockClock) -> None:
    office = Office("a", "b")
    with pytest.RaisesGroup(KeyboardInterrupt, flatten_subgroups=True):
        async with office.supervisor.running():
            office["a"].fail(KeyboardInterrupt())
            await trio.sleep_forever()
    assert office["a"].lives == 1


async def test_a_failure_while_everything_stops_is_recorded_and_not_retried(
    autojump_clock: MockClock,
) -> None:
    office = Office("a", "b")

    async def fails_at_the_end(life: Life) -> None:
        life.ready()
        await life.stopping.wait()
        raise Planted

    supervisor = Supervisor(
        "top", [ChildSpec("a", fails_at_the_end)], report=office.reports.append, chance=float
    )
    async with supervisor.running():
        pass
    (node,) = supervisor.snapshot().children
    assert [end.ending for end in node.history] == [Ending.CRASHED]
    assert node.restarts == 0


async def test_the_tree_can_be_read_at_every_stage(autojump_clock: MockClock) -> None:
    office = Office("a", "b")
    top = Supervisor(
        "top", [office.supervisor.as_child()], report=office.reports.append, chance=float
    )
    assert top.snapshot().state is State.STOPPED
    async with top.running():
        (inner,) = top.snapshot().children
        assert (inner.name, inner.kind, inner.state) == ("office", Kind.SUPERVISOR, State.RUNNING)
        office["b"].fail()
        await trio.sleep(0.5)
        (inner,) = top.snapshot().children
        assert [child.state for child in inner.children] == [State.RUNNING, State.BACKING_OFF]
        await trio.sleep(5)
        (inner,) = top.snapshot().children
        assert [child.restarts for child in inner.children] == [0, 1]
        assert inner.children[1].history[0].reason == "Planted: b"
    assert top.snapshot().state is State.STOPPED
    assert [child.state for child in office.supervisor.snapshot().children] == [State.STOPPED] * 2


async def test_calls_that_are_not_allowed_are_refused(autojump_clock: MockClock) -> None:
    office = Office("a")
    with pytest.raises(Bug, match="one name"):
        Supervisor(
            "x",
            [ChildSpec("a", office["a"].run), ChildSpec("a", office["a"].run)],
            report=lambda _: None,
            chance=float,
        )
    with pytest.raises(Bug, match="temporary"):
        office.supervisor.start_child(ChildSpec("a", office["a"].run))
    assert not office.supervisor.start_child(temporary("early", office["a"].run))
    async with office.supervisor.running():
        with pytest.raises(Bug, match="runs already"):
            await office.supervisor.run(
                Life(office.supervisor.as_child(), trio.Event(), lambda: None)
            )


def test_a_reason_is_cut_to_a_bounded_length() -> None:
    assert len(reason_of(ValueError("x" * 10_000))) == REASON_CHARS_MAX


def test_a_supervisor_as_a_child_has_no_limits_of_its_own() -> None:
    spec = Office("a").supervisor.as_child()
    assert spec.start_timeout_s == spec.shutdown_timeout_s == math.inf
