"""The kit passes on a node as it is, and finds what is planted in one that is not."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from ops.conformance.enroller import FolderEnroller
from ops.conformance.keys import Keys
from ops.conformance.kit import Kit
from ops.conformance.line import Address
from ops.conformance.node import NOT_TRIED, RULES
from ops.conformance.run import Tried, try_rules
from ops.node_process import NodeProcess
from tests.ops.conformance.mutants import MUTANTS, Mutant, a_credit_is_lost
from tests.ops.conformance.node_here import failed, named, not_passed, now_ms, tried_here
from tests.ops.conformance.test_rules import to_be_exercised

SLOW = [rule for rule in RULES if rule.slow]
QUICK = [rule for rule in RULES if not rule.slow]
FAST = 10
"""How much faster than the machine's the clock of a node runs whose deadlines are waited for."""
OVERTAKEN = {
    "more transactions than credits are too many": "code:credits_exceeded",
    "more questions than may be open are too many": "code:queries_exceeded",
    "more orders than may be open are too many": "code:orders_exceeded",
}
"""Rules that cannot be tried where the node answers faster than the kit asks, and their codes."""


@pytest.mark.slow
@pytest.mark.waits
def test_a_node_keeps_to_the_document(tmp_path: Path) -> None:
    node = NodeProcess.start(tmp_path / "DIR")

    async def run(kit: Kit) -> list[Tried]:
        tried = await try_rules(kit, QUICK, slow=False, on_tried=lambda _: None)
        async with kit.session() as peer, trio.open_nursery() as nursery:
            # What the kit does not do by itself: the node is stopped.
            nursery.start_soon(trio.to_thread.run_sync, node.stop)
            await peer.ends("node_stopping")
        return tried

    try:
        keys = Keys.enrolled_by(FolderEnroller(tmp_path / "DIR", now_ms))
        kit = Kit(Address.of(node.url), keys, "REAL")
        tried = trio.run(run, kit)
    finally:
        if node.running:
            node.kill()
    assert not failed(tried)
    skipped = {each.name: each.why for each in tried if each.verdict == "skipped"}
    waived = {"code:handshake_timeout"}
    for name in OVERTAKEN.keys() & skipped.keys():
        assert "faster than the kit" in skipped.pop(name)
        waived.add(OVERTAKEN[name])
    assert [*skipped.values()] == ["the node speaks no TLS here"]
    left = to_be_exercised() - kit.notes.exercised - waived
    excused = {each for each in NOT_TRIED if not each.startswith("limit:")}
    assert left == excused - {"code:node_stopping"}


@pytest.mark.slow
@pytest.mark.waits
def test_deadlines_are_kept() -> None:
    tried, exercised = trio.run(partial(tried_here, SLOW, slow=True), clock=MockClock(rate=FAST))
    assert not failed(tried)
    assert {each.verdict for each in tried} == {"passed"}
    assert {"code:idle", "code:handshake_timeout"} <= exercised


async def test_what_takes_long_is_left_out_and_said_so() -> None:
    tried, _ = await tried_here(SLOW)
    assert {each.verdict for each in tried} == {"skipped"}
    assert all("--slow" in each.why for each in tried)


@pytest.mark.slow
@pytest.mark.waits
@pytest.mark.usefixtures("no_cover")
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.plant.__name__)
def test_what_is_planted_in_a_node_is_found(
    mutant: Mutant, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant.plant(monkeypatch)
    rules = [rule for rule in named(mutant.section) if not rule.slow]
    # What never comes is waited for; but how much comes in a second is counted in seconds, and how
    # many are under way depends on the disk.
    timed = mutant.section == "8."
    rate, sync_s = (1.0, 0.02) if timed else (FAST / 2, 0.0)
    tried, _ = trio.run(partial(tried_here, rules, sync_s=sync_s), clock=MockClock(rate=rate))
    # Of a node that counts no credits the kit can only say that it never ran out of them.
    found = {*failed(tried), *(set(not_passed(tried)) & mutant.breaks)}
    assert found == mutant.breaks, not_passed(tried)


async def test_credits_that_come_back_faster_than_they_can_be_used_are_said_to_do_so() -> None:
    (tried,), _ = await tried_here(named("more transactions than credits are too many"))
    assert (tried.verdict, tried.why) == ("skipped", "the node answers faster than the kit can ask")


async def test_a_lost_credit_is_found_wherever_outcomes_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    a_credit_is_lost(monkeypatch)
    tried, _ = await tried_here(named("transactions of a submit stand alone"))
    (why,) = failed(tried).values()
    assert why == "credits of an outcome message is 0, not 1"


async def test_a_nonce_that_comes_twice_is_found() -> None:
    rules = named("each connection has a nonce of its own")
    tried, _ = await tried_here(rules, nonce=lambda: bytes(32))
    assert set(failed(tried)) == {rules[0].name}
