"""Verification in a process of its own.

A store whose pages were altered may take down the process that reads it, and the one that is asked
for the truth must not die without a word.

    caller <- pipe: a line for each block read, then the report <- reader process
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Final

import msgspec
from msgspec import Struct

from storage.block import damaged
from storage.errors import (
    StorageDamaged,
    StorageError,
    StorageFailed,
    StorageFull,
    StorageLocked,
    StorageMissing,
    StorageVersion,
)
from storage.verify import Report, verify_folder

_ERRORS: Final = {
    error.__name__: error
    for error in (
        StorageDamaged,
        StorageFailed,
        StorageFull,
        StorageLocked,
        StorageMissing,
        StorageVersion,
    )
}


class _Read(Struct, tag=True):
    """Another block was read; so many entries stand up to its end."""

    entries: int


class _Found(Struct, tag=True):
    report: Report


class _Refused(Struct, tag=True):
    kind: str
    text: str


_LINE: Final = msgspec.json.Decoder(_Read | _Found | _Refused)
_encode: Final = msgspec.json.Encoder().encode


def verify_apart(path: Path, scratch: Path, *, progress: Callable[[int], object] = int) -> Report:
    """Verify a data folder as `verify_folder` does, whatever becomes of the process that reads it.

    Raises:
      StorageError: there is no journal, or the scratch folder cannot be written.
    """
    command = [sys.executable, "-m", "storage.verify_apart", str(path.resolve()), str(scratch)]
    with ExitStack() as held:
        reader = held.enter_context(
            subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent)
        )
        # A caller who gives up does not wait for the end of the journal.
        held.push(lambda failed, *_: reader.kill() if failed else None)
        assert reader.stdout is not None
        blocks = entries = 0
        for said in map(_LINE.decode, reader.stdout):
            if isinstance(said, _Found):
                return said.report
            if isinstance(said, _Refused):
                raise _ERRORS[said.kind](said.text)
            blocks, entries = blocks + 1, said.entries
            progress(entries)
        return _cut_off(reader.wait(), blocks, entries)


def _cut_off(status: int, blocks: int, entries: int) -> Report:
    if status >= 0:
        raise StorageFailed(f"the process that reads ended with status {status}")
    name = signal.Signals(-status).name
    why = f"reading it, or the views beside it, ended the process that read ({name})"
    return Report(
        ok=False,
        blocks=blocks,
        entries=entries,
        sum_of_accounts_rp=0,
        first_bad_block=blocks,
        problems=(str(damaged(blocks, why)),),
        problems_found=1,
        cards=0,
        exceptions=0,
        duplicates=0,
        views_position=None,
    )


def serve(path: Path, scratch: Path, answers: IO[bytes]) -> None:
    """Verify a folder, and say line by line how far it got and what was found."""

    def say(line: _Read | _Found | _Refused) -> None:
        answers.write(_encode(line) + b"\n")
        answers.flush()

    try:
        say(_Found(verify_folder(path, scratch, progress=lambda entries: say(_Read(entries)))))
    except StorageError as error:
        say(_Refused(type(error).__name__, str(error)))


def main() -> None:
    """Be the reader: the arguments are the folder and the scratch folder."""
    # Ctrl-C is the caller's, who ends its reader.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(Path(sys.argv[1]), Path(sys.argv[2]), sys.stdout.buffer)


if __name__ == "__main__":
    main()
