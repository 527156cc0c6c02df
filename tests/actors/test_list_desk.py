"""The list desk: who holds what, and who is offered what."""

from __future__ import annotations

import pytest

from actors.fleet.list_desk import ListDesk
from actors.fleet.news import News
from actors.fleet.registry import Link
from engine.fleet.list_file import make_file
from engine.fleet.lists import ListName
from protocol.messages import FromNode, HeldList, Offer
from storage.fleet.list_store import ListHead
from storage.fleet.terminal_store import TerminalRecord
from tests.actors.world import NOON_MS


class Peer:
    """A connection that keeps what it is told."""

    unsent_bytes = 0

    def __init__(self) -> None:
        self.told: list[FromNode] = []

    def tell(self, message: FromNode) -> None:
        """Keep it."""
        self.told.append(message)


def nothing_to_make() -> None:
    """Take the wish for a file where none is expected."""
    pytest.fail("the whole list is known")


def test_terminals_that_want_other_lists_do_not_count() -> None:
    desk = ListDesk(now_ms=lambda: NOON_MS, news=News(pytest.fail), wake=nothing_to_make)
    links: dict[ListName, Link] = {
        name: Link(Peer(), TerminalRecord(f"GATE-{name}")) for name in ("deny", "fares")
    }
    for name, link in links.items():
        desk.hold(link, [HeldList(name, 0, b"")])
    file = make_file([("6013500100000001", "lost")])
    head = ListHead("deny", 1, file.hash, 1, len(file.data), file.content_bytes, NOON_MS)
    desk.publish(head, file, links.values())
    assert desk.counts["deny"].holding == 1
    for link in links.values():
        desk.consider(link, "deny")
    told = {name: link.peer.told for name, link in links.items() if isinstance(link.peer, Peer)}
    assert [type(message) for message in told["deny"]] == [Offer]
    assert told["fares"] == []
    # A node that is started again loads it while terminals are connected.
    desk.load(head, {1: file.hash}, links.values())
    assert desk.counts["deny"].holding == 1
