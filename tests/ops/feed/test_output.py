"""Descriptors of every kind: files, pipes, and those that take no more."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from ops.feed.output import Output


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    for end in (read, write):
        with suppress(OSError):
            os.close(end)


def test_all_is_written_however_little_is_taken_at_once(pipe: tuple[int, int]) -> None:
    read, write = pipe
    data = os.urandom(1_000_000)
    writer = threading.Thread(target=Output(write).write, args=(data,))
    writer.start()
    received = bytearray()
    while len(received) < len(data):
        received += os.read(read, 10_000)
    writer.join()
    assert received == data


def test_a_reader_that_goes_away_is_noticed_without_writing(pipe: tuple[int, int]) -> None:
    read, write = pipe
    output = Output(write)
    output.flush()
    assert not output.is_gone()
    os.close(read)
    assert output.is_gone()
    with pytest.raises(BrokenPipeError):
        output.write(b"line\n")


def test_a_file_is_flushed_and_never_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[int] = []
    with (tmp_path / "lines").open("wb") as file:
        output = Output(file.fileno())
        output.write(b"line\n")
        monkeypatch.setattr(os, "fsync", flushed.append)
        output.flush()
        assert flushed == [file.fileno()]
        assert not output.is_gone()
    assert (tmp_path / "lines").read_bytes() == b"line\n"


def test_a_flush_that_fails_is_no_flush(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, "broken disk")

    monkeypatch.setattr(os, "fsync", fail)
    with (tmp_path / "lines").open("wb") as file, pytest.raises(OSError, match="broken disk"):
        Output(file.fileno()).flush()
