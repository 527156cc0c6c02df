"""Files follow each other without a hole, whatever ended the run before."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ops.tides.folder import FolderDamaged, opened
from ops.tides.rows import columns
from ops.tides.schema import SCHEMA
from tests.ops.tides.test_rows import TAP, rows


def batch() -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(columns(rows(TAP), SCHEMA.names), SCHEMA)


def names(path: Path) -> list[str]:
    return sorted(file.name for file in path.iterdir() if not file.name.startswith("."))


def test_files_are_named_by_their_ranges_and_go_on_behind_the_last(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b"
    with opened(out, 5) as folder:
        assert (folder.next, folder.files) == (5, 0)
        folder.write([batch()], 9)
        folder.write([batch(), batch()], 1_000_000)
    assert names(out) == [
        "fare_transactions-0000000000000005-0000000000000009.parquet",
        "fare_transactions-0000000000000009-0000000001000000.parquet",
    ]
    with opened(out, 0) as folder:
        assert (folder.next, folder.files) == (1_000_000, 2)
    assert pq.read_table(out).num_rows == 3
    assert pq.read_table(out).schema.equals(SCHEMA, check_metadata=True)


def test_it_has_its_name_when_it_is_on_disk_and_not_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path, 0) as folder:
        seen: list[tuple[str, list[str]]] = []

        def fsync(descriptor: int) -> None:
            path = Path(f"/proc/self/fd/{descriptor}").readlink()
            seen.append((path.name, names(tmp_path)))

        monkeypatch.setattr(os, "fsync", fsync)
        path = folder.write([batch()], 7)
    assert seen[0] == (".fare_transactions.part", [])
    assert seen[1] == (tmp_path.name, [path.name])


def test_what_an_interrupted_run_has_left_is_made_again(tmp_path: Path) -> None:
    (tmp_path / ".fare_transactions.part").write_bytes(b"half a file")
    with opened(tmp_path, 0) as folder:
        folder.write([batch()], 7)
    assert names(tmp_path) == ["fare_transactions-0000000000000000-0000000000000007.parquet"]
    assert not (tmp_path / ".fare_transactions.part").exists()


def test_a_write_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path, 0) as folder:
        with monkeypatch.context() as planted:
            planted.setattr(os, "fsync", lambda _: (tmp_path / "none").stat())
            with pytest.raises(FileNotFoundError):
                folder.write([batch()], 7)
        assert (folder.next, folder.files, names(tmp_path)) == (0, 0, [])
        folder.write([batch()], 7)


@pytest.mark.parametrize("removed", [1, 2])
def test_a_hole_is_told(tmp_path: Path, removed: int) -> None:
    with opened(tmp_path, 0) as folder:
        paths = [folder.write([batch()], after) for after in (5, 9, 12, 20)]
    paths[removed].unlink()
    with pytest.raises(FolderDamaged, match="comes a file from"), opened(tmp_path, 0):
        pass
    with pytest.raises(FolderDamaged):
        # Nothing is locked for ever by the one that failed.
        opened(tmp_path, 0).__enter__()


def test_one_export_at_a_time_is_at_work_in_a_folder(tmp_path: Path) -> None:
    with (
        opened(tmp_path, 0),
        pytest.raises(FolderDamaged, match="another export"),
        opened(tmp_path, 0),
    ):
        pass
    with opened(tmp_path, 0) as folder:
        assert folder.next == 0


def test_other_files_are_let_alone(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("mine")
    (tmp_path / "fare_transactions-5-9.parquet").write_text("mine too")
    with opened(tmp_path, 0) as folder:
        assert folder.next == 0
    assert names(tmp_path) == ["README", "fare_transactions-5-9.parquet"]
