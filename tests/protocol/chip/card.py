"""The card's side of a session, for tests: real cryptography, and no more of a card than that."""

from __future__ import annotations

from typing import TypeVar

from protocol.chip.aes import ZERO_IV, decrypt, encrypt, is_mac, pad, truncated_mac, unpad
from protocol.chip.apdu import CommandApdu, Exchange, ResponseApdu
from protocol.chip.authentication import rotated
from protocol.chip.keys import SoftwareKey
from protocol.chip.secure import (
    Mode,
    ReaderSession,
    SessionKeys,
    answer_iv,
    command_iv,
    session_keys,
)

DONE, MORE, INTEGRITY, ABORTED, WRONG_KEY = 0x9100, 0x91AF, 0x911E, 0x91CA, 0x91AE

Result = TypeVar("Result")


class Card:
    """Knows one key; answers commands of a session with the data that it is told to answer.

    `modes` tells how each command is protected, and `heads` how many bytes of it are its header:
    a real card knows both from its files.
    """

    def __init__(self, key: bytes, card_random: bytes, identifier: bytes) -> None:
        self.key = key
        self.card_random = card_random
        self.identifier = identifier
        self.keys: SessionKeys | None = None
        self.counter = 0
        self.authenticating = 0
        self.taken: list[tuple[int, bytes]] = []
        self.mode = Mode.MAC
        self.header_bytes = 0
        self.reply = b""
        self.frame_bytes = 256
        self.left = b""

    def answer(self, command: CommandApdu) -> ResponseApdu:
        """Answer one frame."""
        begun, self.authenticating = self.authenticating, 0
        if command.ins in {0x71, 0x77}:
            self.authenticating = command.ins
            return ResponseApdu(encrypt(self.key, ZERO_IV, self.card_random), MORE)
        if command.ins == 0xAF and begun:
            return self._prove(begun, command.data)
        if command.ins == 0xAF and self.left:
            return self._frame()
        if self.keys is None:
            return ResponseApdu(b"", WRONG_KEY)
        return self._secured(self.keys, command)

    def _prove(self, begun: int, data: bytes) -> ResponseApdu:
        told = decrypt(self.key, ZERO_IV, data)
        reader_random = told[:16]
        if told[16:] != rotated(self.card_random):
            self.keys = None
            return ResponseApdu(b"", WRONG_KEY)
        self.keys = session_keys(SoftwareKey(self.key), reader_random, self.card_random)
        proof = rotated(reader_random)
        if begun == 0x71:
            self.counter = 0
            proof = self.identifier + proof + bytes(12)
        return ResponseApdu(encrypt(self.key, ZERO_IV, proof), DONE)

    def _secured(self, keys: SessionKeys, command: CommandApdu) -> ResponseApdu:
        body, mac = command.data, b""
        if self.mode is not Mode.PLAIN:
            body, mac = command.data[:-8], command.data[-8:]
            covered = bytes((command.ins,)) + self._place() + body
            if not is_mac(mac, keys.mac, covered):
                self.keys = None
                return ResponseApdu(b"", INTEGRITY)
        header, data = body[: self.header_bytes], body[self.header_bytes :]
        if self.mode is Mode.FULL and data:
            iv = command_iv(keys, self.identifier, self.counter)
            data = unpad(decrypt(keys.encryption, iv, data))
        self.taken.append((command.ins, header + data))
        self.counter += 1
        self.left = self._protected(keys)
        return self._frame()

    def _protected(self, keys: SessionKeys) -> bytes:
        body = self.reply
        if self.mode is Mode.FULL and body:
            iv = answer_iv(keys, self.identifier, self.counter)
            body = encrypt(keys.encryption, iv, pad(body))
        if self.mode is Mode.PLAIN:
            return body
        return body + truncated_mac(keys.mac, b"\0" + self._place() + body)

    def _frame(self) -> ResponseApdu:
        frame, self.left = self.left[: self.frame_bytes], self.left[self.frame_bytes :]
        return ResponseApdu(frame, MORE if self.left else DONE)

    def _place(self) -> bytes:
        return self.counter.to_bytes(2, "little") + self.identifier


def talk(card: Card, exchange: Exchange[Result]) -> Result:
    """Carry an exchange out with a card."""
    command = next(exchange)
    while True:
        try:
            command = exchange.send(card.answer(CommandApdu.decode(command.encode())))
        except StopIteration as end:
            result: Result = end.value
            return result


def feed(exchange: Exchange[Result], *answers: ResponseApdu) -> tuple[list[CommandApdu], Result]:
    """Answer an exchange from a script; return what it sent, and its result."""
    sent = [next(exchange)]
    for answer in answers:
        try:
            sent.append(exchange.send(answer))
        except StopIteration as end:
            result: Result = end.value
            return sent, result
    raise AssertionError("the exchange asks for more than was scripted")


def same(card: Card, session: ReaderSession) -> bool:
    """Tell whether both sides have the same session, at the same count."""
    mine = (session.keys, session.identifier, session.counter)
    return mine == (card.keys, card.identifier, card.counter)
