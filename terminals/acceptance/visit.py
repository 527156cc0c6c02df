"""One visit of a card: what the terminal does from finding it to letting it go.

    open ──> look ──> decide ──> prepare ──> written down ──> commit ──> written down ──> open gate

It runs in a thread of its own, because readers block. Before the card is told to commit nothing on
it has changed, so whatever goes wrong until then, the visit never was. If the commit's answer does
not come, only the card knows what became of it: the next visit asks it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias, TypeVar

import msgspec

from protocol.chip import purse
from protocol.chip.aes import MAC_BYTES
from protocol.chip.apdu import Exchange
from protocol.chip.errors import ChipError, Malformed
from protocol.chip.keys import CardKeys, KeyMissing, KeyStoreFailed, Role
from protocol.chip.profile import SEQUENCES, Record, Use, reader_identity
from protocol.chip.proof import Proof
from protocol.chip.purse import OpenCard, Prepared, Seen
from protocol.chip.secure import RANDOM_BYTES
from protocol.chip.transaction_mac import Committed
from storage.errors import StorageFull
from terminals.acceptance.journal import TapJournal
from terminals.acceptance.offline import Accepted, Decision, Held
from terminals.acceptance.point import Point
from terminals.acceptance.refusal import Refusal, Refused
from terminals.acceptance.rows import Attempt, Field, packed
from terminals.acceptance.timing import Timing
from terminals.acceptance.turns import Turn, Turns
from terminals.errors import CardGone, ReaderFailed
from terminals.pcsc.work import PATIENCE_S

NO_MAC: Final = bytes(MAC_BYTES)
"""Of a commit whose MAC was lost, because the card has committed again since."""

R = TypeVar("R")
Decide: TypeAlias = Callable[[Held], Decision]
Fields: TypeAlias = Callable[[Held, Accepted], tuple[Field, ...]]
"""Makes the intent of what was decided, its proof left open."""


class Talk(Protocol):
    """Carries out exchanges with the card that is at the reader."""

    def __call__(self, exchange: Exchange[R], /) -> R:
        """Carry one out, and return what came of it.

        Raises:
          CardGone: the card left, or does not answer: what it did last is not known.
          ReaderFailed: the reader does not do its part.
          ChipError: as the exchange raises it.
        """
        ...


@dataclass(frozen=True, slots=True)
class Taken:
    """A card was taken, and the terminal has it on disk.

    Attributes:
      number: of the card.
      use: as its record says.
      change_rp: of its value.
      value_rp: on the chip now.
      counter: of the tap that tells the node; 0: none does, for the card was not touched.
      recovered: what a visit before had begun.
      uses: the last uses of the card, the newest first, if they were asked for.
    """

    number: str
    use: Use
    change_rp: int
    value_rp: int
    counter: int = 0
    recovered: bool = False
    rule: str = ""
    uses: Sequence[Record] = field(default=())


@dataclass(frozen=True, slots=True)
class Turned:
    """A card was turned away.

    Attributes:
      value_rp: on the chip; -1: that is not known.
    """

    refused: Refused
    number: str = ""
    value_rp: int = -1


Visit: TypeAlias = Taken | Turned


@dataclass(frozen=True, slots=True)
class Want:
    """What there is to a visit beside the change of the card.

    Attributes:
      uses: whether its last uses are read.
      pays: the counter of the bank's leg of a top-up; 0: there is none.
      change_rp: what the card is here for, where that is known before: what was torn counts as
        this visit only if it is the same.
    """

    uses: bool = False
    pays: int = 0
    change_rp: int | None = None


USUAL: Final = Want()

BACK_S_MAX: Final = 120
"""A card that comes back so soon is here for what was torn; later it is another visit."""


class Visits:
    """Takes cards at one terminal.

    Args:
      point: where it stands.
      role: whose key it works with: to debit, or to load.
      keys: those that it has.
      journal: where it writes down what it does.
      timing: when.
      chance: gives so many bytes that nobody can guess.
    """

    def __init__(
        self,
        point: Point,
        role: Role,
        keys: CardKeys,
        journal: TapJournal,
        timing: Timing,
        chance: Callable[[int], bytes],
    ) -> None:
        self._point = point
        self._role = role
        self._keys = keys
        self._journal = journal
        self._timing = timing
        self._chance = chance
        self._turns = Turns()
        self._reader = reader_identity(point.terminal)
        # Two gates of one station count apart, so that no record of one is taken for the other's.
        self._first = int.from_bytes(self._reader[:4], "big")

    def take(self, talk: Talk, decide: Decide, fields: Fields, *, want: Want = USUAL) -> Visit:
        """Take a card: decide on it, change it, and write that down.

        Args:
          talk: with the card.
          decide: what to do; it may not block.
          fields: makes the intent that tells the node.
          want: what else there is to this visit.

        Raises:
          ReaderFailed: the reader does not do its part; the card was not told to commit.
          StorageFailed: the disk failed; the terminal must take no card any more.
        """
        try:
            card = self._open(talk)
            with self._turns.taken(card.uid) as turn:
                return self._take(talk, card, turn, decide, fields, want)
        except (CardGone, ChipError, StorageFull) as error:
            return Turned(refused_for(error))

    def look(self, talk: Talk) -> tuple[Held, list[Record]]:
        """Return what stands on a card, and its uses, and change nothing.

        Raises:
          CardGone, ReaderFailed, ChipError: it does not tell.
        """
        card = self._open(talk)
        records = talk(purse.read_records(card))
        seen = talk(purse.look(card))
        held = Held(card.face, seen.value_rp, seen.record, self._timing.now_ms())
        return held, readable(records)

    def _take(
        self, talk: Talk, card: OpenCard, turn: Turn, decide: Decide, fields: Fields, want: Want
    ) -> Visit:
        records = talk(purse.read_records(card)) if want.uses else []
        seen = talk(purse.look(card))
        torn = self._journal.torn(card.uid)
        if torn is not None:
            cleared, seen = self._clear_up(talk, card, turn, seen, torn, want)
            if cleared is not None:
                return cleared
        held = Held(card.face, seen.value_rp, seen.record, self._timing.now_ms())
        decision = decide(held)
        if isinstance(decision, Refused):
            return Turned(decision, card.face.number, seen.value_rp)
        uses = readable(records)
        if decision.again:
            return _taken(card, decision, seen.value_rp, uses=uses)
        attempt, prepared = self._prepare(talk, card, seen, held, decision, want)
        attempt = msgspec.structs.replace(attempt, packed=packed(fields(held, decision)))
        return self._commit(talk, turn, attempt, prepared, decision, uses)

    def _open(self, talk: Talk) -> OpenCard:
        uid = talk(purse.read_uid())
        drawn = self._chance(RANDOM_BYTES)
        return talk(purse.open_card(self._keys, self._role, uid, drawn))

    def _prepare(
        self,
        talk: Talk,
        card: OpenCard,
        seen: Seen,
        held: Held,
        decision: Accepted,
        want: Want,
    ) -> tuple[Attempt, Prepared]:
        stamp, sequence = self._timing.stamp(), self._journal.next_sequence()
        change_rp = decision.change_rp
        record = Record(
            decision.use,
            held.at_ms // 1000,
            abs(change_rp),
            self._point.mark,
            (self._first + sequence) % SEQUENCES,
        )
        preparing = purse.prepare(card, seen, change_rp, record.encode(), self._reader)
        prepared = talk(preparing)
        attempt = Attempt(
            sequence=sequence,
            stamp=stamp,
            uid=card.uid,
            number=card.face.number,
            key_version=card.face.key_version,
            change_rp=change_rp,
            value_rp=seen.value_rp,
            before=seen.record,
            record=prepared.record,
            sealed_reader=prepared.sealed_reader,
            packed=b"",
            pays=want.pays,
        )
        return attempt, prepared

    def _commit(
        self,
        talk: Talk,
        turn: Turn,
        attempt: Attempt,
        prepared: Prepared,
        decision: Accepted,
        uses: Sequence[Record],
    ) -> Visit:
        turn.do(lambda: self._journal.begin(attempt))
        try:
            proof = self._committed(talk, prepared)
            tap = turn.do(lambda: self._journal.finish(attempt.sequence, proof))
        except (CardGone, ReaderFailed, ChipError):
            # Even a refusal may be somebody's in between: the card itself will be asked.
            return Turned(Refused(Refusal.TORN), attempt.number)
        value_rp = attempt.value_rp + attempt.change_rp
        uses = (Record.decode(attempt.record), *uses)
        return _taken(prepared.card, decision, value_rp, counter=tap.counter, uses=uses)

    def _committed(self, talk: Talk, prepared: Prepared) -> bytes:
        """Have the card commit, and return the proof."""
        told = self._timing.stamp()
        committed = talk(purse.commit(prepared.card))
        if self._timing.age_ms(told) >= PATIENCE_S * 1000:
            # Whoever waited was told that the reader hangs. Taken for torn, it is paid once.
            raise CardGone("the answer came too late")
        return prepared.proof(committed).encode()

    # --- what a visit before has left ---------------------------------------------------------

    def _clear_up(
        self, talk: Talk, card: OpenCard, turn: Turn, seen: Seen, torn: Attempt, want: Want
    ) -> tuple[Taken | None, Seen]:
        """Find out what became of an attempt.

        Returns:
          The visit, if that is what the card is here for; and what stands on the card.
        """
        journal = self._journal
        if seen.record == torn.record:
            proof = _proof(torn, talk(purse.last_commit(card)))
            tap = turn.do(lambda: journal.finish(torn.sequence, proof))
            if self._is_here_for(torn, want):
                return _recovered(torn, tap.counter, seen.value_rp), seen
            return None, seen
        if (seen.record, seen.value_rp) == (torn.before, torn.value_rp):
            turn.do(lambda: journal.drop(torn.sequence))
            return None, seen
        # It was somewhere else meanwhile: what it did here stands further back.
        records = talk(purse.read_records(card))
        if torn.record in records:
            proof = _proof(torn, Committed(0, NO_MAC))
            turn.do(lambda: journal.finish(torn.sequence, proof))
        elif torn.before in records:
            turn.do(lambda: journal.drop(torn.sequence))
        else:
            turn.do(lambda: journal.lose(torn.sequence))
        return None, talk(purse.look(card))

    def _is_here_for(self, torn: Attempt, want: Want) -> bool:
        """Tell whether what was torn, and done nevertheless, is what the card is here for."""
        if want.pays:
            # Money that is on its card already is not put on it again, however late it comes.
            return torn.pays == want.pays
        if want.change_rp is not None and want.change_rp != torn.change_rp:
            return False
        # An age below zero is of a clock that was set back: in doubt nobody pays twice.
        return self._timing.age_ms(torn.stamp) <= BACK_S_MAX * 1000


def refused_for(error: CardGone | ChipError | StorageFull) -> Refused:
    """Return why a card is turned away with which something went wrong before its commit."""
    match error:
        case CardGone():
            return Refused(Refusal.MOVED)
        case KeyMissing():
            return Refused(Refusal.NEWER_KEYS, str(error))
        case KeyStoreFailed() | StorageFull():
            return Refused(Refusal.OUT_OF_ORDER, str(error))
        case _:
            return Refused(Refusal.FOREIGN, str(error))


def _proof(torn: Attempt, committed: Committed) -> bytes:
    return Proof(
        torn.key_version,
        torn.uid,
        committed,
        torn.sealed_reader,
        torn.value_rp,
        torn.before,
        torn.record,
    ).encode()


def _taken(
    card: OpenCard,
    decision: Accepted,
    value_rp: int,
    *,
    counter: int = 0,
    uses: Sequence[Record] = (),
) -> Taken:
    return Taken(
        number=card.face.number,
        use=decision.use,
        change_rp=decision.change_rp,
        value_rp=value_rp,
        counter=counter,
        rule=decision.rule,
        uses=uses,
    )


def _recovered(torn: Attempt, counter: int, value_rp: int) -> Taken:
    return Taken(
        number=torn.number,
        use=Record.decode(torn.record).use,
        change_rp=torn.change_rp,
        value_rp=value_rp,
        counter=counter,
        recovered=True,
    )


def readable(records: Sequence[bytes]) -> list[Record]:
    """Return the records that this version of the program understands."""
    found: list[Record] = []
    for raw in records:
        with suppress(Malformed):
            found.append(Record.decode(raw))
    return found
