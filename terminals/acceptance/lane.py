"""What a terminal does with each card that is presented, by its kind.

A gate and a bus take a ride, a shop the amount that was keyed in, and a kiosk puts money on a card
(`top_ups`). What an officer has ordered about a card holds whatever it is presented for.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from protocol.chip.profile import Use
from storage.errors import StorageFull
from terminals.acceptance.journal import TapJournal
from terminals.acceptance.offline import Accepted, Decision, Held, Offline
from terminals.acceptance.point import Point, Published, Setting, setting
from terminals.acceptance.refusal import Refusal, Refused
from terminals.acceptance.rows import Field
from terminals.acceptance.sender import Sender
from terminals.acceptance.shown import rupiah
from terminals.acceptance.timing import Timing
from terminals.acceptance.top_ups import Present, TopUps
from terminals.acceptance.visit import Taken, Talk, Turned, Visit, Visits, Want

_RESET: Final = "reset_journey"
_ABOUT_CARDS: Final = frozenset({"block", "unblock", _RESET})

AMOUNT_RP_MAX: Final = 10_000_000
"""That can be keyed in: what a card may hold at most."""


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
      amount_rp: that each card pays, or gets, where none is keyed in; 0: nothing.
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
        self.closed = journal.orders.lane_closed
        self.amount_rp = 0
        self._keyed_rp = 0
        self._point = point
        self._visits = visits
        self._offline = offline
        self._journal = journal
        self._sender = sender
        self._timing = timing
        self._published = published
        self._top_ups = TopUps(point, visits, self._may_be_used, journal, sender, timing, published)

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
        # It is this card's from now on, so that no other one pays it as well.
        amount_rp, self._keyed_rp = self._keyed_rp, 0
        visit: Visit | None = None
        try:
            visit = await self._serve(present, amount_rp or self.amount_rp)
        except StorageFull as full:
            visit = Turned(Refused(Refusal.OUT_OF_ORDER, str(full)))
        finally:
            if not isinstance(visit, Taken):
                self._keyed_rp = self._keyed_rp or amount_rp
            self._sender.wake()
        return visit

    async def _serve(self, present: Present, amount_rp: int) -> Visit | None:
        match self._point.kind:
            case "gate" | "bus":
                return await present(self._ride)
            case "shop":
                if not amount_rp:
                    return None
                return await present(lambda talk: self._purchase(talk, amount_rp))
            case _:
                return await self._top_ups.serve(present, amount_rp)

    def close(self, *, closed: bool) -> None:
        """Close the lane, or open it again, as an officer has ordered.

        Raises:
          StorageError: it could not be written down.
        """
        self._journal.orders.close_lane(closed=closed)
        self.closed = closed

    def decide_with(self, offline: Offline) -> None:
        """Decide by other rules from now on. A visit that has begun may still see those before."""
        self._offline = offline

    def key_in(self, amount_rp: int) -> bool:
        """Let the next card pay, or get, an amount, once; 0: none. Tell whether that may be."""
        if not 0 <= amount_rp <= AMOUNT_RP_MAX:
            return False
        self._keyed_rp = amount_rp
        return True

    def give_back(self) -> int:
        """Give money back to banks that has not come to its cards, as `TopUps` says."""
        return self._top_ups.give_back()

    @property
    def wants_amount(self) -> bool:
        """Whether an amount is keyed in for each card."""
        return self._point.kind in {"shop", "kiosk"}

    def idle_lines(self) -> list[str]:
        """Return what the screen says while there is no card."""
        if self.closed:
            return ["  Tutup / Closed"]
        if self.wants_amount:
            amount_rp = self._keyed_rp or self.amount_rp
            if not amount_rp:
                return ["  Masukkan jumlah / Key in an amount"]
            return [f"  {rupiah(amount_rp)}", "  Tempelkan kartu / Present your card"]
        return ["  Tempelkan kartu / Present your card"]

    def order(self, card: str, action: str) -> str:
        """Take an order about a card, for its next visit; return why not, or an empty text.

        Raises:
          StorageError: it could not be written down.
        """
        if action not in _ABOUT_CARDS or (action == _RESET and self.wants_amount):
            return f"this terminal cannot {action} a card"
        orders = self._journal.orders
        if action == "unblock":
            orders.forget(card)
            return ""
        return "" if orders.take(card, action) else "too many orders about cards"

    # --- rides and goods ----------------------------------------------------------------------

    def _ride(self, talk: Talk) -> Visit:
        visit = self._visits.take(talk, self._within(self._ride_or_order), self._ride_fields)
        if isinstance(visit, Taken) and visit.use is Use.RESET:
            # Where there is no room, it is carried out once more: then there is no ride to end.
            with suppress(StorageFull):
                self._journal.orders.forget(visit.number)
        return visit

    def _ride_or_order(self, held: Held) -> Decision:
        if (refused := self._blocked(held)) is not None:
            return refused
        if self._journal.orders.about(held.face.number) == _RESET:
            return self._offline.reset(held)
        return self._offline.ride(held)

    def _blocked(self, held: Held) -> Refused | None:
        if self._journal.orders.about(held.face.number) == "block":
            return Refused(Refusal.DENIED, "an officer's order")
        return None

    def _may_be_used(self, held: Held) -> Refused | None:
        return self._blocked(held) or self._offline.may_be_used(held)

    def _purchase(self, talk: Talk, amount_rp: int) -> Visit:

        def decide(held: Held) -> Decision:
            if (refused := self._blocked(held)) is not None:
                return refused
            if amount_rp > setting(Setting.PURCHASE_RP_MAX, self._published):
                return Refused(Refusal.OFFLINE_TOO_MUCH)
            return self._offline.purchase(held, amount_rp)

        def fields(held: Held, _decision: Accepted) -> tuple[Field, ...]:
            point = self._point
            paid = ("purchase", held.face.number, amount_rp, point.merchant, point.place)
            return (*paid, "", None, point.merchant_kind)

        want = Want(uses=True, change_rp=-amount_rp)
        return self._visits.take(talk, self._within(decide), fields, want=want)

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
