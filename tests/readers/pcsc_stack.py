"""The real PC/SC service with virtual readers, of which each process of tests has its own.

The service is that of ops.virtual_card.pcscd. The library of PC/SC reads once where its socket is,
when it is first used: the folder is chosen when this module is imported, once for the whole process
and the programs that it starts.

Where a view of its own is not allowed, the service of the machine takes its place, one test run at
a time.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final, NoReturn

import pytest

from ops.virtual_card.pcscd import (
    SERVICE_FOLDER,
    SOCKET_NAME,
    SOCKET_VARIABLE,
    START_S_MAX,
    VirtualReaders,
    answers,
    came_true,
    missing,
    own_view,
)
from tests.readers.slots import PresentedCard

LOCK_S_MAX: Final = 200.0
"""For the longest test of another worker that has the service, on a busy machine."""

_folder = Path(tempfile.mkdtemp(prefix="pcsc-"))
atexit.register(shutil.rmtree, _folder, ignore_errors=True)


class PcscStack(VirtualReaders):
    """A PC/SC service with so many virtual readers, running from `start` to `stop`."""

    def __init__(self, readers: int) -> None:
        view = None if os.environ.get("READERS_SHARE_THE_SERVICE") else own_view()
        folder = Path(tempfile.mkdtemp(dir=_folder))
        super().__init__(readers, folder=folder, run=_folder / "run", view=view)
        self._cards: list[PresentedCard] = []
        self._lock: IO[str] | None = None
        if view is None:
            self._lock = (Path(tempfile.gettempdir()) / "pcscd-of-tests.lock").open("w")
            locked_within(self._lock, LOCK_S_MAX)
            if answers(SERVICE_FOLDER / SOCKET_NAME):
                self._lock.close()
                leave_out("a PC/SC service runs here, and no other one can beside it")
        else:
            os.environ[SOCKET_VARIABLE] = str(self.socket)

    def stop(self) -> None:
        """Take all cards out, and end the service."""
        for card in self._cards:
            card.take_out()
        super().stop()
        if self._lock is not None:
            self._lock.close()

    def freeze(self) -> Callable[[], None]:
        """Let the service do nothing; return what lets it go on."""
        process = self.running
        process.send_signal(signal.SIGSTOP)
        return lambda: process.send_signal(signal.SIGCONT)

    def insert(
        self,
        slot: int,
        answer: Callable[[bytes], bytes | None],
        atr: bytes | None = PresentedCard.ATR,
    ) -> PresentedCard:
        """Put a card into a slot; it is taken out at the end, if not before."""
        card = PresentedCard(self.port(slot), answer, atr)
        self._cards.append(card)
        return card


def need_stack() -> None:
    """Leave the test out where there is no stack; where every check has to run, let it fail."""
    if reason := missing():
        leave_out(reason)


def leave_out(reason: str) -> NoReturn:
    """Leave a test out and say why; where every check has to run, let it fail."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def wait_until(true: Callable[[], bool], otherwise: str) -> None:
    """Wait for something that another process does, with a bound."""
    assert came_true(true, START_S_MAX), otherwise


def locked_within(file: IO[str], seconds: float) -> None:
    """Lock a file, of which the lock ends with this process at the latest."""
    until_s = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            assert time.monotonic() < until_s, "another run of tests has the service"
            # Often, or a worker that wants it again at once always comes first.
            time.sleep(0.002)
        else:
            return
