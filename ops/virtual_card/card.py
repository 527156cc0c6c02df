"""`VirtualCard`: APDUs in, APDUs out. Which command is meant, in which state, and what ends it.

Source: ISO/IEC 7816-4 (selection, status words); NXP AN12343, tables 4 to 40.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from ops.virtual_card.chip import Chip
from ops.virtual_card.files import (
    CardState,
    DataFile,
    decode_state,
    encode_state,
    factory_state,
)
from ops.virtual_card.rules import RULES, Rule
from ops.virtual_card.session import CardSession, Challenge, capabilities
from ops.virtual_card.settings import VERSION_PARTS
from ops.virtual_card.statuses import Refused, Status
from ops.virtual_card.transaction import Transaction
from protocol.chip.apdu import MORE_FRAMES, NATIVE_CLASS, CommandApdu, ResponseApdu
from protocol.chip.authentication import AUTHENTICATE_AGAIN, AUTHENTICATE_FIRST
from protocol.chip.commands import Ins
from protocol.chip.errors import Malformed
from protocol.chip.keys import SoftwareKey
from protocol.chip.limits import FRAME_BYTES_MAX
from protocol.chip.profile import APPLICATION_NAME, FCI_FILE
from protocol.chip.secure import IDENTIFIER_BYTES, RANDOM_BYTES

FAILURES_MAX: Final = 50
"""Wrong keys in a row; from then on each costs refusals (the chip: time) before the next try."""

_SELECT: Final = 0xA4
_GET_DATA: Final = b"\xff\xca\x00\x00"
_BY_NAME: Final = 0x04
_BY_NUMBER: Final = 0x00
_WITH_FCI: Final = 0x00
_WITHOUT_FCI: Final = 0x0C
_ROOT_NUMBER: Final = bytes.fromhex("3F00")
_APPLICATION_NUMBER: Final = bytes.fromhex("DF01")


class Torn(Exception):
    """The card left the field in the middle of a command, and nobody has its answer."""


@dataclass(frozen=True, slots=True)
class Tear:
    """When a card is torn out of the field.

    Attributes:
      answered: so many commands are answered before; the next one is not.
      done: whether the card does that one, before its answer is lost.
    """

    answered: int
    done: bool


class VirtualCard:
    """A card as it leaves the factory, or as it was kept.

    Args:
      uid: of the chip, 7 bytes.
      chance: returns so many bytes that nobody can guess; the card draws 16 for each
        authentication, and then 4 for each new session.

    Attributes:
      tear: when the card is to be torn out next; None for never.

    Raises:
      Malformed: a UID of another length.
    """

    def __init__(self, uid: bytes, *, chance: Callable[[int], bytes]) -> None:
        self._chip = Chip(factory_state(uid), chance)
        self.tear: Tear | None = None

    @classmethod
    def from_image(cls, raw: bytes, *, chance: Callable[[int], bytes]) -> VirtualCard:
        """Return the card of which this is the image.

        Raises:
          Malformed: it is none, or only a part of one.
        """
        state = decode_state(raw)
        card = cls(state.uid, chance=chance)
        card._chip.state = state
        return card

    def image(self) -> bytes:
        """Return all that the card keeps without power; its keys stand in it, open."""
        return encode_state(self._chip.state)

    @property
    def uid(self) -> bytes:
        """Of the chip."""
        return self._chip.state.uid

    @property
    def state(self) -> CardState:
        """What the card keeps without power: another object after each change."""
        return self._chip.state

    def power_on(self) -> None:
        """Come into the field: nothing is selected, and nobody has proved anything."""
        self._chip.forget()
        self._chip.selected = False

    def power_off(self) -> None:
        """Leave the field: what was not committed has never been."""
        self.power_on()

    def reset(self) -> None:
        """Lose power for a moment."""
        self.power_on()

    def resume(self, session: CardSession) -> None:
        """Go on in the middle of a session whose keys are known: published traces begin there."""
        self.power_on()
        self._chip.selected = True
        self._chip.session = session

    def answer(self, apdu: bytes) -> bytes:
        """Do a command, and return its answer.

        Raises:
          Torn: the card was torn out of the field, as `tear` says.
        """
        if self.tear is not None:
            self._tear(self.tear, apdu)
        return self._answer(apdu)

    def _tear(self, tear: Tear, apdu: bytes) -> None:
        if tear.answered > 0:
            self.tear = Tear(tear.answered - 1, tear.done)
            return
        self.tear = None
        if tear.done:
            self._answer(apdu)
        self.power_off()
        raise Torn

    def _answer(self, apdu: bytes) -> bytes:
        chip = self._chip
        if apdu.startswith(_GET_DATA):
            # A real card never hears of this: its reader answers, which knows the UID from finding
            # the card (PC/SC part 3, 3.2.2.1.3). A virtual reader has only its card to ask.
            return ResponseApdu(self.uid, Status.ISO_OK).encode()
        try:
            command = CommandApdu.decode(apdu)
            if command.cla == NATIVE_CLASS:
                return self._native(command).encode()
            return self._iso(command).encode()
        except Malformed:
            status = Status.ISO_LENGTH
        except Refused as refused:
            status = refused.status
        chip.forget()
        return ResponseApdu(b"", status).encode()

    def _iso(self, command: CommandApdu) -> ResponseApdu:
        if command.cla:
            raise Refused(Status.ISO_NO_CLASS)
        if command.ins != _SELECT:
            raise Refused(Status.ISO_NO_COMMAND)
        if command.p2 not in {_WITH_FCI, _WITHOUT_FCI}:
            raise Refused(Status.ISO_PARAMETER)
        self._chip.selected = self._selects_application(command.p1, command.data)
        self._chip.forget()
        file = self._chip.state.files.get(FCI_FILE)
        told = b""
        if self._chip.selected and command.p2 == _WITH_FCI and isinstance(file, DataFile):
            told = file.content
        return ResponseApdu(told, Status.ISO_OK)

    def _selects_application(self, way: int, name: bytes) -> bool:
        if way not in {_BY_NAME, _BY_NUMBER}:
            raise Refused(Status.ISO_PARAMETER)
        if way == _BY_NUMBER and name in {b"", _ROOT_NUMBER}:
            return False
        if name != (APPLICATION_NAME if way == _BY_NAME else _APPLICATION_NUMBER):
            raise Refused(Status.ISO_NO_FILE)
        return True

    def _native(self, command: CommandApdu) -> ResponseApdu:
        if command.p1 or command.p2:
            raise Refused(Status.ISO_PARAMETER)
        chip, ins, payload = self._chip, command.ins, command.data
        if ins == MORE_FRAMES:
            return self._more(payload)
        if chip.challenge is not None or chip.frames:
            raise Refused(Status.ABORTED)
        if ins in {AUTHENTICATE_FIRST, AUTHENTICATE_AGAIN}:
            return self._begin(ins, payload)
        rule = RULES.get(ins)
        if rule is None:
            raise Refused(Status.NO_COMMAND)
        if not chip.selected and ins != Ins.GET_VERSION:
            raise Refused(Status.PERMISSION)
        return self._frame(self._run(rule, ins, payload))

    def _run(self, rule: Rule, ins: int, payload: bytes) -> list[bytes]:
        chip, session = self._chip, self._chip.session
        header = payload[: rule.header_bytes]
        if len(header) < rule.header_bytes:
            raise Refused(Status.LENGTH)
        mode = rule.mode(chip, header)
        if session is None:
            return _frames(ins, rule.run(chip, header, payload[rule.header_bytes :]))
        header, data = session.open_command(ins, payload, rule.header_bytes, mode)
        answer = rule.run(chip, header, data)
        if ins == Ins.CHANGE_KEY and header[0] == session.key_number:
            # The session was that key's: it is over, and nothing vouches for its last answer.
            chip.forget()
            return [b""]
        return _frames(ins, session.protect_answer(answer, mode))

    def _frame(self, frames: list[bytes]) -> ResponseApdu:
        self._chip.frames = frames[1:]
        return ResponseApdu(frames[0], Status.MORE if self._chip.frames else Status.DONE)

    def _more(self, payload: bytes) -> ResponseApdu:
        if self._chip.challenge is not None:
            return self._prove(self._chip.challenge, payload)
        if payload or not self._chip.frames:
            raise Refused(Status.NO_COMMAND)
        return self._frame(self._chip.frames)

    def _begin(self, ins: int, payload: bytes) -> ResponseApdu:
        chip = self._chip
        if not chip.selected:
            raise Refused(Status.PERMISSION)
        if not payload:
            raise Refused(Status.LENGTH)
        number, told, before = payload[0], payload[1:], chip.session
        if ins == AUTHENTICATE_FIRST:
            theirs, before = capabilities(told), None
            chip.transaction = Transaction()
        elif before is None:
            raise Refused(Status.PERMISSION)
        else:
            theirs = b""
        if number >= len(chip.state.keys):
            raise Refused(Status.NO_KEY)
        if chip.state.delays:
            chip.state = replace(chip.state, delays=chip.state.delays - 1)
            raise Refused(Status.DELAY)
        key = SoftwareKey(chip.state.keys[number].key)
        chip.session = None
        chip.challenge = Challenge(key, number, chip.chance(RANDOM_BYTES), theirs, before)
        return ResponseApdu(chip.challenge.sent(), Status.MORE)

    def _prove(self, challenge: Challenge, payload: bytes) -> ResponseApdu:
        chip, state = self._chip, self._chip.state
        chip.challenge = None
        identifier = chip.chance(IDENTIFIER_BYTES) if challenge.before is None else b""
        try:
            chip.session, proof = challenge.answered(payload, identifier)
        except Refused:
            failures = state.failures + 1
            delays = max(0, failures - FAILURES_MAX + 1)
            chip.state = replace(state, failures=failures, delays=delays)
            raise
        if state.failures:
            chip.state = replace(state, failures=0, delays=0)
        return ResponseApdu(proof, Status.DONE)


def _frames(ins: int, answer: bytes) -> list[bytes]:
    """Cut an answer into what one frame each can carry."""
    cuts = list(VERSION_PARTS if ins == Ins.GET_VERSION else ())
    cuts = cuts or list(range(FRAME_BYTES_MAX, len(answer), FRAME_BYTES_MAX))
    return [answer[a:b] for a, b in zip([0, *cuts], [*cuts, len(answer)], strict=True)]
