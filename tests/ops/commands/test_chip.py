"""`chip`: which counts of a chip the node has, at a node with the keys of proofs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from ops.chip_key_stores import file_store
from ops.commands.chip import uid_in
from protocol.chip.keys import Role
from terminals import intents
from tests.e2e.city import now_ms
from tests.ops.commands.fleet_place import FleetPlace, fleet_place
from tests.ops.commands.test_explain import submitted
from tests.terminals.acceptance.lab import BRT, VERSION, World, drawing, made_card
from tests.terminals.acceptance.test_visit import visit

CARD = "9360020000000017"
UID = "04DE5F1EACC040"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FleetPlace]:
    """A node with keys, a card that is bound to its chip, and three of four purchases with it."""
    folder = tmp_path_factory.mktemp("chips")
    masters = {(role, VERSION): bytes([number]) * 16 for number, role in enumerate(Role)}
    file_store.create(folder / "chip.keys", "four words", masters, chance=drawing())
    (folder / "words").write_text("four words\n")
    options = ("--chip-keys", folder / "chip.keys", "--chip-passphrase-file", folder / "words")
    with fleet_place(folder, options) as made:
        bound = intents.issue(CARD, "stored", "dki", chip=bytes.fromhex(UID))
        submitted(made, "ani", [bound, intents.issue("unbound", "stored", "dki")])
        world, card = World(point=replace(BRT, terminal="GATE-01"), own_ms=now_ms()), made_card()
        for _ in range(4):
            visit(world, card)
        taps = [tap.intent for tap in world.journal.taps(1, 9, 9)]
        outcomes = submitted(made, "GATE-01", [taps[0], taps[1], taps[3]])
        assert [outcome.exceptions for outcome in outcomes] == [("below_floor",)] * 3
        yield made


def test_the_counts_of_a_chip_are_told_by_its_card_and_by_its_uid(place: FleetPlace) -> None:
    found = place.told("chip", CARD)
    assert found == place.told("chip", "--uid", "04:DE:5F:1E:AC:C0:40")
    assert list(found) == ["uid", "card", "counter", "missing", "gaps", "position"]
    assert (found["uid"], found["card"]) == (UID.lower(), CARD)
    highest = found["counter"]
    assert [highest - 1, highest - 1] in found["gaps"]
    assert found["missing"] == sum(high - low + 1 for low, high in found["gaps"])


def test_a_person_is_shown_a_row_and_not_the_number_of_the_card(place: FleetPlace) -> None:
    shown = place.call("chip", "--uid", UID).stdout
    highest = place.told("chip", CARD)["counter"]
    assert UID in shown
    assert "...0017" in shown
    assert CARD not in shown
    assert f"{highest - 1}" in shown
    assert "as it stood before position" in shown


@pytest.mark.parametrize(
    ("words", "said", "status"),
    [
        (["unbound"], "knows no chip of card", 1),
        (["6013500100000042"], "knows no chip of card ...0042", 1),
        (["--uid", "00"], "knows no chip of this UID", 1),
        ([], "name a CARD, or the --uid of a chip", 2),
        ([CARD, "--uid", UID], "name a CARD, or the --uid of a chip", 2),
        (["--uid", "04D"], "is no UID as 04DE5F1EACC040", 2),
        (["--uid", "00" * 11], "is no UID as 04DE5F1EACC040", 2),
    ],
)
def test_what_there_is_not_is_told_so(
    place: FleetPlace, words: list[str], said: str, status: int
) -> None:
    done = place.call("chip", *words)
    assert done.exit_code == status
    assert said in done.stderr


def test_a_uid_may_have_colons_and_blanks() -> None:
    assert uid_in("04:de 5f") == bytes.fromhex("04DE5F")


def test_a_terminal_may_not_ask(place: FleetPlace) -> None:
    done = place.call("chip", CARD, who="GATE-02")
    assert done.exit_code == 1
    assert "GATE-02 is not allowed to ask this" in done.stderr
