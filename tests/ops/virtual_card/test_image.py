"""A card is kept in a file, and is the same when it is read again."""

from __future__ import annotations

import stat
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.virtual_card.card import VirtualCard
from ops.virtual_card.image_file import ImageFile, NotKept
from protocol.chip.errors import Malformed
from tests.ops.virtual_card.cards import fresh, making, ours, prove, seeded, talk

MAGIC_BYTES = 5


def test_an_image_is_the_whole_card_without_its_session() -> None:
    card = ours()
    prove(card, 3)
    again = VirtualCard.from_image(card.image(), chance=seeded())
    assert again.state == card.state
    assert again.image() == card.image()
    assert again.answer(bytes.fromhex("9051000000")).hex() == "919d"


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_damaged_image_is_no_card(at: int, change: int) -> None:
    raw = bytearray(ours().image())
    raw[at % len(raw)] ^= change
    with pytest.raises(Malformed, match="image"):
        VirtualCard.from_image(bytes(raw), chance=bytes)


@given(st.integers(0, 10_000))
def test_a_part_of_an_image_is_no_card(length: int) -> None:
    raw = ours().image()
    with pytest.raises(Malformed, match="image"):
        VirtualCard.from_image(raw[: length % len(raw)], chance=bytes)


def test_the_image_of_something_else_is_no_card() -> None:
    body = fresh().image()[:MAGIC_BYTES] + b"\x01"
    with pytest.raises(Malformed, match="no image"):
        VirtualCard.from_image(body + sha256(body).digest()[:8], chance=bytes)


def test_a_file_keeps_a_card_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "siti.card"
    file = ImageFile(path)
    assert file.load(chance=seeded()) is None
    card = fresh()
    file.save(card)
    talk(card, making())
    # What an interrupted run has left is in nobody's way.
    path.with_name("siti.card.new").write_bytes(b"half")
    file.save(card)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]
    again = ImageFile(path).load(chance=seeded())
    assert again is not None
    assert again.state == card.state


def test_a_file_without_a_card_is_named(tmp_path: Path) -> None:
    path = tmp_path / "siti.card"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(NotKept, match=r"siti\.card"):
        ImageFile(path).load(chance=seeded())
    with pytest.raises(NotKept, match="cannot be read"):
        ImageFile(tmp_path).load(chance=seeded())


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotKept, match="cannot be written"):
        ImageFile(tmp_path / "none" / "siti.card").save(fresh())
