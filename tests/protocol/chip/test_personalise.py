"""A card from the factory becomes one of ours, also if it is torn out on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest

from ops.virtual_card.card import Tear, Torn, VirtualCard
from ops.virtual_card.files import RecordFile, ValueFile
from protocol.chip import commands, purse
from protocol.chip.apdu import CommandApdu, Exchange, ResponseApdu
from protocol.chip.card_layout import FACTORY_KEY
from protocol.chip.errors import CardRefused, Malformed, NotAuthentic
from protocol.chip.keys import KeyMissing, Role, SoftwareCardKeys, SoftwareKey
from protocol.chip.personalise import OtherCard, personalise, reface, reset
from protocol.chip.profile import (
    RECORD_FILE,
    UPPER_LIMIT_RP,
    VALUE_FILE,
    CardFace,
)
from protocol.chip.proof import Effect
from protocol.chip.secure import Mode
from tests.ops.virtual_card.cards import (
    FACE,
    ISSUED,
    KEYS,
    READER,
    UID,
    VALUE_RP,
    VERSION,
    fresh,
    making,
    ours,
    prove,
    record,
    refused,
    run,
    seeded,
    sent,
    talk,
)

RANDOM: Final = bytes(range(16))


def resetting() -> Exchange[bool]:
    return reset(KEYS, VERSION, UID, seeded(4))


def ensure_good(card: VirtualCard) -> None:
    """Let a card pass that is ours in all that a terminal, a kiosk and a host rely on."""
    assert [slot.version for slot in card.state.keys] == [VERSION] * 3 + [0] * 2
    records = card.state.files[RECORD_FILE]
    assert isinstance(records, RecordFile)
    assert records.records[-1] == ISSUED.encode()
    for role, change_rp in ((Role.DEBIT, -3_500), (Role.LOAD, 10_000)):
        opened = talk(card, purse.open_card(KEYS, role, UID, RANDOM))
        assert opened.face == FACE
        seen = talk(card, purse.look(opened))
        step = purse.prepare(opened, seen, change_rp, record().encode(), READER)
        prepared = talk(card, step)
        proof = prepared.proof(talk(card, purse.commit(opened)))
        key = KEYS.card_key(Role.PROOF, VERSION, UID)
        assert proof.is_genuine(key, READER, Effect.of(change_rp))
    value = card.state.files[VALUE_FILE]
    assert isinstance(value, ValueFile)
    assert (value.lower, value.upper) == (0, UPPER_LIMIT_RP)
    assert value.value == VALUE_RP + 6_500


def commands_of(card: VirtualCard, exchange: Exchange[bool]) -> int:
    """Carry an exchange out; return how many commands it took."""
    command, count = next(exchange), 0
    while True:
        count += 1
        try:
            command = exchange.send(ResponseApdu.decode(card.answer(command.encode())))
        except StopIteration:
            return count


def torn_everywhere(
    card: Callable[[], VirtualCard], exchange: Callable[[], Exchange[bool]]
) -> list[VirtualCard]:
    """Return cards that were torn out at each command, and came again until all was done."""
    cards: list[VirtualCard] = []
    for answered in range(commands_of(card(), exchange())):
        for done in (False, True):
            torn = card()
            torn.tear = Tear(answered, done)
            with pytest.raises(Torn):
                talk(torn, exchange())
            talk(torn, exchange())
            assert not talk(torn, exchange())
            cards.append(torn)
    return cards


def test_a_card_from_the_factory_becomes_ours() -> None:
    card = fresh()
    assert talk(card, making())
    ensure_good(card)


def test_it_is_personalised_once() -> None:
    card = ours()
    before = card.state
    assert not talk(card, making())
    assert card.state.files == before.files
    assert card.state.keys == before.keys


def test_a_card_that_is_torn_out_at_any_command_is_good_after_it_came_again() -> None:
    cards = torn_everywhere(fresh, making)
    assert len(cards) == 2 * 27
    for card in cards:
        ensure_good(card)


def test_torn_out_again_and_again_it_gets_finished() -> None:
    card, tears = fresh(), 0
    while True:
        # Each time it stays a command longer, and what the last one did counts or is lost.
        card.tear = Tear(tears // 2, done=bool(tears % 2))
        try:
            talk(card, making())
        except Torn:
            tears += 1
            continue
        break
    assert tears > 40
    card.tear = None
    ensure_good(card)


def test_another_card_of_ours_is_left_alone() -> None:
    card = ours()
    other = replace(FACE, number="6032000000000025")
    with pytest.raises(OtherCard, match="6032000000000017"):
        talk(card, personalise(KEYS, other, UID, ISSUED, READER, seeded()))
    assert card.state.files == ours().state.files


def test_a_card_of_somebody_else_is_refused() -> None:
    card = fresh()
    command = commands.change_own_key(0, bytes.fromhex("77" * 16), 9)
    talk(card, prove(card, 0).run_last(command, Mode.FULL))
    with refused(0x91AE):
        talk(card, making())
    with refused(0x91AE):
        talk(card, resetting())


def test_keys_that_another_has_changed_are_refused() -> None:
    card = fresh()
    changed = commands.change_key(1, bytes(16), bytes.fromhex("77" * 16), 9)
    run(card, prove(card, 0), changed, Mode.FULL)
    with refused(0x911E):
        talk(card, making())


@pytest.mark.parametrize("version", [0, 256])
def test_the_version_of_the_factory_is_not_ours(version: int) -> None:
    face = replace(FACE, key_version=version)
    with pytest.raises(Malformed, match="version"):
        talk(fresh(), personalise(KEYS, face, UID, ISSUED, READER, seeded()))
    with pytest.raises(Malformed, match="version"):
        talk(ours(), reset(KEYS, version, UID, seeded()))


@pytest.mark.parametrize("value_rp", [-1, UPPER_LIMIT_RP + 1])
def test_a_value_beyond_the_limits_is_refused_before_anything_is_done(value_rp: int) -> None:
    card = fresh()
    with pytest.raises(Malformed, match=str(value_rp)):
        talk(card, making(value_rp))
    assert card.state == fresh().state


def test_without_keys_nothing_is_done() -> None:
    for lacking in Role:
        known = {(role, VERSION): bytes(16) for role in Role if role is not lacking}
        card = fresh()
        with pytest.raises(KeyMissing):
            talk(card, personalise(SoftwareCardKeys(known), FACE, UID, ISSUED, READER, seeded()))
        assert card.state == fresh().state


def test_an_answer_that_nobody_vouches_for_is_not_believed() -> None:
    """Somebody in between answers for the card that its last key was changed."""
    card = fresh()
    with refused(0x91AE):
        forge(card, making())
    assert card.state.keys[0].version == 0


def forge(card: VirtualCard, exchange: Exchange[bool]) -> None:
    command = next(exchange)
    while True:
        command = exchange.send(_forged(card, command))


def _forged(card: VirtualCard, command: CommandApdu) -> ResponseApdu:
    if (command.ins, command.data[:1]) == (commands.Ins.CHANGE_KEY, b"\0"):
        return ResponseApdu(b"", 0x9100)
    return ResponseApdu.decode(card.answer(command.encode()))


def test_what_cannot_be_an_answer_to_the_selection_is_refused() -> None:
    exchange = making()
    next(exchange)
    with pytest.raises(CardRefused, match="6A82"):
        exchange.send(ResponseApdu(b"", 0x6A82))


def test_another_error_than_a_wrong_key_is_told() -> None:
    card = fresh()
    for _ in range(50):
        with refused(0x91AE):
            prove(card, 0, SoftwareKey(bytes.fromhex("77" * 16)))
    with refused(0x91AD):
        talk(card, making())


def test_everybody_reads_the_face_and_nobody_else_anything() -> None:
    card = ours()
    assert talk(card, purse.read_face()).face == FACE
    for file in ("00", "01", "03", "04"):
        command = {"01": "AB", "03": "6C"}.get(file, "AD")
        place = "" if file == "03" else "00" * 6
        assert sent(card, f"90{command}0000{1 + len(place) // 2:02X}{file}{place}00") in {
            "91AE",
            "919D",
        }


def test_keys_of_the_factory_open_nothing() -> None:
    for number in (3, 4):
        for file in (0x00, 0x01, 0x03, 0x04):
            card = ours()
            session = prove(card, number, FACTORY_KEY)
            command = commands.get_value(file) if file == 3 else commands.read_records(file, 0, 0)
            with pytest.raises(CardRefused):
                run(card, session, command, Mode.FULL)


def test_the_face_is_written_anew() -> None:
    card = ours()
    said = talk(card, reface(KEYS, UID, RANDOM, group=5, group_until_day=21_500))
    assert said == replace(FACE, group=5, group_until_day=21_500)
    assert talk(card, purse.open_card(KEYS, Role.DEBIT, UID, RANDOM)).face == said


def test_a_face_that_is_not_sealed_is_not_written_anew() -> None:
    keys = SoftwareCardKeys({(role, VERSION): bytes(16) for role in Role})
    with pytest.raises(NotAuthentic):
        talk(ours(), reface(keys, UID, RANDOM, group=5, group_until_day=21_500))


def test_a_face_is_old_or_new_when_it_is_torn() -> None:
    new = replace(FACE, group=5, group_until_day=21_500)
    found: list[CardFace] = []
    for answered in range(4):
        for done in (False, True):
            card = ours()
            card.tear = Tear(answered, done)
            with pytest.raises(Torn):
                talk(card, reface(KEYS, UID, RANDOM, group=5, group_until_day=21_500))
            found.append(talk(card, purse.open_card(KEYS, Role.DEBIT, UID, RANDOM)).face)
    assert found == [FACE] * 7 + [new]


def test_a_card_is_as_from_the_factory_again() -> None:
    card = ours()
    assert talk(card, resetting())
    assert card.state == fresh().state
    assert not talk(card, resetting())
    assert talk(card, making())
    ensure_good(card)


def test_a_card_that_is_torn_out_of_a_reset_is_as_from_the_factory_in_the_end() -> None:
    for card in torn_everywhere(ours, resetting):
        assert card.state == fresh().state
