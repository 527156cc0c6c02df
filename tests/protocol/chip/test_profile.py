"""What a card says of itself, what seals it, and the records that its chip keeps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.chip.aes import truncated_mac
from protocol.chip.errors import Malformed, NotAuthentic
from protocol.chip.keys import SoftwareKey
from protocol.chip.profile import (
    FCI_BYTES,
    KEY_NUMBERS,
    PLACE_BYTES,
    RECORD_BYTES,
    SEQUENCES,
    CardFace,
    Record,
    SealedFace,
    Use,
    place_mark,
    reader_identity,
)

KEY, UID = SoftwareKey(bytes(range(16))), bytes.fromhex("04DE5F1EACC040")
NUMBER = "9360001234567893"
FACE = CardFace(NUMBER, 1, 20_000, 3, 20_100)
RECORD = Record(Use.TAP_OUT, 1_767_200_000, 3_500, b"\x01\x02\x03\x04", 7)

FACES = st.builds(
    CardFace,
    st.text("0123456789", min_size=16, max_size=16),
    st.integers(0, 0xFF),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFF),
    st.integers(0, 0xFFFF),
)
RECORDS = st.builds(
    Record,
    st.sampled_from(Use),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**24 - 1),
    st.binary(min_size=PLACE_BYTES, max_size=PLACE_BYTES),
    st.integers(0, SEQUENCES - 1),
)
KEYS = st.builds(SoftwareKey, st.binary(min_size=16, max_size=16))
UIDS = st.binary(min_size=7, max_size=7)


# --- the face --------------------------------------------------------------------------------


def test_the_form_of_a_face_stays() -> None:
    """Cards that were issued say it in this form, for years."""
    raw = FACE.seal(UID, KEY)
    content = "0101" + NUMBER + "4e20" + "03" + "4e84" + "00" * 5
    assert raw[:4].hex() == "6f1e851c"
    assert raw[4:24].hex() == content
    assert raw[24:] == truncated_mac(KEY.raw, UID + bytes.fromhex(content))


@given(FACES, UIDS, KEYS)
def test_a_card_is_believed_what_was_sealed_for_it(
    face: CardFace, uid: bytes, key: SoftwareKey
) -> None:
    raw = face.seal(uid, key)
    assert len(raw) == FCI_BYTES
    told = SealedFace.decode(raw)
    assert told.face == face
    assert told.opened(uid, key) == face


@given(FACES, st.integers(0, 8 * 7 - 1))
def test_no_card_is_believed_what_was_sealed_for_another(face: CardFace, bit: int) -> None:
    other = (int.from_bytes(UID, "big") ^ 1 << bit).to_bytes(7, "big")
    with pytest.raises(NotAuthentic, match="not sealed for this chip"):
        SealedFace.decode(face.seal(UID, KEY)).opened(other, KEY)


@given(FACES, st.integers(0, 8 * FCI_BYTES - 1))
def test_no_flipped_bit_is_believed(face: CardFace, bit: int) -> None:
    raw = int.from_bytes(face.seal(UID, KEY), "big") ^ 1 << bit
    with pytest.raises((Malformed, NotAuthentic)):
        SealedFace.decode(raw.to_bytes(FCI_BYTES, "big")).opened(UID, KEY)


def test_a_seal_of_another_key_is_not_believed() -> None:
    told = SealedFace.decode(FACE.seal(UID, SoftwareKey(bytes(16))))
    with pytest.raises(NotAuthentic):
        told.opened(UID, KEY)


@given(st.binary(max_size=40))
def test_any_bytes_are_a_face_or_are_refused(raw: bytes) -> None:
    """A card of somebody else answers its selection with anything."""
    with pytest.raises(Malformed, match="not one of our cards"):
        SealedFace.decode(raw)


@given(st.binary(min_size=28, max_size=28))
def test_any_content_in_our_form_is_read_or_refused(content: bytes) -> None:
    try:
        told = SealedFace.decode(bytes.fromhex("6f1e851c") + content)
    except Malformed:
        return
    assert told.content + told.mac == content


def test_a_face_of_another_version_is_refused() -> None:
    raw = bytearray(FACE.seal(UID, KEY))
    raw[4] = 2
    with pytest.raises(Malformed, match="a card of version 2, and only 1 is known"):
        SealedFace.decode(bytes(raw))


def test_a_number_that_is_no_number_is_refused() -> None:
    raw = bytearray(FACE.seal(UID, KEY))
    raw[6] = 0xAB
    with pytest.raises(Malformed, match="sixteen digits"):
        SealedFace.decode(bytes(raw))


@pytest.mark.parametrize("number", ["", "1" * 15, "1" * 17, "1" * 15 + "a", "\u0661" * 16])
def test_the_number_of_a_card_has_sixteen_digits(number: str) -> None:
    with pytest.raises(Malformed, match="sixteen digits"):
        CardFace(number, 1, 1)


@pytest.mark.parametrize(
    "face",
    [
        CardFace(NUMBER, 256, 1),
        CardFace(NUMBER, -1, 1),
        CardFace(NUMBER, 1, 0x10000),
        CardFace(NUMBER, 1, 1, 256),
        CardFace(NUMBER, 1, 1, 1, -1),
    ],
)
def test_what_has_no_room_on_a_card_is_refused(face: CardFace) -> None:
    with pytest.raises(Malformed, match="no room"):
        face.seal(UID, KEY)


def test_a_seal_takes_a_whole_uid() -> None:
    with pytest.raises(Malformed, match="the UID has 4 bytes"):
        FACE.seal(bytes(4), KEY)


# --- records ---------------------------------------------------------------------------------


def test_the_form_of_a_record_stays() -> None:
    """Cards that were issued keep it in this form, for years."""
    assert RECORD.encode().hex() == "12" + "69555500" + "000dac" + "01020304" + "00000007"


@given(RECORDS)
def test_a_record_is_read_as_it_was_written(record: Record) -> None:
    raw = record.encode()
    assert len(raw) == RECORD_BYTES
    assert Record.decode(raw) == record


@given(st.binary(min_size=RECORD_BYTES, max_size=RECORD_BYTES))
def test_any_bytes_are_a_record_or_are_refused(raw: bytes) -> None:
    try:
        record = Record.decode(raw)
    except Malformed:
        return
    assert record.encode() == raw


@pytest.mark.parametrize("first", [0x00, 0x16, 0x1F, 0x22, 0xFF])
def test_a_record_of_another_kind_is_refused(first: int) -> None:
    with pytest.raises(Malformed, match=f"a record begins with {first:02X}"):
        Record.decode(bytes((first,)) + bytes(15))


@pytest.mark.parametrize(
    ("at_s", "amount_rp", "sequence"),
    [(-1, 1, 1), (2**32, 1, 1), (1, -1, 1), (1, 2**24, 1), (1, 1, -1), (1, 1, SEQUENCES)],
)
def test_what_has_no_room_in_a_record_is_refused(at_s: int, amount_rp: int, sequence: int) -> None:
    with pytest.raises(Malformed, match="a record has no room"):
        Record(Use.TOP_UP, at_s, amount_rp, bytes(4), sequence).encode()


def test_wrong_sizes_of_a_record_are_named() -> None:
    with pytest.raises(Malformed, match="a record has 15 bytes, not 16"):
        Record.decode(bytes(15))
    with pytest.raises(Malformed, match="the place has 3 bytes, not 4"):
        Record(Use.TAP_IN, 1, 1, bytes(3), 1).encode()


# --- names -----------------------------------------------------------------------------------


def test_places_and_readers_keep_their_marks() -> None:
    """They stand on cards and in journals: a mark that changed would name nobody."""
    assert place_mark(3, "GATE-0142").hex() == "03" + "1b61b8"
    assert reader_identity("GATE-0142").hex() == "349f7723f120f765a8920bac5b2cd970"


@given(st.integers(0, 255), st.text(max_size=20), st.text(max_size=20))
def test_marks_are_told_apart(service: int, one: str, other: str) -> None:
    mark = place_mark(service, one)
    assert (len(mark), mark[0]) == (PLACE_BYTES, service)
    assert len(reader_identity(one)) == 16
    assert (reader_identity(one) == reader_identity(other)) is (one == other)
    assert not reader_identity(one).startswith(mark[1:])


@pytest.mark.parametrize("service", [-1, 256])
def test_a_service_without_room_in_a_mark_is_refused(service: int) -> None:
    with pytest.raises(Malformed, match=f"the number of the service is {service}"):
        place_mark(service, "GATE-0142")


def test_a_key_that_proves_nothing_at_the_card_has_no_number() -> None:
    assert len(set(KEY_NUMBERS.values())) == len(KEY_NUMBERS)
    assert all(0 <= number <= 4 for number in KEY_NUMBERS.values()), "a DESFire Light has five"
