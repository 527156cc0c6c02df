"""A backup is a data folder; restored, to a position if asked, it is what was acknowledged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from engine.book import Accounts
from engine.transaction import Entry, Issue, Tap, TopUp
from storage.backup import Backup, Restoration, back_up, restore
from storage.errors import StorageDamaged, StorageFailed, StorageMissing
from storage.folder import DataFolder
from storage.journal import BLOCKS, chain
from storage.journal import TABLES as JOURNAL_TABLES
from storage.key_store import KEYS_TABLES, KeyStore
from storage.lmdb_store import LmdbStore
from storage.secret_file import kept_secret
from storage.shard_store import ShardStore
from storage.verify import verify_folder
from storage.view_rows import VIEWS_TABLES
from tests.storage.city import CARDS, City, folded, write_folder

POSITIONS = range(12)


def tap() -> Tap:
    return Tap(CARDS[0], 3500, "transjakarta", "in")


@pytest.fixture
def city() -> City:
    """Four blocks, up to the positions 2, 4, 7 and 11; views at 7."""
    city = City()
    city.run(*(Issue(card, "account", "dki") for card in CARDS[:2]))
    city.run(*(TopUp(card, 50_000, "dki") for card in CARDS[:2]))
    city.run(tap(), tap(), tap())
    city.shard.checkpoint()
    city.run(tap(), tap(), tap(), tap())
    return city


@pytest.fixture
def folder(city: City, tmp_path: Path) -> Path:
    path = write_folder(city, tmp_path / "data")
    with closing(LmdbStore(path / "keys", tables=KEYS_TABLES)) as store:
        KeyStore(store).enroll("GATE-1", b"\7" * 32, role="terminal", at_ms=5)
    return path


@pytest.fixture
def backup(folder: Path, tmp_path: Path) -> Path:
    back_up(folder, tmp_path / "backup")
    return tmp_path / "backup"


def entries_in(path: Path) -> list[Entry]:
    with closing(LmdbStore(path / "journal", tables=JOURNAL_TABLES)) as store:
        return [entry for block in chain(store) for entry in block.entries]


def accounts_in(path: Path) -> Iterator[Accounts]:
    """Yield the accounts of a shard opened on a folder, and close it."""
    with (
        DataFolder.open(path) as data,
        closing(LmdbStore(data.journal, tables=JOURNAL_TABLES)) as journal,
        closing(LmdbStore(data.views, tables=VIEWS_TABLES)) as views,
    ):
        yield ShardStore.open(journal, views, clock=float).book.accounts


def is_sound(path: Path, tmp_path: Path) -> bool:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return verify_folder(path, scratch).ok


def test_a_backup_holds_everything(folder: Path, city: City, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "backup"
    assert back_up(folder, target) == Backup(position=11, blocks=4, views_position=7)
    assert entries_in(target) == city.entries
    with closing(LmdbStore(target / "keys", tables=KEYS_TABLES)) as store:
        assert KeyStore(store).find("GATE-1", b"\7" * 32) is not None
    assert is_sound(target, tmp_path)


def test_a_folder_that_no_node_has_used_yet_has_only_what_it_has(tmp_path: Path) -> None:
    with DataFolder.open(tmp_path / "new", create=True) as data:
        LmdbStore(data.journal, tables=JOURNAL_TABLES).close()
    assert back_up(tmp_path / "new", tmp_path / "backup") == Backup(0, 0, None)
    assert restore(tmp_path / "backup", tmp_path / "again") == Restoration(0, 0, None, None)


def test_all_is_restored_if_no_position_is_asked_for(
    backup: Path, city: City, tmp_path: Path
) -> None:
    restored = restore(backup, tmp_path / "restored")
    assert restored == Restoration(position=11, blocks=4, shortened_block=None, views_position=7)
    assert entries_in(tmp_path / "restored") == city.entries
    assert is_sound(tmp_path / "restored", tmp_path)


@pytest.mark.parametrize("position", POSITIONS)
def test_a_folder_is_restored_to_exactly_the_position_asked_for(
    backup: Path, city: City, tmp_path: Path, position: int
) -> None:
    path = tmp_path / "restored"
    restored = restore(backup, path, position=position)
    ends = [0, 2, 4, 7, 11]
    assert restored.position == position
    assert restored.blocks == sum(end < position for end in ends)
    assert restored.shortened_block == (
        None if position in ends else sum(end < position for end in ends) - 1
    )
    assert restored.views_position == (7 if position >= 7 else None)
    assert entries_in(path) == city.entries[:position]
    assert is_sound(path, tmp_path)
    (accounts,) = accounts_in(path)
    assert accounts == folded(city.entries[:position]).accounts


def test_a_node_goes_on_after_a_restored_position(backup: Path, city: City, tmp_path: Path) -> None:
    path = tmp_path / "restored"
    restore(backup, path, position=9)
    with (
        closing(LmdbStore(path / "journal", tables=JOURNAL_TABLES)) as journal,
        closing(LmdbStore(path / "views", tables=VIEWS_TABLES)) as views,
    ):
        shard = ShardStore.open(journal, views, clock=float)
        assert (shard.recovered.from_position, shard.recovered.rebuilt) == (7, "")
        assert shard.find("GATE-1", 9) == city.entries[8]
        assert shard.position_of("GATE-1", 10) is None
        shard.append(city.entries[9:], city.now_ms)
    assert entries_in(path) == city.entries


def test_a_position_that_the_backup_does_not_reach_is_refused(backup: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageMissing, match="ends at position 11"):
        restore(backup, tmp_path / "restored", position=12)
    assert not list((tmp_path / "restored").iterdir())


def test_nothing_is_overwritten(folder: Path, backup: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageMissing, match="not empty"):
        back_up(folder, backup)
    with pytest.raises(StorageMissing, match="not empty"):
        restore(backup, folder)


def test_what_is_no_data_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageMissing):
        back_up(tmp_path / "nothing", tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def test_a_target_that_cannot_be_made_is_reported(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageFailed, match="file"):
        back_up(folder, tmp_path / "file" / "backup")


def test_a_backup_that_fails_leaves_nothing_behind(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_folder: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("storage.backup.sync_names", fail)
    with pytest.raises(Exception, match="no room"):
        back_up(folder, tmp_path / "backup")
    assert not list((tmp_path / "backup").iterdir())


def test_a_backup_with_a_damaged_end_is_refused_with_its_block(
    folder: Path, tmp_path: Path
) -> None:
    with closing(LmdbStore(folder / "journal", tables=JOURNAL_TABLES)) as store:
        ((key, value),) = store.scan_back(BLOCKS, limit=1)
        store.write([(BLOCKS, key, value[:-1] + b"?")])
    with pytest.raises(StorageDamaged) as caught:
        back_up(folder, tmp_path / "backup")
    assert caught.value.block == 3


def test_the_secret_of_pseudonyms_goes_along_and_stays_secret(folder: Path, tmp_path: Path) -> None:
    secret = kept_secret(folder / "pseudonyms", lambda: b"s" * 32)
    back_up(folder, tmp_path / "copy")
    restore(tmp_path / "copy", tmp_path / "again", position=4)
    again = tmp_path / "again" / "pseudonyms"
    assert kept_secret(again, bytes) == secret
    assert again.stat().st_mode & 0o777 == 0o600


def test_a_copy_that_fails_leaves_nothing_behind(folder: Path, tmp_path: Path) -> None:
    kept_secret(folder / "pseudonyms", lambda: b"s" * 32)
    with pytest.raises(StorageMissing):
        restore(folder, tmp_path / "far", position=10**6)
    assert not any((tmp_path / "far").iterdir())
