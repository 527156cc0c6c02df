"""Terminals that hold a list, those that do not, and those that came to another one, counted."""

from __future__ import annotations

from actors.fleet.list_desk import ListDesk
from actors.fleet.news import News
from actors.fleet.registry import Link
from engine.fleet.list_file import make_file
from protocol.messages import FromNode, HeldList, Offer
from storage.fleet.list_store import ListHead
from storage.fleet.terminal_store import TerminalRecord


class Peer:
    """A connection that keeps what it is told."""

    unsent_bytes = 0

    def __init__(self) -> None:
        self.told: list[FromNode] = []

    def tell(self, message: FromNode) -> None:
        self.told.append(message)


def desk_with(notes: list[str], *links: Link) -> tuple[ListDesk, News, bytes]:
    """Return a desk that has published a deny list, and the hash of that."""
    news = News(notes.append)
    desk = ListDesk(now_ms=lambda: 0, news=news, wake=lambda: None)
    file = make_file([("a", "b")])
    head = ListHead("deny", 1, file.hash, 1, len(file.data), file.content_bytes)
    desk.publish(head, file, links)
    return desk, news, file.hash


def test_a_terminal_that_wants_no_lists_is_not_counted() -> None:
    without, other = (Link(Peer(), TerminalRecord(name)) for name in ("GATE-1", "GATE-2"))
    other.held = {"fares": HeldList("fares", 0, b"")}
    desk, _, good = desk_with([], without, other)
    assert (desk.counts["deny"].holding, desk.counts["deny"].holders) == (0, 0)
    desk.hold(other, [HeldList("deny", 1, good)])
    assert (desk.counts["deny"].holding, desk.counts["deny"].holders) == (1, 1)
    desk.leave(without)
    desk.leave(other)
    assert (desk.counts["deny"].holding, desk.counts["deny"].holders) == (0, 0)


def test_a_mismatch_is_counted_when_it_is_told_first() -> None:
    notes: list[str] = []
    peer = Peer()
    link = Link(peer, TerminalRecord("GATE-1"))
    desk, news, _ = desk_with(notes, link)

    def tell(held: HeldList, fares: int) -> int:
        desk.hold(link, [held, HeldList("fares", fares, b"")])
        return desk.counts["deny"].mismatches

    assert tell(HeldList("deny", 0, b""), 0) == 0
    assert isinstance(peer.told[-1], Offer)
    assert tell(HeldList("deny", 1, b"wrong", "mismatch"), 0) == 1
    assert tell(HeldList("deny", 1, b"wrong", "mismatch"), 1) == 1
    assert tell(HeldList("deny", 1, b"other", "mismatch"), 1) == 2
    assert len(peer.told) == 1, "the whole list was offered already"
    news.tell()
    assert notes == ["deny 1 came to another hash: GATE-1"]
