"""What a writer did to its file, call by call, as strace saw it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

ROOT: Final = Path(__file__).parents[2]
TIMEOUT_S: Final = 120


@dataclass(frozen=True)
class Write:
    """Bytes at an offset; `flushed` when the call returned only after they were on the disk."""

    offset: int
    data: bytes
    flushed: bool = False


@dataclass(frozen=True)
class Resize:
    """The file has this length, by calls that write no bytes."""

    size: int


@dataclass(frozen=True)
class Flush:
    """All that was written before is on the disk."""


@dataclass(frozen=True)
class NameFlush:
    """The names in a folder are on the disk."""

    folder: Path


@dataclass(frozen=True)
class Acknowledge:
    """The writer said that everything before a position is durable."""

    position: int


Event: TypeAlias = Write | Resize | Flush | NameFlush | Acknowledge

CALLS: Final = (
    *("openat", "close", "lseek", "write", "writev", "pwrite64", "pwritev", "pwritev2"),
    *("fsync", "fdatasync", "sync_file_range", "msync", "ftruncate", "fallocate"),
)

CALL: Final = re.compile(r"^(\w+)\((.*)\)\s+= (-?\d+)")
TEXT: Final = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


def record(folder: Path, *, seed: int, blocks: int, flush: str) -> list[Event]:
    """Run the writer in a new folder and return what it did.

    Args:
      folder: for its store.
      seed: of the sizes of its blocks.
      blocks: how many it appends.
      flush: "always", or "never" for the planted bug.
    """
    trace = folder.with_suffix(".strace")
    command = [
        *("strace", "-o", str(trace), "-xx", "-s", str(1 << 24), "-e", "trace=" + ",".join(CALLS)),
        *(sys.executable, "-m", "tests.crash.writer", str(folder), str(seed), str(blocks), flush),
    ]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=TIMEOUT_S)
    with trace.open(encoding="ascii") as lines:
        events = list(_Reader(folder / "data.mdb").read(lines))
    trace.unlink()
    return events


@dataclass
class _Open:
    """An open descriptor of the store's file, or of a folder."""

    path: Path
    flushes: bool
    at: int = 0


@dataclass
class _Reader:
    """Turns the lines of a trace into events on one file."""

    file: Path
    size: int = 0
    opened: dict[int, _Open] = field(default_factory=dict)

    def read(self, lines: Iterator[str]) -> Iterator[Event]:
        for line in lines:
            found = CALL.match(line)
            if found is None or (result := int(found[3])) < 0:
                continue
            event = self._event(found[1], found[2], result)
            if isinstance(event, Write):
                self.size = max(self.size, event.offset + len(event.data))
            elif isinstance(event, Resize):
                self.size = event.size
            if event is not None:
                yield event

    def _event(self, name: str, arguments: str, result: int) -> Event | None:
        if name == "openat":
            path = Path(os.fsdecode(_texts(arguments)))
            if path == self.file or path in self.file.parents:
                self.opened[result] = _Open(path, "O_DSYNC" in arguments or "O_SYNC" in arguments)
            return None
        descriptor, *numbers = (int(part) for part in re.findall(r"(?:^|, )(\d+)", arguments))
        if name == "write" and descriptor == 1:
            return Acknowledge(int(_texts(arguments)))
        target = self.opened.get(descriptor)
        if target is None:
            return None
        if name == "close":
            del self.opened[descriptor]
            return None
        if target.path != self.file:
            assert name == "fsync", f"{name} on a folder"
            return NameFlush(target.path)
        return self._change(name, target, numbers, _texts(arguments)[:result], result)

    def _change(
        self, name: str, target: _Open, numbers: list[int], data: bytes, result: int
    ) -> Event | None:
        match name:
            case "lseek":
                target.at = result
                return None
            case "write" | "writev":
                target.at += result
                return Write(target.at - result, data, target.flushes)
            case "pwrite64" | "pwritev":
                return Write(numbers[-1], data, target.flushes)
            case "fsync" | "fdatasync":
                return Flush()
            case "ftruncate":
                return Resize(numbers[0])
            case "fallocate":
                return Resize(max(self.size, numbers[-2] + numbers[-1]))
            case _:
                raise AssertionError(f"a call that the model does not know: {name}")


def _texts(arguments: str) -> bytes:
    """Return the strings among the arguments of a call, joined."""
    return bytes.fromhex("".join(TEXT.findall(arguments)).replace("\\x", ""))
