"""Which answer a card has for which command, in which state."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ops.virtual_card.card import FAILURES_MAX, Tear, Torn, VirtualCard
from ops.virtual_card.session import CardSession
from protocol.chip import commands
from protocol.chip.aes import ZERO_IV, encrypt
from protocol.chip.authentication import authenticate_again, authenticate_first
from protocol.chip.card_layout import FACTORY_KEY
from protocol.chip.errors import Malformed
from protocol.chip.keys import Role, SoftwareKey
from protocol.chip.secure import Command, Mode
from tests.ops.virtual_card.cards import (
    KEYS,
    UID,
    VERSION,
    Planned,
    fresh,
    ours,
    prove,
    refused,
    run,
    sent,
    talk,
)

SELECT = "00A4040C10A00000039656434103F015400000000B00"
OTHER_KEY = SoftwareKey(bytes.fromhex("77" * 16))


def selected() -> VirtualCard:
    card = fresh()
    assert sent(card, SELECT) == "9000"
    return card


def test_its_reader_tells_the_uid() -> None:
    assert sent(fresh(), "FFCA000000") == UID.hex().upper() + "9000"


def test_another_length_is_no_uid() -> None:
    with pytest.raises(Malformed, match="UID"):
        VirtualCard(bytes(4), chance=bytes)


def test_selection_answers_what_the_card_says_of_itself_where_it_is_asked_to() -> None:
    card = ours()
    assert sent(card, SELECT) == "9000"
    told = sent(card, SELECT.replace("00A4040C", "00A40400"))
    assert told.startswith("6F1E851C")
    assert len(told) == 2 * 34
    assert sent(card, "00A4000C02DF0100") == "9000"


@pytest.mark.parametrize("root", ["00A40000023F0000", "00A4000000"])
def test_the_root_knows_only_what_the_chip_is(root: str) -> None:
    card = selected()
    assert sent(card, root) == "9000"
    assert sent(card, "906F000000") == "919D"
    assert sent(card, "90710000020000" + "00") == "919D"
    assert sent(card, "9060000000").endswith("91AF")


@pytest.mark.parametrize(
    ("apdu", "answer"),
    [
        ("", "6700"),
        ("00A404", "6700"),
        ("00A4040C10A000", "6700"),
        ("00A4040C05A00000000100", "6A82"),
        ("00A4000C02EF0400", "6A82"),
        ("00A4020C02EF0400", "6A86"),
        ("00A4040110A00000039656434103F015400000000B00", "6A86"),
        ("00B0000000", "6D00"),
        ("8060000000", "6E00"),
        ("9060010000", "6A86"),
        ("9060000100", "6A86"),
        ("9099000000", "911C"),
        ("90AF000000", "911C"),
        ("9060000001FF00", "917E"),
        ("90F5000000", "917E"),
        ("90F50000010900", "91F0"),
        ("906C0000010900", "91F0"),
        ("906C0000010100", "919E"),
        ("90AB0000070300000000000000", "91AE"),
        ("9064000001" + "0000", "00" + "9100"),
        ("9064000001" + "0500", "9140"),
        ("9051000000", "91AE"),
        ("90DF0000010F00", "91AE"),
        ("90C7000000", "910C"),
        ("90A7000000", "910C"),
        ("90C700000102" + "00", "919E"),
        ("90C70000020101" + "00", "917E"),
        ("9071000000", "917E"),
        ("9071000001" + "0000", "917E"),
        ("9071000003" + "000200" + "00", "917E"),
        ("9071000009" + "0007" + "00" * 7 + "00", "917E"),
        ("9071000002" + "0500" + "00", "9140"),
        ("9077000001" + "0000", "919D"),
    ],
)
def test_answers_to_who_has_proved_nothing(apdu: str, answer: str) -> None:
    assert sent(selected(), apdu) == answer


def test_the_version_comes_in_three_parts() -> None:
    card = selected()
    assert sent(card, "9060000000") == "0408013000130591AF"
    assert sent(card, "90AF000000") == "0408013000130591AF"
    assert sent(card, "90AF000000") == UID.hex().upper() + "00" * 7 + "9100"
    assert sent(card, "90AF000000") == "911C"


def test_in_a_session_a_mac_vouches_for_the_version() -> None:
    card = selected()
    answer = run(card, prove(card, 3), Command(0x60), Mode.MAC)
    assert answer[14:21] == UID


def test_another_command_ends_a_chain() -> None:
    card = selected()
    assert sent(card, "9060000000").endswith("91AF")
    assert sent(card, "906F000000") == "91CA"
    assert sent(card, "906F000000").endswith("9100")


def test_a_chain_is_not_told_more() -> None:
    card = selected()
    sent(card, "9060000000")
    assert sent(card, "90AF000001AA00") == "911C"


def test_another_command_ends_an_authentication() -> None:
    card = selected()
    assert sent(card, "90710000020000" + "00").endswith("91AF")
    assert sent(card, "906F000000") == "91CA"
    assert sent(card, "90AF000000") == "911C"


def test_an_answer_of_more_than_a_frame_comes_in_two() -> None:
    card = fresh()
    whole = run(card, prove(card, 3), commands.read_data(0x00, 0, 0), Mode.FULL)
    assert whole == bytes(256)


def test_the_reader_is_told_its_capabilities() -> None:
    card = fresh(Planned([bytes(16), bytes.fromhex("01020304")]))
    sent(card, SELECT)
    assert sent(card, "9071000004" + "0002AABB" + "00").endswith("91AF")
    proof = encrypt(FACTORY_KEY.raw, ZERO_IV, bytes(32))
    answer = bytes.fromhex(sent(card, f"90AF000020{proof.hex()}00"))
    told = FACTORY_KEY.decrypt(ZERO_IV, answer[:-2])
    assert told.hex() == "01020304" + "00" * 16 + "00" * 6 + "aabb00000000"


def test_half_a_proof_is_refused() -> None:
    card = selected()
    sent(card, "90710000020000" + "00")
    assert sent(card, "90AF000010" + "00" * 16 + "00") == "917E"


def test_a_wrong_key_is_refused_and_counted() -> None:
    card = fresh()
    with refused(0x91AE):
        prove(card, 0, OTHER_KEY)
    assert card.state.failures == 1
    prove(card, 0)
    assert card.state.failures == 0


def test_many_wrong_keys_cost_time() -> None:
    card = fresh()
    for _ in range(FAILURES_MAX):
        with refused(0x91AE):
            prove(card, 0, OTHER_KEY)
    # From now on the card refuses to listen, each time longer; power does not help.
    card.reset()
    with refused(0x91AD):
        prove(card, 0)
    with refused(0x91AE):
        prove(card, 0, OTHER_KEY)
    for _ in range(2):
        with refused(0x91AD):
            prove(card, 0)
    prove(card, 0)
    assert (card.state.failures, card.state.delays) == (0, 0)


def test_a_session_goes_on_with_another_key() -> None:
    card = ours()
    first = prove(card, 1, KEYS.card_key(Role.DEBIT, VERSION, UID))
    run(card, first, commands.debit(3, 100), Mode.MAC)
    load = KEYS.card_key(Role.LOAD, VERSION, UID)
    second = talk(card, authenticate_again(first, 2, load, bytes(16)))
    run(card, second, commands.credit(3, 30), Mode.MAC)
    run(card, second, commands.commit_reader(bytes(16)), Mode.MAC)
    run(card, second, commands.commit(), Mode.MAC)
    value = run(card, second, commands.get_value(3), Mode.MAC)
    assert int.from_bytes(value, "little") == 50_000 - 70


def test_a_session_does_not_go_on_with_a_wrong_key() -> None:
    card = fresh()
    first = prove(card, 0)
    with refused(0x91AE):
        talk(card, authenticate_again(first, 1, OTHER_KEY, bytes(16)))
    assert sent(card, "9051000000") == "91AE"


def test_a_new_session_forgets_what_was_not_committed() -> None:
    card = ours()
    key = KEYS.card_key(Role.DEBIT, VERSION, UID)
    run(card, prove(card, 1, key), commands.debit(3, 100), Mode.MAC)
    session = talk(card, authenticate_first(1, key, bytes(16)))
    with refused(0x910C):
        run(card, session, commands.commit(), Mode.MAC)


@pytest.mark.parametrize("way", ["select", "reset", "off", "error"])
def test_what_was_not_committed_is_forgotten(way: str) -> None:
    card = ours()
    before = card.state
    key = KEYS.card_key(Role.DEBIT, VERSION, UID)
    run(card, prove(card, 1, key), commands.debit(3, 100), Mode.MAC)
    forget: dict[str, Callable[[], object]] = {
        "select": lambda: sent(card, SELECT),
        "reset": card.reset,
        "off": card.power_off,
        "error": lambda: sent(card, "9099000000"),
    }
    forget[way]()
    session = prove(card, 1, key)
    with refused(0x910C):
        run(card, session, commands.commit(), Mode.MAC)
    assert card.state.files == before.files


def test_a_wrong_mac_ends_the_session() -> None:
    card = fresh()
    session = prove(card, 0)
    assert sent(card, "90510000080000000000000000" + "00") == "911E"
    with refused(0x91AE):
        run(card, session, commands.get_uid(), Mode.FULL)


def test_a_command_is_not_taken_twice() -> None:
    card = fresh()
    session = prove(card, 0)
    payload = session.protect(commands.get_uid(), Mode.FULL).hex()
    assert sent(card, f"9051000008{payload}00").endswith("9100")
    assert sent(card, f"9051000008{payload}00") == "911E"


def test_a_command_without_its_mac_is_refused() -> None:
    card = fresh()
    prove(card, 0)
    assert sent(card, "9051000000") == "917E"


def test_what_is_enciphered_is_whole_blocks_with_padding() -> None:
    card = fresh()
    session = prove(card, 0)
    # In MAC mode the data is not enciphered: the card takes it for a piece of a block.
    with refused(0x917E):
        run(card, session, commands.change_file_settings(0, 3, b"\x30\x1f"), Mode.MAC)
    session = prove(card, 0)
    with refused(0x911E):
        run(card, session, Command(0x5F, b"\x00", bytes(16)), Mode.MAC)


def test_a_session_counts_to_its_end() -> None:
    card = fresh()
    session = prove(card, 0)
    card.resume(CardSession(session.keys, session.identifier, 0xFFFE, 0))
    payload = "9064000009" + "00" + "00" * 8 + "00"
    assert sent(card, payload) == "911E"
    card.resume(CardSession(session.keys, session.identifier, 0xFFFF, 0))
    assert sent(card, payload) == "91AE"


@pytest.mark.parametrize("done", [False, True])
def test_a_card_is_torn_out_before_or_after_it_does_a_command(*, done: bool) -> None:
    card = fresh()
    admin = prove(card, 0)
    changed = commands.change_file_settings(0, 0, b"\xee\xee")
    payload = admin.protect(changed, Mode.FULL)
    card.tear = Tear(1, done)
    assert sent(card, "FFCA000000").endswith("9000")
    with pytest.raises(Torn):
        card.answer(bytes((0x90, 0x5F, 0, 0, len(payload), *payload, 0)))
    assert card.tear is None
    assert (card.state.files[0].access == b"\xee\xee") == done
    assert sent(card, "906F000000") == "919D"
