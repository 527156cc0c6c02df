"""Every way to the end: told, late, cancelled, interrupted, with questions still open."""

from __future__ import annotations

from collections import deque

import pytest
import trio
from trio.testing import MockClock

from actors.runtime import (
    BudgetSpent,
    ChildSpec,
    Ending,
    Event,
    FatalFailure,
    Intensity,
    Life,
    Mailbox,
    MailboxClosed,
    Report,
    Restart,
    State,
    Strategy,
    Supervisor,
)
from tests.actors.runtime.office import Office, Planted, temporary
from tests.actors.runtime.stage import ignore

ONCE = Intensity(restarts_max=0)


async def good(life: Life) -> None:
    """Do as told."""
    life.ready()
    await life.stopping.wait()


async def deaf(life: Life) -> None:
    """Hear neither the request nor the cancellation for twenty seconds."""
    life.ready()
    with trio.CancelScope(shield=True):
        await trio.sleep(20)


async def fails_when_told(life: Life) -> None:
    life.ready()
    await life.stopping.wait()
    raise Planted


async def never_ready(_life: Life) -> None:
    await trio.sleep_forever()


def over(*specs: ChildSpec, reports: list[Report] | None = None) -> Supervisor:
    report = ignore if reports is None else reports.append
    return Supervisor("top", specs, report=report, chance=float)


def events(reports: list[Report]) -> list[tuple[str, Event]]:
    return [(report.child, report.event) for report in reports]


@pytest.mark.parametrize(("shutdown_timeout_s", "done"), [(20, 20), (2, 16)])
async def test_every_message_of_a_full_mailbox_is_answered_when_its_actor_is_stopped(
    autojump_clock: MockClock, shutdown_timeout_s: float, done: int
) -> None:
    box: Mailbox[int, str] = Mailbox({"tap": 100})
    answers: dict[int, str] = {}

    async def clerk(life: Life) -> None:
        in_hand: deque[int] = deque()
        life.ready()
        try:
            while not life.stopping.is_set():
                in_hand.extend(await box.get_batch(10))
                while in_hand:
                    await trio.sleep(1)
                    answers[in_hand.popleft()] = "done"
        finally:
            for number in (*in_hand, *box.close()):
                answers[number] = "not any more"

    spec = ChildSpec("clerk", clerk, shutdown_timeout_s=shutdown_timeout_s, mailbox=box.trace)
    async with over(spec).running():
        assert [box.put_nowait(number, "tap") for number in range(100)] == [None] * 100
        assert box.put_nowait(100, "tap") is not None
        await trio.sleep(14.5)
    assert sorted(answers) == list(range(100)), "nobody waits for ever"
    assert list(answers.values()).count("done") == done
    with pytest.raises(MailboxClosed):
        await box.get()


async def test_a_stop_ends_a_backoff_and_a_start_without_waiting_for_them(
    autojump_clock: MockClock,
) -> None:
    office = Office("a")
    async with office.supervisor.running():
        office["a"].fail()
        await trio.sleep(0.5)
        began_s = trio.current_time()
    assert trio.current_time() == began_s
    assert office["a"].lives == 1

    supervisor = over(ChildSpec("first", never_ready, shutdown_timeout_s=2), ChildSpec("b", good))
    life = Life(supervisor.as_child(), trio.Event(), lambda: pytest.fail("it was never ready"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(supervisor.run, life)
        await trio.sleep(1)
        life.stop()
        began_s = trio.current_time()
    assert trio.current_time() - began_s == pytest.approx(2)
    assert [child.restarts for child in supervisor.snapshot().children] == [0, 0]


async def test_told_before_it_began_a_supervisor_starts_nobody_for_long(
    autojump_clock: MockClock,
) -> None:
    supervisor = over(ChildSpec("a", good))
    life = Life(supervisor.as_child(), trio.Event(), lambda: None)
    life.stop()
    with trio.fail_after(1):
        await supervisor.run(life)
    assert supervisor.snapshot().state is State.STOPPED


async def test_a_fatal_failure_at_the_very_end_is_not_lost_and_the_first_one_stands(
    autojump_clock: MockClock,
) -> None:
    specs = [ChildSpec(name, fails_when_told, fatal=(Planted,)) for name in "ab"]
    with pytest.RaisesGroup(FatalFailure) as raised:
        async with over(*specs).running():
            pass
    (verdict,) = raised.value.exceptions
    assert isinstance(verdict, FatalFailure)
    assert verdict.child == "b", "the last child is the first to be stopped"


async def test_a_fatal_failure_outweighs_a_spent_budget_that_came_first(
    autojump_clock: MockClock,
) -> None:
    async def fails(life: Life) -> None:
        life.ready()
        await trio.sleep(1)
        raise ValueError

    reports: list[Report] = []
    supervisor = over(
        ChildSpec("flush", fails_when_told, fatal=(Planted,)),
        ChildSpec("fails", fails, intensity=ONCE),
        reports=reports,
    )
    with pytest.RaisesGroup(FatalFailure):
        async with supervisor.running():
            await trio.sleep_forever()
    assert events(reports) == [
        ("fails", Event.CRASHED),
        ("fails", Event.ESCALATED),
        ("flush", Event.CRASHED),
        ("flush", Event.ESCALATED),
    ]


async def test_a_spent_budget_does_not_outweigh_what_came_first(autojump_clock: MockClock) -> None:
    async def fails(life: Life) -> None:
        life.ready()
        await trio.sleep(1)
        raise Planted

    one = ChildSpec("one", fails, fatal=(Planted,))
    two = ChildSpec("two", fails, intensity=ONCE)
    for specs in ((one, two), (two, one)):
        with pytest.RaisesGroup(FatalFailure):
            async with over(*specs).running():
                await trio.sleep_forever()


async def test_who_fails_while_others_stop_spends_no_budget(autojump_clock: MockClock) -> None:
    fail = trio.Event()

    async def first(life: Life) -> None:
        life.ready()
        await fail.wait()
        raise Planted

    async def slow(life: Life) -> None:
        life.ready()
        await life.stopping.wait()
        fail.set()
        await trio.sleep(3)

    reports: list[Report] = []
    supervisor = over(
        ChildSpec("first", first, intensity=ONCE), ChildSpec("slow", slow), reports=reports
    )
    async with supervisor.running():
        pass
    assert events(reports) == [("first", Event.CRASHED)]
    assert supervisor.snapshot().state is State.STOPPED


async def test_no_dynamic_child_is_taken_while_the_supervisor_stops(
    autojump_clock: MockClock,
) -> None:
    taken: list[bool] = []

    async def persistent(life: Life) -> None:
        life.ready()
        await life.stopping.wait()
        taken.append(supervisor.start_child(temporary("late", good)))

    supervisor = over(ChildSpec("a", persistent))
    async with supervisor.running():
        assert supervisor.start_child(temporary("in time", good))
    crowd = supervisor.snapshot().crowd
    assert taken == [False]
    assert crowd is not None
    assert (crowd.started, crowd.refused, crowd.live) == (1, 1, 0)


async def test_dynamic_children_that_do_not_stop_in_time_are_cancelled_and_counted(
    autojump_clock: MockClock,
) -> None:
    async def stubborn(life: Life) -> None:
        life.ready()
        await trio.sleep_forever()

    supervisor = over()
    async with supervisor.running():
        for number in range(100):
            supervisor.start_child(
                ChildSpec(f"s{number}", stubborn, Restart.TEMPORARY, shutdown_timeout_s=4)
            )
        await trio.sleep(1)
        began_s = trio.current_time()
    assert trio.current_time() - began_s == pytest.approx(4)
    crowd = supervisor.snapshot().crowd
    assert crowd is not None
    assert crowd.killed == 100
    assert {end.ending for end in crowd.recent} == {Ending.KILLED}


async def test_a_start_that_shields_itself_past_its_time_is_reported_and_has_crashed(
    autojump_clock: MockClock,
) -> None:
    lives = 0

    async def late(life: Life) -> None:
        nonlocal lives
        lives += 1
        if lives > 1:
            with trio.CancelScope(shield=True):
                await trio.sleep(20)
        life.ready()
        await trio.sleep(100)
        raise Planted

    reports: list[Report] = []
    once_more = Intensity(restarts_max=1)
    spec = ChildSpec("late", late, start_timeout_s=2, intensity=once_more)
    with pytest.RaisesGroup(BudgetSpent):
        async with over(spec, reports=reports).running():
            await trio.sleep_forever()
    assert events(reports) == [
        ("late", Event.CRASHED),
        *[("late", Event.OVERDUE)] * 3,
        ("late", Event.CRASHED),
        ("late", Event.ESCALATED),
    ]
    assert [report.at_s - reports[1].at_s for report in reports[1:4]] == pytest.approx([0, 5, 10])
    assert reports[1].reason == "still there 5 s after it was cancelled"
    assert reports[4].reason == "StartTimeout: not ready within 2 s"


async def test_who_failed_fatally_is_not_shown_as_if_it_came_back(
    autojump_clock: MockClock,
) -> None:
    seen: list[State] = []

    async def slow(life: Life) -> None:
        life.ready()
        await life.stopping.wait()
        await trio.sleep(1)
        seen.extend(node.state for node in supervisor.snapshot().children)

    async def fails(life: Life) -> None:
        life.ready()
        await trio.sleep(1)
        raise Planted

    supervisor = over(ChildSpec("slow", slow), ChildSpec("fails", fails, fatal=(Planted,)))
    with pytest.RaisesGroup(FatalFailure):
        async with supervisor.running():
            await trio.sleep_forever()
    assert seen == [State.STOPPING, State.FAILED]


async def test_cancelling_a_tree_reports_who_stays_in_it_until_the_last_is_gone(
    autojump_clock: MockClock,
) -> None:
    reports: list[Report] = []
    inner = Supervisor("inner", [ChildSpec("deaf", deaf)], report=reports.append, chance=float)
    outer = over(inner.as_child(), reports=reports)
    tasks = trio.lowlevel.current_statistics().tasks_living
    states: list[State] = []

    async def look() -> None:
        await trio.sleep(10)
        states.extend(node.state for node in inner.snapshot().children)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(look)
        with trio.move_on_after(1):
            async with outer.running():
                assert inner.start_child(temporary("caller", deaf))
                await trio.sleep_forever()
    assert trio.current_time() >= 20
    assert states == [State.OVERDUE] * 2
    told = {(report.supervisor, report.child) for report in reports}
    assert {("inner", "deaf"), ("inner", "caller")} <= told
    assert {report.event for report in reports} == {Event.OVERDUE}
    assert trio.lowlevel.current_statistics().tasks_living == tasks


async def test_a_cancelled_tree_leaves_no_task_and_restarts_nobody(
    autojump_clock: MockClock,
) -> None:
    inner = Office("a", "b", strategy=Strategy.ONE_FOR_ALL)
    outer = over(inner.supervisor.as_child(), ChildSpec("c", good))
    tasks = trio.lowlevel.current_statistics().tasks_living
    with trio.move_on_after(5):
        async with outer.running():
            inner.supervisor.start_child(temporary("caller", good))
            inner["a"].fail()
            await trio.sleep_forever()
    assert trio.lowlevel.current_statistics().tasks_living == tasks
    ends = [node.history[-1].ending for node in outer.snapshot().children]
    assert ends == [Ending.ABORTED] * 2


async def test_a_crash_beside_a_cancellation_is_recorded_and_the_cancellation_goes_on(
    autojump_clock: MockClock,
) -> None:
    async def torn(life: Life) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            life.ready()
            try:
                await trio.sleep_forever()
            finally:
                raise Planted

    reports: list[Report] = []
    supervisor = over(ChildSpec("torn", torn), reports=reports)
    with trio.move_on_after(1) as scope:
        async with supervisor.running():
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert events(reports) == [("torn", Event.CRASHED)]
    assert isinstance(reports[0].failure, Planted)


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
async def test_an_interrupt_beside_a_crash_goes_on_its_way(
    autojump_clock: MockClock, interrupt: type[BaseException]
) -> None:
    async def torn(life: Life) -> None:
        life.ready()
        await trio.sleep(1)
        raise BaseExceptionGroup("both", [Planted(), interrupt()])

    reports: list[Report] = []
    with pytest.RaisesGroup(interrupt, flatten_subgroups=True):
        async with over(ChildSpec("torn", torn), reports=reports).running():
            await trio.sleep_forever()
    assert events(reports) == [("torn", Event.CRASHED)]


async def test_an_interrupt_of_a_dynamic_child_ends_the_tree(autojump_clock: MockClock) -> None:
    async def interrupted(_life: Life) -> None:
        raise KeyboardInterrupt

    supervisor = over(ChildSpec("a", good))
    with pytest.RaisesGroup(KeyboardInterrupt, flatten_subgroups=True):
        async with supervisor.running():
            supervisor.start_child(temporary("x", interrupted))
            await trio.sleep_forever()
    crowd = supervisor.snapshot().crowd
    assert crowd is not None
    assert (crowd.live, crowd.crashed) == (0, 0)


async def test_a_body_that_raises_cancels_the_tree_and_its_failure_comes_out(
    autojump_clock: MockClock,
) -> None:
    office = Office("a")
    with pytest.RaisesGroup(Planted, flatten_subgroups=True):
        async with office.supervisor.running():
            raise Planted
    assert office.log == ["+a", "-a"]


async def test_a_report_that_raises_is_a_failure_of_the_supervisor(
    autojump_clock: MockClock,
) -> None:
    def broken(_report: Report) -> None:
        raise OSError

    office = Office("a")
    worker = office["a"]
    supervisor = Supervisor("top", [ChildSpec("a", worker.run)], report=broken, chance=float)
    with pytest.RaisesGroup(OSError, flatten_subgroups=True):
        async with supervisor.running():
            worker.fail()
            await trio.sleep_forever()


async def test_a_supervisor_that_ended_can_run_again_with_fresh_budgets(
    autojump_clock: MockClock,
) -> None:
    office = Office("a", intensity=Intensity(restarts_max=1, period_s=1_000))
    for _ in range(3):
        async with office.supervisor.running():
            office["a"].fail()
            await trio.sleep(5)
    (node,) = office.supervisor.snapshot().children
    assert office["a"].lives == 6
    assert (node.restarts, len(node.history)) == (5, 6), "what is known of earlier lives stays"
