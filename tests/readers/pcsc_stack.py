"""The real PC/SC service with virtual readers, of which each process of tests has its own.

pcscd keeps to one folder, /run/pcscd, which cannot be told otherwise. So it runs with a view of
its own of /run (`unshare --mount`), in which that is a temporary folder, and this process is told
where its socket is. The library reads that once, when it is first used: the folder is chosen when
this module is imported, once for the whole process and the programs that it starts.

Where a view of its own is not allowed, the service of the machine takes its place, one test run at
a time. The virtual reader listens on all addresses and asks nobody who they are: it is for tests.
"""

from __future__ import annotations

import atexit
import fcntl
import importlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, NoReturn

import pytest

from terminals.errors import ReaderFailed
from tests.readers.slots import PresentedCard

if TYPE_CHECKING:
    from terminals.pcsc.connection import PcscContext

DRIVER: Final = "libifdvpcd.so"
DRIVERS: Final = Path("/usr/lib/pcsc/drivers/serial")
SERVICE_FOLDER: Final = Path("/run/pcscd")
SOCKET_NAME: Final = "pcscd.comm"
SLOTS_OF_DRIVER: Final = 2

START_S_MAX: Final = 10.0
STOP_S_MAX: Final = 3.0
POLL_S: Final = 0.002
STARTS_MAX: Final = 5
"""A port that was free a moment ago may be taken by the time the driver wants it."""

OWN_VIEW: Final = (
    ("unshare", "--mount"),
    ("unshare", "--map-root-user", "--mount"),
)
"""Ways to a view of its own: as root, and for others where that is allowed."""

_folder = Path(tempfile.mkdtemp(prefix="pcsc-"))
atexit.register(shutil.rmtree, _folder, ignore_errors=True)


def missing() -> str:
    """Return what the stack lacks on this machine; nothing if it is all there."""
    if shutil.which("pcscd", path=search_path()) is None or not (DRIVERS / DRIVER).exists():
        return "pcscd or its virtual reader is not installed: run scripts/readers.sh as root"
    try:
        importlib.import_module("smartcard.scard")
    except ImportError:
        return "pyscard is not installed: run scripts/readers.sh as root"
    if own_view() is None and os.getuid() != 0:
        return "neither a mount namespace is allowed here, nor the service of the machine"
    return ""


def search_path() -> str:
    """Return where programs are; a plain user's path lacks those of the system."""
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


@cache
def own_view() -> tuple[str, ...] | None:
    """Return how a program is started with its own view of /run; None where it cannot be."""
    if os.environ.get("READERS_SHARE_THE_SERVICE"):
        return None
    for way in OWN_VIEW:
        tried = subprocess.run(
            [*way, "mount", "--bind", _folder, "/run"],
            capture_output=True,
            check=False,
            timeout=START_S_MAX,
        )
        if tried.returncode == 0:
            return way
    return None


class PcscStack:
    """A PC/SC service with so many virtual readers, running from `start` to `stop`.

    Attributes:
      readers: their names, in the order of their slots.
    """

    def __init__(self, readers: int) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=_folder))
        self.readers: tuple[str, ...] = ()
        self._count = readers
        self._ports: tuple[int, ...] = ()
        self._process: subprocess.Popen[bytes] | None = None
        self._cards: list[PresentedCard] = []
        self._lock: IO[str] | None = None
        if own_view() is None:
            self._lock = (Path(tempfile.gettempdir()) / "pcscd-of-tests.lock").open("w")
            locked_within(self._lock, 60.0)
            if answers(SERVICE_FOLDER / SOCKET_NAME):
                self._lock.close()
                leave_out("a PC/SC service runs here, and no other one can beside it")
        else:
            os.environ["PCSCLITE_CSOCK_NAME"] = str(_folder / "run" / "pcscd" / SOCKET_NAME)

    def start(self) -> None:
        """Start the service, and wait until it knows all its readers."""
        for _ in range(STARTS_MAX):
            self._choose_ports()
            self.restart()
            if self._listed():
                return
            self.halt()
        raise AssertionError(f"pcscd does not know its readers:\n{self.log()}")

    def restart(self) -> None:
        """Start the service with the readers it had, and wait until it answers."""
        view, run = own_view(), _folder / "run"
        run.mkdir(exist_ok=True)
        path = run / "pcscd" / SOCKET_NAME if view else SERVICE_FOLDER / SOCKET_NAME
        command = ["pcscd", "--foreground", "--config", str(self.folder / "readers")]
        if view is not None:
            inside = 'mount --bind "$0" /run && exec "$@"'
            command = [*view, "sh", "-c", inside, str(run), *command]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PATH": search_path()},
            )
        wait_until(lambda: answers(path), f"pcscd does not start:\n{self.log()}")

    def halt(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the service; kill it when it does not end by itself: a card may hold its driver."""
        process, self._process = self._process, None
        assert process is not None, "the service does not run"
        process.send_signal(how)
        try:
            process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_S_MAX)

    def stop(self) -> None:
        """Take all cards out, and end the service."""
        for card in self._cards:
            card.take_out()
        if self._process is not None:
            self.halt()
        if self._lock is not None:
            self._lock.close()

    def freeze(self) -> Callable[[], None]:
        """Let the service do nothing; return what lets it go on."""
        process = self._process
        assert process is not None, "the service does not run"
        process.send_signal(signal.SIGSTOP)
        return lambda: process.send_signal(signal.SIGCONT)

    def port(self, slot: int) -> int:
        """Return where the driver of a slot waits for its card."""
        return self._ports[slot // SLOTS_OF_DRIVER] + slot % SLOTS_OF_DRIVER

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

    def establish(self) -> PcscContext:
        """Begin a conversation with the service."""
        from terminals.pcsc import connection  # noqa: PLC0415  it needs pyscard

        return connection.establish()

    def log(self) -> str:
        """Return what the service has said."""
        path = self.folder / "log"
        return path.read_text(encoding="utf-8", errors="replace")[-2_000:] if path.exists() else ""

    def _choose_ports(self) -> None:
        drivers = -(-self._count // SLOTS_OF_DRIVER)
        self._ports = tuple(free_ports() for _ in range(drivers))
        (self.folder / "readers").mkdir(exist_ok=True)
        for number, port in enumerate(self._ports):
            # The driver keeps its slots in a table of its own file: two of one file would meet.
            driver = self.folder / f"{number}-{DRIVER}"
            shutil.copy(DRIVERS / DRIVER, driver)
            (self.folder / "readers" / f"{number}").write_text(
                f'FRIENDLYNAME "Gate {number}"\nDEVICENAME /dev/null:0x{port:X}\n'
                f"LIBPATH {driver}\nCHANNELID 0x{port:X}\n",
                encoding="utf-8",
            )

    def _listed(self) -> bool:
        """Wait for all readers, and keep their names in order; tell whether they came."""
        whole = len(self._ports) * SLOTS_OF_DRIVER
        until_s = time.monotonic() + START_S_MAX / STARTS_MAX
        while time.monotonic() < until_s:
            try:
                context = self.establish()
            except ReaderFailed:
                continue
            names = sorted(name for name in context.readers() if name.startswith("Gate "))
            context.release()
            if len(names) == whole and all(map(listens, self._ports)):
                self.readers = tuple(names[: self._count])
                return True
            time.sleep(POLL_S)
        return False


def need_stack() -> None:
    """Leave the test out where there is no stack; where every check has to run, let it fail."""
    if reason := missing():
        leave_out(reason)


def leave_out(reason: str) -> NoReturn:
    """Leave a test out and say why; where every check has to run, let it fail."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def free_ports() -> int:
    """Return the first of two ports in a row that nobody listens on."""
    for _ in range(100):
        with socket.socket() as one, socket.socket() as other:
            one.bind(("", 0))
            port: int = one.getsockname()[1]
            try:
                other.bind(("", port + 1))
            except (OSError, OverflowError):
                continue
            return port
    raise AssertionError("no two free ports in a row")


def listens(port: int) -> bool:
    """Tell whether somebody listens, without connecting: that would be a card."""
    listening = "0A"
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return any(
        line.split()[1].endswith(f":{port:04X}") and line.split()[3] == listening for line in lines
    )


def answers(path: Path) -> bool:
    """Tell whether somebody listens on a socket."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True


def wait_until(true: Callable[[], bool], otherwise: str) -> None:
    """Wait for something that another process does, with a bound."""
    until_s = time.monotonic() + START_S_MAX
    while not true():
        assert time.monotonic() < until_s, otherwise
        time.sleep(POLL_S)


def locked_within(file: IO[str], seconds: float) -> None:
    """Lock a file, of which the lock ends with this process at the latest."""
    until_s = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            assert time.monotonic() < until_s, "another run of tests has the service"
            time.sleep(0.05)
        else:
            return
