"""What a terminal has done to cards, on its own disk, until the node has all of it.

    begin ──> attempt ──> finish ──> tap, with its counter ──> settle ──> kept for a while, gone
                 └─────> drop: the card never did it

An attempt is written before the card is told to commit, with all of its proof but what the commit
answers. So whatever ends in between, the terminal or the card, the next visit of the card finds
out what became of it. A tap gets its counter when it is known to have happened: the counters that
the node sees have no gaps of their own.

Durability: each change is on disk when its call returns.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from storage.store import Change, Store, all_rows
from terminals.acceptance.orders import ORDERS, Orders
from terminals.acceptance.renumber import Renumbering
from terminals.acceptance.rows import Attempt, Field, Owed, Shift, Stamp, Tap, packed, with_proof

ATTEMPTS: Final = "attempts"
TAPS: Final = "taps"
FACTS: Final = "facts"
SHIFTS: Final = "shifts"
OWED: Final = "owed"
TABLES: Final = (ATTEMPTS, TAPS, FACTS, SHIFTS, OWED, ORDERS)

KEPT_SETTLED_MAX: Final = 10_000
"""Taps that the node has, kept for officers who ask for the journal: some days of a busy gate."""
_FORGET_AT_ONCE: Final = 500
"""Old taps that are removed with one write."""

KEPT_SHIFTS_MAX: Final = 400
"""Closed shifts that are kept: a year of one a day. One that is not certified is kept longer."""

_KEY_BYTES: Final = 8
_STATE: Final = b"state"

T = TypeVar("T")


class _State(Struct, frozen=True, array_like=True, kw_only=True):
    counter: int = 0
    """The last that was given."""
    sequence: int = 0
    settled: int = 0
    """All up to this one are with the node."""
    oldest: int = 1
    """All below were removed."""
    run: int = 0
    unsent_rp: int = 0
    """Taken on chips and not yet with the node."""
    shift: int = 0
    contact_ms: int = 0
    """When the node last answered, or this journal began; by the best clock there was."""


class TapJournal:
    """The journal of a terminal. Any thread may call it; calls wait for each other, and for disk.

    Args:
      store: with the tables `TABLES`; nobody else writes to it.
      now_ms: of the terminal's own clock, when the first shift begins.
      kept_max: settled taps that are kept.

    Attributes:
      orders: what officers have ordered this terminal to do.

    Raises, in each call that writes:
      StorageFull: no room; nothing was written. A tap must not be let through then.
      StorageFailed: the disk failed; the journal must not be used any more.
    """

    def __init__(self, store: Store, *, now_ms: int, kept_max: int = KEPT_SETTLED_MAX) -> None:
        self.orders = Orders(store)
        self._store = store
        self._kept_max = kept_max
        self._lock = threading.Lock()
        raw = store.get(FACTS, _STATE)
        state = _STATE_DECODER.decode(raw) if raw is not None else _State()
        self._state = msgspec.structs.replace(state, run=state.run + 1)
        self._attempts = {row.sequence: row for row in _rows(store, ATTEMPTS, _ATTEMPT)}
        self._owed = {row.counter: row for row in _rows(store, OWED, _OWED)}
        shifts = written_shifts(store)
        self._waiting = {one.number: one for one in shifts if one.state == "waiting"}
        changes: list[Change] = []
        if not state.shift:
            self._state = msgspec.structs.replace(self._state, shift=1, contact_ms=now_ms)
            changes.append(_shift_row(Shift(number=1, opened_ms=now_ms, first=1, last=0)))
        self._write(changes, self._state)

    # --- what is known ------------------------------------------------------------------------

    @property
    def run(self) -> int:
        """How often the program has been started on this journal."""
        return self._state.run

    @property
    def last_counter(self) -> int:
        """The last counter that was given."""
        return self._state.counter

    @property
    def backlog(self) -> int:
        """Taps that the node does not have yet."""
        return self._state.counter - self._state.settled

    @property
    def unsent_rp(self) -> int:
        """What was taken on chips and the node does not know of."""
        return self._state.unsent_rp

    @property
    def contact_ms(self) -> int:
        """When the node was last heard of; before that, when this journal began."""
        return self._state.contact_ms

    def attempts(self) -> list[Attempt]:
        """Return the changes of which nobody knows whether they were made."""
        return sorted(self._attempts.values(), key=lambda one: one.sequence)

    def torn(self, uid: bytes) -> Attempt | None:
        """Return the attempt on a card of which the outcome is not known, or None.

        There is one at most: a card with one is not used before that is cleared up.
        """
        # Other readers go on meanwhile: what is walked is a list of this moment.
        torn = [one for one in list(self._attempts.values()) if one.uid == uid and not one.lost]
        return torn[0] if torn else None

    def owed(self) -> list[Owed]:
        """Return what is owed to cards, the oldest first."""
        return sorted(self._owed.values(), key=lambda one: one.counter)

    def tap(self, counter: int) -> Tap | None:
        """Return a tap, or None if there is none of this counter any more."""
        raw = self._store.get(TAPS, _key(counter))
        return None if raw is None else _TAP.decode(raw)

    def taps(self, first: int, last: int, limit: int) -> list[Tap]:
        """Return taps by their counters, in order, so many at most."""
        rows = self._store.scan(TAPS, _key(max(first, 1)), limit=limit)
        taps = [_TAP.decode(raw) for _, raw in rows]
        return [tap for tap in taps if tap.counter <= last]

    def unsettled(self, limit: int) -> list[Tap]:
        """Return the first taps that the node does not have yet."""
        return self.taps(self._state.settled + 1, self._state.counter, limit)

    # --- what happens -------------------------------------------------------------------------

    def next_sequence(self) -> int:
        """Return a number for an attempt; the next one differs, whatever becomes of it.

        What is lost in a crash before `begin` may be given again: no card knows it.
        """
        with self._lock:
            self._state = msgspec.structs.replace(self._state, sequence=self._state.sequence + 1)
            return self._state.sequence

    def begin(self, attempt: Attempt) -> None:
        """Write down what a card is about to be told."""
        assert self.torn(attempt.uid) is None, "one attempt on a card at a time"
        with self._lock:
            change = (ATTEMPTS, _key(attempt.sequence), _encode(attempt))
            self._write([change], self._state)
            self._attempts[attempt.sequence] = attempt

    def finish(self, sequence: int, proof: bytes) -> Tap:
        """Make a tap of an attempt that the card has carried out."""
        with self._lock:
            attempt = self._attempts[sequence]
            intent = with_proof(attempt.packed, proof)
            changes: list[Change] = [(ATTEMPTS, _key(sequence), None)]
            if attempt.pays:
                changes.append((OWED, _key(attempt.pays), None))
            tap = self._append(intent, attempt.stamp, attempt.change_rp, sequence, changes)
            del self._attempts[sequence]
            self._owed.pop(attempt.pays, None)
            return tap

    def drop(self, sequence: int) -> None:
        """Forget an attempt that the card never carried out."""
        with self._lock:
            self._write([(ATTEMPTS, _key(sequence), None)], self._state)
            del self._attempts[sequence]

    def lose(self, sequence: int) -> None:
        """Note that nobody will know any more what became of an attempt; it stays on the list."""
        with self._lock:
            lost = msgspec.structs.replace(self._attempts[sequence], lost=True)
            self._write([(ATTEMPTS, _key(sequence), _encode(lost))], self._state)
            self._attempts[sequence] = lost

    def add(self, fields: Sequence[Field], stamp: Stamp) -> Tap:
        """Write down something for the node that touches no card."""
        with self._lock:
            return self._append(packed(fields), stamp, 0, 0, [])

    def owe(self, fields: Sequence[Field], stamp: Stamp, number: str, amount_rp: int) -> Tap:
        """Write down the bank's leg of a top-up, and that the card is owed it."""
        with self._lock:
            owed = Owed(self._state.counter + 1, number, amount_rp, stamp)
            change = (OWED, _key(owed.counter), _encode(owed))
            tap = self._append(packed(fields), stamp, 0, 0, [change])
            self._owed[owed.counter] = owed
            return tap

    def give_up(self, counter: int) -> None:
        """Owe something no more: the bank has refused it."""
        with self._lock:
            self._write([(OWED, _key(counter), None)], self._state)
            del self._owed[counter]

    def give_back(self, counter: int, fields: Sequence[Field], stamp: Stamp) -> Tap:
        """Owe something no more: with this intent it goes back to the bank."""
        with self._lock:
            tap = self._append(packed(fields), stamp, 0, 0, [(OWED, _key(counter), None)])
            del self._owed[counter]
            return tap

    def fix_times(self, at_ms: Mapping[int, int]) -> list[Tap]:
        """Write down the times that the node is told, by counter; return these taps.

        Whenever they are sent again they say the same.
        """
        with self._lock:
            fixed = [
                msgspec.structs.replace(tap, at_ms=at_ms[counter])
                for counter in at_ms
                if (tap := self.tap(counter)) is not None
            ]
            self._write([_tap_row(tap) for tap in fixed], self._state)
            return fixed

    def settle(self, results: Mapping[int, str], now_ms: int) -> None:
        """Note what the node said of the first taps that it did not have yet.

        Args:
          results: by counter, without a gap from the first one on.
          now_ms: when it answered.
        """
        with self._lock:
            first, last = min(results), max(results)
            assert first == self._state.settled + 1, "taps are settled in order"
            assert last - first + 1 == len(results), "none is left out"
            taps = self.taps(first, last, len(results))
            changes = [
                _tap_row(msgspec.structs.replace(tap, result=results[tap.counter])) for tap in taps
            ]
            taken_rp = sum(max(0, -tap.change_rp) for tap in taps)
            state = msgspec.structs.replace(
                self._state,
                settled=last,
                unsent_rp=self._state.unsent_rp - taken_rp,
                contact_ms=now_ms,
            )
            gone = range(state.oldest, max(state.oldest, last - self._kept_max + 1))
            gone = gone[:_FORGET_AT_ONCE]
            changes += [(TAPS, _key(counter), None) for counter in gone]
            self._write(changes, msgspec.structs.replace(state, oldest=state.oldest + len(gone)))

    def follow(self, counter: int, now_ms: int) -> None:
        """Note that the node was heard of, and go on above a counter that it has seen.

        What was never sent is numbered anew above it; what was may be known by its number.
        """
        with self._lock:
            heard = msgspec.structs.replace(self._state, contact_ms=now_ms)
            waiting = self.unsettled(1)
            if counter <= heard.settled or (waiting and waiting[0].at_ms >= 0):
                self._write([], heard)
                return
            self._renumber(Renumbering(heard.settled, counter - heard.settled), heard)

    def _renumber(self, anew: Renumbering, heard: _State) -> None:
        taps, shifts = self.unsettled(self.backlog), written_shifts(self._store)
        owed = {one.counter: one for one in anew.owed(self._owed.values())}
        attempts = {one.sequence: one for one in anew.attempts(self._attempts.values())}
        changes: list[Change] = [(TAPS, _key(tap.counter), None) for tap in taps]
        changes += [(OWED, _key(number), None) for number in self._owed]
        changes += [_tap_row(tap) for tap in anew.taps(taps)]
        changes += [(OWED, _key(number), _encode(one)) for number, one in owed.items()]
        changes += [(ATTEMPTS, _key(number), _encode(one)) for number, one in attempts.items()]
        moved = list(anew.shifts(shifts))
        changes += map(_shift_row, moved)
        settled = anew.counter(heard.settled + 1) - 1
        state = msgspec.structs.replace(
            heard,
            counter=heard.counter + settled - heard.settled,
            settled=settled,
            oldest=heard.oldest if heard.settled else settled + 1,
        )
        self._write(changes, state)
        self._owed, self._attempts = owed, attempts
        self._waiting |= {one.number: one for one in moved if one.state == "waiting"}

    # --- shifts -------------------------------------------------------------------------------

    def shift(self, number: int | None = None) -> Shift | None:
        """Return a shift, or the one that is open."""
        key = _key(self._state.shift if number is None else number)
        raw = self._store.get(SHIFTS, key)
        return None if raw is None else _SHIFT.decode(raw)

    def close_shift(self, now_ms: int) -> Shift:
        """Close the shift that is open, begin another one, and return the one closed."""
        with self._lock:
            shift = self.shift()
            assert shift is not None
            closed = msgspec.structs.replace(shift, closed_ms=now_ms)
            counter = self._state.counter
            opened = Shift(
                number=closed.number + 1, opened_ms=now_ms, first=counter + 1, last=counter
            )
            state = msgspec.structs.replace(self._state, shift=opened.number)
            old = closed.number - KEPT_SHIFTS_MAX
            gone = [one for one in written_shifts(self._store, last=old) if one.certified_ms >= 0]
            changes: list[Change] = [(SHIFTS, _key(one.number), None) for one in gone]
            self._write([*changes, _shift_row(closed), _shift_row(opened)], state)
            self._waiting[closed.number] = closed
            return closed

    @property
    def waiting_shifts(self) -> int:
        """Closed shifts of which the node has not told yet what it has."""
        return len(self._waiting)

    def shifts_to_certify(self) -> list[Shift]:
        """Return the closed shifts that the node can be asked about, the oldest first.

        It has answered all that was done in them.
        """
        with self._lock:
            waiting = sorted(self._waiting.values(), key=lambda one: one.number)
            return [one for one in waiting if one.last <= self._state.settled]

    def certify(self, number: int, now_ms: int, *, complete: bool) -> None:
        """Note that the node has told what it has of a closed shift."""
        with self._lock:
            shift = self._waiting[number]
            certified = msgspec.structs.replace(shift, certified_ms=now_ms, complete=complete)
            self._write([_shift_row(certified)], self._state)
            del self._waiting[number]

    # --- the store ----------------------------------------------------------------------------

    def _append(
        self,
        intent: bytes,
        stamp: Stamp,
        change_rp: int,
        sequence: int,
        changes: list[Change],
    ) -> Tap:
        counter = self._state.counter + 1
        tap = Tap(
            counter=counter,
            stamp=stamp,
            at_ms=-1,
            change_rp=change_rp,
            packed=intent,
            sequence=sequence,
        )
        shift = self.shift()
        assert shift is not None
        shift = msgspec.structs.replace(
            shift,
            last=counter,
            count=shift.count + 1,
            taken_rp=shift.taken_rp + max(0, -change_rp),
            added_rp=shift.added_rp + max(0, change_rp),
        )
        unsent_rp = self._state.unsent_rp + max(0, -change_rp)
        state = msgspec.structs.replace(self._state, counter=counter, unsent_rp=unsent_rp)
        self._write([*changes, _tap_row(tap), _shift_row(shift)], state)
        return tap

    def _write(self, changes: Iterable[Change], state: _State) -> None:
        self._store.write([*changes, (FACTS, _STATE, _encode(state))])
        self._state = state


def written_shifts(store: Store, *, last: int | None = None) -> list[Shift]:
    """Return the shifts in the store of a journal by their numbers, up to the last one wanted.

    It only reads: the journal may be at work meanwhile.
    """
    shifts = _rows(store, SHIFTS, _SHIFT)
    return list(takewhile(lambda one: last is None or one.number <= last, shifts))


def _rows(store: Store, table: str, decoder: msgspec.msgpack.Decoder[T]) -> Iterator[T]:
    for _, raw in all_rows(store, table):
        yield decoder.decode(raw)


def _key(number: int) -> bytes:
    return number.to_bytes(_KEY_BYTES, "big")


def _tap_row(tap: Tap) -> Change:
    return TAPS, _key(tap.counter), _encode(tap)


def _shift_row(shift: Shift) -> Change:
    return SHIFTS, _key(shift.number), _encode(shift)


_encode: Final = msgspec.msgpack.Encoder().encode
_ATTEMPT: Final = msgspec.msgpack.Decoder(Attempt)
_OWED: Final = msgspec.msgpack.Decoder(Owed)
_TAP: Final = msgspec.msgpack.Decoder(Tap)
_SHIFT: Final = msgspec.msgpack.Decoder(Shift)
_STATE_DECODER: Final = msgspec.msgpack.Decoder(_State)
