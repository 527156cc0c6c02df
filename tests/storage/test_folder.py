"""One process for each data folder, of a version that it knows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from storage.errors import (
    StorageDamaged,
    StorageFailed,
    StorageFull,
    StorageLocked,
    StorageMissing,
    StorageVersion,
)
from storage.folder import FORMAT, DataFolder


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some" / "data"


def test_a_new_folder_is_made_and_opened_again(path: Path) -> None:
    with DataFolder.open(path, create=True) as folder:
        assert folder.path == path
        assert {folder.journal.parent, folder.views.parent, folder.keys.parent} == {path}
        assert len({folder.journal, folder.views, folder.keys}) == 3
    assert (path / "format").read_text() == '{"format":1}\n'
    for create in (False, True):
        DataFolder.open(path, create=create).close()


def test_nothing_is_made_unasked(path: Path) -> None:
    with pytest.raises(StorageMissing, match=str(path)):
        DataFolder.open(path)
    assert not path.exists()
    path.mkdir(parents=True)
    with pytest.raises(StorageMissing, match=str(path)):
        DataFolder.open(path, exclusive=False)
    assert list(path.iterdir()) == []


def test_a_folder_of_other_things_does_not_become_a_data_folder(path: Path) -> None:
    path.mkdir(parents=True)
    (path / "thesis.odt").touch()
    with pytest.raises(StorageMissing, match="other files"):
        DataFolder.open(path, create=True)
    assert not (path / "format").exists()


def test_a_folder_whose_making_was_cut_off_is_made_anew(path: Path) -> None:
    path.mkdir(parents=True)
    (path / "lock").touch()
    (path / "format.new").write_text('{"for')
    with DataFolder.open(path, create=True):
        assert (path / "format").read_text() == '{"format":1}\n'


def test_a_second_process_is_told_who_holds_the_folder(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from storage.folder import DataFolder; "
        "DataFolder.open(Path(sys.argv[1]))"
    )
    with DataFolder.open(path, create=True):
        second = subprocess.run(
            [sys.executable, "-c", code, path],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert second.returncode == 1
    assert f"StorageLocked: {path} is in use by process {os.getpid()}:" in second.stderr


def test_the_folder_is_free_again_when_it_was_closed_or_refused(path: Path) -> None:
    first = DataFolder.open(path, create=True)
    with pytest.raises(StorageLocked):
        DataFolder.open(path)
    first.close()
    (path / "format").write_text("{}")
    with pytest.raises(StorageDamaged):
        DataFolder.open(path)
    (path / "format").write_text('{"format": 1}')
    DataFolder.open(path).close()


def test_a_holder_that_left_no_name_is_unknown(path: Path) -> None:
    with DataFolder.open(path, create=True):
        (path / "lock").write_text("")
        with pytest.raises(StorageLocked, match="process unknown"):
            DataFolder.open(path)


def test_those_who_only_look_do_not_need_the_lock(path: Path) -> None:
    with (
        DataFolder.open(path, create=True),
        DataFolder.open(path, exclusive=False) as second,
        DataFolder.open(path, create=True, exclusive=False),
    ):
        assert second.path == path


def test_one_at_a_time_holds_the_keys_beside_a_node(path: Path) -> None:
    with DataFolder.open(path, create=True) as node:
        node.keys.mkdir()
        one = DataFolder.open(path, exclusive=False)
        one.hold_keys()
        with (
            DataFolder.open(path, exclusive=False) as other,
            pytest.raises(StorageLocked, match="is changing the keys"),
        ):
            other.hold_keys()
        one.close()
        with DataFolder.open(path, exclusive=False) as later:
            later.hold_keys()


def test_keys_that_are_not_there_cannot_be_held(path: Path) -> None:
    with (
        DataFolder.open(path, create=True) as folder,
        pytest.raises(StorageFailed, match="cannot be held"),
    ):
        folder.hold_keys()


def test_a_newer_folder_is_refused(path: Path) -> None:
    DataFolder.open(path, create=True).close()
    (path / "format").write_text(f'{{"format": {FORMAT + 1}, "of": "tomorrow"}}')
    with pytest.raises(StorageVersion, match="newer"):
        DataFolder.open(path)


@pytest.mark.parametrize("content", ["", "{}", '{"format": "1"}', '{"format": 0}', "\0\0"])
def test_a_format_that_cannot_be_read_is_refused(path: Path, content: str) -> None:
    DataFolder.open(path, create=True).close()
    (path / "format").write_text(content)
    with pytest.raises(StorageDamaged, match="format"):
        DataFolder.open(path, create=True)


def test_what_the_system_does_not_let_us_do_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageFailed, match="cannot be opened"):
        DataFolder.open(tmp_path / "file" / "data", create=True)


def test_a_full_disk_is_told_and_leaves_no_lock(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pwrite(descriptor: int, content: bytes, offset: int) -> int:
        with Path("/dev/full").open("rb+", buffering=0) as full:
            return os.writev(full.fileno(), [content[offset:]])

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", pwrite)
        with pytest.raises(StorageFull, match="no room on the disk"):
            DataFolder.open(path, create=True)
    DataFolder.open(path, create=True).close()
