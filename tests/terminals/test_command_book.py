"""What a terminal remembers of commands, so that it carries out each of them once."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import TypeAlias

import msgspec
import pytest

from terminals import command_book
from terminals.command_book import CUT_OFF, FORGET_MS, CommandBook, Remembered, Stage
from terminals.errors import KeeperFailed
from terminals.keeper import Keeper, MemoryKeeper
from terminals.messages import (
    ChangeChip,
    Command,
    CommandBody,
    RestartTerminal,
    SendJournal,
    SetLane,
    SetLogLevel,
    UnknownCommand,
)
from tests.terminals.list_world import FailingKeeper

Damage: TypeAlias = Callable[[bytes], bytes]

LANE = Command("ani/close-7", SetLane("closed"), 5_000)
BODIES = [
    ChangeChip("C", "block"),
    RestartTerminal("now"),
    SetLogLevel("debug", 60),
    SetLane("open"),
    SendJournal(1, 2),
    UnknownCommand("dance"),
]


def loaded(keeper: Keeper) -> tuple[CommandBook, list[Remembered]]:
    book = CommandBook(keeper)
    return book, book.load()


def taken(book: CommandBook, command: Command, now_ms: int = 0) -> Remembered:
    found = book.take(command, now_ms)
    assert found is not None
    return found


def stage(book: CommandBook, command_id: str = LANE.id) -> tuple[Stage, str]:
    found = book.find(command_id)
    assert found is not None
    return found.stage, found.text


@pytest.mark.parametrize("body", BODIES)
def test_a_command_that_was_taken_is_begun_after_a_start(body: CommandBody) -> None:
    keeper = MemoryKeeper()
    book, _ = loaded(keeper)
    assert book.find(LANE.id) is None
    one = taken(book, LANE._replace(body=body))
    assert (one.body, one.expires_ms, one.stage) == (body, 5_000, Stage.TAKEN)
    again, to_begin = loaded(keeper)
    assert to_begin == [one] == [again.find(LANE.id)]


@pytest.mark.parametrize(
    ("body", "after"),
    [
        (ChangeChip("C", "block"), (Stage.FAILED, CUT_OFF)),
        (RestartTerminal("now"), (Stage.DONE, "")),
        (SetLogLevel("debug", 60), (Stage.FAILED, CUT_OFF)),
        (SetLane("open"), (Stage.FAILED, CUT_OFF)),
        (SendJournal(1, 2), (Stage.TAKEN, "")),
        (UnknownCommand("dance"), (Stage.FAILED, CUT_OFF)),
    ],
)
def test_what_was_cut_off_is_not_begun_again_unless_that_does_no_harm(
    body: CommandBody, after: tuple[Stage, str]
) -> None:
    keeper = MemoryKeeper()
    book, _ = loaded(keeper)
    book.begin(taken(book, LANE._replace(body=body)))
    assert stage(book) == (Stage.BEGUN, "")
    again, to_begin = loaded(keeper)
    assert stage(again) == after
    assert bool(to_begin) == (after[0] is Stage.TAKEN)


@pytest.mark.parametrize(("reason", "ended"), [("", Stage.DONE), ("jammed", Stage.FAILED)])
def test_how_a_command_ended_is_remembered(reason: str, ended: Stage) -> None:
    keeper = MemoryKeeper()
    book, _ = loaded(keeper)
    one = taken(book, LANE)
    book.begin(one)
    book.finish(one, reason)
    again, to_begin = loaded(keeper)
    assert stage(book) == stage(again) == (ended, reason)
    assert to_begin == []


def test_commands_are_begun_in_the_order_in_which_they_were_taken() -> None:
    keeper = MemoryKeeper()
    book, _ = loaded(keeper)
    ids = [f"ani/{number * 7919 % 101}" for number in range(50)]
    for command_id in ids:
        taken(book, LANE._replace(id=command_id))
    again, to_begin = loaded(keeper)
    assert [one.id for one in to_begin] == ids
    assert taken(again, LANE).number == 50


def test_each_stage_has_its_name_at_the_node() -> None:
    assert [one.reported for one in Stage] == ["delivered", "delivered", "done", "failed"]


def test_a_command_is_forgotten_some_time_after_it_expired() -> None:
    keeper = MemoryKeeper()
    book, _ = loaded(keeper)
    taken(book, LANE)
    taken(book, LANE._replace(id="ani/2"), LANE.expires_ms + FORGET_MS)
    assert book.find(LANE.id) is not None
    taken(book, LANE._replace(id="ani/3"), LANE.expires_ms + FORGET_MS + 1)
    assert book.find(LANE.id) is None
    assert len(book) == len(keeper.names()) == 1


def test_so_many_are_remembered_and_the_oldest_that_ended_makes_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(command_book, "COMMANDS_MAX", 3)
    book, _ = loaded(MemoryKeeper())
    commands = [taken(book, LANE._replace(id=f"ani/{number}")) for number in range(3)]
    assert book.take(LANE._replace(id="ani/3"), 0) is None
    book.finish(commands[2], "")
    book.finish(commands[1], "")
    taken(book, LANE._replace(id="ani/4"))
    assert book.find("ani/1") is None
    assert [book.find(f"ani/{number}") is not None for number in (0, 2, 4)] == [True] * 3


def test_what_the_disk_does_not_take_is_not_taken_and_not_begun() -> None:
    keeper = FailingKeeper(fails_at=1)
    book, _ = loaded(keeper)
    with pytest.raises(KeeperFailed):
        book.take(LANE, 0)
    assert book.find(LANE.id) is None
    keeper.fails_at = 10**9
    one = taken(book, LANE)
    keeper.fails_at = 0
    with pytest.raises(KeeperFailed):
        book.begin(one)
    assert stage(book) == (Stage.TAKEN, "")


def test_what_was_done_counts_as_done_though_the_disk_does_not_take_it_down() -> None:
    keeper = FailingKeeper()
    book, _ = loaded(keeper)
    one = taken(book, LANE)
    book.begin(one)
    keeper.fails_at = 0
    with pytest.raises(KeeperFailed):
        book.finish(one, "")
    assert stage(book) == (Stage.DONE, "")
    again, _ = loaded(FailingKeeper(keeper.records))
    assert stage(again) == (Stage.FAILED, CUT_OFF)


def test_a_record_that_cannot_be_removed_is_remembered_for_longer() -> None:
    keeper = FailingKeeper()
    book, _ = loaded(keeper)
    taken(book, LANE)
    keeper.fail_in(0, KeeperFailed)
    with pytest.raises(KeeperFailed):
        book.take(LANE._replace(id="ani/2"), 10**12)
    assert book.find(LANE.id) is None
    again, _ = loaded(FailingKeeper(keeper.records))
    assert again.find(LANE.id) is not None


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: data[:0], lambda data: b"x" + data]
)
def test_a_damaged_record_is_passed_over(damage: Damage) -> None:
    keeper = MemoryKeeper()
    book, _ = loaded(keeper)
    taken(book, LANE)
    taken(book, LANE._replace(id="ani/2"))
    name = keeper.names()[0]
    keeper.write(name, [damage(keeper.read(name))])
    again, to_begin = loaded(keeper)
    assert again.find(LANE.id) is None
    assert [one.id for one in to_begin] == ["ani/2"]


def test_a_record_of_another_program_is_passed_over() -> None:
    packed = msgspec.msgpack.encode([0, "ani/1", [5], 9, "taken", ""])
    keeper = MemoryKeeper()
    keeper.write("command-0000000000", [sha256(packed).digest(), packed])
    book, to_begin = loaded(keeper)
    assert (len(book), to_begin) == (0, [])


def test_other_records_of_the_keeper_are_left_alone() -> None:
    keeper = MemoryKeeper()
    keeper.write("deny-0000000001-active", [b"a list"])
    book, to_begin = loaded(keeper)
    assert to_begin == []
    taken(book, LANE)
    assert keeper.names() == ["command-0000000000", "deny-0000000001-active"]
