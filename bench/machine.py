"""The machine that is measured on: what it is, and who runs on which core."""

from __future__ import annotations

import gc
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from ops.node_process import children

FSYNC_TRIAL_S: Final = 0.5
_PAGE: Final = bytes(4096)
_USER: Final = 11
_SYSTEM: Final = 12
"""Columns of /proc/PID/stat after the name: time in the program, and in the kernel for it."""


class Machine(Struct, frozen=True):
    """Facts without which a figure says nothing.

    Attributes:
      fsyncs_per_s: one page written and synced, one after the other, in the folder measured in.
      load_average: of the last minute before; above 0.5 others take part of the cores.
    """

    cores: int
    model: str
    python: str
    system: str
    memory_mib: int
    filesystem: str
    fsyncs_per_s: int
    load_average: float


class Pins(Struct, frozen=True):
    """Which core the measured server has to itself, and which the load generator.

    Attributes:
      server: core of the node or of PostgreSQL; None if nothing is pinned.
      generator: core of this process.
      why_not: why nothing is pinned.
    """

    server: int | None
    generator: int | None
    why_not: str = ""

    @property
    def prefix(self) -> list[str]:
        """The command that a server is run under."""
        return [] if self.server is None else ["taskset", "-c", str(self.server)]

    def __str__(self) -> str:
        if self.server is None:
            return f"nothing is pinned: {self.why_not}"
        return (
            f"the node and PostgreSQL's server are pinned to core {self.server}, "
            f"the load generators to core {self.generator}"
        )


def choose_pins() -> Pins:
    """Give the server and the generator a core each, if there are two."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) == 1:
        return Pins(None, None, "there is one core only")
    if shutil.which("taskset") is None:
        return Pins(None, None, "taskset is not installed")
    return Pins(cores[0], cores[-1])


@contextmanager
def generating(pins: Pins) -> Iterator[None]:
    """Make this process a good load generator: on its own core, and without pauses of its own."""
    before = os.sched_getaffinity(0)
    if pins.generator is not None:
        os.sched_setaffinity(0, {pins.generator})
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        os.sched_setaffinity(0, before)


def look(folder: Path) -> Machine:
    """Return the facts about this machine, and about the disk under a folder."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        model=_after_colon(Path("/proc/cpuinfo").read_text(), "model name"),
        python=platform.python_version(),
        system=f"{platform.system()} {platform.release()}",
        memory_mib=pages >> 20,
        filesystem=filesystem_of(folder, Path("/proc/mounts").read_text()),
        fsyncs_per_s=fsyncs_per_s(folder),
        load_average=round(os.getloadavg()[0], 2),
    )


def fsyncs_per_s(folder: Path, *, clock: Callable[[], float] = time.perf_counter) -> int:
    """Measure how often a page can be made durable in a second."""
    path = folder / "fsync-trial"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        began_s, count = clock(), 0
        while (took_s := clock() - began_s) < FSYNC_TRIAL_S:
            os.pwrite(descriptor, _PAGE, 0)
            os.fdatasync(descriptor)
            count += 1
        return round(count / took_s)
    finally:
        os.close(descriptor)
        path.unlink()


def cpu_s(pid: int) -> float:
    """Return the processor seconds that a process and its children have used so far.

    They tell what work costs even where others take part of the core.
    """
    # The name of the program, in brackets, may hold spaces: what follows it has none.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own_s = (int(fields[_USER]) + int(fields[_SYSTEM])) / os.sysconf("SC_CLK_TCK")
    return own_s + sum(map(cpu_s, children(pid)))


def filesystem_of(folder: Path, mounts: str) -> str:
    """Return the type of the file system that a folder is on.

    Args:
      folder: any folder.
      mounts: the system's table of mounts.
    """
    place, found, longest = folder.resolve(), "unknown", -1
    for line in mounts.splitlines():
        _, point, kind, *_ = line.split()
        if place.is_relative_to(point) and len(point) >= longest:
            found, longest = kind, len(point)
    return found


def _after_colon(text: str, name: str) -> str:
    values = [line.partition(":")[2] for line in text.splitlines() if line.startswith(name)]
    return values[0].strip() if values else "unknown"
