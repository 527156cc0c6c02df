"""Puts money on cards: first the bank's leg, which the node decides, then the chip's.

Money that a bank has given and that is not on its card yet is owed to it: it comes with the card's
next visit here, or goes back. It does one of them: what is being put on a card does not go back
meanwhile, and a bank that has not answered yet is not asked for the same card again.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol, TypeVar

import trio

from protocol.chip.errors import ChipError
from protocol.chip.profile import Use
from terminals.acceptance.journal import TapJournal
from terminals.acceptance.offline import Accepted, Decision, Held
from terminals.acceptance.point import Point, Published, Setting, setting
from terminals.acceptance.refusal import Refusal, Refused
from terminals.acceptance.rows import Field, Owed
from terminals.acceptance.sender import Sender
from terminals.acceptance.timing import Timing
from terminals.acceptance.visit import Talk, Turned, Visit, Visits, Want, refused_for
from terminals.errors import CardGone

T = TypeVar("T")

BANK_S_MAX: Final = 8.0
"""Somebody holds a card to a kiosk for no longer. What comes later is owed to the card."""

POSTED: Final = "posted"


class Present(Protocol):
    """Runs what blocks with the card at a reader, in a thread of that reader."""

    def __call__(self, work: Callable[[Talk], T], /) -> Awaitable[T]:
        """Run it.

        Raises:
          CardGone, ReaderFailed: as `Talk` says, or before it could begin.
        """
        ...


class TopUps:
    """Puts money on the cards that come to one terminal.

    Args:
      point: where it stands.
      visits: does what is decided.
      usable: tells why a card is not taken, whatever for.
      journal: what was done.
      sender: tells the node.
      timing: when.
      published: what the list of settings in use says.
    """

    def __init__(
        self,
        point: Point,
        visits: Visits,
        usable: Callable[[Held], Refused | None],
        journal: TapJournal,
        sender: Sender,
        timing: Timing,
        published: Published,
    ) -> None:
        self._point = point
        self._visits = visits
        self._usable = usable
        self._journal = journal
        self._sender = sender
        self._timing = timing
        self._published = published
        # Readers have threads of their own, and so has what goes back.
        self._lock = threading.Lock()
        self._paying: set[int] = set()

    async def serve(self, present: Present, amount_rp: int) -> Visit | None:
        """Take the card at a reader: what it is owed, else an amount, else nothing.

        Raises:
          CardGone, ReaderFailed: as `Present` says.
          StorageError: the amount could not be written down, or the disk failed.
        """
        try:
            held, _ = await present(self._visits.look)
        except (CardGone, ChipError) as error:
            return Turned(refused_for(error))
        number = held.face.number
        owed = self._owed_to(number)
        if owed is None and not amount_rp:
            return None
        if (refused := self._usable(held)) is not None:
            return Turned(refused, number, held.value_rp)
        given = await self._given(number, amount_rp, owed)
        if isinstance(given, Refused):
            return Turned(given, number, held.value_rp)
        return await present(self._load(given))

    def give_back(self) -> int:
        """Give money back to banks that has not come to its cards in time; return how often.

        Not while a card may have got it: that is for the card's next visit to tell.

        Raises:
          StorageError: it could not be written down.
        """
        journal, count = self._journal, 0
        for owed in journal.owed():
            tap = journal.tap(owed.counter)
            if tap is None or not tap.result:
                continue
            if tap.result != POSTED:
                self._forget(owed)
            elif self._is_late(owed):
                count += self._return(owed)
        return count

    # --- the bank's leg -----------------------------------------------------------------------

    def _owed_to(self, number: str) -> Owed | None:
        """Return what a card is to get, given by its bank already or not yet."""
        unclear = self._unclear()
        for owed in self._journal.owed():
            if owed.number == number and owed.counter not in unclear:
                tap = self._journal.tap(owed.counter)
                if tap is not None and tap.result in {"", POSTED}:
                    return owed
        return None

    def _unclear(self) -> set[int]:
        """Return what a card may have got or not, and can tell no more."""
        return {attempt.pays for attempt in self._journal.attempts() if attempt.lost}

    async def _given(self, number: str, amount_rp: int, owed: Owed | None) -> Owed | Refused:
        """Have the node take money from the bank for a card, or wait for what it was asked for."""
        if owed is not None:
            tap = self._journal.tap(owed.counter)
            if tap is not None and tap.result == POSTED:
                return owed
        if not self._sender.online:
            return Refused(Refusal.NO_NODE)
        if owed is None:
            owed = await trio.to_thread.run_sync(lambda: self._ask(number, amount_rp))
        self._sender.wake()
        with trio.move_on_after(BANK_S_MAX):
            settled = await self._sender.wait_settled(owed.counter)
            if settled is not None and settled.result == POSTED:
                return owed
            await trio.to_thread.run_sync(self._forget, owed)
            return Refused(Refusal.NODE_REFUSED, "" if settled is None else settled.result)
        return Refused(Refusal.NO_NODE)

    def _ask(self, number: str, amount_rp: int) -> Owed:
        fields = ("top_up", number, amount_rp, self._point.bank, 0, "bank")
        stamp = self._timing.stamp()
        tap = self._journal.owe(fields, stamp, number, amount_rp)
        return Owed(tap.counter, number, amount_rp, stamp)

    # --- the chip's leg, or back --------------------------------------------------------------

    def _load(self, owed: Owed) -> Callable[[Talk], Visit]:
        """Put money on a card that its bank has given."""

        def decide(held: Held) -> Decision:
            if held.face.number != owed.number:
                return Refused(Refusal.MOVED)
            if (refused := self._usable(held)) is not None:
                return refused
            if owed.counter in self._unclear():
                return Refused(Refusal.LOAD_UNCLEAR)
            return Accepted(Use.TOP_UP, "", owed.amount_rp)

        def fields(held: Held, _decision: Accepted) -> tuple[Field, ...]:
            bank = self._point.bank
            return ("top_up", held.face.number, owed.amount_rp, bank, 0, "chip", "", None)

        def load(talk: Talk) -> Visit:
            with self._being_paid(owed) as is_owed:
                if not is_owed:
                    return Turned(Refused(Refusal.MOVED))
                want = Want(uses=True, pays=owed.counter)
                return self._visits.take(talk, decide, fields, want=want)

        return load

    @contextmanager
    def _being_paid(self, owed: Owed) -> Iterator[bool]:
        """Keep what is owed from going back, or to another reader; tell whether it is owed yet."""
        with self._lock:
            is_owed = owed.counter not in self._paying and self._is_owed(owed)
            if is_owed:
                self._paying.add(owed.counter)
        try:
            yield is_owed
        finally:
            if is_owed:
                with self._lock:
                    self._paying.discard(owed.counter)

    def _is_owed(self, owed: Owed) -> bool:
        return any(one.counter == owed.counter for one in self._journal.owed())

    def _is_late(self, owed: Owed) -> bool:
        limit_s = setting(Setting.TOP_UP_OWED_S_MAX, self._published)
        return self._timing.age_ms(owed.stamp) > limit_s * 1000

    def _forget(self, owed: Owed) -> None:
        """Owe no more what the bank has refused."""
        with self._lock:
            if self._is_owed(owed):
                self._journal.give_up(owed.counter)

    def _return(self, owed: Owed) -> bool:
        """Let money go back to its bank, unless a card may have got it; tell whether it does."""
        with self._lock:
            under_way = {attempt.pays for attempt in self._journal.attempts()} | self._paying
            if owed.counter in under_way or not self._is_owed(owed):
                return False
            fields = ("reversal", self._point.terminal, owed.counter)
            self._journal.give_back(owed.counter, fields, self._timing.stamp())
            return True
