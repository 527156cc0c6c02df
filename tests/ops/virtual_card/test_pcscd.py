"""A PC/SC service with virtual readers of its own, as a program and for a process."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import pytest
from click.testing import CliRunner

from ops.virtual_card import pcscd
from ops.virtual_card.pcscd import ServiceFailed, VirtualReaders
from tests.readers.pcsc_stack import need_stack

WAIT_S_MAX: Final = 20.0
COMMAND: Final = [sys.executable, "-m", "ops.virtual_card.pcscd"]


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], IO[str]]]:
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        watchdog = threading.Timer(WAIT_S_MAX, process.kill)
        watchdog.start()
        try:
            yield process, process.stdout
        finally:
            watchdog.cancel()
            process.kill()


@pytest.fixture
def readers(tmp_path: Path) -> VirtualReaders:
    return VirtualReaders(2, folder=tmp_path, run=tmp_path / "run", view=("false",))


def test_the_program_says_where_its_readers_are_and_ends_when_told() -> None:
    need_stack()
    with started("--readers", "3") as (process, said):
        first, *names = [said.readline() for _ in range(4)]
        assert first.startswith("export PCSCLITE_CSOCK_NAME=")
        place = Path(first.partition("=")[2].strip())
        assert pcscd.answers(place)
        ports = [int(line.rsplit(maxsplit=1)[1]) for line in names]
        assert all(map(pcscd.listens, ports))
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S_MAX) == 0
        assert not pcscd.answers(place)
        assert not place.exists()


def test_the_program_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcscd, "missing", lambda: "pcscd is not installed")
    done = CliRunner().invoke(pcscd.serve)
    assert (done.exit_code, "pcscd is not installed" in done.stderr) == (1, True)


def test_the_program_tells_why_the_service_did_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def failing(count: int) -> Iterator[None]:
        if count:
            raise ServiceFailed("pcscd does not start")
        yield

    monkeypatch.setattr(pcscd, "missing", str)
    monkeypatch.setattr(pcscd, "own_readers", failing)
    before = signal.getsignal(signal.SIGTERM)
    done = CliRunner().invoke(pcscd.serve)
    signal.signal(signal.SIGTERM, before)
    assert (done.exit_code, "does not start" in done.stderr) == (1, True)


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcscd, "DRIVERS", Path("nowhere"))
    assert "pcscd or its virtual reader" in pcscd.missing()


def test_a_library_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / pcscd.DRIVER).touch()
    monkeypatch.setattr(pcscd, "DRIVERS", tmp_path)
    monkeypatch.setattr(shutil, "which", lambda *_, **__: "pcscd")
    monkeypatch.setitem(sys.modules, "smartcard.scard", None)
    assert "pyscard" in pcscd.missing()


def test_a_plain_user_without_a_view_cannot_have_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / pcscd.DRIVER).touch()
    monkeypatch.setattr(pcscd, "DRIVERS", tmp_path)
    monkeypatch.setattr(shutil, "which", lambda *_, **__: "pcscd")
    monkeypatch.setattr(importlib, "import_module", lambda _: None)
    monkeypatch.setattr(pcscd, "own_view", lambda: None)
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    assert "mount namespace" in pcscd.missing()
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert pcscd.missing() == ""


def test_where_no_view_is_allowed_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcscd, "OWN_VIEW", (("false",),))
    assert pcscd.own_view.__wrapped__() is None


def test_a_service_that_ends_at_once_is_told_with_its_words(
    readers: VirtualReaders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pcscd, "START_S_MAX", 0.05)
    (readers.folder / "log").write_text("no such driver")
    with pytest.raises(ServiceFailed, match="no such driver"):
        readers.restart()
    readers.stop()


def test_a_service_that_does_not_know_its_readers_is_tried_again_and_given_up(
    readers: VirtualReaders, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_stack()
    tried: list[str] = []
    monkeypatch.setattr(readers, "restart", lambda: tried.append("restart"))
    monkeypatch.setattr(readers, "halt", lambda: tried.append("halt"))
    monkeypatch.setattr(readers, "_all_there", lambda: False)
    monkeypatch.setattr(pcscd, "START_S_MAX", 0.01)
    with pytest.raises(ServiceFailed, match="does not know its readers"):
        readers.start()
    assert tried == ["restart", "halt"] * pcscd.STARTS_MAX


def test_one_that_does_not_end_by_itself_is_killed(
    readers: VirtualReaders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pcscd, "STOP_S_MAX", 0.05)
    ignoring = "import signal; signal.signal(15, signal.SIG_IGN); print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", ignoring], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        monkeypatch.setattr(readers, "_process", process)
        readers.halt()
    assert process.returncode == -signal.SIGKILL


def test_the_service_of_the_machine_is_not_disturbed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pcscd, "SERVICE_FOLDER", tmp_path)
    monkeypatch.setattr(pcscd, "own_view", lambda: None)
    with socket.socket(socket.AF_UNIX) as service:
        service.bind(str(tmp_path / pcscd.SOCKET_NAME))
        service.listen()
        with pytest.raises(ServiceFailed, match="no other one"), pcscd.own_readers(1):
            pytest.fail("it began")


def test_where_no_ports_are_free_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pcscd, "_PORT_TRIES_MAX", 0)
    with pytest.raises(ServiceFailed, match="no two free ports"):
        pcscd.free_ports()
