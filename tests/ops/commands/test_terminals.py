"""`terminals`: who is there, and what an officer says they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.ops.commands.fleet_place import GATES, FleetPlace, Gate, connected

KEYS = [
    *("terminal", "kind", "place", "operator", "firmware", "key", "connected", "silent"),
    *("last_seen_ms", "backlog", "clock_offset_ms", "battery", "reader", "counter", "missing"),
    *("gaps", "lists"),
]


@pytest.fixture(scope="module", autouse=True)
def registered(place: FleetPlace) -> None:
    for name in GATES:
        place.told(
            *("terminals", "register", name, "--kind", "gate", "--place", "Blok M"),
            *("--operator", "mrtj"),
        )


def names(place: FleetPlace, *arguments: object) -> list[str]:
    found = place.told("terminals", *arguments)
    return [row["terminal"] for row in found["terminals"]]


def test_a_connected_terminal_is_listed_with_how_it_is(place: FleetPlace) -> None:
    with connected(place, Gate("GATE-01")):
        found = place.told("terminals", who="oki")
        shown = place.call("terminals").stdout
    assert list(found) == ["terminals", "next", "known", "connected", "silent", "server_time_ms"]
    row = found["terminals"][0]
    assert list(row) == KEYS
    assert row["terminal"] == "GATE-01"
    assert (row["kind"], row["place"], row["operator"]) == ("gate", "Blok M", "mrtj")
    assert (row["firmware"], row["connected"], row["silent"]) == ("gate 2.4.1", True, False)
    assert (row["backlog"], row["battery"], row["reader"]) == (3, 71, "ok")
    assert len(row["key"]) == 16
    assert abs(found["server_time_ms"] - row["last_seen_ms"]) < 60_000
    assert found["connected"] == 1
    assert "GATE-01" in shown
    assert "gate at Blok M" in shown


def test_terminals_are_found_by_what_they_are(place: FleetPlace) -> None:
    place.told("terminals", "register", "BUS-7", "--kind", "bus", "--operator", "transjakarta")
    assert names(place, "--kind", "bus") == ["BUS-7"]
    assert names(place, "--operator", "mrtj", "--place", "Blok M") == list(GATES)
    assert names(place, "--silent") == []
    assert names(place, "list", "--kind", "kiosk") == []


def test_a_long_list_is_cut_and_says_so(place: FleetPlace, tmp_path: Path) -> None:
    file = tmp_path / "shops.csv"
    rows = [f"SHOP-{n:03},shop,,warung" for n in range(120)]
    file.write_text("\n".join(["terminal,kind,place,operator", *rows]))
    done = place.told("terminals", "register", "--from", file, "--id", "shops")
    assert done == {"id": "shops", "registered": 120}
    found = place.told("terminals", "--kind", "shop", "--limit", "110")
    assert len(found["terminals"]) == 110
    assert found["next"] == "SHOP-109"
    assert "more with --all" in place.call("terminals", "--kind", "shop").stdout
    assert len(names(place, "--kind", "shop", "--all")) == 120
    again = place.told("terminals", "register", "--from", file, "--id", "shops")
    assert again["registered"] == 120, "sent again it is done once"


def test_a_file_with_a_fault_is_not_sent(place: FleetPlace, tmp_path: Path) -> None:
    file = tmp_path / "gates.csv"
    file.write_text("terminal,kind\nGATE-77,gate\nGATE 78,gate\n")
    done = place.call("terminals", "register", "--from", file)
    assert done.exit_code == 1
    assert "line 3, column terminal" in done.stderr
    assert "GATE-77" not in names(place, "--all")


def test_what_was_registered_under_an_id_is_not_changed_under_it(place: FleetPlace) -> None:
    words = ("terminals", "register", "KIOSK-1", "--kind", "kiosk", "--id", "k1")
    assert place.told(*words) == {"id": "k1", "registered": 1}
    done = place.call(*words, "--place", "Senen")
    assert done.exit_code == 1
    assert "KIOSK-1: refused, conflict: used for another order" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["X"], "name a TERMINAL and its --kind"),
        (["--kind", "gate"], "name a TERMINAL and its --kind"),
        (["a/b", "--kind", "gate"], "printable ASCII"),
        (["X", "--kind", "gate", "--place", "x" * 65], "place"),
        (["X", "--kind", "gate", "--operator", "m r"], "operator"),
        (["X", "--from", "README.md"], "--from goes alone"),
        (["X", "--kind", "gate", "--id", "a b"], "is no id"),
    ],
)
def test_what_makes_no_sense_is_refused(place: FleetPlace, words: list[str], said: str) -> None:
    done = place.call("terminals", "register", *words)
    assert done.exit_code == 2
    assert said in done.stderr
    assert "order " not in done.stderr


def test_an_observer_looks_and_orders_nothing(place: FleetPlace) -> None:
    assert place.call("terminals", who="oki").exit_code == 0
    done = place.call("terminals", "register", "X", "--kind", "gate", who="oki")
    assert done.exit_code == 1
    assert "oki is not allowed to order anything" in done.stderr


def test_a_terminal_may_not_ask(place: FleetPlace) -> None:
    done = place.call("terminals", who="GATE-02")
    assert done.exit_code == 1
    assert "GATE-02 is not allowed to ask this" in done.stderr
