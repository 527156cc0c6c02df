"""What is true of the store on disk alone: its files, its disk, and other processes."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from fcntl import F_GETFL, fcntl
from pathlib import Path
from types import SimpleNamespace
from typing import Final

import lmdb
import pytest

from storage.errors import StorageDamaged, StorageFailed, StorageFull, StorageMissing
from storage.lmdb_store import GROW_BYTES_MIN, LmdbStore, LmdbTransaction, commit

TABLES: Final = ("one",)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmdbStore]:
    store = LmdbStore(tmp_path / "env", tables=TABLES, map_bytes=GROW_BYTES_MIN)
    yield store
    store.close()


def reopened(store: LmdbStore, path: Path, *, read_only: bool = False) -> LmdbStore:
    store.close()
    return LmdbStore(path, tables=TABLES, map_bytes=GROW_BYTES_MIN, read_only=read_only)


def run(code: str, *arguments: object) -> str:
    """Run code in another process, which has imported the store."""
    prelude = "import sys; from pathlib import Path; from storage.lmdb_store import LmdbStore; "
    done = subprocess.run(
        [sys.executable, "-c", prelude + code, *map(str, arguments)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


def test_what_was_written_is_there_after_reopening(store: LmdbStore, tmp_path: Path) -> None:
    store.write([("one", b"k", b"v")])
    again = reopened(store, tmp_path / "env")
    assert again.get("one", b"k") == b"v"
    again.close()
    reader = reopened(again, tmp_path / "env", read_only=True)
    assert reader.scan("one", limit=9) == [(b"k", b"v")]
    reader.close()


def test_the_map_grows_by_itself_and_the_file_with_it(store: LmdbStore, tmp_path: Path) -> None:
    file = tmp_path / "env" / "data.mdb"
    assert file.stat().st_size == GROW_BYTES_MIN
    store.write([("one", bytes([number]), bytes(GROW_BYTES_MIN)) for number in range(20)])
    size = file.stat().st_size
    assert size >= 20 * GROW_BYTES_MIN
    # Not a hole: the room is taken.
    assert file.stat().st_blocks * 512 >= size
    again = reopened(store, tmp_path / "env")
    assert again.count("one") == 20
    again.write([("one", b"more", bytes(100))])
    assert file.stat().st_size == size
    again.close()


def test_keys_in_order_fill_their_pages(store: LmdbStore, tmp_path: Path) -> None:
    for number in range(300):
        store.write([("one", number.to_bytes(8), bytes(900))])
    with lmdb.open(str(tmp_path / "copy"), max_dbs=1) as environment:
        table = environment.open_db(b"one")
        with environment.begin(write=True) as transaction:
            for key, value in store.scan("one", limit=300):
                transaction.put(key, value, db=table)
            halved = transaction.stat(table)["leaf_pages"]
    store.close()
    with lmdb.open(str(tmp_path / "env"), max_dbs=1) as environment:
        table = environment.open_db(b"one")
        with environment.begin() as transaction:
            assert transaction.stat(table)["leaf_pages"] == 75 < halved


def test_there_is_nothing_to_read_where_nothing_is(tmp_path: Path) -> None:
    with pytest.raises(StorageMissing, match="no store"):
        LmdbStore(tmp_path, tables=TABLES, read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_reader_wants_the_tables_that_it_names(store: LmdbStore, tmp_path: Path) -> None:
    store.close()
    with pytest.raises(StorageDamaged, match="cannot be opened"):
        LmdbStore(tmp_path / "env", tables=("one", "two"), read_only=True)


def test_a_store_cannot_be_made_inside_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageFailed, match="cannot be opened"):
        LmdbStore(tmp_path / "file", tables=TABLES)


def test_a_file_of_another_kind_is_refused(store: LmdbStore, tmp_path: Path) -> None:
    store.close()
    (tmp_path / "env" / "data.mdb").write_bytes(bytes(range(256)) * 256)
    with pytest.raises(StorageDamaged, match="backup"):
        LmdbStore(tmp_path / "env", tables=TABLES)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_was_cut_is_refused(
    store: LmdbStore, tmp_path: Path, *, read_only: bool
) -> None:
    store.write([("one", b"k", bytes(100_000))])
    store.close()
    os.truncate(tmp_path / "env" / "data.mdb", 50_000)
    with pytest.raises(StorageDamaged, match="shorter"):
        LmdbStore(tmp_path / "env", tables=TABLES, read_only=read_only)


def test_a_damaged_page_is_refused_when_it_is_read(store: LmdbStore, tmp_path: Path) -> None:
    store.write([("one", bytes([number]), b"\xff" * 1000) for number in range(200)])
    store.close()
    file = tmp_path / "env" / "data.mdb"
    content = bytearray(file.read_bytes())
    for page in range(2, len(content) // 4096):
        if b"\xff" * 1000 in content[page * 4096 : (page + 1) * 4096]:
            # Its kind: neither branch nor leaf.
            content[page * 4096 + 10] = 0
    file.write_bytes(content)
    with closing(LmdbStore(tmp_path / "env", tables=TABLES)) as damaged:
        with pytest.raises(StorageDamaged, match=r"cannot be read.*backup"):
            damaged.get("one", b"\5")
        with pytest.raises(StorageDamaged, match=r"cannot be read.*backup"):
            damaged.copy_to(tmp_path / "copy")


def test_another_process_reads_while_this_one_writes(store: LmdbStore, tmp_path: Path) -> None:
    code = """
store = LmdbStore(Path(sys.argv[1]), tables=("one",), read_only=True)
print(store.count("one"), flush=True)
sys.stdin.readline()
print(store.count("one"), store.get("one", b"\\x09")[:5])
"""
    store.write([("one", b"k", b"v")])
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import sys; from pathlib import Path; from storage.lmdb_store import *{code}",
            tmp_path / "env",
        ],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        assert reader.stdout.readline().split() == ["1"]
        # The map grows several times under the reader.
        for number in range(10):
            store.write([("one", bytes([number]), b"grown" * 50_000)])
        reader.stdin.write("\n")
        reader.stdin.flush()
        assert reader.stdout.readline().split() == ["11", "b'grown'"]
    assert reader.returncode == 0


GROW_IN_ANOTHER: Final = (
    "store = LmdbStore(Path(sys.argv[1]), tables=('one',)); "
    "store.write([('one', b'other', bytes(int(sys.argv[2])))]); store.close()"
)


def test_a_map_that_another_process_made_larger_is_taken_over(
    store: LmdbStore, tmp_path: Path
) -> None:
    run(GROW_IN_ANOTHER, tmp_path / "env", 3_000_000)
    assert len(store.get("one", b"other") or b"") == 3_000_000
    run(GROW_IN_ANOTHER, tmp_path / "env", 9_000_000)
    store.write([("one", b"own", b"v")])
    assert store.count("one") == 2


def test_a_reader_that_was_killed_holds_no_pages(store: LmdbStore, tmp_path: Path) -> None:
    store.write([("one", b"k", bytes(100_000))])
    with pytest.raises(subprocess.CalledProcessError, match="SIGKILL"):
        run(
            "import os; store = LmdbStore(Path(sys.argv[1]), tables=('one',), read_only=True); "
            "store._read(lambda transaction: os.kill(os.getpid(), 9))",
            tmp_path / "env",
        )
    for number in range(100):
        store.write([("one", b"k", bytes([number]) * 100_000)])
    assert (tmp_path / "env" / "data.mdb").stat().st_size <= 4 * GROW_BYTES_MIN


def test_a_copy_is_whole_and_smaller(store: LmdbStore, tmp_path: Path) -> None:
    store.write([("one", bytes([number]), bytes(9000)) for number in range(200)])
    store.write([("one", bytes([number]), None) for number in range(199)])
    store.copy_to(tmp_path / "a" / "copy")
    copied = tmp_path / "a" / "copy" / "data.mdb"
    assert copied.stat().st_size < 50_000
    copy = LmdbStore(tmp_path / "a" / "copy", tables=TABLES)
    assert copy.scan("one", limit=9) == store.scan("one", limit=9) == [(b"\xc7", bytes(9000))]
    copy.close()


def test_a_copy_overwrites_nothing(store: LmdbStore, tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"dear")
    with pytest.raises(StorageFailed, match="cannot be written"):
        store.copy_to(tmp_path)
    assert (tmp_path / "data.mdb").read_bytes() == b"dear"


class Disk:
    """Commits, until it is told how to fail."""

    def __init__(self) -> None:
        self.fault: Exception | None = None

    def commit(self, transaction: LmdbTransaction) -> None:
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault
        commit(transaction)


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def on_disk(tmp_path: Path, disk: Disk) -> Iterator[LmdbStore]:
    store = LmdbStore(tmp_path / "failing", tables=TABLES, commit=disk.commit)
    yield store
    store.close()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_writes_nothing_and_the_same_write_works_later(
    on_disk: LmdbStore, disk: Disk, code: int
) -> None:
    on_disk.write([("one", b"k", b"v")])
    disk.fault = OSError(code, os.strerror(code))
    with pytest.raises(StorageFull, match="no room on the disk"):
        on_disk.write([("one", b"l", b"w")])
    assert on_disk.scan("one", limit=9) == [(b"k", b"v")]
    on_disk.write([("one", b"l", b"w")])
    assert on_disk.count("one") == 2


def test_after_a_failed_write_the_store_refuses_all_further_use(
    on_disk: LmdbStore, disk: Disk
) -> None:
    disk.fault = OSError(errno.EIO, "Input/output error")
    with pytest.raises(StorageFailed, match="Input/output error"):
        on_disk.write([("one", b"k", b"v")])
    # The disk has recovered. What it did with the write is not known all the same.
    with pytest.raises(StorageFailed, match="cannot be written"):
        on_disk.write([("one", b"k", b"v")])
    with pytest.raises(StorageFailed, match="cannot be written"):
        on_disk.get("one", b"k")


def test_a_defect_in_the_middle_of_a_write_leaves_nothing(on_disk: LmdbStore, disk: Disk) -> None:
    disk.fault = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        on_disk.write([("one", b"k", b"v")])
    assert on_disk.count("one") == 0


def replace_disk(file: Path, device: str, *, flags: int = 0) -> None:
    """Let what this process writes through open descriptors with some flags go to a device."""
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    own = [int(link.name) for link in links if link.readlink() == file]
    chosen = [descriptor for descriptor in own if fcntl(descriptor, F_GETFL) & flags == flags]
    assert chosen
    with Path(device).open("rb+", buffering=0) as stream:
        for descriptor in chosen:
            os.dup2(stream.fileno(), descriptor, inheritable=False)


def test_a_disk_that_is_full_in_the_middle_of_a_commit_writes_nothing(
    store: LmdbStore, tmp_path: Path
) -> None:
    file = tmp_path / "env" / "data.mdb"
    replace_disk(file, "/dev/full")
    with pytest.raises(StorageFull, match="no room on the disk"):
        store.write([("one", b"k", b"v")])
    assert store.count("one") == 0


def test_a_flush_that_fails_is_the_end_of_the_store(store: LmdbStore, tmp_path: Path) -> None:
    # It takes every write and cannot be flushed.
    replace_disk(tmp_path / "env" / "data.mdb", "/dev/null")
    with pytest.raises(StorageFailed, match="cannot be written"):
        store.write([("one", b"k", b"v")])
    with pytest.raises(StorageFailed, match="cannot be written"):
        store.count("one")


def test_a_disk_that_lmdb_does_not_trust_any_more_is_not_called_full(
    store: LmdbStore, tmp_path: Path
) -> None:
    # The pages find room, and the write that makes them visible does not.
    replace_disk(tmp_path / "env" / "data.mdb", "/dev/full", flags=os.O_DSYNC)
    for _ in range(2):
        with pytest.raises(StorageFailed, match="no room on the disk"):
            store.write([("one", b"k", b"v")])


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """Let no file of this process grow above a size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_may_not_grow_is_a_full_disk(store: LmdbStore, tmp_path: Path) -> None:
    store.write([("one", b"k", b"v")])
    large = [("one", b"large", bytes(GROW_BYTES_MIN))]
    with files_up_to(GROW_BYTES_MIN):
        for _ in range(2):
            with pytest.raises(StorageFull, match="no room on the disk"):
                store.write(large)
        store.write([("one", b"l", b"w")])
        with pytest.raises(StorageFull, match="cannot be opened"):
            LmdbStore(tmp_path / "new", tables=TABLES, map_bytes=2 * GROW_BYTES_MIN)
    store.write(large)
    assert store.count("one") == 3


def test_the_last_of_the_disk_is_left_to_others(
    store: LmdbStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = SimpleNamespace(f_bavail=2 * GROW_BYTES_MIN // 4096 - 1, f_frsize=4096)
    monkeypatch.setattr(os, "statvfs", lambda _: room)
    with pytest.raises(StorageFull, match="no room on the disk"):
        store.write([("one", b"large", bytes(GROW_BYTES_MIN))])
    room.f_bavail += 1
    store.write([("one", b"large", bytes(GROW_BYTES_MIN - 100_000))])
    assert store.count("one") == 1


def test_a_copy_that_finds_no_room_leaves_the_store_usable(
    store: LmdbStore, tmp_path: Path
) -> None:
    store.write([("one", b"large", bytes(100_000))])
    with files_up_to(50_000), pytest.raises(StorageFull, match="no room on the disk") as full:
        store.copy_to(tmp_path / "copy")
    assert str(full.value).startswith(f"the copy in {tmp_path / 'copy'}")
    store.write([("one", b"k", b"v")])
