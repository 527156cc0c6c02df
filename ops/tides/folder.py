"""A folder of Parquet files, each with what a range of the journal holds, without a hole.

A file is named by its range: `fare_transactions-FROM-NEXT.parquet`, FROM included, NEXT not, where
the next one begins. It gets its name when it is whole and on disk, so whatever ends a run, the
files that are there are all there is, and the next run goes on behind the last.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from ops.tides.schema import SCHEMA
from storage.files import sync_names

PREFIX: Final = "fare_transactions"
_NAME: Final = re.compile(rf"{PREFIX}-(\d{{16}})-(\d{{16}})\.parquet")
_DRAFT: Final = f".{PREFIX}.part"
_LOCK: Final = ".lock"


class FolderDamaged(Exception):
    """The files do not follow each other, or another export is at work; the message says which."""


class Span(NamedTuple):
    """A range of the journal: from a position on, up to the next one."""

    start: int
    next: int


class Folder:
    """An open folder; `opened` makes one.

    Args:
      path: of the folder.
      start: where its first file begins, if there is none yet.

    Attributes:
      next: where the next file begins.
      files: how many there are.
    """

    def __init__(self, path: Path, start: int) -> None:
        self._path = path
        spans = _spans(path)
        self.files = len(spans)
        self.next = spans[-1].next if spans else start

    def write(self, batches: Sequence[pa.RecordBatch], next_position: int) -> Path:
        """Write the file that begins where the last one ends.

        Args:
          batches: what it holds.
          next_position: where it ends.

        Durability: on return the file and its name are on disk; before, there is no such file.

        Raises:
          OSError: it cannot be written; nothing has changed.
        """
        assert next_position > self.next, "a file is about some part of the journal"
        draft = self._path / _DRAFT
        path = self._path / f"{PREFIX}-{self.next:016d}-{next_position:016d}.parquet"
        with draft.open("wb") as file:
            pq.write_table(pa.Table.from_batches(batches, SCHEMA), file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
        sync_names(self._path)
        self.next = next_position
        self.files += 1
        return path


@contextmanager
def opened(path: Path, start: int) -> Iterator[Folder]:
    """Open a folder, which is made if there is none, and keep other exports out of it.

    Raises:
      FolderDamaged: its files do not follow each other, or another export is at work.
      OSError: it cannot be used.
    """
    path.mkdir(parents=True, exist_ok=True)
    with (path / _LOCK).open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderDamaged(f"another export is at work in {path}") from error
        (path / _DRAFT).unlink(missing_ok=True)
        yield Folder(path, start)


def _spans(path: Path) -> list[Span]:
    spans = sorted(
        Span(int(found[1]), int(found[2]))
        for found in (_NAME.fullmatch(file.name) for file in path.iterdir())
        if found is not None
    )
    for before, after in pairwise(spans):
        if before.next != after.start:
            raise FolderDamaged(
                f"{path}: after position {before.next} comes a file from {after.start} on. Move "
                "away the files from there on: they are made again."
            )
    return spans
