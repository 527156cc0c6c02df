"""Short APDUs, native commands in them, and chains of frames."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.chip.apdu import (
    CommandApdu,
    Exchange,
    ResponseApdu,
    ensure_done,
    native,
    select,
    transmit,
)
from protocol.chip.errors import CardRefused, Malformed
from protocol.chip.limits import ANSWER_BYTES_MAX, COMMAND_BYTES_MAX, FRAME_BYTES_MAX
from tests.protocol.chip.vectors import vectors

BYTES = st.integers(0, 255)
COMMANDS = st.builds(
    CommandApdu,
    *(BYTES, BYTES, BYTES, BYTES),
    st.binary(max_size=COMMAND_BYTES_MAX),
    st.none() | st.integers(1, FRAME_BYTES_MAX),
)


class Chip:
    """Answers the frames of one exchange from a script, and keeps what it was sent."""

    def __init__(self, *answers: str) -> None:
        self.answers = [ResponseApdu.decode(bytes.fromhex(answer)) for answer in answers]
        self.sent: list[str] = []

    def run(self, exchange: Exchange[tuple[bytes, int]]) -> tuple[bytes, int]:
        command = next(exchange)
        while True:
            self.sent.append(command.encode().hex())
            try:
                command = exchange.send(self.answers.pop(0))
            except StopIteration as end:
                assert not self.answers, "everything scripted was asked for"
                result: tuple[bytes, int] = end.value
                return result


def test_published_commands_and_answers_are_read_and_written_as_they_are() -> None:
    for vector in vectors("apdu", 10):
        raw = vector.given("c_apdu")
        command = CommandApdu.decode(raw)
        assert command.encode() == raw, vector.id
        assert command.expected == 256, vector.id
        answer = vector.due("r_apdu")
        assert ResponseApdu.decode(answer).encode() == answer, vector.id


def test_the_application_is_selected_by_its_name() -> None:
    name = bytes.fromhex("A00000039656434103F015400000000B")
    assert select(name).encode().hex() == "00a4040c10a00000039656434103f015400000000b00"


@given(COMMANDS)
def test_any_command_is_read_as_it_was_written(command: CommandApdu) -> None:
    assert CommandApdu.decode(command.encode()) == command


@given(st.binary(max_size=FRAME_BYTES_MAX), st.integers(0, 0xFFFF))
def test_any_answer_is_read_as_it_was_written(data: bytes, status: int) -> None:
    answer = ResponseApdu(data, status)
    assert ResponseApdu.decode(answer.encode()) == answer


@given(st.binary(max_size=300))
def test_any_bytes_are_a_command_or_are_refused(raw: bytes) -> None:
    try:
        command = CommandApdu.decode(raw)
    except Malformed:
        return
    assert command.encode() == raw


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("906000", "a command of 3 bytes has no header"),
        ("9060000000000100", "Lc is 00"),
        ("90600000020100"[:12], "Lc is 2, and 1 bytes follow"),
        ("906000000101" + "0000", "Lc is 1, and 3 bytes follow"),
    ],
)
def test_lengths_that_do_not_add_up_are_named(raw: str, said: str) -> None:
    with pytest.raises(Malformed, match=said):
        CommandApdu.decode(bytes.fromhex(raw))


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ((256, 0, 0, 0), "CLA is 256"),
        ((0, -1, 0, 0), "INS is -1"),
        ((0, 0, 256, 0), "P1 is 256"),
        ((0, 0, 0, 256), "P2 is 256"),
        ((0, 0, 0, 0, bytes(256)), "a command of 256 bytes"),
        ((0, 0, 0, 0, b"", 0), "Le is 0"),
        ((0, 0, 0, 0, b"", 257), "Le is 257"),
    ],
)
def test_a_command_out_of_bounds_is_never_made(parts: tuple[int, int, int, int], said: str) -> None:
    with pytest.raises(Malformed, match=said):
        CommandApdu(*parts)


def test_an_answer_out_of_bounds_is_never_made() -> None:
    with pytest.raises(Malformed, match="the status is 65536"):
        ResponseApdu(b"", 0x10000)
    with pytest.raises(Malformed, match="the status is -1"):
        ResponseApdu(b"", -1)
    with pytest.raises(Malformed, match="an answer of 257 bytes"):
        ResponseApdu(bytes(257), 0x9100)


@pytest.mark.parametrize("raw", [b"", b"\x91"])
def test_an_answer_of_a_card_that_left_has_no_status(raw: bytes) -> None:
    with pytest.raises(Malformed, match="no status word"):
        ResponseApdu.decode(raw)


def test_a_command_of_one_frame_and_one_answer_is_passed_on() -> None:
    chip = Chip("000000009100")
    assert chip.run(transmit(0x6C, b"\x03")) == (bytes(4), 0x9100)
    assert chip.sent == ["906c0000010300"]


def test_the_frames_of_an_answer_are_put_together() -> None:
    chip = Chip("0408013000130591af", "0491af", "0102039100")
    assert chip.run(transmit(0x60)) == (bytes.fromhex("0408013000130504010203"), 0x9100)
    assert chip.sent == ["9060000000", "90af000000", "90af000000"]


def test_a_long_command_goes_in_frames_of_the_size_that_was_asked_for() -> None:
    chip = Chip("91af", "91af", "ff9100")
    assert chip.run(transmit(0x8D, bytes(range(7)), frame_bytes_max=3)) == (b"\xff", 0x9100)
    assert chip.sent == ["908d00000300010200", "90af00000303040500", "90af0000010600"]


def test_a_chain_that_the_card_refuses_ends_with_its_status() -> None:
    assert Chip("91af", "917e").run(transmit(0x8D, bytes(9), 3)) == (b"", 0x917E)
    assert Chip("0191af", "91ca").run(transmit(0x60)) == (b"\x01", 0x91CA)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (["9100"], "frames were left to send"),
        (["0091af"], "1 bytes to half a command"),
        (["91af", "6700"], "6700 is no status of a native command"),
        (["91af", "91af", "9000"], "9000 is no status of a native command"),
    ],
)
def test_a_card_out_of_step_is_found(answers: list[str], said: str) -> None:
    with pytest.raises(Malformed, match=said):
        Chip(*answers).run(transmit(0x8D, bytes(9), 3))


def test_no_card_answers_for_ever() -> None:
    endless = [bytes(256).hex() + "91af"] * (ANSWER_BYTES_MAX // 256 + 1)
    with pytest.raises(Malformed, match="an answer above"):
        Chip(*endless).run(transmit(0xAD))
    with pytest.raises(Malformed, match="without data asks for another"):
        Chip("91af", "91af").run(transmit(0xAD))


@pytest.mark.parametrize("status", [0x9000, 0x9100])
def test_what_is_done_passes(status: int) -> None:
    ensure_done(status)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (0x91BE, "the card answers 91BE: boundary error"),
        (0x910C, "910C: no changes to commit"),
        (0x6A82, "6A82: a status not known here"),
    ],
)
def test_what_the_card_refuses_is_named(status: int, said: str) -> None:
    with pytest.raises(CardRefused, match=said) as caught:
        ensure_done(status)
    assert caught.value.status == status


def test_a_native_command_asks_for_any_answer() -> None:
    assert native(0x51).encode() == bytes.fromhex("9051000000")
