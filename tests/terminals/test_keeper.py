"""Records that survive: the same of the keeper in files and of the one in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from terminals.errors import KeeperFailed
from terminals.keeper import FileKeeper, Keeper, MemoryKeeper


@pytest.fixture(params=["files", "memory"])
def keeper(request: pytest.FixtureRequest, tmp_path: Path) -> Keeper:
    return MemoryKeeper() if request.param == "memory" else FileKeeper(tmp_path / "kept")


def test_what_is_written_is_read(keeper: Keeper) -> None:
    assert keeper.names() == []
    keeper.write("b", [b"one", b"", b"two"])
    keeper.write("a", [])
    assert keeper.names() == ["a", "b"]
    assert (keeper.read("a"), keeper.read("b")) == (b"", b"onetwo")


def test_what_is_written_again_takes_the_place_of_the_one_before(keeper: Keeper) -> None:
    keeper.write("a", [b"long before"])
    keeper.write("a", [b"now"])
    assert keeper.read("a") == b"now"
    assert keeper.names() == ["a"]


def test_a_record_is_renamed(keeper: Keeper) -> None:
    keeper.write("a-waiting", [b"x"])
    keeper.rename("a-waiting", "a-active")
    assert keeper.names() == ["a-active"]
    assert keeper.read("a-active") == b"x"


def test_a_record_is_removed_also_if_it_is_not_there(keeper: Keeper) -> None:
    keeper.write("a", [b"x"])
    keeper.remove("a")
    keeper.remove("a")
    assert keeper.names() == []


def test_a_record_that_is_not_there_is_a_failure(keeper: Keeper) -> None:
    with pytest.raises(KeeperFailed, match="missing"):
        keeper.read("missing")
    with pytest.raises(KeeperFailed, match="missing"):
        keeper.rename("missing", "new")


@pytest.mark.parametrize("name", ["", "../up", "a.new", "A", "-a", "x" * 101])
def test_what_may_be_no_file_is_no_name(keeper: Keeper, name: str) -> None:
    with pytest.raises(AssertionError, match="is no name"):
        keeper.write(name, [])


def test_files_outlive_their_keeper(tmp_path: Path) -> None:
    FileKeeper(tmp_path / "a" / "b").write("deny", [b"x"])
    assert FileKeeper(tmp_path / "a" / "b").read("deny") == b"x"


def test_what_a_crash_left_half_written_is_removed(tmp_path: Path) -> None:
    (tmp_path / "deny.new").write_bytes(b"half")
    (tmp_path / "README.txt").write_bytes(b"somebody else's")
    assert FileKeeper(tmp_path).names() == []
    assert [path.name for path in tmp_path.iterdir()] == ["README.txt"]


def test_a_folder_that_cannot_be_made_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(KeeperFailed, match="file"):
        FileKeeper(tmp_path / "file" / "kept")


class Flushes:
    """Flushes as told, and fails at one of the calls."""

    def __init__(self, fails_at: int) -> None:
        self.calls: list[str] = []
        self._fails_at = fails_at

    def __call__(self, descriptor: int) -> None:
        self.calls.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        if len(self.calls) == self._fails_at:
            raise OSError(28, "No space left on device")


def test_a_record_is_flushed_before_its_name_and_its_name_before_the_return(
    tmp_path: Path,
) -> None:
    flushes = Flushes(0)
    keeper = FileKeeper(tmp_path, fsync=flushes)
    keeper.write("a", [b"x"])
    assert flushes.calls == [str(tmp_path / "a.new"), str(tmp_path)]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    keeper.rename("a", "b")
    keeper.remove("b")
    assert flushes.calls[2:] == [str(tmp_path), str(tmp_path)]


@pytest.mark.parametrize(("fails_at", "left"), [(1, b"old"), (2, b"new")])
def test_a_disk_that_fails_leaves_the_old_record_or_the_new_one(
    tmp_path: Path, fails_at: int, left: bytes
) -> None:
    FileKeeper(tmp_path).write("a", [b"old"])
    keeper = FileKeeper(tmp_path, fsync=Flushes(fails_at))
    with pytest.raises(KeeperFailed, match="No space left"):
        keeper.write("a", [b"new"])
    again = FileKeeper(tmp_path)
    assert again.names() == ["a"]
    assert again.read("a") == left


def failing(operation: Callable[[FileKeeper], object], tmp_path: Path) -> None:
    FileKeeper(tmp_path).write("a", [b"x"])
    with pytest.raises(KeeperFailed):
        operation(FileKeeper(tmp_path, fsync=Flushes(1)))


def test_a_rename_that_is_not_flushed_is_a_failure(tmp_path: Path) -> None:
    failing(lambda keeper: keeper.rename("a", "b"), tmp_path)


def test_a_removal_that_is_not_flushed_is_a_failure(tmp_path: Path) -> None:
    failing(lambda keeper: keeper.remove("a"), tmp_path)
