"""The PC/SC service with virtual readers of its own, beside the one of the machine.

    python -m ops.virtual_card.pcscd --readers 2

starts it, and says where it is and where cards are put in (`jakarta-one virtual-card --port`).

pcscd keeps to one folder, /run/pcscd, which cannot be told otherwise. So it runs with a view of
its own of /run (`unshare --mount`), in which that is a folder of ours. Programs find it by the
variable `PCSCLITE_CSOCK_NAME`, which the library reads once, when it is first used. Where a view of
its own is not allowed it takes the place of the machine's service, which must not run then.

The driver of the virtual reader listens on all addresses, and asks nobody who they are: it is for
tests, demonstrations and measurements.

Source: pcsc-lite (pcscd, reader.conf); the driver `vpcd` of the project vsmartcard.
"""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from terminals.errors import ReaderFailed

if TYPE_CHECKING:
    from terminals.pcsc.connection import PcscContext

DRIVER: Final = "libifdvpcd.so"
DRIVERS: Final = Path("/usr/lib/pcsc/drivers/serial")
SERVICE_FOLDER: Final = Path("/run/pcscd")
SOCKET_NAME: Final = "pcscd.comm"
SOCKET_VARIABLE: Final = "PCSCLITE_CSOCK_NAME"
SLOTS_OF_DRIVER: Final = 2
READERS_MAX: Final = 16
"""That one service has."""

START_S_MAX: Final = 10.0
STOP_S_MAX: Final = 3.0
STARTS_MAX: Final = 5
"""A port that was free a moment ago may be taken by the time the driver wants it."""
_POLL_S: Final = 0.002
_LOG_TOLD_MAX: Final = 2_000
_PORT_TRIES_MAX: Final = 100
_LISTENING: Final = "0A"
"""The state of a socket in /proc/net/tcp."""

OWN_VIEW: Final = (
    ("unshare", "--mount"),
    ("unshare", "--map-root-user", "--mount"),
)
"""Ways to a view of its own: as root, and for others where that is allowed."""


class ServiceFailed(Exception):
    """The service does not start, or does not know its readers; the message has its last words."""


def missing() -> str:
    """Return what the service lacks on this machine; nothing if it is all there."""
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
    with tempfile.TemporaryDirectory(prefix="pcsc-view-") as folder:
        for way in OWN_VIEW:
            tried = subprocess.run(
                [*way, "mount", "--bind", folder, "/run"],
                capture_output=True,
                check=False,
                timeout=START_S_MAX,
            )
            if tried.returncode == 0:
                return way
    return None


class VirtualReaders:
    """A PC/SC service with so many virtual readers, running from `start` to `stop`.

    Args:
      count: of readers.
      folder: its own, for what it is told and what it says.
      run: what it takes for /run; services one after the other may share it.
      view: how it gets that view; None: it takes the place of the machine's service.
      prefix: a command to run it under (`taskset -c 0`).

    Attributes:
      readers: their names, in the order of their slots.
      folder: as given.
    """

    def __init__(
        self,
        count: int,
        *,
        folder: Path,
        run: Path,
        view: Sequence[str] | None,
        prefix: Sequence[str] = (),
    ) -> None:
        assert 0 <= count <= READERS_MAX, count
        self.readers: tuple[str, ...] = ()
        self.folder = folder
        self._count = count
        self._run = run
        self._view = view
        self._prefix = prefix
        self._ports: tuple[int, ...] = ()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        """Where programs find it: the value of `PCSCLITE_CSOCK_NAME`, where it has its own view."""
        folder = SERVICE_FOLDER if self._view is None else self._run / SERVICE_FOLDER.name
        return folder / SOCKET_NAME

    @property
    def running(self) -> subprocess.Popen[bytes]:
        """The process of the service, which must have been started."""
        assert self._process is not None, "the service does not run"
        return self._process

    def start(self) -> None:
        """Start the service, and wait until it knows all its readers.

        The variable has to be set before the library of PC/SC is first used in this process.

        Raises:
          ServiceFailed: it does not start, or does not know them.
        """
        for _ in range(STARTS_MAX):
            self._choose_ports()
            self.restart()
            if self._listed():
                return
            self.halt()
        raise ServiceFailed(f"pcscd does not know its readers:\n{self.log()}")

    def restart(self) -> None:
        """Start the service with the readers it had, and wait until it answers.

        Raises:
          ServiceFailed: it does not start.
        """
        self._run.mkdir(exist_ok=True, parents=True)
        command = ["pcscd", "--foreground", "--config", str(self.folder / "readers")]
        if self._view is not None:
            inside = 'mount --bind "$0" /run && exec "$@"'
            command = [*self._view, "sh", "-c", inside, str(self._run), *command]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._prefix, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PATH": search_path()},
            )
        if not came_true(lambda: answers(self.socket), START_S_MAX):
            self.halt()
            raise ServiceFailed(f"pcscd does not start:\n{self.log()}")

    def halt(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the service; kill it when it does not end by itself: a card may hold its driver."""
        process, self._process = self.running, None
        process.send_signal(how)
        try:
            process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_S_MAX)

    def stop(self) -> None:
        """End the service, if it runs."""
        if self._process is not None:
            self.halt()

    def port(self, slot: int) -> int:
        """Return where the driver of a slot waits for its card."""
        return self._ports[slot // SLOTS_OF_DRIVER] + slot % SLOTS_OF_DRIVER

    def establish(self) -> PcscContext:
        """Begin a conversation with the service.

        Raises:
          ReaderFailed: it does not run.
        """
        from terminals.pcsc import connection  # noqa: PLC0415  it needs pyscard

        return connection.establish()

    def log(self) -> str:
        """Return what the service has said last."""
        path = self.folder / "log"
        said = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        return said[-_LOG_TOLD_MAX:]

    def _choose_ports(self) -> None:
        drivers = -(-self._count // SLOTS_OF_DRIVER)
        self._ports = tuple(free_ports() for _ in range(drivers))
        (self.folder / "readers").mkdir(exist_ok=True, parents=True)
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
        return came_true(self._all_there, START_S_MAX / STARTS_MAX)

    def _all_there(self) -> bool:
        try:
            context = self.establish()
        except ReaderFailed:
            return False
        names = sorted(name for name in context.readers() if name.startswith("Gate "))
        context.release()
        if len(names) < len(self._ports) * SLOTS_OF_DRIVER or not all(map(listens, self._ports)):
            return False
        self.readers = tuple(names[: self._count])
        return True


@contextmanager
def own_readers(count: int, prefix: Sequence[str] = ()) -> Iterator[VirtualReaders]:
    """Run a service while the body runs, for this process and the programs that it starts.

    The library of PC/SC must not have been used in this process before.

    Raises:
      ServiceFailed: it does not start, or another one is in its place.
    """
    with tempfile.TemporaryDirectory(prefix="pcsc-") as place:
        readers = VirtualReaders(
            count,
            folder=Path(place),
            run=Path(place) / "run",
            view=own_view(),
            prefix=prefix,
        )
        if readers.socket.parent != SERVICE_FOLDER:
            os.environ[SOCKET_VARIABLE] = str(readers.socket)
        elif answers(readers.socket):
            raise ServiceFailed("a PC/SC service runs here, and no other one can beside it")
        try:
            readers.start()
            yield readers
        finally:
            readers.stop()


def free_ports() -> int:
    """Return the first of two ports in a row that nobody listens on.

    Raises:
      ServiceFailed: there are none.
    """
    for _ in range(_PORT_TRIES_MAX):
        with socket.socket() as one, socket.socket() as other:
            one.bind(("", 0))
            port: int = one.getsockname()[1]
            try:
                other.bind(("", port + 1))
            except (OSError, OverflowError):
                continue
            return port
    raise ServiceFailed("no two free ports in a row")


def listens(port: int) -> bool:
    """Tell whether somebody listens, without connecting: that would be a card."""
    lines = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    return any(
        line.split()[1].endswith(f":{port:04X}") and line.split()[3] == _LISTENING for line in lines
    )


def answers(path: Path) -> bool:
    """Tell whether somebody listens on a socket."""
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
        except OSError:
            return False
    return True


def came_true(is_so: Callable[[], bool], seconds: float) -> bool:
    """Wait for something that another process does, so long at most; tell whether it came."""
    until_s = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() >= until_s:
            return False
        time.sleep(_POLL_S)
    return True


@click.command()
@click.option(
    "--readers", type=click.IntRange(1, READERS_MAX), default=2, show_default=True, help="How many."
)
def serve(readers: int) -> None:
    """Run a PC/SC service with virtual readers until Ctrl-C or SIGTERM.

    \b
    Example:
      python -m ops.virtual_card.pcscd --readers 2
    """
    if lacking := missing():
        raise click.ClickException(lacking)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with own_readers(readers) as service:
            click.echo(f"export {SOCKET_VARIABLE}={service.socket}")
            for slot, name in enumerate(service.readers):
                click.echo(f"# {name}: a card is put in at port {service.port(slot)}")
            service.running.wait()
            raise click.ClickException(f"pcscd has ended:\n{service.log()}")
    except ServiceFailed as failed:
        raise click.ClickException(str(failed)) from failed
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    serve()
