"""How a reader and a chip prove to each other that they know a key: EV2, AES-128.

What is drawn by chance is an argument: 16 bytes that nobody can guess, and never the same twice.

Source: NXP NT4H2421Gx data sheet, 9.1; AN12343, table 16 (first) and AN12196, table 23 (again).
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives import constant_time

from protocol.chip.aes import ZERO_IV
from protocol.chip.apdu import MORE_FRAMES as SECOND_PART
from protocol.chip.apdu import NATIVE_MORE, Exchange, ResponseApdu, ensure_done, native
from protocol.chip.errors import NotAuthentic, exactly, number
from protocol.chip.keys import ChipKey
from protocol.chip.secure import IDENTIFIER_BYTES, RANDOM_BYTES, ReaderSession, session_keys

AUTHENTICATE_FIRST: Final = 0x71
AUTHENTICATE_AGAIN: Final = 0x77

_NO_CAPABILITIES: Final = b"\x00"
"""The length of the capabilities that the reader sends: the card then takes zeros."""
_CAPABILITIES_BYTES: Final = 6
_FIRST_PROOF_BYTES: Final = IDENTIFIER_BYTES + RANDOM_BYTES + 2 * _CAPABILITIES_BYTES


def authenticate_first(
    key_number: int, key: ChipKey, reader_random: bytes
) -> Exchange[ReaderSession]:
    """Begin a session: the card draws its identifier, and counting begins at zero.

    Raises:
      CardRefused: no such key, a wrong one, or too many wrong ones before.
      NotAuthentic: the card does not know the key, or took other capabilities than were sent.
      Malformed: an answer of a wrong size.
    """
    begin = _begin(key_number, reader_random) + _NO_CAPABILITIES
    challenge = yield native(AUTHENTICATE_FIRST, begin)
    card_random = _card_random(key, challenge)
    answer = yield native(SECOND_PART, _reply(key, reader_random, card_random))
    proof = _proof(key, answer, _FIRST_PROOF_BYTES)
    identifier, proof = proof[:IDENTIFIER_BYTES], proof[IDENTIFIER_BYTES:]
    _check(proof[:RANDOM_BYTES], reader_random)
    if any(proof[-_CAPABILITIES_BYTES:]):
        raise NotAuthentic("the card took capabilities that the reader never sent")
    return ReaderSession(session_keys(key, reader_random, card_random), identifier)


def authenticate_again(
    session: ReaderSession, key_number: int, key: ChipKey, reader_random: bytes
) -> Exchange[ReaderSession]:
    """Go on with another key: new session keys, and the identifier and the count stay.

    The old session is over, whatever comes of it: so it is on the card.

    Raises:
      SessionOver: the old session is over already.
      CardRefused, NotAuthentic, Malformed: as in the first authentication.
    """
    begin = _begin(key_number, reader_random)
    counter = session.hand_over()
    challenge = yield native(AUTHENTICATE_AGAIN, begin)
    card_random = _card_random(key, challenge)
    answer = yield native(SECOND_PART, _reply(key, reader_random, card_random))
    _check(_proof(key, answer, RANDOM_BYTES), reader_random)
    return ReaderSession(session_keys(key, reader_random, card_random), session.identifier, counter)


def rotated(random: bytes) -> bytes:
    """Return what was drawn, its first byte at its end: so nobody answers with what was sent."""
    return random[1:] + random[:1]


def _begin(key_number: int, reader_random: bytes) -> bytes:
    exactly("the reader's random", reader_random, RANDOM_BYTES)
    return number("the number of the key", key_number, 1)


def _card_random(key: ChipKey, challenge: ResponseApdu) -> bytes:
    if challenge.status != NATIVE_MORE:
        ensure_done(challenge.status)
        raise NotAuthentic("the card ends the authentication before it began")
    return key.decrypt(ZERO_IV, exactly("the card's challenge", challenge.data, RANDOM_BYTES))


def _reply(key: ChipKey, reader_random: bytes, card_random: bytes) -> bytes:
    return key.encrypt(ZERO_IV, reader_random + rotated(card_random))


def _proof(key: ChipKey, answer: ResponseApdu, length: int) -> bytes:
    ensure_done(answer.status)
    return key.decrypt(ZERO_IV, exactly("the card's proof", answer.data, length))


def _check(proof: bytes, reader_random: bytes) -> None:
    if not constant_time.bytes_eq(proof, rotated(reader_random)):
        raise NotAuthentic("the card does not know the key")
