"""A session with a chip: EV2 secure messaging, the reader's side.

Both sides count commands. A MAC covers the count and the session's identifier, so what is changed,
sent twice or out of order is refused, by the card and here. A session only goes forward: whatever
goes wrong ends it, and its count never goes back.

Source: NXP NT4H2421Gx data sheet, 9.1; AN12343, tables 16 and 20 to 26.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from protocol.chip.aes import (
    BLOCK_BYTES,
    KEY_BYTES,
    MAC_BYTES,
    ZERO_IV,
    decrypt,
    encrypt,
    is_mac,
    pad,
    truncated_mac,
    unpad,
)
from protocol.chip.apdu import Exchange, ensure_done, transmit
from protocol.chip.errors import ChipError, NotAuthentic, SessionOver, exactly, number
from protocol.chip.keys import ChipKey
from protocol.chip.limits import COMMANDS_MAX

IDENTIFIER_BYTES: Final = 4
COUNTER_BYTES: Final = 2
RANDOM_BYTES: Final = 16

_ENCRYPTION_LABEL: Final = bytes.fromhex("A55A00010080")
_MAC_LABEL: Final = bytes.fromhex("5AA500010080")
_COMMAND_LABEL: Final = bytes.fromhex("A55A")
_ANSWER_LABEL: Final = bytes.fromhex("5AA5")
_DONE: Final = b"\x00"
"""The return code in the MAC of an answer; an answer of another status has no MAC."""


class Mode(Enum):
    """How a command and its answer are protected; a file's settings say which it takes."""

    PLAIN = "plain"
    MAC = "mac"
    FULL = "full"
    """Data enciphered, and a MAC over it."""


@dataclass(frozen=True, slots=True)
class Command:
    """A native command: its header is never enciphered, its data is in full mode."""

    ins: int
    header: bytes = b""
    data: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """The two keys of one session; no text shows them."""

    encryption: bytes = field(repr=False)
    mac: bytes = field(repr=False)

    def __post_init__(self) -> None:
        exactly("the session's key for enciphering", self.encryption, KEY_BYTES)
        exactly("the session's key for MACs", self.mac, KEY_BYTES)


def session_keys(key: ChipKey, reader_random: bytes, card_random: bytes) -> SessionKeys:
    """Derive a session's keys from the key that both sides know and what each has drawn."""
    mine = exactly("the reader's random", reader_random, RANDOM_BYTES)
    theirs = exactly("the card's random", card_random, RANDOM_BYTES)
    mixed = bytes(a ^ b for a, b in zip(mine[2:8], theirs[:6], strict=True))
    context = mine[:2] + mixed + theirs[6:] + mine[8:]
    return SessionKeys(key.cmac(_ENCRYPTION_LABEL + context), key.cmac(_MAC_LABEL + context))


def command_iv(keys: SessionKeys, identifier: bytes, counter: int) -> bytes:
    """Return the IV for the data of a command."""
    return _iv(_COMMAND_LABEL, keys, identifier, counter)


def answer_iv(keys: SessionKeys, identifier: bytes, counter: int) -> bytes:
    """Return the IV for the data of an answer; `counter` is the one after the command."""
    return _iv(_ANSWER_LABEL, keys, identifier, counter)


class ReaderSession:
    """The reader's side of a session: protect a command, open its answer, and so on.

    `protect` and `open_answer` take turns; `run` does both, and the frames between. A command of
    which the answer never came leaves a session that can do nothing more.
    """

    __slots__ = ("_counter", "_identifier", "_keys", "_mode", "_over")

    def __init__(self, keys: SessionKeys, identifier: bytes, counter: int = 0) -> None:
        self._keys = keys
        self._identifier = exactly("the transaction identifier", identifier, IDENTIFIER_BYTES)
        self._counter = counter
        self._mode: Mode | None = None
        self._over = ""

    @property
    def keys(self) -> SessionKeys:
        """The session's keys."""
        return self._keys

    @property
    def identifier(self) -> bytes:
        """The transaction identifier, which the card drew."""
        return self._identifier

    @property
    def counter(self) -> int:
        """How many commands the card has answered."""
        return self._counter

    @property
    def is_over(self) -> bool:
        """Whether only a new authentication helps."""
        return bool(self._over)

    def hand_over(self) -> int:
        """End the session for one with other keys, and return the count at which it goes on.

        Raises:
          SessionOver: it is over, or waits for an answer.
        """
        self._ensure_ready()
        self._over = "another authentication has begun"
        return self._counter

    def protect(self, command: Command, mode: Mode) -> bytes:
        """Return what a command carries: header, data, MAC.

        Raises:
          SessionOver: it is over, or waits for an answer, or has counted as far as it can.
        """
        self._ensure_ready()
        if self._counter >= COMMANDS_MAX:
            raise SessionOver(f"the session has had its {COMMANDS_MAX} commands")
        data = command.data
        if mode is Mode.FULL and data:
            iv = command_iv(self._keys, self._identifier, self._counter)
            data = encrypt(self._keys.encryption, iv, pad(data))
        body = command.header + data
        self._mode = mode
        if mode is Mode.PLAIN:
            return body
        covered = bytes((command.ins,)) + self._place() + body
        return body + truncated_mac(self._keys.mac, covered)

    def open_answer(self, data: bytes, status: int) -> bytes:
        """Return what the answer says, once it is known to be the card's, to this command.

        Raises:
          SessionOver: it is over, or no command was sent.
          CardRefused: the status is an error; no MAC vouches for it, and the session is over.
          NotAuthentic: the MAC does not fit; the session is over.
        """
        self._ensure_open()
        if self._mode is None:
            raise SessionOver("no command awaits an answer")
        mode, self._mode = self._mode, None
        self._counter += 1
        try:
            ensure_done(status)
            return data if mode is Mode.PLAIN else self._authentic(data, mode)
        except ChipError as error:
            self._over = str(error)
            raise

    def run(self, command: Command, mode: Mode) -> Exchange[bytes]:
        """Exchange one command with the card; return what it answers.

        Raises:
          Malformed: the frames are out of step; the session is over.
          SessionOver, CardRefused, NotAuthentic: as above.
        """
        payload = self.protect(command, mode)
        try:
            data, status = yield from transmit(command.ins, payload)
        except ChipError as error:
            self._over = str(error)
            raise
        return self.open_answer(data, status)

    def run_last(self, command: Command, mode: Mode) -> Exchange[None]:
        """Exchange the command that changes the session's own key, and so ends the session.

        Its answer has no MAC: only an authentication with the new key shows that it was done.

        Raises:
          SessionOver, CardRefused: as above.
          Malformed: the answer has data.
        """
        payload = self.protect(command, mode)
        self._over = "its key was changed"
        data, status = yield from transmit(command.ins, payload)
        ensure_done(status)
        exactly("the answer to the last command", data, 0)

    def _authentic(self, data: bytes, mode: Mode) -> bytes:
        if len(data) < MAC_BYTES:
            raise NotAuthentic(f"an answer of {len(data)} bytes has no MAC")
        body, mac = data[:-MAC_BYTES], data[-MAC_BYTES:]
        if not is_mac(mac, self._keys.mac, _DONE + self._place() + body):
            raise NotAuthentic("the MAC of the answer does not fit")
        if mode is Mode.MAC or not body:
            return body
        iv = answer_iv(self._keys, self._identifier, self._counter)
        return unpad(decrypt(self._keys.encryption, iv, body))

    def _place(self) -> bytes:
        return number("the counter", self._counter, COUNTER_BYTES) + self._identifier

    def _ensure_ready(self) -> None:
        self._ensure_open()
        if self._mode is not None:
            raise SessionOver("the answer to the last command never came")

    def _ensure_open(self) -> None:
        if self._over:
            raise SessionOver(f"the session is over: {self._over}")


def _iv(label: bytes, keys: SessionKeys, identifier: bytes, counter: int) -> bytes:
    # One block in CBC under a zero IV is that block enciphered alone.
    block = label + identifier + number("the counter", counter, COUNTER_BYTES)
    return encrypt(keys.encryption, ZERO_IV, block + bytes(BLOCK_BYTES - len(block)))
