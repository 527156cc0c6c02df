"""What a terminal does with one of our cards: open it, look, take or add, and commit.

    open_card ──> look ──> prepare ──> commit
                              │           └── torn: `last_commit`, when the card is there again
                              └── nothing on the card has changed yet

Each step is an exchange (`apdu`): it yields commands and is sent answers. Between `prepare` and
`commit` the terminal writes down what it is about to do. Nine commands over the air in all, with
the selection; the UID the reader knows by itself, from finding the card.

Source: NXP AN12343, tables 32 to 37.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from protocol.chip import commands
from protocol.chip.aes import MAC_BYTES
from protocol.chip.apdu import CommandApdu, Exchange, ensure_done
from protocol.chip.authentication import authenticate_first
from protocol.chip.diversify import UID_BYTES
from protocol.chip.errors import Malformed, exactly
from protocol.chip.keys import CardKeys, Role
from protocol.chip.profile import (
    APPLICATION_NAME,
    KEY_NUMBERS,
    MAC_FILE,
    RECORD_BYTES,
    RECORD_FILE,
    VALUE_FILE,
    CardFace,
    SealedFace,
)
from protocol.chip.proof import Effect, Proof
from protocol.chip.secure import Mode, ReaderSession
from protocol.chip.transaction_mac import (
    COUNTER_BYTES,
    READER_BYTES,
    VALUE_BYTES,
    Committed,
    ValueCommand,
)

VALUE_MODE: Final = Mode.MAC
RECORD_MODE: Final = Mode.FULL
"""Where somebody has been is nobody's business; what is left on the card a turnstile shows."""

_GET_DATA: Final = CommandApdu(0xFF, 0xCA, 0x00, 0x00, expected=256)
"""Answered by the reader, not by the card (PC/SC part 3, 3.2.2.1.3)."""


@dataclass(frozen=True, slots=True)
class OpenCard:
    """A card that has proved itself, and takes commands.

    Attributes:
      uid: of its chip.
      face: what it says of itself, its seal whole.
      session: the session with it.
    """

    uid: bytes
    face: CardFace
    session: ReaderSession


@dataclass(frozen=True, slots=True)
class Seen:
    """What stood on a card before anything was done: the value, and the newest record."""

    value_rp: int
    record: bytes


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the next commit does to a card, and all of its proof but what the commit answers."""

    card: OpenCard
    seen: Seen
    effect: Effect
    record: bytes
    sealed_reader: bytes

    def proof(self, committed: Committed) -> Proof:
        """Return the proof, once the card has committed."""
        return Proof(
            self.card.face.key_version,
            self.card.uid,
            committed,
            self.sealed_reader,
            self.seen.value_rp,
            self.seen.record,
            self.record,
        )


def read_uid() -> Exchange[bytes]:
    """Ask the reader for the UID of the card that it has found.

    Raises:
      CardRefused: the reader does not tell, or there is no such card.
      Malformed: a UID of another length: not one of our cards.
    """
    answer = yield _GET_DATA
    ensure_done(answer.status)
    return exactly("the UID", answer.data, UID_BYTES)


def read_face() -> Exchange[SealedFace]:
    """Select our application, and return what the card says of itself.

    Raises:
      CardRefused: it has no such application.
      Malformed: not one of our cards.
    """
    answer = yield CommandApdu(0x00, 0xA4, 0x04, 0x00, APPLICATION_NAME, 256)
    ensure_done(answer.status)
    return SealedFace.decode(answer.data)


def open_card(keys: CardKeys, role: Role, uid: bytes, reader_random: bytes) -> Exchange[OpenCard]:
    """Find out whether a card is one of ours, and begin a session with it.

    Args:
      keys: those that the terminal has.
      role: that it works in.
      uid: of the card, as the reader told.
      reader_random: 16 bytes of chance.

    Raises:
      CardRefused, Malformed: not one of our cards.
      KeyMissing: of a version of which the terminal has no keys.
      NotAuthentic: what it says of itself was changed, or it does not know its key.
    """
    sealed = yield from read_face()
    version = sealed.face.key_version
    face = sealed.opened(uid, keys.card_key(Role.SEAL, version, uid))
    key = keys.card_key(role, version, uid)
    session = yield from authenticate_first(KEY_NUMBERS[role], key, reader_random)
    return OpenCard(uid, face, session)


def look(card: OpenCard) -> Exchange[Seen]:
    """Read the value and the newest record."""
    session = card.session
    raw = yield from session.run(commands.get_value(VALUE_FILE), VALUE_MODE)
    exactly("the value", raw, VALUE_BYTES)
    newest = yield from session.run(commands.read_records(RECORD_FILE, 0, 1), RECORD_MODE)
    exactly("a record", newest, RECORD_BYTES)
    return Seen(int.from_bytes(raw, "little", signed=True), newest)


def read_records(card: OpenCard) -> Exchange[list[bytes]]:
    """Return all records, the newest first, and begin the transaction anew.

    Without that the reads would be in the MAC of the next commit, where no proof has room for them.
    """
    session = card.session
    raw = yield from session.run(commands.read_records(RECORD_FILE, 0, 0), RECORD_MODE)
    if len(raw) % RECORD_BYTES:
        raise Malformed(f"{len(raw)} bytes are no whole records of {RECORD_BYTES}")
    yield from session.run(commands.abort(), Mode.MAC)
    return [raw[at : at + RECORD_BYTES] for at in range(0, len(raw), RECORD_BYTES)][::-1]


def prepare(
    card: OpenCard, seen: Seen, change_rp: int, record: bytes, reader: bytes
) -> Exchange[Prepared]:
    """Tell a card what its next commit shall do. `look` must have been the step before.

    Args:
      card: that was opened.
      seen: what `look` found.
      change_rp: of the value; below zero it is taken, above it is added.
      record: of this use.
      reader: the identity of the terminal.

    Raises:
      CardRefused: the value does not suffice, or the key has no right to this.
    """
    session, effect = card.session, Effect.of(change_rp)
    if effect.command is ValueCommand.DEBIT:
        yield from session.run(commands.debit(VALUE_FILE, effect.amount_rp), VALUE_MODE)
    elif effect.command is ValueCommand.CREDIT:
        yield from session.run(commands.credit(VALUE_FILE, effect.amount_rp), VALUE_MODE)
    yield from session.run(commands.write_record(RECORD_FILE, record), RECORD_MODE)
    sealed = yield from session.run(commands.commit_reader(reader), Mode.MAC)
    exactly("the enciphered identity", sealed, READER_BYTES)
    return Prepared(card, seen, effect, record, sealed)


def commit(card: OpenCard) -> Exchange[Committed]:
    """Let the card do what was prepared: all of it, or nothing.

    If anything is raised, or no answer comes, nobody knows which; the card does.
    """
    raw = yield from card.session.run(commands.commit(), Mode.MAC)
    return Committed.decode(raw)


def last_commit(card: OpenCard) -> Exchange[Committed]:
    """Read what the card told of its last commit, for when that answer was lost.

    Everybody may read it, so nothing protects it on its way: whoever changes it there makes a
    proof that the host does not believe. Whether there was a commit, the records tell.
    """
    length = COUNTER_BYTES + MAC_BYTES
    raw = yield from card.session.run(commands.read_data(MAC_FILE, 0, length), Mode.PLAIN)
    if len(raw) != length:
        raise Malformed(f"the file of the MAC has {len(raw)} bytes, not {length}")
    return Committed.decode(raw)
