"""`terminal`: what is missing is named, and it takes cards until it is told to end."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ops.chip_key_stores import file_store
from ops.chip_keys import VARIABLE_OF_FILE
from ops.commands.terminal import terminal
from ops.terminal.folder import opened_journal
from ops.virtual_card.card import VirtualCard
from protocol.chip.keys import Role
from terminals.keys import new_key, save_key
from tests.terminals.acceptance.lab import VERSION, drawing, made_card
from tests.terminals.acceptance.test_lane import value_of
from tests.terminals.acceptance.test_terminal import answering
from tests.terminals.pcsc.fake_service import FakeService

PASSPHRASE = "four words of a test"
WAIT_S_MAX = 20.0
GATE = ["--kind", "gate", "--operator", "transjakarta", "--service", "transjakarta_brt"]
SHOP = ["--kind", "shop", "--merchant", "pasar-jaya", "--place", "Pasar"]


class Machine:
    """A machine with a reader, on which the program runs in this process."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.service = FakeService("Gate 00", "Desk 01")
        monkeypatch.setattr("ops.terminal.build.establish", self.service.establish)
        monkeypatch.setenv(VARIABLE_OF_FILE, PASSPHRASE)
        masters = {(role, VERSION): bytes([number]) * 16 for number, role in enumerate(Role)}
        file_store.create(folder / "chip.keys", PASSPHRASE, masters, chance=drawing())
        save_key(folder / "own.key", new_key())

    def call(self, *arguments: str, keys: str = "chip.keys", text: str = "") -> Result:
        options = ["--data", str(self.folder / "data"), "--chip-keys", str(self.folder / keys)]
        options += ["--url", "ws://127.0.0.1:9", "--name", "GATE-01"]
        options += ["--key", str(self.folder / "own.key")]
        return CliRunner().invoke(terminal, [*options, *arguments], input=text)

    @contextmanager
    def meanwhile(self, does: Callable[[], None]) -> Iterator[None]:
        """Do something while the program runs, and tell it to end."""

        def work() -> None:
            try:
                self.until(lambda: self.service.open_contexts > 0)
                does()
            finally:
                os.kill(os.getpid(), signal.SIGTERM)

        thread = threading.Thread(target=work)
        thread.start()
        yield
        thread.join()

    def until(self, true: Callable[[], bool]) -> None:
        until_s = time.monotonic() + WAIT_S_MAX
        while not true():
            assert time.monotonic() < until_s
            time.sleep(0.005)

    def present(self, card: VirtualCard, reader: str = "Gate 00") -> None:
        """Present a card until somebody has spoken with it."""
        before = len(self.service.left)
        while len(self.service.left) == before:
            card.power_on()
            self.service.insert(reader, answering(card))
            until_s = time.monotonic() + 0.1
            while len(self.service.left) == before and time.monotonic() < until_s:
                time.sleep(0.005)
            self.service.remove(reader)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def visits(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


# --- what is missing or wrong ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--kind", "gate", "--service", "mrt"], "a gate needs --operator"),
        (["--kind", "bus", "--operator", "transjakarta"], "a bus needs --service"),
        (["--kind", "shop"], "a shop needs --merchant"),
        (["--kind", "kiosk"], "a kiosk needs --bank"),
        (["--kind", "booth"], "--kind"),
        ([*GATE, "--side", "up"], "--side"),
        ([*GATE, "--needs", "hopes"], "--needs"),
        ([*SHOP, "--amount", "0"], "--amount"),
        ([*SHOP, "--amount", "10000001"], "--amount"),
    ],
)
def test_what_is_missing_or_wrong_is_named(
    machine: Machine, arguments: list[str], what: str
) -> None:
    result = machine.call(*arguments)
    assert result.exit_code == 2
    assert what in result.output
    assert not (machine.folder / "data").exists()


@pytest.mark.parametrize(("option", "value"), [("--place", "x" * 65), ("--operator", "a b")])
def test_what_no_node_takes_is_refused_at_the_start(
    machine: Machine, option: str, value: str
) -> None:
    result = machine.call(*GATE, option, value)
    assert result.exit_code == 2
    assert option in result.output


def test_a_terminal_needs_keys_of_chips(machine: Machine) -> None:
    key = str(machine.folder / "own.key")
    needed = ["--data", str(machine.folder), "--name", "G", "--key", key]
    result = CliRunner().invoke(terminal, [*needed, "--url", "ws://127.0.0.1:9", *GATE])
    assert result.exit_code == 2
    assert "--chip-keys or --chip-token" in result.output


def test_keys_that_are_not_there_or_no_keys_are_told(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (machine.folder / "text").write_text("no keys")
    for keys in ("nowhere", "text"):
        result = machine.call(*GATE, keys=keys)
        assert result.exit_code == 1
        assert keys in result.output
    monkeypatch.setenv(VARIABLE_OF_FILE, "another passphrase")
    result = machine.call(*GATE)
    assert result.exit_code == 1
    assert "another passphrase" not in result.output


def test_a_journal_that_cannot_be_opened_is_told(machine: Machine) -> None:
    (machine.folder / "data" / "journal").mkdir(parents=True)
    (machine.folder / "data" / "journal" / "data.mdb").write_bytes(b"damaged" * 1_000)
    result = machine.call(*GATE)
    assert result.exit_code == 1
    assert "take the folder to the bureau" in " ".join(result.output.split())


def test_one_program_at_a_time_works_in_a_folder(machine: Machine) -> None:
    with opened_journal(machine.folder / "data"):
        result = machine.call(*GATE)
    assert result.exit_code == 1
    assert "in use" in result.output


# --- cards ----------------------------------------------------------------------------------------


def test_cards_are_taken_without_a_node_until_it_is_told_to_end(machine: Machine) -> None:
    card = made_card()
    with machine.meanwhile(lambda: machine.present(card)):
        result = machine.call("--json", "--trace", *GATE, "--place", "Blok M")
    (visit,) = visits(result)
    assert (visit["result"], visit["use"], visit["counter"]) == ("taken", "tap_in", 1)
    assert "trace: CommitTransaction" in result.stderr
    assert card.uid.hex() not in result.output.lower()
    with opened_journal(machine.folder / "data") as journal:
        assert journal.backlog == 1


def test_only_readers_that_were_chosen_are_listened_to(machine: Machine) -> None:
    card, other = made_card(), made_card(uid=bytes.fromhex("04AABBCCDDEE80"))

    def present() -> None:
        other.power_on()
        machine.service.insert("Desk 01", answering(other))
        machine.present(card)

    with machine.meanwhile(present):
        result = machine.call("--json", *GATE, "--reader", "Gate", "--place", "Blok M")
    assert [visit["reader"] for visit in visits(result)] == ["Gate 00"]


def test_a_shop_takes_what_is_keyed_in(machine: Machine) -> None:
    card = made_card()
    with machine.meanwhile(lambda: machine.present(card)):
        result = machine.call("--json", *SHOP, text="much\n12.500\n")
    assert "an amount in rupiah, as 25000" in result.stderr
    (visit,) = visits(result)
    assert (visit["change_rp"], visit["value_rp"]) == (-12_500, 37_500)
    assert value_of(card) == 37_500


def test_a_person_sees_lines_on_a_console(machine: Machine) -> None:
    card = made_card()
    with machine.meanwhile(lambda: machine.present(card)):
        result = machine.call(*SHOP, "--amount", "1000")
    assert result.exit_code == 0
    assert "[Gate 00]" in result.output
    assert "V Pembayaran berhasil / Paid" in result.output
    assert "9360020000000017" not in result.output


def test_without_a_service_it_waits_for_one_and_says_so(machine: Machine) -> None:
    def begin() -> None:
        machine.service.stop()
        time.sleep(0.05)
        machine.service.start()
        machine.present(made_card())

    with machine.meanwhile(begin):
        result = machine.call("--json", *GATE, "--place", "Blok M")
    assert "no card readers" in result.stderr
    assert "card readers are back" in result.stderr
    assert visits(result)[-1]["result"] == "taken"
