"""The store that another process writes: as good as one of our own, until that process is gone."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import process_store
from storage.errors import StorageDamaged, StorageFailed, StorageFull
from storage.lmdb_store import LmdbStore
from storage.memory_store import MemoryStore
from storage.process_store import ProcessStore, serve, start_writer
from storage.store import Change, Store, all_rows

ROOT = Path(__file__).parent.parent.parent
TABLES = ("one", "two")
ROW = ("one", b"key", b"value")
REMEDY = "Throw it away."


def no_wait(_: float) -> None:
    raise AssertionError("nobody else writes")


class Pause:
    """Lets something happen when it was waited a number of times."""

    def __init__(self, turns: int) -> None:
        self.turns = turns
        self.then: Callable[[], object] = bool

    def __call__(self, _: float) -> None:
        self.turns -= 1
        if not self.turns:
            self.then()


class Started:
    """Starts writers, and knows the last one."""

    def __call__(self, path: Path, tables: Sequence[str], lock: int) -> subprocess.Popen[bytes]:
        self.writer = start_writer(path, tables, lock)
        return self.writer


def failing(path: Path, tables: Sequence[str], _lock: int) -> subprocess.Popen[bytes]:
    """Start a writer whose disk is full once, works once, and fails then."""
    program = """
import sys
from storage.errors import StorageDamaged, StorageFailed, StorageFull
from storage.memory_store import MemoryStore
from storage.process_store import serve
store = MemoryStore(tables=sys.argv[2:])
store.fail_next(StorageFull("no room"))
class Once(MemoryStore):
    writes = 0
    def write(self, changes):
        self.writes += 1
        if self.writes == 3:
            store.fail_next(StorageFailed("a page could not be written"))
        store.write(changes)
serve(Once(tables=()), sys.stdin.buffer, sys.stdout.buffer)
"""
    return subprocess.Popen(
        [sys.executable, "-c", program, str(path), *tables],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )


@pytest.fixture
def started() -> Started:
    return Started()


@pytest.fixture
def store(tmp_path: Path, started: Started) -> Iterator[ProcessStore]:
    store = ProcessStore(
        tmp_path / "store", tables=TABLES, pause=no_wait, remedy=REMEDY, start=started
    )
    yield store
    store.close()
    assert started.writer.returncode is not None, "no process outlives its store"


def test_what_was_written_is_read(store: ProcessStore) -> None:
    many = [("two", number.to_bytes(2), bytes(number)) for number in range(1000)]
    store.write(change for change in (ROW, *many))
    assert store.get("one", b"key") == b"value"
    assert store.get_many("two", [b"\0\1", b"?"]) == [b"\0", None]
    assert store.scan("two", b"\0\2", limit=1) == [(b"\0\2", b"\0\0")]
    assert store.scan_back("two", b"\0\2", limit=1) == [(b"\0\2", b"\0\0")]
    assert store.count("two") == 1000


def test_what_was_written_is_on_the_disk(tmp_path: Path, store: ProcessStore) -> None:
    store.write([ROW])
    store.close()
    again = LmdbStore(tmp_path / "store", tables=TABLES)
    assert again.get("one", b"key") == b"value"
    again.close()


changes = st.lists(
    st.tuples(
        st.sampled_from(TABLES),
        st.binary(min_size=1, max_size=2),
        st.none() | st.binary(max_size=3000),
    ),
    max_size=80,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(writes=st.lists(changes, max_size=4))
def test_the_other_process_writes_what_one_of_our_own_would(
    store: ProcessStore, writes: list[list[Change]]
) -> None:
    store.write([(table, key, None) for table in TABLES for key, _ in all_rows(store, table)])
    twin = MemoryStore(tables=TABLES)
    for each in writes:
        store.write(each)
        twin.write(each)
    for table in TABLES:
        assert list(all_rows(store, table)) == list(all_rows(twin, table))


def test_changes_that_cannot_be_made_up_leave_nothing(store: ProcessStore) -> None:
    def broken() -> Iterator[Change]:
        for number in range(100):
            yield "one", number.to_bytes(2), b""
        raise LookupError("defect")

    with pytest.raises(LookupError, match="defect"):
        store.write(broken())
    assert store.count("one") == 0
    before = store.version()
    store.write([ROW])
    assert store.count("one") == 1
    assert store.version() != before


def test_a_full_disk_may_be_tried_again_and_a_failed_one_not(tmp_path: Path) -> None:
    store = ProcessStore(
        tmp_path / "store", tables=TABLES, pause=no_wait, remedy=REMEDY, start=failing
    )
    with pytest.raises(StorageFull, match="no room"):
        store.write([ROW])
    store.write([ROW])
    with pytest.raises(StorageFailed, match="a page"):
        store.write([ROW])
    with pytest.raises(StorageFailed, match="a page"):
        store.write([ROW])
    with pytest.raises(StorageFailed):
        store.get("one", b"key")


@pytest.mark.parametrize("rows", [1, 100_000])
def test_a_writer_that_was_killed_is_a_failure(
    store: ProcessStore, started: Started, rows: int
) -> None:
    started.writer.kill()
    started.writer.wait()
    with pytest.raises(StorageFailed, match="the process that writes is gone"):
        store.write(("one", number.to_bytes(4), b"value") for number in range(1, rows + 1))
    with pytest.raises(StorageFailed):
        store.get("one", b"key")


def test_a_closed_store_refuses(store: ProcessStore) -> None:
    store.close()
    store.close()
    with pytest.raises(StorageFailed, match="closed"):
        store.write([ROW])
    with pytest.raises(StorageFailed, match="closed"):
        store.get("one", b"key")


def test_a_writer_that_does_not_end_is_killed(
    store: ProcessStore, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write([ROW])
    monkeypatch.setattr(process_store, "EXIT_TIMEOUT_S", 0.01)
    started.writer.send_signal(signal.SIGSTOP)
    store.close()
    assert started.writer.returncode == -signal.SIGKILL


@pytest.mark.parametrize("stop", sorted(process_store.STOP_SIGNALS))
def test_a_writer_is_not_stopped_by_what_stops_its_node(
    store: ProcessStore, started: Started, stop: signal.Signals
) -> None:
    # From its first moment on: it has hardly begun to run.
    started.writer.send_signal(stop)
    store.write([ROW])
    started.writer.send_signal(stop)
    store.write([("one", b"other", b"value")])
    assert store.count("one") == 2
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & process_store.STOP_SIGNALS


def test_a_store_that_is_not_what_was_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "data.mdb").write_bytes(b"no store at all" * 1000)
    with pytest.raises(StorageDamaged, match=REMEDY):
        ProcessStore(tmp_path / "store", tables=TABLES, pause=no_wait, remedy=REMEDY)


def test_a_writer_that_cannot_be_started_leaves_nothing_open(tmp_path: Path) -> None:
    def broken(*_: object) -> subprocess.Popen[bytes]:
        raise OSError("no more processes")

    with pytest.raises(OSError, match="no more processes"):
        ProcessStore(tmp_path / "store", tables=TABLES, pause=no_wait, remedy=REMEDY, start=broken)
    ProcessStore(tmp_path / "store", tables=TABLES, pause=no_wait, remedy=REMEDY).close()


def test_a_node_waits_for_the_writer_of_the_one_before(tmp_path: Path, started: Started) -> None:
    path, ends = tmp_path / "store", Pause(turns=3)
    before = ProcessStore(path, tables=TABLES, pause=no_wait, remedy=REMEDY)
    before.write([ROW])
    ends.then = before.close
    store = ProcessStore(path, tables=TABLES, pause=ends, remedy=REMEDY, start=started)
    assert store.get("one", b"key") == b"value"
    assert ends.turns == 0
    store.close()


def test_a_node_does_not_wait_for_ever(tmp_path: Path, store: ProcessStore) -> None:
    with pytest.raises(StorageFailed, match="does not end"):
        ProcessStore(tmp_path / "store", tables=TABLES, pause=lambda _: None, remedy=REMEDY)
    store.write([ROW])


def test_a_writer_whose_node_is_gone_ends_without_a_word(
    store: ProcessStore, started: Started
) -> None:
    writer = started.writer
    assert writer.stdin is not None
    assert writer.stdout is not None
    writer.stdout.close()
    frame = b"\x90"
    writer.stdin.write(len(frame).to_bytes(4) + frame)
    writer.stdin.flush()
    assert writer.wait(timeout=60) == 0


def test_a_writer_whose_node_had_nothing_to_write_makes_nothing(tmp_path: Path) -> None:
    lock = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
    with start_writer(tmp_path / "store", TABLES, lock) as writer:
        assert writer.stdin is not None
        writer.stdin.close()
        assert writer.wait(timeout=60) == 0
    os.close(lock)
    assert not (tmp_path / "store").exists(), "whoever deletes the folder of a node finds it gone"


def answers(store: Store, requests: bytes) -> bytes:
    replies = io.BytesIO()
    serve(store, io.BytesIO(requests), replies)
    return replies.getvalue()


def test_a_write_that_was_cut_off_is_not_made() -> None:
    store = MemoryStore(tables=TABLES)
    frame = b"\x91\x93\xa3one\xc4\x01k\xc4\x01v"
    framed = len(frame).to_bytes(4) + frame
    end = (1).to_bytes(4) + b"\x90"
    for cut in range(len(framed + end)):
        assert answers(store, (framed + end)[:cut]) == b""
        assert store.count("one") == 0
    assert answers(store, framed + end)
    assert store.count("one") == 1
