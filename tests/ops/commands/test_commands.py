"""`commands`: terminals are told what to do, once, and what became of it is seen."""

from __future__ import annotations

import json
from typing import Any

import pytest

from protocol.messages import Command, Report
from tests.ops.commands.fleet_place import GATES, FleetPlace, Gate, connected, tap, wait_until

pytestmark = pytest.mark.slow

COMMAND = ["number", "id", "body", "officer", "ordered_ms", "expires_ms", "states"]
STATES = ["accepted", "delivered", "done", "failed", "expired"]


@pytest.fixture(scope="module", autouse=True)
def registered(place: FleetPlace) -> None:
    for name in GATES:
        place.told("terminals", "register", name, "--kind", "gate", "--place", "Blok M")


def send(place: FleetPlace, *words: object, status: int = 0) -> dict[str, Any]:
    return place.told("commands", "send", *words, status=status)


def test_a_command_is_done_once_by_all_it_is_for(place: FleetPlace) -> None:
    gates = [Gate("GATE-01"), Gate("GATE-02")]
    with connected(place, *gates):
        done = send(
            place, "lane", "closed", "--terminal", "GATE-01", "--terminal", "GATE-02", "--wait"
        )
        again = send(
            *(place, "lane", "closed", "--terminal", "GATE-01", "--terminal", "GATE-02"),
            *("--wait", "--id", done["order"]),
        )
    assert list(done) == ["id", "order", "result", "terminals", "expires_ms", "states"]
    assert again == done, "also its expiry, though that is told from now on"
    assert done["id"] == f"ani/{done['order']}"
    assert (done["result"], done["terminals"]) == ("done", 2)
    assert list(done["states"]) == STATES
    assert done["states"]["done"] == 2
    assert [[command.id for command in gate.heard] for gate in gates] == [[done["id"]]] * 2


def test_what_a_terminal_could_not_do_is_seen(place: FleetPlace) -> None:
    stuck = Gate("GATE-01")
    stuck.answer = lambda command: Report(command.id, "failed", "the motor is stuck")
    with connected(place, stuck):
        words = ("commands", "send", "lane", "open", "--terminal", "GATE-01", "--wait")
        done = place.call(*words, "--id", "stuck")
    assert done.exit_code == 1
    assert "ani/stuck goes to 1 terminal until" in done.stdout
    assert "1 failed" in done.stdout
    found = place.told("commands", "show", "stuck")
    assert list(found) == [*COMMAND, "terminals", "next", "server_time_ms"]
    (gate,) = found["terminals"]
    assert list(gate) == ["terminal", "state", "at_ms", "text"]
    assert (gate["state"], gate["text"]) == ("failed", "the motor is stuck")
    assert "the motor is stuck" in place.call("commands", "show", "ani/stuck", who="budi").stdout


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (("card", "601", "block"), ["card", "601", "block"]),
        (("restart",), ["restart", "idle"]),
        (("restart", "now"), ["restart", "now"]),
        (("log_level", "debug"), ["log_level", "debug", 3600]),
        (("log_level", "error", "--for", "2m"), ["log_level", "error", 120]),
        (("lane", "open"), ["lane", "open"]),
        (("send_journal", "5", "7"), ["send_journal", 5, 7]),
    ],
)
def test_all_that_terminals_can_be_told(
    place: FleetPlace, words: tuple[str, ...], body: list[object]
) -> None:
    done = send(place, *words, "--terminal", "GATE-03")
    assert done["states"] is None
    assert place.told("commands", "show", done["id"])["body"] == body


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (("--kind", "gate"), 3),
        (("--place", "Blok M", "--kind", "gate"), 3),
        (("--place", "Blok M", "--terminal", "GATE-01"), 1),
        (("--everybody",), 3),
    ],
)
def test_terminals_are_meant_by_what_they_are(
    place: FleetPlace, words: tuple[str, ...], count: int
) -> None:
    assert send(place, "lane", "open", *words)["terminals"] == count


def test_a_command_says_how_to_follow_it(place: FleetPlace) -> None:
    done = place.call("commands", "send", "restart", "--terminal", "GATE-03", "--id", "later")
    assert done.exit_code == 0
    assert "follow it: jakarta-one commands show ani/later" in done.stdout
    assert done.stderr == "order later: to send the same again, add --id later\n"


@pytest.mark.slow
def test_a_command_expires(place: FleetPlace) -> None:
    dumb = Gate("GATE-02")
    dumb.answer = lambda _command: None
    with connected(place, dumb):
        done = send(
            *(place, "lane", "open", "--terminal", "GATE-02", "--expires-in", "1s", "--wait"),
            status=1,
        )
    assert done["states"]["expired"] == 1


def test_a_time_may_be_given_instead(place: FleetPlace) -> None:
    done = send(
        place, "restart", "--terminal", "GATE-03", "--expires-at", "2090-01-01T07:00:00+07:00"
    )
    assert done["expires_ms"] == 3_786_912_000_000
    late = place.call(
        *("commands", "send", "restart", "--terminal", "GATE-03"), "--expires-at", "2020-01-01"
    )
    assert late.exit_code == 1
    assert "refused, expired" in late.stderr


def test_an_id_is_not_used_for_another_command(place: FleetPlace) -> None:
    send(place, "lane", "open", "--terminal", "GATE-03", "--id", "twice")
    other = place.call(
        *("commands", "send", "lane", "closed", "--terminal", "GATE-03"), "--id", "twice"
    )
    assert other.exit_code == 1
    assert "refused, conflict" in other.stderr


def test_commands_are_listed_newest_first(place: FleetPlace) -> None:
    for name in ("n1", "n2", "n3"):
        send(place, "lane", "open", "--terminal", "GATE-03", "--id", name)
    found = place.told("commands", "--limit", "2")
    assert list(found) == ["commands", "next", "server_time_ms"]
    assert [list(row) for row in found["commands"]] == [COMMAND] * 2
    assert [row["id"] for row in found["commands"]] == ["ani/n3", "ani/n2"]
    assert found["next"] == found["commands"][-1]["number"]
    assert "more with --all" in place.call("commands", "--limit", "2").stdout
    whole = place.told("commands", "list", "--all")
    assert whole["next"] == -1
    assert "ani/n1" in [row["id"] for row in whole["commands"]]


def test_terminals_of_a_command_come_in_pages(place: FleetPlace) -> None:
    send(place, "lane", "open", "--kind", "gate", "--id", "pages")
    found = place.told("commands", "show", "pages", "--limit", "2")
    assert [row["terminal"] for row in found["terminals"]] == ["GATE-01", "GATE-02"]
    assert found["next"] == "GATE-02"
    assert len(place.told("commands", "show", "pages", "--all")["terminals"]) == 3


def test_a_journal_is_sent_and_compared(place: FleetPlace) -> None:
    gate = Gate("GATE-01")
    gate.journal = [tap(5), tap(6)]
    with connected(place, gate):
        words = ("send_journal", "5", "6", "--terminal", "GATE-01", "--wait", "--id", "look")
        assert send(place, *words)["states"]["done"] == 1
    found = place.told("commands", "journal", "look", "GATE-01")
    assert list(found) == ["id", "terminal", "transactions"]
    assert found["id"] == "ani/look"
    assert found["transactions"][0] == {
        "counter": 5,
        "at_ms": 1_760_000_000_000,
        "intent": {
            "kind": "tap",
            "card": "C",
            "amount_rp": 3_500,
            "operator": "mrtj",
            "direction": "in",
            "place": "",
            "line": "",
            "purse": "",
            "proof": "01",
            "service": "",
        },
        "position": -1,
        "known": False,
    }
    shown = place.call("commands", "journal", "look", "GATE-01")
    assert "2 transactions came; 2 of them the node does not have" in shown.stdout
    lines = place.call("commands", "journal", "look", "GATE-01", "--lines").stdout
    assert [json.loads(line) for line in lines.splitlines()] == found["transactions"]


def test_a_journal_that_did_not_come_is_an_error(place: FleetPlace) -> None:
    done = place.call("commands", "journal", "nothing", "GATE-01")
    assert done.exit_code == 1
    assert "not_found" in done.stderr
    assert place.call("commands", "show", "nothing").exit_code == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["send", "lane", "open"], "say for whom"),
        (["send", "lane", "ajar", "--everybody"], "ajar"),
        (["send", "send_journal", "7", "5", "--everybody"], "LAST comes before FIRST"),
        (["send", "log_level", "debug", "--for", "8d", "--everybody"], "--for"),
        (["send", "log_level", "debug", "--for", "0s", "--everybody"], "--for"),
        (["send", "restart", "--everybody", "--expires-in", "soon"], "no span of time"),
        (["journal", "x", "GATE-01", "--lines", "--json"], "--lines or --json"),
        (["send", "restart", *(["--terminal", "T"] * 1_001)], "at most 1,000"),
    ],
)
def test_what_makes_no_sense_is_refused(place: FleetPlace, words: list[str], said: str) -> None:
    done = place.call("commands", *words)
    assert done.exit_code == 2
    assert said in done.stderr
    assert "order " not in done.stderr


def test_a_terminal_that_nobody_knows_is_refused(place: FleetPlace) -> None:
    done = place.call("commands", "send", "restart", "--terminal", "GATE-99")
    assert done.exit_code == 1
    assert "refused, terminal_unknown: GATE-99" in done.stderr


def test_an_observer_neither_sees_commands_nor_gives_any(place: FleetPlace) -> None:
    seen = place.call("commands", who="oki")
    assert seen.exit_code == 1
    assert "oki is not allowed to ask this: that takes the role operator" in seen.stderr
    given = place.call("commands", "send", "restart", "--everybody", who="oki")
    assert given.exit_code == 1
    assert "oki is not allowed" in given.stderr


def test_a_gate_that_comes_later_hears_of_it_then(place: FleetPlace) -> None:
    late = Gate("GATE-02")
    heard: list[Command] = late.heard
    send(place, "lane", "closed", "--terminal", "GATE-02", "--id", "later-on")
    with connected(place, late):
        wait_until(lambda: "ani/later-on" in [command.id for command in heard])
        wait_until(lambda: place.told("commands", "show", "later-on")["states"]["done"] == 1)
