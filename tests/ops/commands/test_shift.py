"""`shift`: shifts of a terminal, closed while it runs, as it ends, and while it does not run."""

from __future__ import annotations

import fcntl
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import click
import pytest
import trio
from rich.console import Console

from actors.listener import open_listening_socket
from ops.commands.shift import close_at
from ops.commands.terminal import run_terminal
from ops.terminal.build import Parts
from ops.terminal.certificates import in_json, shown_on
from ops.terminal.folder import opened_journal, shifts_in
from storage.errors import StorageFull, StorageLocked
from storage.memory_store import MemoryStore
from terminals.acceptance.journal import TapJournal
from terminals.acceptance.terminal import Terminal
from terminals.client import TerminalClient
from terminals.errors import NodeRefused
from tests.e2e.city import City, until
from tests.ops.commands.fleet_place import FleetPlace
from tests.terminals.acceptance.test_journal import attempt, done
from tests.terminals.acceptance.test_lane import Street

GATE = "GATE-02"


def closed(place: FleetPlace, folder: Path, *, status: int = 0) -> dict[str, Any]:
    told: dict[str, Any] = place.told("shift", "close", "--data", folder, who=GATE, status=status)
    return told


# --- a terminal that does not run -----------------------------------------------------------------


def test_a_shift_is_closed_with_all_that_the_node_had_not_heard_of(
    place: FleetPlace, tmp_path: Path
) -> None:
    with opened_journal(tmp_path) as journal:
        journal.follow(100, 1)
        for _ in range(3):
            done(journal)
    told = closed(place, tmp_path)
    assert told["earlier"] == []
    assert (told["shift"]["terminal"], told["shift"]["number"]) == (GATE, 1)
    assert (told["shift"]["complete"], told["shift"]["count"]) == (True, 3)
    assert told["shift"]["node_taken_rp"] == 3 * 3_500
    (listed, first) = place.told("shift", "--data", tmp_path)["shifts"]
    assert (listed["number"], listed["state"], listed["closed_ms"]) == (2, "open", None)
    assert (first["number"], first["state"], first["count"]) == (1, "complete", 3)
    assert first["certified_ms"] >= first["closed_ms"]


def test_what_the_node_never_got_is_shown_and_fails(place: FleetPlace, tmp_path: Path) -> None:
    with opened_journal(tmp_path) as journal:
        journal.follow(200, 1)
        for _ in range(2):
            done(journal)
        journal.settle({201: "posted"}, 5)
        journal.begin(attempt(journal.next_sequence()))
        journal.close_shift(6)
    shown = place.call("shift", "close", "--data", tmp_path, who=GATE)
    assert shown.exit_code == 1, "one before it is not complete"
    assert "X TIDAK LENGKAP / NOT COMPLETE: shift 1, GATE-02" in shown.stdout
    assert "Missing at the node: 1\n    201\n" in shown.stdout
    assert "...0017  -Rp3.500" in shown.stdout
    assert "V LENGKAP / COMPLETE: shift 2, GATE-02" in shown.stdout
    told = place.told("shift", "list", "--data", tmp_path)["shifts"]
    assert [each["state"] for each in told] == ["open", "complete", "incomplete"]


def test_without_the_node_nothing_is_closed(place: FleetPlace, tmp_path: Path) -> None:
    with opened_journal(tmp_path) as journal:
        done(journal)
    words = ("shift", "close", "--data", tmp_path, "--url", "ws://127.0.0.1:9")
    done_ = place.call(*words, who=GATE)
    assert done_.exit_code == 1
    assert "cannot be reached" in done_.stderr
    assert [each.state for each in shifts_in(tmp_path)] == ["open"]


def test_a_terminal_that_runs_keeps_its_folder(place: FleetPlace, tmp_path: Path) -> None:
    with opened_journal(tmp_path), pytest.raises(StorageLocked), opened_journal(tmp_path):
        pass
    with (tmp_path / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = place.call("shift", "close", "--data", tmp_path, who=GATE)
        assert refused.exit_code == 1
        assert ": one program at a time" in refused.stderr
        assert len(place.told("shift", "--data", tmp_path)["shifts"]) == 1


def test_a_folder_that_cannot_be_held_is_told_so(place: FleetPlace, tmp_path: Path) -> None:
    with opened_journal(tmp_path):
        pass
    (tmp_path / "lock").unlink()
    (tmp_path / "lock").mkdir()
    refused = place.call("shift", "close", "--data", tmp_path, who=GATE)
    assert refused.exit_code == 1
    assert "cannot be held" in refused.stderr


@pytest.mark.parametrize("words", [["list"], ["close"]])
def test_a_folder_without_a_terminal_is_told_so(
    place: FleetPlace, tmp_path: Path, words: list[str]
) -> None:
    refused = place.call("shift", *words, "--data", tmp_path / "none", who=GATE)
    assert refused.exit_code == 1
    assert "there is no store" in refused.stderr
    assert not (tmp_path / "none").exists()


def test_many_shifts_are_cut_and_it_says_so(place: FleetPlace, tmp_path: Path) -> None:
    with opened_journal(tmp_path) as journal:
        for number in range(1, 4):
            done(journal)
            journal.close_shift(number)
        journal.settle({1: "posted", 2: "posted", 3: "posted"}, 9)
        journal.certify(1, 9, complete=False)
        journal.certify(2, 9, complete=True)
    told = place.told("shift", "--data", tmp_path, "--limit", "2")
    assert [each["number"] for each in told["shifts"]] == [4, 3]
    assert told["left_out"] == 2
    shown = place.call("shift", "--data", tmp_path, "--limit", "3").stdout
    assert "1 shift more with --all" in shown
    assert "2-2" in shown
    assert "Rp3.500" in shown
    everything = place.call("shift", "--data", tmp_path, "--all").stdout
    assert "not complete" in everything
    assert "more with" not in everything


class _Refusing:
    """A node of a few lines that answers about no shift."""

    clock = Street("ws://nowhere").world.clock
    last_counter = 0

    async def wait_ready(self) -> None:
        await trio.lowlevel.checkpoint()

    async def query(self, _question: object) -> object:
        raise NodeRefused("not_allowed", "", "not yours")


class _Silent(_Refusing):
    async def query(self, _question: object) -> object:
        await trio.sleep_forever()


@pytest.mark.parametrize(("node", "said"), [(_Refusing(), "not yours"), (_Silent(), "no answer")])
async def test_a_node_that_does_not_answer_leaves_the_shift_closed(
    node: _Refusing, said: str, autojump_clock: trio.testing.MockClock
) -> None:
    street = Street("ws://nowhere")
    journal = street.world.journal
    done(journal)
    journal.settle({1: "posted"}, 5)
    with pytest.raises(click.ClickException) as raised:
        await close_at(cast("TerminalClient", node), GATE, journal)
    assert "shift 1 is closed; its certificate follows" in str(raised.value)
    assert said in str(raised.value)
    assert journal.waiting_shifts == 1


# --- a terminal that runs -------------------------------------------------------------------------


class _Readers:
    """Stands where the readers of a terminal are: no card comes."""

    def __init__(self, street: Street) -> None:
        self._street = street

    async def run(self) -> None:
        await self._street.uplink.run()


@pytest.fixture
def city() -> Iterator[City]:
    with open_listening_socket("127.0.0.1", 0) as listening:
        yield City(listening)


@asynccontextmanager
async def running(street: Street, *, close_shift: bool = False) -> AsyncIterator[trio.Event]:
    """Run the program of a terminal, and yield what happens when it has ended by itself."""
    parts = Parts(
        cast("Terminal", _Readers(street)),
        street.lane,
        street.world.journal,
        street.sender,
        street.certifier,
    )
    ended = trio.Event()

    async def run() -> None:
        await run_terminal(parts, None, close_shift=close_shift)
        ended.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await trio.testing.wait_all_tasks_blocked()
        yield ended
        nursery.cancel_scope.cancel()


@pytest.fixture
def hangups_felt() -> Iterator[None]:
    """Feel hangups, also where whoever started the tests has them ignored (nohup)."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def raise_here(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.usefixtures("hangups_felt")
async def test_sighup_closes_the_shift_and_the_terminal_goes_on(
    city: City, capsys: pytest.CaptureFixture[str]
) -> None:
    street = Street(city.url)
    done(street.world.journal)
    async with city.running(), running(street) as ended:
        await until(lambda: street.sender.online)
        for number in (1, 2):
            raise_here(signal.SIGHUP)
            await until(lambda: len(street.certificates) == number)  # noqa: B023 - awaited here
        assert not ended.is_set()
    assert [told.complete for told in street.certificates] == [True, True]
    assert "terminal: shift 1 is closed: 1 transaction\n" in capsys.readouterr().err


async def test_who_ignores_hangups_keeps_the_shift_open(city: City) -> None:
    street = Street(city.url)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        async with city.running(), running(street):
            raise_here(signal.SIGHUP)
            await trio.testing.wait_all_tasks_blocked(0.01)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert len(shifts_of(street)) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_terminal_closes_its_shift_as_it_ends(
    city: City, number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    street = Street(city.url)
    async with city.running(), running(street, close_shift=True) as ended:
        await until(lambda: street.sender.online)
        done(street.world.journal)
        raise_here(number)
        with trio.fail_after(20):
            street.sender.wake()
            await ended.wait()
    (told,) = street.certificates
    assert (told.complete, told.count) == (True, 1)
    assert "follows" not in capsys.readouterr().err


async def test_without_its_node_the_certificate_follows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    street = Street("ws://127.0.0.1:9")
    async with running(street, close_shift=True) as ended:
        raise_here(signal.SIGTERM)
        with trio.fail_after(20):
            await ended.wait()
    assert street.certificates == []
    assert street.world.journal.waiting_shifts == 1
    assert "the certificate follows when the terminal is at its node" in capsys.readouterr().err


async def test_a_terminal_that_is_not_told_to_keeps_its_shift(city: City) -> None:
    street = Street(city.url)
    async with city.running(), running(street) as ended:
        raise_here(signal.SIGTERM)
        with trio.fail_after(20):
            await ended.wait()
    assert len(shifts_of(street)) == 1


@pytest.mark.usefixtures("hangups_felt")
async def test_on_a_full_disk_the_shift_stays_open_and_the_terminal_goes_on(
    city: City, capsys: pytest.CaptureFixture[str]
) -> None:
    street = Street(city.url)
    store = street.world.store
    assert isinstance(store, MemoryStore)
    async with city.running(), running(street) as ended:
        await until(lambda: street.sender.online)
        store.fail_next(StorageFull("no room"))
        raise_here(signal.SIGHUP)
        said: list[str] = []

        def is_told() -> bool:
            said.append(capsys.readouterr().err)
            return "terminal: the shift is not closed: no room" in "".join(said)

        await until(is_told)
        assert not ended.is_set()
    assert len(shifts_of(street)) == 1


async def test_certificates_are_printed_for_people_and_for_programs() -> None:
    street = Street("ws://nowhere")
    await street.certifier.close()
    await street.certifier.certify(cast("TerminalClient", None))
    lines: list[str] = []
    console = Console(record=True, width=100)
    for printed in (in_json(lines.append), shown_on(console)):
        printed(street.certificates[0])
    (told,) = [json.loads(line) for line in lines]
    assert list(told) == ["shift"]
    assert (told["shift"]["number"], told["shift"]["complete"]) == (1, True)
    assert console.export_text().startswith("V LENGKAP / COMPLETE: shift 1, GATE-01\n")


def shifts_of(street: Street) -> list[int]:
    journal: TapJournal = street.world.journal
    return [number for number in range(1, 9) if journal.shift(number) is not None]
