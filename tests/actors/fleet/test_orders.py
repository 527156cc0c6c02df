"""Drafts and receipts: every refusal names its field, and nothing is half done."""

from __future__ import annotations

import pytest
import trio.testing

from actors import limits
from protocol.messages import (
    Action,
    HeldList,
    Holds,
    ListApprove,
    ListPart,
    ListPublish,
    ListWithdraw,
    Offer,
    Order,
    Receipt,
    Register,
)
from storage.errors import StorageFailed, StorageFull
from storage.fleet.list_store import ListStore
from storage.fleet.terminal_store import TerminalStore
from tests.actors.fleet.world import FakePeer, running, settled
from tests.actors.test_committer import a_life
from tests.actors.world import Clock, Disk, fleet_on

PART = ListPart("d", "deny", 0, (("A", "lost"),))


@pytest.mark.parametrize(
    ("before", "action", "code", "field"),
    [
        ([], ListPart("d", "deny", 0, (("A", "x"), ("a b", "x"))), "key_invalid", "entries[1][0]"),
        ([], ListPart("d", "deny", 0, (("kärtü", "x"),)), "key_invalid", "entries[0][0]"),
        ([PART], ListPart("d", "settings", 1, (("A", "x"),)), "conflict", "name"),
        ([], ListPublish("d", "deny", 1, 0), "draft_unknown", "draft"),
        ([PART], ListPublish("d", "settings", 1, 0), "draft_unknown", "draft"),
        ([PART], ListPublish("d", "deny", 2, 0), "parts_missing", "parts"),
        ([PART], ListPublish("d", "deny", 0, 0), "parts_missing", "parts"),
        ([PART], ListPublish("d", "deny", 1, 7), "version_passed", "base"),
        ([ListPart("d", "deny", 0, (("A", None),))], ListPublish("d", "deny", 1, 0),
         "nothing_changes", "draft"),
        ([], ListApprove("d"), "draft_unknown", "draft"),
        ([PART], ListApprove("d"), "draft_unknown", "draft"),
        ([], ListWithdraw("d"), "draft_unknown", "draft"),
    ],
)  # fmt: skip
async def test_what_cannot_be_done_is_refused_and_names_the_field(
    autojump_clock: trio.testing.MockClock,
    before: list[Action],
    action: Action,
    code: str,
    field: str,
) -> None:
    async with running() as city:
        for number, earlier in enumerate(before):
            assert (await city.order(earlier, order_id=f"b{number}")).result == "done"
        receipt = await city.order(action)
        assert (receipt.result, receipt.code) == ("refused", code)
        assert receipt.field == f"order.action.{field}"
        assert receipt.text
        assert ListStore(city.disk.fleet).head("deny").version == 0


async def test_a_draft_belongs_to_its_officer(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as city:
        await city.order(PART)
        for action in (PART, ListPublish("d", "deny", 1, 0)):
            receipt = await city.order(action, officer="budi", order_id=type(action).__name__)
            assert (receipt.code, receipt.text) == ("conflict", "the draft is one of ani")


async def test_a_draft_that_waits_is_not_changed_and_can_be_withdrawn(
    autojump_clock: trio.testing.MockClock,
) -> None:
    many = tuple((f"{number:04}", "lost") for number in range(101))
    async with running() as city:
        assert (await city.publish(many)).result == "waiting"
        assert (await city.order(PART)).code == "conflict"
        assert (await city.order(ListPublish("d", "deny", 1, 0), order_id="2")).code == "conflict"
        gone = await city.order(ListWithdraw("d"), order_id="3", officer="budi")
        assert (gone.result, gone.count) == ("done", 101)
        assert ListStore(city.disk.fleet).drafts() == []


async def test_an_approval_that_comes_after_another_version_is_refused(
    autojump_clock: trio.testing.MockClock,
) -> None:
    many = tuple((f"{number:04}", "lost") for number in range(101))
    async with running() as city:
        await city.publish(many)
        await city.order(ListPart("e", "deny", 0, (("A", "lost"),)), order_id="p")
        assert (await city.order(ListPublish("e", "deny", 1, 0), order_id="q")).version == 1
        late = await city.order(ListApprove("d"), officer="budi")
        assert late.code == "version_passed"


async def test_parts_may_come_in_any_order_and_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as city:
        for number, part in enumerate((1, 0, 1)):
            entries = ((f"K{part}", "lost"),)
            await city.order(ListPart("d", "deny", part, entries), order_id=f"p{number}")
        receipt = await city.order(ListPublish("d", "deny", 2, 0))
        assert (receipt.result, receipt.count) == ("done", 2)


async def test_there_are_only_so_many_drafts(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DRAFTS_MAX", 1)
    async with running() as city:
        await city.order(PART)
        assert (await city.order(PART)).result == "done"
        other = ListPart("e", "deny", 0, (("A", "lost"),))
        assert (await city.order(other)).code == "too_many"


async def test_a_part_that_comes_again_after_its_draft_was_published_begins_no_other(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as city:
        await city.publish([("A", "lost")])
        receipt = await city.order(PART, order_id="again")
        assert (receipt.result, receipt.version) == ("done", 1)
        assert ListStore(city.disk.fleet).drafts() == []
        late = await city.order(ListPublish("d", "deny", 1, 1), order_id="late")
        assert (late.code, "version 1" in late.text) == ("draft_unknown", True)


async def test_a_draft_that_nobody_went_on_with_makes_room_after_a_week(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DRAFTS_MAX", 2)
    many = tuple((f"{number:04}", "lost") for number in range(101))
    async with running() as city:
        assert (await city.publish(many)).result == "waiting"
        await city.order(ListPart("left", "deny", 0, (("A", "lost"),)))
        city.clock.ms += limits.DRAFT_KEPT_MS + 1
        await city.order(ListPart("new", "deny", 0, (("A", "lost"),)))
        kept = {draft.draft for draft in ListStore(city.disk.fleet).drafts()}
        assert kept == {"d", "new"}, "the one that waits for an officer stays"


# --- the actor --------------------------------------------------------------------------------


async def test_an_order_on_a_full_disk_is_to_be_sent_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running() as city:
        city.disk.fleet.fail_next(StorageFull("planted"))
        receipt = await city.order(Register("G1", "gate"))
        assert (receipt.result, receipt.code) == ("busy", "storage_full")
        assert (await city.order(Register("G1", "gate"))).result == "done"


@pytest.mark.parametrize(
    ("failure", "result", "code"),
    [
        (StorageFailed("planted"), "busy", "overload"),
        (ValueError("planted"), "refused", "internal_error"),
    ],
)
async def test_a_failure_answers_all_that_waits_and_the_next_life_goes_on(
    autojump_clock: trio.testing.MockClock,
    monkeypatch: pytest.MonkeyPatch,
    failure: Exception,
    result: str,
    code: str,
) -> None:
    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(TerminalStore, "save", fail)
    disk, clock = Disk(), Clock()
    fleet = fleet_on(disk, clock)
    peer = FakePeer()
    with pytest.RaisesGroup(pytest.RaisesExc(type(failure)), flatten_subgroups=True):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fleet.run, a_life())
            await settled()
            for number in range(3):
                fleet.take(peer, "ani", Order(str(number), Register("G1", "gate")))
            await settled()
    told = [(message.result, message.code) for message in peer.told if isinstance(message, Receipt)]
    assert told == [(result, code), ("busy", "overload"), ("busy", "overload")]
    peer.told.clear()
    fleet.take(peer, "ani", Order("1", Register("G1", "gate")))
    assert peer.take(Receipt).result == "busy", "nobody is there"
    assert fleet.trace().refused == 1


async def test_only_so_many_orders_wait(autojump_clock: trio.testing.MockClock) -> None:
    disk, peer = Disk(), FakePeer()
    fleet = fleet_on(disk, Clock())
    fleet.store = disk.fleet
    for number in range(limits.ORDERS_WAITING_MAX):
        fleet.take(peer, "ani", Order(str(number), Register("G1", "gate")))
    assert peer.told == []
    trace = fleet.trace()
    assert (trace.depth, trace.accepted) == (limits.ORDERS_WAITING_MAX,) * 2
    fleet.take(peer, "ani", Order("x", Register("G1", "gate")))
    assert peer.take(Receipt).code == "overload"


async def test_a_fleet_that_is_opened_anew_tells_those_who_stayed_what_they_missed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    disk, clock = Disk(), Clock()
    async with running(disk=disk, clock=clock) as city:
        await city.publish([("A", "lost")])
    fleet = fleet_on(disk, clock)
    peer = FakePeer()
    fleet.arrive(peer, "G1", "", b"")
    fleet.take(peer, "", Holds((HeldList("deny", 0, b""),)))
    life = a_life()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fleet.run, life)
        await settled()
        assert peer.take(Offer).version == 1
        life.stopping.set()
