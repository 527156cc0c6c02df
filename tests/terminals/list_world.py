"""Lists as a node publishes them, and a disk that fails, for the tests of those who hold them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias, TypeVar

import trio

from engine.fleet.list_file import ListFile, content_hash, make_file
from engine.fleet.lists import in_order
from protocol.limits import CHUNK_BYTES_MAX
from terminals.errors import KeeperFailed
from terminals.keeper import MemoryKeeper
from terminals.lists import ListHolder, Wish
from terminals.messages import Chunk, Offer

T = TypeVar("T")

Change: TypeAlias = dict[str, str | None]


async def on_the_spot(call: Callable[[], T], /) -> T:
    """Run a blocking call where it is asked for, as a simulation does."""
    return call()


def now_ms() -> int:
    """Return a clock that goes with that of trio."""
    return int(trio.current_time() * 1_000)


class Published:
    """One list of a node, all versions of it."""

    def __init__(self, name: str = "deny") -> None:
        self.name = name
        self.versions: list[dict[str, str]] = [{}]
        self.activations_ms = [0]
        self.forged: dict[str, str] | None = None

    @property
    def version(self) -> int:
        return len(self.versions) - 1

    @property
    def content(self) -> dict[str, str]:
        return self.versions[-1]

    def publish(self, change: Change, *, activate_ms: int = 0) -> None:
        """Make a version."""
        listed = dict(self.content)
        for key, value in change.items():
            listed.pop(key, None) if value is None else listed.update({key: value})
        self.versions.append(listed)
        self.activations_ms.append(activate_ms)

    def go_back(self, version: int) -> None:
        """Be as a node that was set up from a backup."""
        del self.versions[version + 1 :], self.activations_ms[version + 1 :]

    def hash(self, version: int) -> bytes:
        return content_hash(sorted(self.versions[version].items()))

    def file(self, base: int = 0) -> ListFile:
        """Return what leads from a version to the present one, or the whole list.

        Where `forged` is set, it leads there instead.
        """
        new = self.content if self.forged is None else self.forged
        if not base:
            return make_file(sorted(new.items()))
        old = self.versions[base]
        change: Change = {key: value for key, value in new.items() if old.get(key) != value}
        change |= {key: None for key in old if key not in new}
        return make_file(in_order(change))

    def offer(self, base: int = 0) -> Offer:
        file, version = self.file(base), self.version
        return Offer(
            self.name,
            version,
            base,
            self.hash(version),
            self.activations_ms[version],
            len(file.data),
            file.content_bytes,
            len(self.content),
        )

    def chunk(self, wish: Wish, size_max: int = CHUNK_BYTES_MAX) -> Chunk:
        data = self.file(wish.base).data[wish.offset :][:size_max]
        return Chunk(*wish, data)


def cards(numbers: Iterable[int], why: str | None = "lost") -> Change:
    return {f"60135001{number:08}": why for number in numbers}


def deliver(
    holder: ListHolder, published: Published, base: int = 0, now_ms: int = 0, size_max: int = 50
) -> None:
    """Offer the present version, and have all of it fetched and taken in."""
    holder.take_offer(published.offer(base))
    while (wish := holder.wish()) is not None:
        assert holder.take_chunk(published.chunk(wish, size_max))
    take_in(holder, now_ms)


def take_in(holder: ListHolder, now_ms: int = 0) -> None:
    """Do what the part does with all that has come whole."""
    while (download := holder.complete()) is not None:
        worked = holder.work_out(download)
        holder.keep(download, worked, now_ms)
        holder.settle(download, worked)


class Crash(BaseException):
    """The terminal breaks down."""


class FailingKeeper(MemoryKeeper):
    """A keeper that fails, or during which the terminal breaks down, at one of its operations.

    Args:
      records: of another keeper, whose terminal ended.
      fails_at: the operation that fails; later ones fail, too.
      failure: what is raised then.
    """

    def __init__(
        self,
        records: dict[str, bytes] | None = None,
        *,
        fails_at: int = 10**9,
        failure: Callable[[], BaseException] = lambda: KeeperFailed("the disk is full"),
    ) -> None:
        super().__init__()
        self._records = {} if records is None else records
        self.fails_at = fails_at
        self.unreadable = False
        self._failure = failure
        self._operations = 0

    @property
    def records(self) -> dict[str, bytes]:
        """All that is kept."""
        return self._records

    def fail_in(self, operations: int, failure: type[BaseException]) -> None:
        """Fail after so many operations from now on."""
        self.fails_at = self._operations + operations + 1
        self._failure = failure

    def _step(self) -> None:
        self._operations += 1
        if self._operations >= self.fails_at:
            raise self._failure()

    def names(self) -> list[str]:
        if self.unreadable:
            raise KeeperFailed("the folder is gone")
        return super().names()

    def read(self, name: str) -> bytes:
        self._step()
        return super().read(name)

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        self._step()
        super().write(name, pieces)

    def rename(self, name: str, new: str) -> None:
        self._step()
        super().rename(name, new)

    def remove(self, name: str) -> None:
        self._step()
        super().remove(name)
