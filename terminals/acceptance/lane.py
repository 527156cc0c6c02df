"""What a terminal does with each card that is presented, by its kind.

A gate and a bus take a ride, a shop the amount that was keyed in, and a kiosk puts money on a card:
first the bank's leg, which the node decides, then the chip's. Money that a bank has given and that
is not on its card yet is owed to it: it comes with the card's next visit here, or goes back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

import trio

from protocol.chip.errors import ChipError
from protocol.chip.profile import Use
from terminals.acceptance.amounts import rupiah
from terminals.acceptance.journal import TapJournal
from terminals.acceptance.offline import Accepted, Decision, Held, Offline
from terminals.acceptance.point import Point, Published, Setting, setting
from terminals.acceptance.refusal import Refusal, Refused
from terminals.acceptance.rows import Field, Owed
from terminals.acceptance.sender import Sender
from terminals.acceptance.timing import Timing
from terminals.acceptance.visit import Taken, Talk, Turned, Visit, Visits, Want
from terminals.errors import CardGone

T = TypeVar("T")

ORDERS: Final = frozenset({"block", "unblock", "reset_journey"})

BANK_S_MAX: Final = 8.0
"""Somebody holds a card to a kiosk for no longer. What comes later is owed to the card."""


class Present(Protocol):
    """Runs what blocks with the card at a reader, in a thread of that reader."""

    def __call__(self, work: Callable[[Talk], T], /) -> Awaitable[T]:
        """Run it.

        Raises:
          CardGone, ReaderFailed: as `Talk` says, or before it could begin.
        """
        ...


class Lane:
    """Takes the cards of one terminal, at as many readers as it has.

    Args:
      point: where it stands.
      visits: does what is decided.
      offline: decides.
      journal: what was done.
      sender: tells the node.
      timing: when.
      published: what the list of settings in use says.

    Attributes:
      closed: whether no card is taken, as an officer has ordered.
      amount_rp: that the next card pays, or gets; 0: none was keyed in.
    """

    def __init__(
        self,
        point: Point,
        visits: Visits,
        offline: Offline,
        journal: TapJournal,
        sender: Sender,
        timing: Timing,
        published: Published,
    ) -> None:
        self.closed = False
        self.amount_rp = 0
        self._point = point
        self._visits = visits
        self._offline = offline
        self._journal = journal
        self._sender = sender
        self._timing = timing
        self._published = published

    async def serve(self, present: Present) -> Visit | None:
        """Take the card at a reader; None: nothing was to be done with it.

        Raises:
          ReaderFailed: the reader does not do its part.
          StorageFailed: the disk failed; no card must be taken any more.
        """
        if self.closed:
            return Turned(Refused(Refusal.CLOSED))
        if (refused := self._too_long()) is not None:
            return Turned(refused)
        try:
            match self._point.kind:
                case "gate" | "bus":
                    return await present(self._ride)
                case "shop":
                    if not (amount_rp := self.amount_rp):
                        return None
                    return await present(lambda talk: self._purchase(talk, amount_rp))
                case _:
                    return await self._kiosk(present)
        finally:
            self._sender.wake()

    @property
    def wants_amount(self) -> bool:
        """Whether an amount is keyed in for each card."""
        return self._point.kind in {"shop", "kiosk"}

    def idle_lines(self) -> list[str]:
        """Return what the screen says while there is no card."""
        if self.closed:
            return ["  Tutup / Closed"]
        if self.wants_amount:
            if not self.amount_rp:
                return ["  Masukkan jumlah / Key in an amount"]
            return [f"  {rupiah(self.amount_rp)}", "  Tempelkan kartu / Present your card"]
        return ["  Tempelkan kartu / Present your card"]

    def order(self, card: str, action: str) -> str:
        """Take an order about a card, for its next visit; return why not, or an empty text.

        Raises:
          StorageError: it could not be written down.
        """
        if action not in ORDERS:
            return f"this terminal cannot {action} a card"
        return "" if self._journal.order(card, action) else "too many orders about cards"

    # --- rides and goods ----------------------------------------------------------------------

    def _ride(self, talk: Talk) -> Visit:
        visit = self._visits.take(talk, self._within(self._ride_or_order), self._ride_fields)
        if isinstance(visit, Taken) and visit.use is Use.RESET:
            self._journal.carried_out(visit.number)
        return visit

    def _ride_or_order(self, held: Held) -> Decision:
        match self._journal.order_for(held.face.number):
            case "block":
                return Refused(Refusal.DENIED, "an officer's order")
            case "reset_journey":
                return self._offline.reset(held)
            case _:
                return self._offline.ride(held)

    def _purchase(self, talk: Talk, amount_rp: int) -> Visit:

        def decide(held: Held) -> Decision:
            if amount_rp > setting(Setting.PURCHASE_RP_MAX, self._published):
                return Refused(Refusal.OFFLINE_TOO_MUCH)
            return self._offline.purchase(held, amount_rp)

        def fields(held: Held, _decision: Accepted) -> tuple[Field, ...]:
            point = self._point
            paid = ("purchase", held.face.number, amount_rp, point.merchant, point.place)
            return (*paid, "", None, point.merchant_kind)

        return self._visits.take(talk, self._within(decide), fields, want=Want(uses=True))

    def _within(self, decide: Callable[[Held], Decision]) -> Callable[[Held], Decision]:
        """Let only so much be taken that the node does not know of."""

        def limited(held: Held) -> Decision:
            decision = decide(held)
            if isinstance(decision, Accepted) and decision.change_rp < 0:
                unsent_rp = self._journal.unsent_rp - decision.change_rp
                if unsent_rp > setting(Setting.OFFLINE_RP_MAX, self._published):
                    return Refused(Refusal.OFFLINE_TOO_MUCH)
            return decision

        return limited

    def _ride_fields(self, held: Held, decision: Accepted) -> tuple[Field, ...]:
        point = self._point
        ride = ("tap", held.face.number, -decision.change_rp, point.operator, decision.direction)
        return (*ride, point.place, point.line, "", None, point.service)

    def _too_long(self) -> Refused | None:
        since_ms = self._timing.now_ms() - self._journal.contact_ms
        if since_ms > setting(Setting.OFFLINE_S_MAX, self._published) * 1000:
            return Refused(Refusal.OFFLINE_TOO_LONG)
        return None

    # --- top-ups ------------------------------------------------------------------------------

    async def _kiosk(self, present: Present) -> Visit | None:
        try:
            held, _ = await present(self._visits.look)
        except CardGone:
            return Turned(Refused(Refusal.MOVED))
        except ChipError as error:
            return Turned(Refused(Refusal.FOREIGN, str(error)))
        number = held.face.number
        owed = self._owed_to(number)
        if owed is None and self.amount_rp:
            if (refused := self._offline.may_be_used(held)) is not None:
                return Turned(refused, number, held.value_rp)
            asked = await self._ask_bank(number, self.amount_rp)
            if isinstance(asked, Refused):
                return Turned(asked, number, held.value_rp)
            owed = asked
        if owed is None:
            return None
        return await present(self._load(owed))

    def _owed_to(self, number: str) -> Owed | None:
        """Return what the bank has given for a card and it has not got yet."""
        for owed in self._journal.owed():
            tap = self._journal.tap(owed.counter)
            if owed.number == number and tap is not None and tap.result == "posted":
                return owed
        return None

    async def _ask_bank(self, number: str, amount_rp: int) -> Owed | Refused:
        """Have the node take money from the bank for a card."""
        if not self._sender.online:
            return Refused(Refusal.NO_NODE)
        fields = ("top_up", number, amount_rp, self._point.bank, 0, "bank")
        stamp = self._timing.stamp()
        tap = await trio.to_thread.run_sync(
            lambda: self._journal.owe(fields, stamp, number, amount_rp)
        )
        self._sender.wake()
        with trio.move_on_after(BANK_S_MAX):
            settled = await self._sender.wait_settled(tap.counter)
            if settled is not None and settled.result == "posted":
                return Owed(tap.counter, number, amount_rp, stamp)
            await trio.to_thread.run_sync(lambda: self._journal.give_up(tap.counter))
            return Refused(Refusal.NODE_REFUSED, "" if settled is None else settled.result)
        return Refused(Refusal.NO_NODE)

    def _load(self, owed: Owed) -> Callable[[Talk], Visit]:
        """Put money on a card that its bank has given."""

        def decide(held: Held) -> Decision:
            if held.face.number != owed.number:
                return Refused(Refusal.MOVED)
            return Accepted(Use.TOP_UP, "", owed.amount_rp)

        def fields(held: Held, _decision: Accepted) -> tuple[Field, ...]:
            bank = self._point.bank
            return ("top_up", held.face.number, owed.amount_rp, bank, 0, "chip", "", None)

        want = Want(uses=True, pays=owed.counter)
        return lambda talk: self._visits.take(talk, decide, fields, want=want)

    def give_back(self) -> int:
        """Give money back to banks that has not come to its cards in time; return how often.

        Not while a card may have got it: that is for the card's next visit to tell.
        """
        journal, count = self._journal, 0
        under_way = {attempt.pays for attempt in journal.attempts()}
        limit_ms = setting(Setting.TOP_UP_OWED_S_MAX, self._published) * 1000
        for owed in journal.owed():
            tap = journal.tap(owed.counter)
            if tap is None or not tap.result or owed.counter in under_way:
                continue
            if tap.result != "posted":
                journal.give_up(owed.counter)
            elif self._timing.age_ms(owed.stamp) > limit_ms:
                fields = ("reversal", self._point.terminal, owed.counter)
                journal.give_back(owed.counter, fields, self._timing.stamp())
                count += 1
        return count
