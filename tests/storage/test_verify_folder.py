"""Verification of a folder on the disk, whatever was done to its files."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from storage.backup import back_up, restore
from storage.errors import StorageDamaged
from storage.lmdb_store import LmdbStore
from storage.verify import verify_folder
from storage.view_rows import (
    CARDS,
    STANDING,
    STANDING_KEY,
    VIEWS_FORMAT,
    VIEWS_TABLES,
    Standing,
    encode,
)
from tests.storage.city import City, write_folder
from tests.storage.six_blocks import BLOCKS_THERE, block_rows, six_blocks, verified


@pytest.fixture
def city() -> City:
    return six_blocks()


@pytest.fixture
def folder(city: City, tmp_path: Path) -> Path:
    """The city's stores as a data folder."""
    return write_folder(city, tmp_path / "data")


def scratch(tmp_path: Path) -> Path:
    place = tmp_path / "scratch"
    place.mkdir()
    return place


def test_a_folder_is_verified_as_its_stores_are(folder: Path, city: City, tmp_path: Path) -> None:
    assert verify_folder(folder, scratch(tmp_path)) == verified(city)


def test_a_folder_without_views_is_fine(folder: Path, tmp_path: Path) -> None:
    for file in (folder / "views").iterdir():
        file.unlink()
    (folder / "views").rmdir()
    report = verify_folder(folder, scratch(tmp_path))
    assert (report.ok, report.entries, report.views_position) == (True, 13, None)


def older_views(path: Path) -> None:
    """Put views there as an older version wrote them, which had fewer tables."""
    for file in path.iterdir():
        file.unlink()
    standing = encode(Standing(VIEWS_FORMAT - 1, 9, b"hash", 5))
    with closing(LmdbStore(path, tables=(CARDS, STANDING))) as store:
        store.write([(STANDING, STANDING_KEY, standing), (CARDS, b"card", b"of another form")])


def test_views_of_an_older_version_are_built_anew_and_no_damage(
    folder: Path, tmp_path: Path
) -> None:
    older_views(folder / "views")
    report = verify_folder(folder, scratch(tmp_path))
    assert (report.ok, report.entries, report.views_position) == (True, 13, None)
    back_up(folder, tmp_path / "backup")
    restored = restore(tmp_path / "backup", tmp_path / "restored")
    assert (restored.position, restored.views_position) == (13, None)


def test_what_stands_in_no_form_at_all_is_a_problem(folder: Path, tmp_path: Path) -> None:
    with closing(LmdbStore(folder / "views", tables=VIEWS_TABLES)) as store:
        store.write([(STANDING, STANDING_KEY, b"nonsense")])
    report = verify_folder(folder, scratch(tmp_path))
    assert not report.ok
    assert "do not say where they stand" in report.problems[0]


@pytest.mark.parametrize("number", range(BLOCKS_THERE))
def test_a_byte_altered_in_the_file_is_found(
    folder: Path, city: City, tmp_path: Path, number: int
) -> None:
    file = folder / "journal" / "data.mdb"
    raw = bytearray(file.read_bytes())
    value = block_rows(city)[number][1]
    at = raw.rindex(value) + 50
    while at >= 50:
        raw[at] ^= 0x01
        at = raw.rfind(value) + 50 if value in raw else -1
    file.write_bytes(raw)
    report = verify_folder(folder, scratch(tmp_path))
    assert (report.ok, report.first_bad_block) == (False, number)


def test_a_file_that_is_no_store_any_more_is_reported(folder: Path, tmp_path: Path) -> None:
    (folder / "journal" / "data.mdb").write_bytes(b"something else" * 1000)
    with pytest.raises(StorageDamaged):
        verify_folder(folder, scratch(tmp_path))


def test_views_that_cannot_be_opened_do_not_keep_the_journal_from_being_read(
    folder: Path, tmp_path: Path
) -> None:
    file = folder / "views" / "data.mdb"
    file.write_bytes(bytes(8192) + file.read_bytes()[8192:])
    report = verify_folder(folder, scratch(tmp_path))
    assert (report.ok, report.blocks, report.first_bad_block) == (False, BLOCKS_THERE, None)
    assert "delete the folder `views`" in report.problems[0]


def test_a_folder_of_views_without_a_store_counts_as_none(folder: Path, tmp_path: Path) -> None:
    (folder / "views" / "data.mdb").unlink()
    report = verify_folder(folder, scratch(tmp_path))
    assert (report.ok, report.views_position) == (True, None)
