"""`virtual-card`: cards in a reader until somebody says stop."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner, Result

from ops.commands.virtual_card import virtual_card
from ops.virtual_card.image_file import ImageFile
from tests.ops.commands.live import ROOT
from tests.ops.virtual_card.cards import UID, fresh, seeded
from tests.ops.virtual_card.driver import WAIT_S, Driver, driver

PROGRAM: Final = "from ops.commands.virtual_card import virtual_card as c; c()"
SELECT: Final = "00A4040C10A00000039656434103F015400000000B00"


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", PROGRAM, *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def called(*arguments: str) -> Result:
    return CliRunner().invoke(virtual_card, arguments, catch_exceptions=False)


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def accepted(reader: Driver) -> Driver:
    reader.accept()
    assert reader.ask("04") == "3B8180018080"
    return reader


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_tells_its_cards_and_takes_them_out_when_it_is_told(
    tmp_path: Path, number: signal.Signals
) -> None:
    file = tmp_path / "siti.card"
    with (
        driver() as reader,
        started(
            *("--port", str(reader.port), "--card", str(file), "--uid", UID.hex(), "--json")
        ) as process,
    ):
        accepted(reader)
        told = {"uid": UID.hex().upper(), "port": reader.port, "file": str(file)}
        assert json.loads(said(process)) == {"cards": [told]}
        assert reader.ask("FFCA000000") == UID.hex().upper() + "9000"
        process.send_signal(number)
        assert reader.hear() is None
        assert process.wait(WAIT_S) == 0
    assert file.exists()


def test_what_was_done_to_a_card_is_in_its_file(tmp_path: Path) -> None:
    file = tmp_path / "siti.card"
    arguments = ["--card", str(file), "--tear-after", "3"]
    with driver() as reader, started(*arguments, "--port", str(reader.port)) as process:
        accepted(reader)
        assert "siti.card" in said(process)
        assert reader.ask(SELECT) == "9000"
        reader.ask("9071000002000000")
        assert reader.ask("90AF000020" + "00" * 32 + "00") == "91AE"
        assert reader.ask(SELECT) is None
        assert process.wait(WAIT_S) == 0
    card = ImageFile(file).load(chance=seeded())
    assert card is not None
    assert card.state.failures == 1


def test_several_cards_are_in_slots_that_follow_each_other() -> None:
    with ExitStack() as stack:
        readers = stack.enter_context(_neighbours())
        arguments = ["--port", str(readers[0].port), "--slots", "2", "--json"]
        process = stack.enter_context(started(*arguments))
        for reader in readers:
            accepted(reader)
        cards = json.loads(said(process))["cards"]
        assert [card["port"] for card in cards] == [reader.port for reader in readers]
        assert len({card["uid"] for card in cards}) == 2
        assert all(card["uid"].startswith("04") for card in cards)
        process.terminate()
        assert process.wait(WAIT_S) == 0


@contextmanager
def _neighbours() -> Iterator[list[Driver]]:
    for _ in range(50):
        with ExitStack() as stack:
            first = stack.enter_context(driver())
            try:
                second = stack.enter_context(driver(first.port + 1))
            except (OSError, OverflowError):
                continue
            yield [first, second]
            return
    pytest.fail("no two ports follow each other")


def test_without_a_reader_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.commands.virtual_card.CONNECT_S_MAX", 0.05)
    with driver() as reader:
        port = reader.port
    found = called("--port", str(port))
    assert found.exit_code == 1
    assert f"127.0.0.1:{port}" in found.output


def test_a_file_without_a_card_is_told(tmp_path: Path) -> None:
    file = tmp_path / "siti.card"
    file.write_bytes(b"nothing of the kind")
    found = called("--card", str(file))
    assert found.exit_code == 1
    assert "siti.card" in found.output


def test_a_card_has_one_uid(tmp_path: Path) -> None:
    file = tmp_path / "siti.card"
    file.write_bytes(fresh().image())
    found = called("--card", str(file), "--uid", "04000000000001")
    assert found.exit_code == 2
    assert UID.hex().upper() in found.output


@pytest.mark.parametrize("uid", ["04", "nothing of it"])
def test_a_uid_has_seven_bytes(uid: str) -> None:
    found = called("--uid", uid)
    assert found.exit_code == 2
    assert "7 bytes" in found.output


def test_there_are_so_many_readers(tmp_path: Path) -> None:
    files = [str(tmp_path / str(number)) for number in range(17)]
    found = called(*(word for file in files for word in ("--card", file)))
    assert found.exit_code == 2
    assert "16 readers" in found.output
    assert not list(tmp_path.iterdir())
