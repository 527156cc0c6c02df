"""The law of a terminal, and what a list of rules does to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.fares.ride import Ride
from engine.rules.listed import entries_of
from engine.rules.reading import RulesInvalid
from ops.network import load_network
from ops.rulebook import NOWHERE
from ops.terminal.law import TerminalLaw
from terminals.acceptance.point import mark_of
from tests.engine.rules.written import rule, text_of

NEW_YEAR_MS = 1_798_736_400_000
"""2027-01-01, 00:00 in Jakarta."""
FARE = 'services = ["transjakarta_brt"]\namount_rp = 5_000\n'
NEXT = text_of("fare-2027", rule("fare.transjakarta", "flat_fare", FARE, since="2027-01-01"))


def fare_rp(law: TerminalLaw, at_ms: int, notes: list[str], *, listed: str = "") -> int | None:
    fares = law.fares
    if listed:
        made = law.with_list(entries_of({"fare-2027.toml": listed}), notes.append)
        if made is None:
            return None
        fares = made
    ride = Ride("transjakarta_brt", at_ms, "", at_ms, "")
    return fares.tariffs.at(at_ms).fare_of(ride).amount_rp


def test_a_list_of_rules_holds_from_its_first_day_on() -> None:
    law, notes = TerminalLaw(None, NOWHERE), list[str]()
    noon_ms = NEW_YEAR_MS + 12 * 3_600_000
    assert fare_rp(law, noon_ms, notes) == 3_500
    assert fare_rp(law, noon_ms, notes, listed=NEXT) == 5_000
    assert fare_rp(law, noon_ms - 24 * 3_600_000, notes, listed=NEXT) == 3_500
    assert notes == []


def test_a_list_that_cannot_be_used_is_told_and_leaves_all_as_it_is() -> None:
    law, notes = TerminalLaw(None, NOWHERE), list[str]()
    assert fare_rp(law, NEW_YEAR_MS, notes, listed=NEXT.replace("5_000", '"much"')) is None
    assert len(notes) == 1
    assert "the list of rules is not used: fare-2027.toml:" in notes[0]
    assert law.with_list([("nonsense", "x")], notes.append) is None
    assert "no line of a file" in notes[1]


def test_several_faults_are_told_by_the_first() -> None:
    law, notes = TerminalLaw(None, NOWHERE), list[str]()
    wrong = NEXT.replace("5_000", '"much"') + rule("other", "flat_fare", "amount_rp = true")
    assert fare_rp(law, NEW_YEAR_MS, notes, listed=wrong) is None
    assert "faults more" in notes[0]


def test_instruments_of_a_folder_stand_beside_those_of_the_program(tmp_path: Path) -> None:
    (tmp_path / "fare-2027.toml").write_text(NEXT)
    law = TerminalLaw(tmp_path, NOWHERE)
    assert fare_rp(law, NEW_YEAR_MS + 12 * 3_600_000, []) == 5_000
    (tmp_path / "fare-2027.toml").write_bytes(b"\xff")
    with pytest.raises(RulesInvalid, match="no UTF-8"):
        TerminalLaw(tmp_path, NOWHERE)


def test_all_places_are_known_on_which_a_fare_ever_depends() -> None:
    places = TerminalLaw(None, load_network().network).fares.places
    for service, place in (("mrt", "Blok M"), ("lrt_jakarta", "Velodrome")):
        assert places.find(mark_of(service, place)) == (service, place), place
