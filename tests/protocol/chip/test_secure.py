"""A session with a chip: what both sides send, and what neither takes."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from protocol.chip.apdu import ResponseApdu, native
from protocol.chip.authentication import authenticate_first
from protocol.chip.errors import CardRefused, Malformed, NotAuthentic, SessionOver
from protocol.chip.keys import SoftwareKey
from protocol.chip.limits import COMMANDS_MAX
from protocol.chip.secure import (
    Command,
    Mode,
    ReaderSession,
    SessionKeys,
    answer_iv,
    command_iv,
    session_keys,
)
from tests.protocol.chip.card import Card, feed, same, talk
from tests.protocol.chip.vectors import Vector, vectors

KEY, MINE, THEIRS = SoftwareKey(bytes(16)), bytes(range(16)), bytes(range(16, 32))
IDENTIFIER = b"\x01\x02\x03\x04"
PROTECTED = st.sampled_from([Mode.MAC, Mode.FULL])
NO_KEYS = SessionKeys(bytes(16), bytes(16))
OWN_KEY_CHANGED = "an12343-t40-changekey-0"
"""The card answers a change of the key of its session without a MAC: there is no session left."""


class Step(NamedTuple):
    """One command, and what the card is to answer."""

    mode: Mode
    command: Command
    reply: bytes


STEPS = st.builds(
    Step,
    st.sampled_from(Mode),
    st.builds(
        Command,
        st.sampled_from([0x6C, 0xDC, 0x8B, 0xC7, 0x51]),
        st.binary(max_size=7),
        st.binary(max_size=48),
    ),
    st.binary(max_size=64),
)


def begun() -> tuple[Card, ReaderSession]:
    card = Card(KEY.raw, THEIRS, IDENTIFIER)
    return card, talk(card, authenticate_first(0, KEY, MINE))


def expect(card: Card, step: Step) -> None:
    card.mode, card.header_bytes, card.reply = step.mode, len(step.command.header), step.reply


def flipped(data: bytes, bit: int) -> bytes:
    bit %= 8 * len(data)
    return (int.from_bytes(data, "big") ^ 1 << bit).to_bytes(len(data), "big")


def keys_of(vector: Vector) -> SessionKeys:
    """Return the keys of a vector; some vectors need none, or one, and tell no other."""
    names = ("ses_auth_enc_key", "ses_auth_mac_key")
    encryption, mac = (vector.given(name) if vector.inputs[name] else bytes(16) for name in names)
    return SessionKeys(encryption, mac)


def test_every_published_pair_of_session_keys_is_derived() -> None:
    for vector in vectors("ev2_session_keys", 5):
        keys = session_keys(
            SoftwareKey(vector.given("key")), vector.given("rnd_a"), vector.given("rnd_b")
        )
        assert keys.encryption == vector.due("ses_auth_enc_key"), vector.id
        assert keys.mac == vector.due("ses_auth_mac_key"), vector.id


def test_every_published_iv_is_found() -> None:
    for vector in vectors("ev2_iv", 5):
        keys = SessionKeys(vector.given("ses_auth_enc_key"), bytes(16))
        find = {"command": command_iv, "response": answer_iv}[str(vector.inputs["direction"])]
        iv = find(keys, vector.given("ti"), vector.count("cmd_ctr"))
        assert iv == vector.due("iv"), vector.id


def test_every_published_command_is_protected_and_its_answer_opened() -> None:
    for vector in vectors("ev2_command", 25):
        identifier = vector.given("ti") if vector.inputs["ti"] else bytes(4)
        session = ReaderSession(keys_of(vector), identifier, vector.count("cmd_ctr"))
        ins = vector.given("ins")[0]
        command = Command(ins, vector.given("cmd_header"), vector.given("cmd_data"))
        payload = session.protect(command, Mode(vector.inputs["comm_mode"]))
        assert native(ins, payload).encode() == vector.due("c_apdu"), vector.id
        if vector.id == OWN_KEY_CHANGED:
            with pytest.raises(NotAuthentic, match="an answer of 0 bytes has no MAC"):
                session.open_answer(b"", 0x9100)
        elif "r_apdu" in vector.expected:
            answer = ResponseApdu.decode(vector.due("r_apdu"))
            opened = session.open_answer(answer.data, answer.status)
            assert opened == vector.due("resp_data"), vector.id


@given(st.lists(STEPS, max_size=8), st.integers(9, 256))
def test_both_sides_agree_over_any_sequence_of_commands(
    steps: list[Step], frame_bytes: int
) -> None:
    card, session = begun()
    card.frame_bytes = frame_bytes
    for count, step in enumerate(steps, start=1):
        expect(card, step)
        assert talk(card, session.run(step.command, step.mode)) == step.reply
        assert card.taken[-1] == (step.command.ins, step.command.header + step.command.data)
        assert session.counter == count
        assert same(card, session)


@given(STEPS, PROTECTED, st.integers(0, 8 * 256))
def test_no_flipped_bit_of_a_command_is_taken_by_the_card(step: Step, mode: Mode, bit: int) -> None:
    card, session = begun()
    expect(card, step._replace(mode=mode))
    payload = session.protect(step.command, mode)
    whole = bytes((step.command.ins,)) + payload
    wrong = flipped(whole, bit)
    # 71, 77 and AF are commands of their own, none of this session.
    assume(wrong[0] not in {0x71, 0x77, 0xAF})
    answer = card.answer(native(wrong[0], wrong[1:]))
    assert answer == ResponseApdu(b"", 0x911E)
    assert not card.taken
    with pytest.raises(CardRefused, match="integrity error"):
        session.open_answer(answer.data, answer.status)
    assert session.is_over


@given(STEPS, PROTECTED, st.integers(0, 8 * 256))
def test_no_flipped_bit_of_an_answer_is_taken_by_the_reader(
    step: Step, mode: Mode, bit: int
) -> None:
    card, session = begun()
    expect(card, step._replace(mode=mode))
    answer = card.answer(native(step.command.ins, session.protect(step.command, mode)))
    with pytest.raises(NotAuthentic, match="does not fit"):
        session.open_answer(flipped(answer.data, bit), answer.status)
    with pytest.raises(SessionOver, match="the session is over: the MAC of the answer"):
        session.open_answer(answer.data, answer.status)
    with pytest.raises(SessionOver, match="over"):
        session.protect(step.command, mode)


@given(st.lists(STEPS, min_size=1, max_size=4), PROTECTED, st.data())
def test_no_command_is_taken_twice_or_out_of_order(
    steps: list[Step], mode: Mode, data: st.DataObject
) -> None:
    card, session = begun()
    sent = []
    for step in steps:
        expect(card, step._replace(mode=mode))
        command = native(step.command.ins, session.protect(step.command, mode))
        sent.append((step, command))
        answer = card.answer(command)
        session.open_answer(answer.data, answer.status)
    step, command = data.draw(st.sampled_from(sent))
    expect(card, step._replace(mode=mode))
    assert card.answer(command).status == 0x911E
    assert len(card.taken) == len(steps)
    assert card.keys is None, "and the card's session is over"


@given(st.lists(STEPS, min_size=2, max_size=4), PROTECTED, st.data())
def test_no_answer_is_taken_for_that_to_another_command(
    steps: list[Step], mode: Mode, data: st.DataObject
) -> None:
    card, session = begun()
    answers = []
    for step in steps[:-1]:
        expect(card, step._replace(mode=mode))
        answer = card.answer(native(step.command.ins, session.protect(step.command, mode)))
        answers.append(answer)
        session.open_answer(answer.data, answer.status)
    session.protect(steps[-1].command, mode)
    old = data.draw(st.sampled_from(answers))
    with pytest.raises(NotAuthentic, match="does not fit"):
        session.open_answer(old.data, old.status)


def test_a_command_that_was_kept_back_is_not_taken_later() -> None:
    card, session = begun()
    debit = native(0xDC, session.protect(Command(0xDC, b"\x03", bytes(4)), Mode.MAC))
    other = talk(card, authenticate_first(0, KEY, THEIRS))
    assert card.answer(debit).status == 0x911E
    assert other.keys != session.keys


def test_an_answer_too_short_for_a_mac_is_refused() -> None:
    session = ReaderSession(NO_KEYS, IDENTIFIER)
    session.protect(Command(0x51), Mode.FULL)
    with pytest.raises(NotAuthentic, match="an answer of 7 bytes has no MAC"):
        session.open_answer(bytes(7), 0x9100)


def test_commands_and_answers_take_turns() -> None:
    session = ReaderSession(NO_KEYS, IDENTIFIER)
    with pytest.raises(SessionOver, match="no command awaits"):
        session.open_answer(b"", 0x9100)
    session.protect(Command(0x51), Mode.PLAIN)
    with pytest.raises(SessionOver, match="never came"):
        session.protect(Command(0x51), Mode.PLAIN)
    assert session.open_answer(b"", 0x9100) == b""
    assert session.counter == 1


def test_a_refused_command_ends_the_session() -> None:
    session = ReaderSession(NO_KEYS, IDENTIFIER)
    with pytest.raises(CardRefused, match="91BE"):
        feed(session.run(Command(0xDC, b"\x03", bytes(4)), Mode.MAC), ResponseApdu(b"", 0x91BE))
    with pytest.raises(SessionOver, match="over: the card answers 91BE"):
        session.protect(Command(0x51), Mode.MAC)


def test_frames_out_of_step_end_the_session() -> None:
    session = ReaderSession(NO_KEYS, IDENTIFIER)
    with pytest.raises(Malformed, match="6700 is no status"):
        feed(session.run(Command(0x51), Mode.MAC), ResponseApdu(b"", 0x6700))
    assert session.is_over


def own_key_changed() -> tuple[ReaderSession, Command, bytes]:
    """Return a session, the published change of its key, and the frame that is sent for it."""
    (vector,) = (found for found in vectors("ev2_command", 25) if found.id == OWN_KEY_CHANGED)
    session = ReaderSession(keys_of(vector), vector.given("ti"), vector.count("cmd_ctr"))
    command = Command(0xC4, vector.given("cmd_header"), vector.given("cmd_data"))
    return session, command, vector.due("c_apdu")


def test_a_session_ends_with_the_change_of_its_own_key() -> None:
    session, command, frame = own_key_changed()
    sent, _ = feed(session.run_last(command, Mode.FULL), ResponseApdu(b"", 0x9100))
    assert [apdu.encode() for apdu in sent] == [frame]
    with pytest.raises(SessionOver, match="over: its key was changed"):
        session.protect(Command(0x51), Mode.MAC)


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (ResponseApdu(b"", 0x911E), CardRefused, "integrity error"),
        (ResponseApdu(bytes(8), 0x9100), Malformed, "the answer to the last command has 8 bytes"),
    ],
)
def test_a_change_of_its_own_key_that_failed_ends_the_session_too(
    answer: ResponseApdu, error: type[Exception], said: str
) -> None:
    session, command, _ = own_key_changed()
    with pytest.raises(error, match=said):
        feed(session.run_last(command, Mode.FULL), answer)
    assert session.is_over


def test_a_session_whose_count_is_used_up_sends_nothing_more() -> None:
    session = ReaderSession(NO_KEYS, IDENTIFIER, counter=COMMANDS_MAX - 1)
    session.protect(Command(0x51), Mode.PLAIN)
    session.open_answer(b"", 0x9100)
    with pytest.raises(SessionOver, match="has had its 65535 commands"):
        session.protect(Command(0x51), Mode.PLAIN)


def test_no_text_shows_a_key() -> None:
    assert repr(SessionKeys(b"k" * 16, b"m" * 16)) == "SessionKeys()"


def test_wrong_sizes_are_named() -> None:
    with pytest.raises(Malformed, match="the transaction identifier has 3 bytes"):
        ReaderSession(NO_KEYS, bytes(3))
    with pytest.raises(Malformed, match="the session's key for enciphering has 1 bytes"):
        SessionKeys(b"k", bytes(16))
    with pytest.raises(Malformed, match="the session's key for MACs has 1 bytes"):
        SessionKeys(bytes(16), b"k")
    with pytest.raises(Malformed, match="the card's random has 0 bytes"):
        session_keys(KEY, MINE, b"")
    with pytest.raises(Malformed, match="the counter is 65536, which does not fit 2 bytes"):
        command_iv(NO_KEYS, IDENTIFIER, 65536)
