"""Visits of cards: what is on the chip, on disk, and told to the node always agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest
from msgspec import structs

from ops.virtual_card.card import Tear, VirtualCard
from ops.virtual_card.files import encode_state
from protocol.chip.keys import ChipKey, KeyStoreFailed, Role, SoftwareCardKeys
from protocol.chip.profile import Record, Use, reader_identity
from protocol.chip.proof import Effect, Proof
from storage.errors import StorageFailed, StorageFull
from storage.memory_store import MemoryStore
from terminals.acceptance.offline import Accepted, Held
from terminals.acceptance.refusal import Refusal, Refused
from terminals.acceptance.rows import Field, Tap
from terminals.acceptance.visit import (
    NO_MAC,
    USUAL,
    Taken,
    Turned,
    Visit,
    Visits,
    Want,
    readable,
)
from terminals.pcsc.work import PATIENCE_S
from tests.terminals.acceptance.lab import (
    BRT,
    MASTERS,
    NOON_MS,
    VERSION,
    Talking,
    World,
    drawing,
    made_card,
)

PRICE_RP = 3_500
COMMANDS = 10
"""Of a visit: the UID from the reader, and nine over the air."""


def pay(_held: Held) -> Accepted:
    return Accepted(Use.PURCHASE, "", -PRICE_RP)


def fields(held: Held, decision: Accepted) -> tuple[Field, ...]:
    return ("purchase", held.face.number, -decision.change_rp, "shop", "here", "", None, "food")


def visit(world: World, card: VirtualCard, want: Want = USUAL) -> Visit:
    return world.visits.take(Talking(card), pay, fields, want=want)


def value_of(card: VirtualCard) -> int:
    return World(role=Role.DEBIT).visits.look(Talking(card))[0].value_rp


def proved(tap: Tap) -> bool:
    """Tell whether the host would believe a tap."""
    raw = tap.intent[6]
    assert isinstance(raw, bytes)
    proof = Proof.decode(raw)
    key = MASTERS.card_key(Role.PROOF, proof.key_version, proof.uid)
    amount_rp = cast("int", tap.intent[2])
    return proof.is_genuine(key, reader_identity(BRT.terminal), Effect.of(-amount_rp))


def test_a_visit_takes_money_and_proves_it() -> None:
    world, card = World(), made_card()
    talk = Talking(card)
    taken = world.visits.take(talk, pay, fields)
    assert isinstance(taken, Taken)
    assert (taken.change_rp, taken.value_rp, taken.counter) == (-PRICE_RP, 46_500, 1)
    assert talk.commands == COMMANDS
    (tap,) = world.journal.unsettled(10)
    assert proved(tap)
    assert value_of(card) == 46_500


def test_the_record_on_the_chip_says_what_was_done() -> None:
    world, card = World(), made_card()
    visit(world, card)
    held, uses = world.visits.look(Talking(card))
    assert held.value_rp == 46_500
    assert [use.use for use in uses] == [Use.PURCHASE, Use.ISSUED]
    newest = Record(Use.PURCHASE, NOON_MS // 1000, PRICE_RP, BRT.mark, uses[0].sequence)
    assert uses[0] == newest


def test_the_last_uses_are_told_where_they_are_wanted() -> None:
    world, card = World(), made_card()
    for _ in range(6):
        world.wait(60)
        assert isinstance(visit(world, card), Taken)
    told = visit(world, card, Want(uses=True))
    assert isinstance(told, Taken)
    assert len(told.uses) == 7
    times = [use.at_s for use in told.uses]
    assert times == sorted(times, reverse=True)
    assert all(proved(tap) for tap in world.journal.unsettled(10))


def test_a_refusal_changes_nothing() -> None:
    world, card = World(), made_card()
    refused = Refused(Refusal.BELOW_FLOOR, "rule")
    before = card.image()
    turned = world.visits.take(Talking(card), lambda _: refused, fields)
    assert turned == Turned(refused, "9360020000000017", 50_000)
    assert card.image() == before
    assert not world.journal.backlog


def test_the_same_tap_once_more_does_not_touch_the_card() -> None:
    world, card = World(), made_card()
    before = card.image()
    again = Accepted(Use.TAP_IN, "in", 0, "rule", again=True)
    taken = world.visits.take(Talking(card), lambda _: again, fields)
    assert isinstance(taken, Taken)
    assert (taken.counter, taken.value_rp) == (0, 50_000)
    assert card.image() == before


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("answered", range(COMMANDS))
def test_a_card_torn_at_any_command_is_debited_with_its_proof_or_not_at_all(
    answered: int, *, done: bool
) -> None:
    world, card = World(), made_card()
    card.tear = Tear(answered, done)
    torn = visit(world, card)
    assert isinstance(torn, Turned)
    at_commit = answered == COMMANDS - 1
    assert torn.refused.refusal is (Refusal.TORN if at_commit else Refusal.MOVED)
    assert len(world.journal.attempts()) == at_commit
    world.wait(5)
    back = visit(world, card)
    assert isinstance(back, Taken)
    committed = at_commit and done
    assert back.recovered is committed
    assert world.journal.attempts() == []
    taps = world.journal.unsettled(10)
    assert len(taps) == 1
    assert all(map(proved, taps))
    assert value_of(card) == 50_000 - PRICE_RP


@pytest.mark.parametrize("done", [False, True])
def test_a_card_that_comes_back_later_has_both_visits(*, done: bool) -> None:
    world, card = World(), made_card()
    card.tear = Tear(COMMANDS - 1, done)
    visit(world, card)
    world.wait(3600)
    back = visit(world, card)
    assert isinstance(back, Taken)
    assert not back.recovered
    taps = world.journal.unsettled(10)
    assert len(taps) == 1 + done
    assert all(map(proved, taps))
    assert value_of(card) == 50_000 - len(taps) * PRICE_RP


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("others", [1, 4, 9])
def test_a_card_that_was_elsewhere_meanwhile_tells_what_it_did_as_long_as_it_knows(
    others: int, *, done: bool
) -> None:
    world, card = World(), made_card()
    visit(world, card)
    card.tear = Tear(COMMANDS - 1, done)
    visit(world, card)
    elsewhere = World(point=replace(BRT, terminal="GATE-02"))
    for _ in range(others):
        visit(elsewhere, card)
    world.wait(600)
    assert isinstance(visit(world, card), Taken)
    taps = world.journal.unsettled(10)
    if others == 9:
        assert [attempt.lost for attempt in world.journal.attempts()] == [True]
        assert len(taps) == 2
        return
    assert world.journal.attempts() == []
    assert len(taps) == 2 + done
    unproved = [tap for tap in taps if not proved(tap)]
    assert len(unproved) == done
    for tap in unproved:
        raw = tap.intent[6]
        assert isinstance(raw, bytes)
        assert Proof.decode(raw).committed.mac == NO_MAC


class Killed(BaseException):
    """The process ends here."""


class DyingStore(MemoryStore):
    """Ends the process before or after one of its writes."""

    def __init__(self, at: int, *, done: bool) -> None:
        super().__init__(tables=("attempts", "taps", "facts", "shifts", "owed", "orders"))
        self.at = at
        self.done = done

    def write(self, changes: object) -> None:
        self.at -= 1
        if self.at != 0 or self.done:
            super().write(changes)  # type: ignore[arg-type]
        if self.at == 0:
            raise Killed


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("at", [1, 2])
def test_a_terminal_killed_at_any_write_charges_nothing_twice_and_loses_nothing(
    at: int, *, done: bool
) -> None:
    store = DyingStore(0, done=done)
    world, card = World(store=store), made_card()
    store.at = at
    with pytest.raises(Killed):
        visit(world, card)
    survivors = store.survivors()
    again = World(store=survivors, own_ms=world.own_ms + 5_000)
    back = visit(again, card)
    assert isinstance(back, Taken)
    taps = again.journal.unsettled(10)
    assert all(map(proved, taps))
    assert value_of(card) == 50_000 - len(taps) * PRICE_RP
    # Killed after the tap was written, the terminal has two; before that the visit is one.
    assert len(taps) == (2 if (at, done) == (2, True) else 1)


class DyingTalk(Talking):
    """Ends the process before or after one of the commands of a card."""

    def __init__(self, card: VirtualCard, at: int, *, done: bool) -> None:
        super().__init__(card)
        self.at = at
        self.done = done

    def transmit(self, command: bytes) -> bytes:
        if self.commands == self.at and not self.done:
            raise Killed
        answer = super().transmit(command)
        if self.commands == self.at + 1 and self.done:
            raise Killed
        return answer


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("at", range(COMMANDS))
def test_a_terminal_killed_at_any_command_charges_nothing_twice_and_loses_nothing(
    at: int, *, done: bool
) -> None:
    world, card = World(), made_card()
    with pytest.raises(Killed):
        world.visits.take(DyingTalk(card, at, done=done), pay, fields)
    world.start()
    world.wait(5)
    back = visit(world, card)
    assert isinstance(back, Taken)
    assert back.recovered is (at == COMMANDS - 1 and done)
    assert len(world.journal.unsettled(10)) == 1
    assert value_of(card) == 50_000 - PRICE_RP


class Meanwhile(Talking):
    """Lets something happen between a command of a card and its answer."""

    def __init__(self, card: VirtualCard, at: int, happens: Callable[[], None]) -> None:
        super().__init__(card)
        self.at = at
        self.happens = happens

    def transmit(self, command: bytes) -> bytes:
        answer = super().transmit(command)
        if self.commands == self.at + 1:
            self.happens()
        return answer


@pytest.mark.parametrize("at", range(COMMANDS))
def test_a_card_that_is_at_two_readers_at_once_pays_once(at: int) -> None:
    """The first reader holds an answer back for so long that the second one is done with it."""
    world, card = World(), made_card()
    others: list[Visit] = []
    talk = Meanwhile(card, at, lambda: others.append(visit(world, card)))
    late = world.visits.take(talk, pay, fields)
    (other,) = others
    assert isinstance(other, Taken)
    at_commit = at == COMMANDS - 1
    assert other.recovered is at_commit
    # Before the card is opened it is just the next one.
    assert isinstance(late, Turned) or at <= 1
    if isinstance(late, Turned):
        assert late.refused.refusal in {Refusal.TORN, Refusal.MOVED, Refusal.FOREIGN}
    taps = world.journal.unsettled(10)
    assert len(taps) == (2 if isinstance(late, Taken) else 1)
    assert all(map(proved, taps))
    assert value_of(card) == 50_000 - len(taps) * PRICE_RP
    assert world.journal.attempts() == []


def test_a_commit_whose_answer_comes_when_nobody_waits_any_more_is_paid_once() -> None:
    world, card = World(), made_card()
    talk = Meanwhile(card, COMMANDS - 1, lambda: world.wait(PATIENCE_S))
    late = world.visits.take(talk, pay, fields)
    assert isinstance(late, Turned)
    assert late.refused.refusal is Refusal.TORN
    back = visit(world, card)
    assert isinstance(back, Taken)
    assert back.recovered
    assert value_of(card) == 50_000 - PRICE_RP


@pytest.mark.parametrize("same", [False, True])
def test_what_was_torn_counts_as_this_visit_only_if_it_is_the_same_amount(*, same: bool) -> None:
    world, card = World(), made_card()
    card.tear = Tear(COMMANDS - 1, done=True)
    visit(world, card)
    back = visit(world, card, Want(change_rp=-PRICE_RP if same else -PRICE_RP - 1))
    assert isinstance(back, Taken)
    assert back.recovered is same
    assert len(world.journal.unsettled(10)) == (1 if same else 2)


def test_nobody_pays_twice_because_a_clock_was_set_back_over_a_restart() -> None:
    world, card = World(), made_card()
    card.tear = Tear(COMMANDS - 1, done=True)
    visit(world, card)
    world.own_ms -= 86_400_000
    world.start()
    back = visit(world, card)
    assert isinstance(back, Taken)
    assert back.recovered
    assert value_of(card) == 50_000 - PRICE_RP


class BrokenKeys:
    """A store of keys that does not answer."""

    def card_key(self, role: Role, version: int, uid: bytes) -> ChipKey:
        raise KeyStoreFailed(f"the token does not answer for {role} {version} {len(uid)}")


def test_keys_that_cannot_be_used_are_the_fault_of_the_terminal() -> None:
    world, card = World(), made_card()
    visits = Visits(BRT, Role.DEBIT, BrokenKeys(), world.journal, world.timing, drawing())
    turned = visits.take(Talking(card), pay, fields)
    assert isinstance(turned, Turned)
    assert turned.refused.refusal is Refusal.OUT_OF_ORDER
    assert "the token does not answer" in turned.refused.detail


def test_a_record_of_a_later_program_is_passed_over() -> None:
    newest = Record(Use.PURCHASE, 1, 2, bytes(4), 3)
    assert readable([b"\xff" * 16, newest.encode()]) == [newest]


def test_a_full_disk_takes_no_money() -> None:
    world, card = World(), made_card()
    assert isinstance(world.store, MemoryStore)
    world.store.fail_next(StorageFull("no room"))
    turned = visit(world, card)
    assert isinstance(turned, Turned)
    assert turned.refused.refusal is Refusal.OUT_OF_ORDER
    assert value_of(card) == 50_000


def test_a_disk_that_fails_ends_the_terminal() -> None:
    world, card = World(), made_card()
    assert isinstance(world.store, MemoryStore)
    world.store.fail_next(StorageFailed("dying"))
    with pytest.raises(StorageFailed):
        visit(world, card)
    assert value_of(card) == 50_000


def test_a_card_of_another_city_is_turned_away() -> None:
    world = World()
    foreign = VirtualCard(bytes(7), chance=drawing())
    turned = visit(world, foreign)
    assert isinstance(turned, Turned)
    assert turned.refused.refusal is Refusal.FOREIGN


def test_a_copy_on_another_chip_is_turned_away() -> None:
    world, card = World(), made_card()
    stolen = structs.replace(card.state, uid=bytes.fromhex("04AAAAAAAAAAAA"))
    copy = VirtualCard.from_image(encode_state(stolen), chance=drawing())
    turned = visit(world, copy)
    assert isinstance(turned, Turned)
    assert turned.refused.refusal is Refusal.FOREIGN


def test_a_card_with_keys_that_the_terminal_does_not_have_is_turned_away() -> None:
    world, card = World(), made_card()
    keys = SoftwareCardKeys({(Role.SEAL, VERSION + 1): bytes(16)})
    visits = Visits(BRT, Role.DEBIT, keys, world.journal, world.timing, drawing())
    turned = visits.take(Talking(card), pay, fields)
    assert isinstance(turned, Turned)
    assert turned.refused.refusal is Refusal.NEWER_KEYS


def test_a_gate_cannot_load_a_card() -> None:
    world, card = World(), made_card()
    turned = world.visits.take(Talking(card), lambda _: Accepted(Use.TOP_UP, "", 10_000), fields)
    assert isinstance(turned, Turned)
    assert value_of(card) == 50_000
    assert not world.journal.attempts()


def test_what_is_on_the_card_does_not_suffice() -> None:
    world, card = World(), made_card(value_rp=1_000)
    turned = visit(world, card)
    assert isinstance(turned, Turned)
    assert value_of(card) == 1_000
