"""`card`: made, looked at and made new again at a desk; and what is said when that cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import trio
from click.testing import CliRunner, Result

from ops.chip_key_stores import file_store
from ops.chip_keys import VARIABLE_OF_FILE
from ops.commands.card import card
from ops.virtual_card.card import Tear, VirtualCard
from protocol.chip.keys import Role
from tests.terminals.acceptance.lab import VERSION, drawing
from tests.terminals.acceptance.test_lane import Street, taken
from tests.terminals.acceptance.test_terminal import answering
from tests.terminals.pcsc.fake_service import FakeService

pytestmark = pytest.mark.slow

NUMBER = "9360020000000011"
OTHER = "9360020000000029"
PASSPHRASE = "four words of a test"


class Desk:
    """A reader, what lies on it, and the keys of the bureau and of a gate."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.service = FakeService("Desk 00")
        monkeypatch.setattr("ops.terminal.desk.establish", self.service.establish)
        monkeypatch.setenv(VARIABLE_OF_FILE, PASSPHRASE)
        masters = {(role, VERSION): bytes([number]) * 16 for number, role in enumerate(Role)}
        self.bureau, self.gate = folder / "bureau.keys", folder / "gate.keys"
        file_store.create(self.bureau, PASSPHRASE, masters, chance=drawing())
        of_gate = {where: raw for where, raw in masters.items() if where[0] in {"debit", "seal"}}
        file_store.create(self.gate, PASSPHRASE, of_gate, chance=drawing())

    def put(self, virtual: VirtualCard) -> None:
        virtual.power_on()
        self.service.insert("Desk 00", answering(virtual))

    def call(self, *arguments: object, keys: Path | None = None) -> Result:
        options = ["--chip-keys", str(keys or self.bureau), "--wait", "5"]
        return CliRunner().invoke(card, [*map(str, arguments), *options])

    def told(self, *arguments: object, keys: Path | None = None) -> dict[str, Any]:
        result = self.call(*arguments, "--json", keys=keys)
        assert result.exit_code == 0, result.output
        found: dict[str, Any] = json.loads(result.stdout)
        return found


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


@pytest.fixture
def blank() -> VirtualCard:
    return VirtualCard(bytes.fromhex("04DE5F1EACC040"), chance=drawing())


def failure(result: Result) -> str:
    assert result.exit_code != 0, result.output
    assert "Traceback" not in result.output
    return result.stderr


def test_a_card_is_made_once_looked_at_and_made_new_again(desk: Desk, blank: VirtualCard) -> None:
    desk.put(blank)
    made = desk.told("personalise", NUMBER, "--expires", "2031-12-31", "--value", 5_000)
    assert made == {"number": NUMBER, "uid": "04DE5F1EACC040", "changed": True}
    assert not desk.told("personalise", NUMBER, "--expires", "2031-12-31")["changed"]
    found = desk.told("inspect", keys=desk.gate)
    uses = found.pop("uses")
    assert found == {
        "number": NUMBER,
        "uid": "04DE5F1EACC040",
        "key_version": 1,
        "expires": "2031-12-31",
        "group": 0,
        "group_until": None,
        "value_rp": 5_000,
    }
    assert [use["use"] for use in uses] == ["issued"]
    assert desk.told("reset", "--yes") == {"uid": "04DE5F1EACC040", "changed": True}
    assert not desk.told("reset", "--yes")["changed"]
    assert desk.told("personalise", OTHER)["changed"]


def test_a_card_that_was_torn_in_the_middle_is_finished(desk: Desk, blank: VirtualCard) -> None:
    blank.tear = Tear(9, done=True)
    desk.put(blank)
    assert "torn" in failure(desk.call("personalise", NUMBER))
    desk.put(blank)
    assert desk.told("personalise", NUMBER)["changed"]
    assert desk.told("inspect")["number"] == NUMBER


def test_people_are_told_in_lines(desk: Desk, blank: VirtualCard) -> None:
    desk.put(blank)
    arguments = ["--group", "4", "--group-until", "2027-06-30", "--value", "20000"]
    made = desk.call("personalise", NUMBER, *arguments)
    assert made.output == f"card {NUMBER} was made; UID 04DE5F1EACC040\n"
    again = desk.call("personalise", NUMBER, *arguments)
    assert "was made before" in again.output
    shown = desk.call("inspect").output.splitlines()
    assert shown[0] == f"card {NUMBER}, UID 04DE5F1EACC040"
    assert shown[2:4] == ["group 4 until 2027-06-30", "value Rp20.000"]
    assert "terbit" in shown[4]
    assert "is as from the factory" in desk.call("reset", "--yes").output
    assert "was from the factory before" in desk.call("reset", "--yes").output


def test_the_group_of_a_holder_is_written_and_taken_away(desk: Desk, blank: VirtualCard) -> None:
    desk.put(blank)
    desk.told("personalise", NUMBER)
    assert desk.told("group", 4, "--until", "2027-06-30") == {"number": NUMBER, "group": 4}
    found = desk.told("inspect")
    assert (found["group"], found["group_until"]) == (4, "2027-06-30")
    assert desk.call("group", 0).output == f"card {NUMBER}: group 0\n"
    assert desk.told("inspect")["group_until"] is None


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["personalise"], "NUMBER"),
        (["personalise", "936002000000001"], "sixteen digits"),
        (["personalise", "9360020000000012"], "9360020000000011 would be right"),
        (["personalise", NUMBER, "--group", "4"], "--group-until"),
        (["personalise", NUMBER, "--value", "-1"], "--value"),
        (["personalise", NUMBER, "--expires", "tomorrow"], "--expires"),
        (["personalise", NUMBER, "--key-version", "0"], "--key-version"),
        (["group", "4"], "--until"),
        (["group", "256", "--until", "2027-06-30"], "256"),
        (["reset"], "Go on?"),
    ],
)
def test_what_is_missing_or_wrong_is_named(desk: Desk, arguments: list[str], what: str) -> None:
    result = desk.call(*arguments)
    assert result.exit_code in {1, 2}
    assert what in result.output


@pytest.mark.parametrize("command", [["personalise", NUMBER], ["inspect"], ["group", "0"]])
def test_without_keys_nothing_is_done(command: list[str]) -> None:
    result = CliRunner().invoke(card, command)
    assert result.exit_code == 2
    assert "--chip-keys or --chip-token" in result.output


def test_a_day_that_a_card_has_no_room_for_is_refused(desk: Desk, blank: VirtualCard) -> None:
    desk.put(blank)
    for day in ("9999-12-31", "1960-01-01"):
        assert "no room" in failure(desk.call("personalise", NUMBER, "--expires", day))
    assert desk.told("reset", "--yes")["changed"] is False


def test_keys_that_are_wrong_or_not_there_are_told(
    desk: Desk, blank: VirtualCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.put(blank)
    desk.told("personalise", NUMBER)
    assert "nowhere" in failure(desk.call("inspect", keys=tmp_path / "nowhere"))
    (tmp_path / "text").write_text("no keys")
    failure(desk.call("inspect", keys=tmp_path / "text"))
    others = {(role, VERSION): b"\x99" * 16 for role in Role}
    file_store.create(tmp_path / "others", PASSPHRASE, others, chance=drawing())
    assert "not sealed for this chip" in failure(desk.call("inspect", keys=tmp_path / "others"))
    assert "91AE" in failure(desk.call("reset", "--yes", keys=tmp_path / "others"))
    # A gate's keys read a card, and do not write one.
    assert "admin" in failure(desk.call("group", 0, keys=desk.gate))
    monkeypatch.setenv(VARIABLE_OF_FILE, "another passphrase")
    assert PASSPHRASE not in failure(desk.call("inspect"))


def test_a_card_of_another_number_is_left_alone(desk: Desk, blank: VirtualCard) -> None:
    desk.put(blank)
    desk.told("personalise", NUMBER)
    before = blank.image()
    assert f"the one with the number {NUMBER}" in failure(desk.call("personalise", OTHER))
    assert blank.image() == before


def test_a_card_from_the_factory_is_none_of_ours(desk: Desk, blank: VirtualCard) -> None:
    desk.put(blank)
    assert "not one of our cards" in failure(desk.call("inspect"))


def test_without_a_service_or_a_card_it_says_so(desk: Desk) -> None:
    waiting = CliRunner().invoke(card, ["inspect", "--chip-keys", str(desk.gate), "--wait", "0.1"])
    assert "no card was presented" in failure(waiting)
    desk.service.stop()
    assert "no service" in failure(desk.call("inspect"))


def test_uses_are_shown_with_their_places(desk: Desk, blank: VirtualCard) -> None:
    desk.put(blank)
    desk.told("personalise", NUMBER, "--value", 50_000)
    desk.service.remove("Desk 00")
    taken(trio.run(Street("ws://nowhere").visit, blank))
    desk.put(blank)
    shown = desk.call("inspect").output
    assert "masuk  transjakarta_brt" in shown
    assert desk.told("inspect")["uses"][0]["use"] == "tap_in"
