"""What a terminal holds and fetches, and that nothing but what was published comes of it."""

from __future__ import annotations

import re
import zlib
from typing import Final

import pytest

from engine.fleet.lists import ListName
from protocol.limits import CHUNK_BYTES_MAX
from terminals import lists
from terminals.errors import KeeperFailed
from terminals.keeper import MemoryKeeper
from terminals.lists import Held, ListHolder, Mismatch, Wish
from terminals.messages import Chunk
from tests.terminals.list_world import FailingKeeper, Published, cards, deliver, take_in

CARD: Final = "6013500100000003"


def holder_on(keeper: MemoryKeeper | None = None, *names: ListName) -> ListHolder:
    holder = ListHolder(names or ("deny",), keeper or MemoryKeeper())
    assert holder.load() == []
    holder.begin()
    return holder


def published_cards(count: int) -> Published:
    published = Published()
    published.publish(cards(range(count)))
    return published


def held(holder: ListHolder) -> tuple[int, bytes, str]:
    (found,) = holder.holds()
    assert found.name == "deny"
    return found[1:]


def test_who_holds_nothing_says_so() -> None:
    holder = holder_on(None, "deny", "fares")
    assert holder.changed
    assert holder.holds() == [Held("deny", 0, b"", "active"), Held("fares", 0, b"", "active")]
    assert not holder.changed
    assert (holder.active("deny"), holder.version("deny"), holder.wish()) == (None, 0, None)


def test_a_whole_list_is_fetched_and_used() -> None:
    holder, published = holder_on(), published_cards(500)
    deliver(holder, published)
    assert holder.changed
    assert held(holder) == (1, published.hash(1), "active")
    active = holder.active("deny")
    assert active is not None
    assert dict(active) == published.content
    assert active.get(CARD) == "lost"


def test_a_change_is_fetched_and_used() -> None:
    holder, published = holder_on(), published_cards(500)
    deliver(holder, published)
    published.publish({CARD: None, "a": "b"})
    deliver(holder, published, base=1)
    assert held(holder) == (2, published.hash(2), "active")
    active = holder.active("deny")
    assert active is not None
    assert (active.get(CARD), active.get("a"), active.entries) == (None, "b", 500)


def test_a_file_is_fetched_chunk_by_chunk() -> None:
    holder, published = holder_on(), published_cards(50)
    offer = published.offer()
    holder.take_offer(offer)
    assert holder.wish() == Wish("deny", 1, 0, 0)
    assert holder.take_chunk(published.chunk(Wish("deny", 1, 0, 0), 30))
    assert holder.wish() == Wish("deny", 1, 0, 30)
    assert holder.complete() is None
    assert holder.take_chunk(published.chunk(Wish("deny", 1, 0, 30), CHUNK_BYTES_MAX))
    assert holder.wish() is None
    assert holder.complete() is not None


@pytest.mark.parametrize(
    "other",
    [
        Wish("deny", 1, 0, 30),
        Wish("deny", 1, 0, 31),
        Wish("deny", 2, 0, 30),
        Wish("deny", 1, 1, 30),
        Wish("fares", 1, 0, 30),
    ],
)
def test_a_late_or_doubled_chunk_changes_nothing(other: Wish) -> None:
    holder, published = holder_on(), published_cards(50)
    holder.take_offer(published.offer())
    holder.take_chunk(published.chunk(Wish("deny", 1, 0, 0), 29))
    holder.take_chunk(published.chunk(Wish("deny", 1, 0, 29), 20))
    assert not holder.take_chunk(Chunk(*other, b"xyz"))
    assert holder.wish() == Wish("deny", 1, 0, 49)


def test_a_chunk_behind_the_end_changes_nothing() -> None:
    holder, published = holder_on(), published_cards(50)
    holder.take_offer(published.offer())
    wish = holder.wish()
    assert wish is not None
    chunk = published.chunk(wish)
    assert holder.take_chunk(chunk)
    assert not holder.take_chunk(chunk._replace(offset=len(chunk.data)))
    take_in(holder)
    assert held(holder)[0] == 1


def test_it_goes_on_where_it_was_when_the_same_file_is_offered_again() -> None:
    holder, published = holder_on(), published_cards(50)
    for offset in (0, 30, 60):
        holder.take_offer(published.offer())
        assert holder.wish() == Wish("deny", 1, 0, offset)
        holder.take_chunk(published.chunk(Wish("deny", 1, 0, offset), 30))
        holder.begin()
    deliver(holder, published)
    assert held(holder)[2] == "active"


def test_what_was_pieced_together_and_does_not_match_is_fetched_anew_before_it_is_told() -> None:
    holder, published = holder_on(), published_cards(50)
    holder.take_offer(published.offer())
    holder.take_chunk(Chunk("deny", 1, 0, 0, b"bytes of another program"))
    holder.begin()
    holder.take_offer(published.offer())
    rest = Wish("deny", 1, 0, 24)
    assert holder.wish() == rest
    holder.take_chunk(published.chunk(rest))
    take_in(holder)
    assert holder.wish() == Wish("deny", 1, 0, 0)
    deliver(holder, published)
    assert held(holder) == (1, published.hash(1), "active")


def test_another_file_is_fetched_from_its_beginning() -> None:
    holder, published = holder_on(), published_cards(50)
    holder.take_offer(published.offer())
    holder.take_chunk(published.chunk(Wish("deny", 1, 0, 0), 30))
    published.publish(cards(range(60)))
    holder.take_offer(published.offer())
    assert holder.wish() == Wish("deny", 2, 0, 0)
    deliver(holder, published)
    assert held(holder)[0] == 2


def test_what_is_wanted_first_is_fetched_first() -> None:
    holder = holder_on(None, "deny", "fares")
    fares, deny = Published("fares"), published_cards(5)
    fares.publish({"flat": "3500"})
    holder.take_offer(fares.offer())
    assert holder.wish() == Wish("fares", 1, 0, 0)
    holder.take_offer(deny.offer())
    assert holder.wish() == Wish("deny", 1, 0, 0)


def test_an_offer_of_a_list_that_nobody_wants_is_passed_over() -> None:
    holder, fares = holder_on(), Published("fares")
    fares.publish({"flat": "3500"})
    holder.take_offer(fares.offer())
    assert holder.wish() is None
    holder.holds()
    assert not holder.changed


def test_an_offer_of_what_is_held_is_passed_over() -> None:
    holder, published = holder_on(), published_cards(5)
    deliver(holder, published)
    holder.take_offer(published.offer())
    assert holder.wish() is None


def test_an_offer_that_builds_on_what_is_not_held_is_passed_over() -> None:
    holder, published = holder_on(), published_cards(5)
    deliver(holder, published)
    for number in range(2):
        published.publish({f"new-{number}": ""})
    holder.take_offer(published.offer(base=2))
    assert holder.wish() is None
    assert held(holder)[0] == 1
    empty = holder_on()
    empty.take_offer(published.offer(base=1))
    assert empty.wish() is None


@pytest.mark.parametrize("base", [0, 1])
def test_what_comes_to_another_hash_is_told_and_not_used(base: int) -> None:
    holder, published = holder_on(), published_cards(5)
    deliver(holder, published)
    good = published.hash(1)
    published.publish({CARD: None})
    holder.take_offer(published.offer(base)._replace(hash=bytes(32)))
    while (wish := holder.wish()) is not None:
        holder.take_chunk(published.chunk(wish))
    take_in(holder)
    assert held(holder) == (2, published.hash(2), "mismatch")
    active = holder.active("deny")
    assert active is not None
    assert (active.get(CARD), active.hash, holder.version("deny")) == ("lost", good, 1)
    holder.begin()
    assert held(holder) == (1, good, "active")


def test_after_a_mismatch_the_whole_list_puts_it_right() -> None:
    holder, published = holder_on(), published_cards(5)
    deliver(holder, published)
    published.publish({CARD: None})
    holder.take_offer(published.offer(1)._replace(hash=bytes(32)))
    holder.take_chunk(published.chunk(Wish("deny", 2, 1, 0)))
    take_in(holder)
    deliver(holder, published)
    assert held(holder) == (2, published.hash(2), "active")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"x" * 40, "not compressed"),
        (zlib.compress(b"x" * 40), "not packed|no pair"),
        (zlib.compress(bytes(10_000_000)), "longer than"),
    ],
)
def test_a_file_that_is_none_is_told_without_a_hash(data: bytes, why: str) -> None:
    holder, published = holder_on(), published_cards(5)
    holder.take_offer(published.offer()._replace(file_bytes=len(data), content_bytes=40))
    holder.take_chunk(Chunk("deny", 1, 0, 0, data))
    download = holder.complete()
    assert download is not None
    worked = holder.work_out(download)
    assert isinstance(worked, Mismatch)
    assert re.search(why, worked.why)
    take_in(holder)
    assert held(holder) == (1, b"", "mismatch")


@pytest.mark.parametrize("data", [b"", b"x" * 1_000])
def test_a_file_of_another_length_than_told_is_told_without_a_hash(data: bytes) -> None:
    holder, published = holder_on(), published_cards(5)
    holder.take_offer(published.offer())
    assert holder.take_chunk(Chunk("deny", 1, 0, 0, data))
    assert holder.wish() is None
    assert held(holder) == (1, b"", "mismatch")


@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize("field", ["file_bytes", "content_bytes"])
def test_more_than_a_terminal_can_hold_is_not_even_fetched(base: int, field: str) -> None:
    holder, published = holder_on(), published_cards(5)
    deliver(holder, published)
    published.publish({CARD: None})
    offer = published.offer(base)
    long = offer._replace(file_bytes=2**40)
    holder.take_offer(long if field == "file_bytes" else offer._replace(content_bytes=2**40))
    assert holder.wish() is None
    assert held(holder) == (2, b"", "mismatch")
    assert holder.version("deny") == 1


def test_a_change_that_leads_to_too_much_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    holder, published = holder_on(), published_cards(50)
    deliver(holder, published)
    monkeypatch.setattr(lists, "CONTENT_BYTES_MAX", 1_200)
    published.publish(cards(range(50, 53)))
    deliver(holder, published, base=1)
    assert held(holder) == (2, b"", "mismatch")


def test_a_change_of_too_many_entries_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    holder, published = holder_on(), published_cards(50)
    deliver(holder, published)
    monkeypatch.setattr(lists, "CHANGE_ENTRIES_MAX", 3)
    published.publish(cards(range(50, 54)))
    deliver(holder, published, base=1)
    assert held(holder) == (2, b"", "mismatch")


def fetched(holder: ListHolder, published: Published, base: int = 0) -> lists.Download:
    """Have the present version fetched, and return it before it is worked out."""
    holder.take_offer(published.offer(base))
    while (wish := holder.wish()) is not None:
        holder.take_chunk(published.chunk(wish))
    download = holder.complete()
    assert download is not None
    return download


def test_an_offer_that_is_repeated_meanwhile_does_not_have_it_worked_out_twice() -> None:
    holder, published = holder_on(), published_cards(5)
    download = fetched(holder, published)
    worked = holder.work_out(download)
    holder.take_offer(published.offer())
    holder.keep(download, worked, 0)
    holder.settle(download, worked)
    assert (holder.complete(), holder.wish()) == (None, None)


@pytest.mark.parametrize(("base", "useful"), [(0, True), (1, False)])
def test_what_is_offered_meanwhile_is_fetched_if_it_is_still_of_use(
    base: int, *, useful: bool
) -> None:
    holder, published = holder_on(), published_cards(5)
    deliver(holder, published)
    published.publish({"a": "b"})
    download = fetched(holder, published, base=1)
    worked = holder.work_out(download)
    published.publish({"c": "d"})
    holder.take_offer(published.offer(base))
    holder.keep(download, worked, 0)
    holder.settle(download, worked)
    assert held(holder)[0] == 2
    assert (holder.wish() is not None) == useful


def test_what_changes_a_version_that_is_held_no_more_is_not_used() -> None:
    holder, published = holder_on(), published_cards(5)
    deliver(holder, published)
    published.publish({"a": "b"})
    late = fetched(holder, published, base=1)
    published.publish({"c": "d"})
    deliver(holder, published)
    worked = holder.work_out(late)
    assert isinstance(worked, Mismatch)
    assert worked.why == "what it changes is not held"


def test_a_file_that_the_disk_does_not_take_leaves_what_was_held() -> None:
    keeper = FailingKeeper()
    holder, published = holder_on(keeper), published_cards(5)
    deliver(holder, published)
    published.publish({CARD: None})
    download = fetched(holder, published, base=1)
    keeper.fails_at = 0
    with pytest.raises(KeeperFailed):
        holder.keep(download, holder.work_out(download), 0)
    holder.drop(download)
    assert held(holder) == (1, published.hash(1), "active")
    keeper.fails_at = 10**9
    deliver(holder, published, base=1)
    assert held(holder)[0] == 2


def test_dropping_what_has_been_replaced_drops_nothing() -> None:
    holder, published = holder_on(), published_cards(5)
    download = fetched(holder, published)
    published.publish({CARD: None})
    holder.take_offer(published.offer())
    holder.drop(download)
    assert holder.wish() == Wish("deny", 2, 0, 0)


def test_a_version_is_pending_until_its_time_has_come() -> None:
    holder, published = holder_on(), published_cards(5)
    deliver(holder, published)
    assert holder.next_activation_ms() is None
    published.publish({CARD: None}, activate_ms=900)
    deliver(holder, published, base=1, now_ms=500)
    assert held(holder) == (2, published.hash(2), "pending")
    assert (holder.version("deny"), holder.next_activation_ms()) == (1, 900)
    assert holder.activate(899) == ([], [])
    assert not holder.changed
    assert holder.activate(900) == (["deny"], [])
    assert held(holder) == (2, published.hash(2), "active")
    assert (holder.version("deny"), holder.next_activation_ms()) == (2, None)


def test_a_change_may_build_on_what_is_pending() -> None:
    holder, published = holder_on(), published_cards(5)
    published.publish({"a": "b"}, activate_ms=900)
    deliver(holder, published)
    published.publish({"c": "d"}, activate_ms=800)
    deliver(holder, published, base=2)
    assert held(holder) == (3, published.hash(3), "pending")
    assert holder.activate(850) == (["deny"], [])
    assert holder.version("deny") == 3


def test_a_disk_that_fails_at_an_activation_is_told() -> None:
    keeper = FailingKeeper()
    holder, published = holder_on(keeper), published_cards(5)
    published.publish({CARD: None}, activate_ms=900)
    deliver(holder, published)
    keeper.fails_at = 0
    assert holder.activate(900) == (["deny"], ["the disk is full"])
    assert held(holder)[2] == "active"


def test_what_was_held_is_held_after_a_start_and_what_is_damaged_is_not() -> None:
    keeper = MemoryKeeper()
    published = published_cards(5)
    deliver(holder_on(keeper), published)
    again = holder_on(keeper)
    assert held(again) == (1, published.hash(1), "active")
    (name,) = keeper.names()
    keeper.write(name, [keeper.read(name)[:-1]])
    damaged = ListHolder(("deny",), keeper)
    assert len(damaged.load()) == 1
    assert held(damaged) == (0, b"", "active")


def test_the_version_offered_may_be_lower_than_the_one_held() -> None:
    holder, published = holder_on(), published_cards(5)
    for number in range(3):
        published.publish({f"new-{number}": ""})
    deliver(holder, published)
    published.go_back(2)
    deliver(holder, published)
    assert held(holder) == (2, published.hash(2), "active")
    active = holder.active("deny")
    assert active is not None
    assert dict(active) == published.content


def test_a_fresh_version_is_kept_with_its_change() -> None:
    keeper = MemoryKeeper()
    holder, published = holder_on(keeper), published_cards(500)
    deliver(holder, published)
    published.publish({CARD: None})
    deliver(holder, published, base=1)
    whole, change = (len(keeper.read(name)) for name in keeper.names())
    assert whole > 50 * change / 2
    assert held(holder_on(keeper)) == (2, published.hash(2), "active")
