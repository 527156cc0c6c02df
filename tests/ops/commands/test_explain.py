"""`explain`: why a transaction became what it became, in both languages."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ops.remote import Remote, at_node
from terminals import intents
from terminals.client import TerminalClient
from terminals.intents import Intent
from terminals.keys import load_key
from terminals.messages import Outcome
from tests.ops.commands.fleet_place import FleetPlace

CARD = "6013500100000042"
PROOF = b"chip"


def submitted(place: FleetPlace, name: str, wanted: Sequence[Intent]) -> list[Outcome]:
    """Submit something as somebody who is enrolled."""

    async def send(client: TerminalClient) -> list[Outcome]:
        return list(await client.send(wanted))

    remote = Remote(place.node.url, name, load_key(place.keys / f"{name}.key"))
    return at_node(remote, send)


@pytest.fixture(scope="module")
def fares(place: FleetPlace) -> list[Outcome]:
    submitted(place, "ani", [intents.issue(CARD, "stored", "dki")])
    taps = [
        intents.tap(CARD, 0, "lrtj", "in", place="Velodrome", proof=PROOF, service="lrt_jakarta"),
        intents.tap(CARD, 6_000, "lrtj", "out", place="Pulo\x1bmas", proof=PROOF, service="krl"),
    ]
    return submitted(place, "GATE-01", taps)


def test_a_tap_is_explained_in_both_languages_with_its_article(
    place: FleetPlace, fares: list[Outcome]
) -> None:
    first = fares[0]
    found = place.told("explain", f"GATE-01/{first.counter}")
    assert list(found) == ["terminal", "counter", "position", "lines"]
    assert (found["terminal"], found["position"]) == ("GATE-01", first.position)
    parts = [line["part"] for line in found["lines"]]
    assert parts == sorted(parts, key=["input", "tried", "rejected", "outcome", "cheaper"].index)
    (fare,) = [line for line in found["lines"] if line["text_en"].startswith("A ride begins")]
    assert fare["text_id"].startswith("Perjalanan dimulai")
    assert fare["rule"].startswith("fare.lrt_jakarta@")
    assert "Nomor 34 Tahun 2019" in fare["article"]


def test_it_is_shown_in_one_language_or_both(place: FleetPlace, fares: list[Outcome]) -> None:
    name = f"GATE-01/{fares[0].counter}"
    both = place.call("explain", name).stdout
    assert "Masukan / What came in" in both
    assert "Perjalanan dimulai" in both
    assert "A ride begins" in both
    english = place.call("explain", name, "--lang", "en").stdout
    assert "What came in" in english
    assert "Perjalanan" not in english
    assert "[fare.lrt_jakarta@" in english


def test_what_a_terminal_said_does_not_steer_the_screen(
    place: FleetPlace, fares: list[Outcome]
) -> None:
    shown = place.call("explain", f"GATE-01/{fares[1].counter}", "--lang", "en")
    assert "Pulo\N{REPLACEMENT CHARACTER}mas" in shown.stdout
    assert "filed as an exception: place_unknown" in shown.stdout


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("GATE-01/99999999", "there is no such transaction"),
        ("GATE-01", "is no transaction as GATE-01/7"),
        ("GATE-01/x", "is no transaction as GATE-01/7"),
    ],
)
def test_what_there_is_not_is_told_so(place: FleetPlace, name: str, said: str) -> None:
    done = place.call("explain", name)
    assert done.exit_code != 0
    assert said in done.stderr


def test_an_observer_may_not_ask(place: FleetPlace, fares: list[Outcome]) -> None:
    done = place.call("explain", f"GATE-01/{fares[0].counter}", who="oki")
    assert done.exit_code == 1
