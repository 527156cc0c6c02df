"""What happens at once, or in the middle of something else."""

from __future__ import annotations

import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.runtime import (
    Backoff,
    ChildSpec,
    Ending,
    Intensity,
    Life,
    Restart,
    State,
    Strategy,
    Supervisor,
)
from tests.actors.runtime.office import Office, Planted, temporary
from tests.actors.runtime.stage import Actor, cast, ignore, stage


async def test_one_who_fails_while_those_behind_go_down_widens_the_circle(
    autojump_clock: MockClock,
) -> None:
    log, (a, b, c) = cast("a", "b", "c", stop_s=2)
    async with stage(Strategy.REST_FOR_ONE, a, b, c).running():
        log.clear()
        b.end(fails=True)
        await trio.sleep(1.5)
        a.end(fails=True)
        await trio.sleep(20)
        assert log == ["-b", "-a", "-c", "+a", "+b", "+c"]


async def test_all_of_a_group_may_fail_in_the_same_moment(autojump_clock: MockClock) -> None:
    for strategy in Strategy:
        log, actors = cast("a", "b", "c")
        async with stage(strategy, *actors).running():
            log.clear()
            for actor in actors:
                actor.end(fails=True)
            await trio.sleep(20)
            assert sorted(log[:3]) == ["-a", "-b", "-c"]
            # For itself each one comes back alone, in the same moment as the others.
            back = sorted(log[3:]) if strategy is Strategy.ONE_FOR_ONE else log[3:]
            assert back == ["+a", "+b", "+c"]


async def test_one_who_fails_while_the_group_comes_back_takes_it_down_again(
    autojump_clock: MockClock,
) -> None:
    log, (a, b, c) = cast("a", "b", "c", start_s=5)
    async with stage(Strategy.ONE_FOR_ALL, a, b, c).running():
        log.clear()
        c.end(fails=True)
        await trio.sleep(8)
        assert log == ["-c", "-b", "-a", "+a", "+b"]
        a.end(fails=True)
        await trio.sleep(40)
        assert log[5:] == ["-a", "-b", "+a", "+b", "+c"]


async def test_a_stop_in_the_middle_of_a_group_restart_brings_nobody_back(
    autojump_clock: MockClock,
) -> None:
    log, (a, guest) = cast("a", "guest", stop_s=4)
    supervisor = stage(Strategy.ONE_FOR_ALL, a, guest, guest=Restart.TEMPORARY)
    async with supervisor.running():
        log.clear()
        a.end(fails=True)
        await trio.sleep(1)
    assert log == ["-a", "-guest"]
    async with supervisor.running():
        assert log[2:] == ["+a", "+guest"], "the next run knows nothing of it"


async def test_who_fails_when_taken_down_with_another_spends_no_budget(
    autojump_clock: MockClock,
) -> None:
    lives = 0

    async def sore_loser(life: Life) -> None:
        nonlocal lives
        lives += 1
        life.ready()
        await life.stopping.wait()
        raise Planted

    _, (a,) = cast("a")
    loser = ChildSpec("loser", sore_loser, intensity=Intensity(restarts_max=0))
    supervisor = Supervisor(
        "stage", [a.spec(), loser], strategy=Strategy.ONE_FOR_ALL, report=ignore, chance=float
    )
    async with supervisor.running():
        for _ in range(3):
            a.end(fails=True)
            await trio.sleep(5)
    assert lives == 4
    assert supervisor.snapshot().state is State.STOPPED


async def test_one_backing_off_does_not_keep_the_others_waiting(autojump_clock: MockClock) -> None:
    long = Backoff(first_s=100.0, longest_s=100.0, jitter=0.0)
    log, (a, b) = cast("a", "b")
    slow = ChildSpec("a", a.run, backoff=long)
    supervisor = Supervisor("stage", [slow, b.spec()], report=ignore, chance=float)
    async with supervisor.running():
        log.clear()
        a.end(fails=True)
        b.end(fails=True)
        await trio.sleep(5)
        assert log[-1] == "+b"
        await trio.sleep(100)
        assert log[-1] == "+a"


async def test_a_group_comes_back_when_its_longest_backoff_is_over(
    autojump_clock: MockClock,
) -> None:
    long = Backoff(first_s=100.0, longest_s=100.0, jitter=0.0)
    log, (a, b) = cast("a", "b")
    specs = [a.spec(), ChildSpec("b", b.run, backoff=long)]
    supervisor = Supervisor(
        "stage", specs, strategy=Strategy.ONE_FOR_ALL, report=ignore, chance=float
    )
    async with supervisor.running():
        log.clear()
        b.end(fails=True)
        await trio.sleep(99)
        assert log == ["-b", "-a"]
        states = [node.state for node in supervisor.snapshot().children]
        assert states == [State.BACKING_OFF] * 2
        await trio.sleep(2)
        assert log == ["-b", "-a", "+a", "+b"]


async def test_a_group_takes_the_dynamic_children_along_and_then_takes_new_ones(
    autojump_clock: MockClock,
) -> None:
    log, (a, b) = cast("a", "b")
    _, (caller, another, next_one) = cast("caller", "another", "next")
    caller.stop_s = 2
    supervisor = stage(Strategy.REST_FOR_ONE, a, b)
    async with supervisor.running():
        assert supervisor.start_child(temporary("caller", caller.run))
        await trio.sleep(1)
        b.end(fails=True)
        await trio.sleep(1)
        assert caller.alive, "it still has time"
        assert not supervisor.start_child(temporary("another", another.run))
        await trio.sleep(5)
        assert not caller.alive
        assert log[-1] == "+b"
        assert supervisor.start_child(temporary("next", next_one.run))
        await trio.sleep(5)
        assert next_one.alive, "the next ones are not told to stop by what told the last ones"


async def test_dynamic_children_live_on_when_one_is_restarted_for_itself(
    autojump_clock: MockClock,
) -> None:
    log, (a, caller) = cast("a", "caller")
    supervisor = stage(Strategy.ONE_FOR_ONE, a)
    async with supervisor.running():
        supervisor.start_child(temporary("caller", caller.run))
        await trio.sleep(1)
        a.end(fails=True)
        await trio.sleep(10)
        assert log == ["+a", "+caller", "-a", "+a"]


async def test_a_group_brings_back_who_had_returned_but_never_a_temporary_child(
    autojump_clock: MockClock,
) -> None:
    log, actors = cast("job", "guest", "a")
    supervisor = stage(
        Strategy.ONE_FOR_ALL, *actors, job=Restart.TRANSIENT, guest=Restart.TEMPORARY
    )
    async with supervisor.running():
        actors[0].end(fails=False)
        await trio.sleep(1)
        log.clear()
        actors[2].end(fails=True)
        await trio.sleep(10)
        assert log == ["-a", "-guest", "+job", "+a"]


async def test_a_child_that_ends_before_it_is_ready_keeps_nobody_waiting_if_that_was_all(
    autojump_clock: MockClock,
) -> None:
    async def errand(_life: Life) -> None:
        await trio.sleep(1)

    _, (a,) = cast("a")
    specs = [ChildSpec("errand", errand, Restart.TRANSIENT), a.spec()]
    supervisor = Supervisor("stage", specs, report=ignore, chance=float)
    async with supervisor.running():
        errand_node, a_node = supervisor.snapshot().children
        assert (errand_node.state, a_node.state) == (State.STOPPED, State.RUNNING)
        assert errand_node.history[-1].ending is Ending.RETURNED


class Falsy(Exception):
    """A failure that is false, as an empty one of some libraries is."""

    def __len__(self) -> int:
        return 0


async def test_a_failure_is_one_whatever_its_truth_value(autojump_clock: MockClock) -> None:
    office = Office("a")

    async def fails(life: Life) -> None:
        life.ready()
        raise Falsy

    async with office.supervisor.running():
        office.supervisor.start_child(temporary("x", fails))
        await trio.sleep(1)
        crowd = office.supervisor.snapshot().crowd
        assert crowd is not None
        assert crowd.recent[0].reason == "Falsy: "


Deed = tuple[float, int, bool]
deeds = st.lists(
    st.tuples(st.sampled_from([0.0, 0.3, 1.0, 2.5]), st.integers(0, 3), st.booleans()),
    max_size=12,
)
times_s = st.sampled_from([0.0, 0.5, 3.0])


@given(
    strategy=st.sampled_from(Strategy),
    kinds=st.lists(st.sampled_from(Restart), min_size=1, max_size=4),
    start_s=times_s,
    stop_s=times_s,
    script=deeds,
)
def test_whatever_happens_and_when_the_tree_comes_to_rest_as_it_should(
    strategy: Strategy, kinds: list[Restart], start_s: float, stop_s: float, script: list[Deed]
) -> None:
    async def play() -> None:
        names = "abcd"[: len(kinds)]
        log, actors = cast(*names, start_s=start_s, stop_s=stop_s)
        supervisor = stage(strategy, *actors, **dict(zip(names, kinds, strict=True)))
        async with supervisor.running():
            for pause_s, who, fails in script:
                await trio.sleep(pause_s)
                actors[who % len(actors)].end(fails=fails)
            await trio.sleep(60)
            for actor, kind, node in zip(
                actors, kinds, supervisor.snapshot().children, strict=True
            ):
                check_rest(actor, kind, node.state, log)
                assert node.restarts == log.count(f"+{actor.name}") - 1
            running = [name for actor, name in zip(actors, names, strict=True) if actor.alive]
            log.clear()
        assert log == [f"-{name}" for name in reversed(running)]

    trio.run(play, clock=MockClock(autojump_threshold=0))


def check_rest(actor: Actor, kind: Restart, state: State, log: list[str]) -> None:
    """See that a child is there if it should be, as often as its kind allows."""
    assert actor.alive == (state is State.RUNNING)
    if kind is Restart.PERMANENT:
        assert actor.alive
    if kind is Restart.TRANSIENT and not actor.alive:
        assert state is State.STOPPED, "it returned; had it failed it would be back"
    if kind is Restart.TEMPORARY:
        assert log.count(f"+{actor.name}") == 1
