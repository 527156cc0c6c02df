"""Commands on disk: where each stands, and how many stand where."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.fleet.commands import OPEN_STATES, CommandState, SetLane, advanced
from engine.transaction import Tap, Transaction
from storage.fleet.command_store import CommandRecord, CommandStore, Place
from storage.fleet.tables import FLEET_TABLES, OPEN, ORDERS
from storage.memory_store import MemoryStore

GATES = ("G1", "G2", "G3")
ACCEPTED, DELIVERED, DONE, FAILED, EXPIRED = CommandState


def record(number: int) -> CommandRecord:
    return CommandRecord(number, f"ani/{number}", SetLane("open"), "ani", 10, 99)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(tables=FLEET_TABLES)


@pytest.fixture
def commands(store: MemoryStore) -> CommandStore:
    return CommandStore(store)


def test_a_command_is_found_by_its_id_and_by_its_number(commands: CommandStore) -> None:
    assert commands.next_number() == 0
    commands.add(record(0), GATES)
    assert commands.next_number() == 1
    assert commands.find("ani/0") == commands.at(0) == record(0)
    assert commands.find("ani/1") is None
    assert [*commands.places(0)] == [(gate, Place(ACCEPTED, 10)) for gate in GATES]
    assert [name for name, _ in commands.places(0, "G1")] == ["G2", "G3"]


def test_the_order_behind_a_command_is_written_with_it(
    commands: CommandStore, store: MemoryStore
) -> None:
    commands.add(record(0), GATES, [(ORDERS, b"k", b"v")])
    assert store.get(ORDERS, b"k") == b"v"


def test_commands_are_listed_newest_first(commands: CommandStore) -> None:
    for number in range(4):
        commands.add(record(number), GATES)
    assert [found.number for found in commands.before(None, 2)] == [3, 2]
    assert [found.number for found in commands.before(2, 5)] == [1, 0]
    assert commands.before(0, 5) == []


@settings(deadline=None)
@given(
    told=st.lists(
        st.lists(
            st.tuples(
                st.sampled_from([*GATES, "X"]),
                st.sampled_from([0, 1]),
                st.sampled_from([*CommandState]),
            ),
            max_size=4,
        ),
        max_size=6,
    )
)
def test_whatever_is_told_places_counts_and_open_commands_agree(
    told: list[list[tuple[str, int, CommandState]]],
) -> None:
    store = MemoryStore(tables=FLEET_TABLES)
    commands = CommandStore(store)
    expected = {(gate, number): ACCEPTED for number in (0, 1) for gate in GATES}
    for number in (0, 1):
        commands.add(record(number), GATES)
    for batch in told:
        # One batch tells of a place at most once, as the desk sees to.
        once = {(gate, number): state for gate, number, state in batch}
        moves = [(gate, number, Place(state, 20)) for (gate, number), state in once.items()]
        made = commands.move(moves)
        for place, state in once.items():
            if place in expected:
                expected[place] = advanced(expected[place], state)
        assert all(expected[gate, number] is place.state for gate, number, place in made)
    for number in (0, 1):
        states = [place.state for _, place in commands.places(number)]
        assert states == [expected[gate, number] for gate in GATES]
        assert commands.counts(number) == {state: Counter(states)[state] for state in CommandState}
    still_open = {(gate, number, state) for (gate, number), state in expected.items()}
    assert {*commands.open_places()} == {each for each in still_open if each[2] in OPEN_STATES}
    assert store.count(OPEN) == len([*commands.open_places()])


def test_who_was_not_told_stands_nowhere(commands: CommandStore) -> None:
    commands.add(record(0), ("G1",))
    assert commands.places_of([("G1", 0), ("G2", 0)]) == [Place(ACCEPTED, 10), None]
    assert commands.move([("G2", 0, Place(DONE, 20))]) == []


def test_a_part_of_a_journal_takes_the_place_of_the_same_part(commands: CommandStore) -> None:
    first, second = (Transaction(counter, 1, Tap("C", 0, "mrt", "in")) for counter in (1, 2))
    commands.save_journal(0, "G1", 0, [first])
    commands.save_journal(0, "G1", 0, [first, second])
    commands.save_journal(0, "G1", 1, [])
    assert commands.journal(0, "G1", 0) == (first, second)
    assert commands.journal(0, "G1", 1) == ()
    assert commands.journal(0, "G1", 2) is None
    assert commands.journal(0, "G2", 0) is None
