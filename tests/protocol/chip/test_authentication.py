"""How a reader and a chip prove to each other that they know a key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.chip.aes import ZERO_IV
from protocol.chip.apdu import ResponseApdu
from protocol.chip.authentication import authenticate_again, authenticate_first, rotated
from protocol.chip.errors import CardRefused, Malformed, NotAuthentic, SessionOver
from protocol.chip.keys import SoftwareKey
from protocol.chip.secure import Command, Mode, ReaderSession, SessionKeys
from tests.protocol.chip.card import Card, feed, same, talk
from tests.protocol.chip.vectors import Vector, vectors

BLOCKS = st.binary(min_size=16, max_size=16)
KEY, MINE, THEIRS = SoftwareKey(bytes(16)), bytes(range(16)), bytes(range(16, 32))
IDENTIFIER = b"\x01\x02\x03\x04"


def card() -> Card:
    return Card(KEY.raw, THEIRS, IDENTIFIER)


def answers_of(vector: Vector) -> tuple[ResponseApdu, ResponseApdu]:
    raw = (vector.given("r_apdu_1"), vector.given("r_apdu_2"))
    return ResponseApdu.decode(raw[0]), ResponseApdu.decode(raw[1])


def check(vector: Vector, sent: list[bytes], session: ReaderSession) -> None:
    assert sent == [vector.given("c_apdu_1"), vector.given("c_apdu_2")], vector.id
    assert session.identifier == vector.due("ti"), vector.id
    assert session.keys.encryption == vector.due("ses_auth_enc_key"), vector.id
    assert session.keys.mac == vector.due("ses_auth_mac_key"), vector.id


def test_every_published_first_authentication_is_made() -> None:
    for vector in vectors("ev2_authenticate_first", 8):
        exchange = authenticate_first(
            vector.count("key_no"), SoftwareKey(vector.given("key")), vector.given("rnd_a")
        )
        sent, session = feed(exchange, *answers_of(vector))
        check(vector, [command.encode() for command in sent], session)
        assert session.counter == 0, vector.id


def test_the_published_authentication_with_another_key_is_made() -> None:
    for vector in vectors("ev2_authenticate_non_first", 1):
        old = ReaderSession(SessionKeys(bytes(16), bytes(16)), vector.given("ti"), counter=2)
        exchange = authenticate_again(
            old, vector.count("key_no"), SoftwareKey(vector.given("key")), vector.given("rnd_a")
        )
        sent, session = feed(exchange, *answers_of(vector))
        check(vector, [command.encode() for command in sent], session)
        assert session.counter == 2
        assert old.is_over


@given(BLOCKS, BLOCKS, BLOCKS, st.binary(min_size=4, max_size=4))
def test_both_sides_come_to_the_same_session(
    key: bytes, mine: bytes, theirs: bytes, identifier: bytes
) -> None:
    other = Card(key, theirs, identifier)
    session = talk(other, authenticate_first(1, SoftwareKey(key), mine))
    assert same(other, session)
    talk(other, session.run(Command(0x51), Mode.MAC))
    again = talk(other, authenticate_again(session, 2, SoftwareKey(key), rotated(mine)))
    assert same(other, again)
    assert again.counter == 1


@given(BLOCKS, st.integers(0, 127))
def test_no_card_with_another_key_is_believed(key: bytes, bit: int) -> None:
    wrong = (int.from_bytes(key, "big") ^ 1 << bit).to_bytes(16, "big")
    with pytest.raises(CardRefused, match="91AE: authentication error"):
        talk(Card(wrong, THEIRS, IDENTIFIER), authenticate_first(0, SoftwareKey(key), MINE))


@given(st.integers(0, 8 * 32 - 1))
def test_no_flipped_bit_of_the_proof_is_taken_for_another(bit: int) -> None:
    """In the identifier it makes another session, of which no MAC fits; in the rest, none."""
    plain = IDENTIFIER + rotated(MINE) + bytes(12)
    wrong = (int.from_bytes(plain, "big") ^ 1 << bit).to_bytes(32, "big")
    exchange = authenticate_first(0, KEY, MINE)
    answers = (
        ResponseApdu(KEY.encrypt(ZERO_IV, THEIRS), 0x91AF),
        ResponseApdu(KEY.encrypt(ZERO_IV, wrong), 0x9100),
    )
    in_identifier, in_card_capabilities = bit >= 8 * 28, 8 * 6 <= bit < 8 * 12
    if in_identifier or in_card_capabilities:
        _, session = feed(exchange, *answers)
        assert (session.identifier == IDENTIFIER) is not in_identifier
    else:
        with pytest.raises(NotAuthentic, match=r"know the key|capabilities"):
            feed(exchange, *answers)


def test_the_answer_of_another_authentication_is_refused() -> None:
    recorded = card()
    exchange = authenticate_first(0, KEY, MINE)
    first = recorded.answer(next(exchange))
    second = recorded.answer(exchange.send(first))
    with pytest.raises(NotAuthentic, match="does not know the key"):
        feed(authenticate_first(0, KEY, THEIRS), first, second)


@pytest.mark.parametrize(
    ("answers", "error", "said"),
    [
        (["9140"], CardRefused, "no such key"),
        (["91ad"], CardRefused, "delay"),
        (["9100"], NotAuthentic, "before it began"),
        (["0091af"], Malformed, "the card's challenge has 1 bytes, not 16"),
        (["00" * 16 + "91af", "91ae"], CardRefused, "authentication error"),
        (["00" * 16 + "91af", "00" * 16 + "9100"], Malformed, "the card's proof has 16 bytes"),
    ],
)
def test_a_card_that_does_not_prove_itself_is_refused(
    answers: list[str], error: type[Exception], said: str
) -> None:
    script = [ResponseApdu.decode(bytes.fromhex(answer)) for answer in answers]
    with pytest.raises(error, match=said):
        feed(authenticate_first(0, KEY, MINE), *script)


def test_what_cannot_be_sent_is_named_before_anything_is() -> None:
    for exchange, said in (
        (authenticate_first(256, KEY, MINE), "the number of the key is 256"),
        (authenticate_first(0, KEY, MINE[1:]), "the reader's random has 15 bytes"),
    ):
        with pytest.raises(Malformed, match=said):
            next(exchange)


def test_the_old_session_is_over_as_soon_as_another_key_is_tried() -> None:
    other = card()
    session = talk(other, authenticate_first(0, KEY, MINE))
    next(authenticate_again(session, 1, KEY, THEIRS))
    with pytest.raises(SessionOver, match="another authentication has begun"):
        session.protect(Command(0x51), Mode.MAC)
    with pytest.raises(SessionOver):
        next(authenticate_again(session, 1, KEY, THEIRS))


def test_a_session_that_waits_for_an_answer_is_not_handed_over() -> None:
    session = talk(card(), authenticate_first(0, KEY, MINE))
    session.protect(Command(0x51), Mode.MAC)
    with pytest.raises(SessionOver, match="never came"):
        next(authenticate_again(session, 1, KEY, THEIRS))
