"""Clients keep to the document, and what is planted in one is found."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import trio

from ops.conformance.client import SCENARIOS
from ops.conformance.client.play import play
from ops.conformance.client.stage import Stage
from ops.conformance.keys import OPERATOR, TERMINAL
from ops.conformance.kit import Kit
from ops.conformance.node.commands import HOUR_MS
from ops.conformance.node.officers import done, publish
from ops.conformance.rules import Rule
from ops.conformance.run import Tried
from tests.ops.conformance.node_here import failed, kit_here, not_passed, now_ms
from tests.ops.conformance.node_js import CLIENT, PLAY, damaged, needs_node

BY_NAME: Final = {rule.name: rule for rule in SCENARIOS}


async def played(client: Sequence[str], scenarios: Sequence[Rule[Stage]]) -> list[Tried]:
    """Play to a client that is started for it."""
    return await play(
        "127.0.0.1",
        0,
        clock_ms=now_ms,
        client=client,
        on_listening=lambda _: None,
        on_tried=lambda _: None,
        scenarios=scenarios,
    )


@pytest.mark.slow
@pytest.mark.waits
async def test_both_clients_keep_to_the_document() -> None:
    needs_node()
    clients = {
        "node": ["node", str(CLIENT)],
        "python": [sys.executable, "-m", "tests.ops.conformance.python_client"],
    }
    found: dict[str, list[Tried]] = {}

    async def look(name: str, command: list[str]) -> None:
        found[name] = await played(command, SCENARIOS)

    # Most of it is waiting for clients that are to come back.
    with trio.fail_after(250):
        async with trio.open_nursery() as nursery:
            for name, command in clients.items():
                nursery.start_soon(look, name, command)
    assert {name: not_passed(tried) for name, tried in found.items()} == {
        key: {} for key in clients
    }


class Defect(NamedTuple):
    """What stands in the client, what is put in its place, and the rules that are played.

    The last of them is the one that it breaks.
    """

    right: str
    wrong: str
    played: tuple[str, ...]


HOLDS: Final = "a client says what it wants to hear of"
DEFECTS: Final = [
    Defect(
        "Object.assign(each, { underWay: false, dueMs: 0 })",
        "void each",
        (
            "credits that are used up are waited for",
            "what was not answered is sent again oldest first",
        ),
    ),
    Defect(
        "while (due.length > 0 && this.credits > 0)",
        "while (due.length > 0)",
        ("credits that are used up are waited for",),
    ),
    Defect(
        "performance.now() + outcome.retry_after_ms",
        "performance.now()",
        ("what is in progress or turned away is sent when it is told",),
    ),
    Defect(
        "this.beating = setInterval(() => this.beat(), heartbeatS * 1000)",
        "this.beating = setInterval(() => this.beat(), heartbeatS * 7000)",
        ("heartbeats come when nothing else does",),
    ),
    Defect(
        "const PULSE_MS_MAX = 10_000;",
        "const PULSE_MS_MAX = 100_000;",
        ("a connection without a pulse is left",),
    ),
    Defect(
        "Buffer.from(this.name)],",
        "Buffer.from(this.name), zero],",
        ("the handshake may come in pieces",),
    ),
    Defect(
        "this.pauseMs * (0.5 + Math.random() / 2)",
        "0",
        ("a node that stops is come back to",),
    ),
    Defect(
        "FINAL_CODES.has(code) ||",
        'code !== "" ||',
        ("a code of a later version means later",),
    ),
    Defect(
        "if (found === null || !found.hash.equals(offer.hash)) {",
        "if (found === null) {",
        (HOLDS, "a wrong hash is a mismatch and the whole list mends it"),
    ),
    Defect(
        "if (value === null) entries.delete(key);",
        "if (value === null) entries.set(key, value);",
        (HOLDS, "what is offered is fetched and held", "a change is taken in"),
    ),
    Defect(
        "if (known) {",
        "if (known && known.state === undefined) {",
        ("a command that is told again is carried out once",),
    ),
    Defect(
        "if (expiresMs <= this.nodeMs()) return;",
        "if (expiresMs <= Date.now()) return;",
        ("a command whose time is over is not begun",),
    ),
]


@pytest.mark.slow
@pytest.mark.waits
@pytest.mark.usefixtures("no_cover")
async def test_what_is_planted_in_a_client_is_found(tmp_path: Path) -> None:
    needs_node()
    found: dict[int, dict[str, str]] = {}

    async def look(number: int, defect: Defect) -> None:
        place = tmp_path / str(number)
        place.mkdir()
        client = damaged(place, defect.right, defect.wrong)
        rules = [BY_NAME[name] for name in defect.played]
        found[number] = failed(await played(["node", str(client)], rules))

    with trio.fail_after(120):
        async with trio.open_nursery() as nursery:
            for number, defect in enumerate(DEFECTS):
                nursery.start_soon(look, number, defect)
    for number, defect in enumerate(DEFECTS):
        assert set(found[number]) == {defect.played[-1]}, (defect.wrong, found[number])


async def test_the_client_in_node_js_works_at_a_node() -> None:
    needs_node()
    with trio.fail_after(60):
        async with kit_here() as kit:
            told = await at_work(kit)
    assert told["results"] == ["posted"] * 3
    assert told["balance"][:2] == ["balance", 50_000 - 3 * 3_500]
    assert told["denied"] == "lost"
    assert told["commands"] == [["lane", "closed"]]


async def at_work(kit: Kit) -> dict[str, Any]:
    """Have the client work at a node; return what it tells of that."""
    card = await kit.card(50_000)
    gate = kit.keys.of(TERMINAL)
    seed = gate.key.private_bytes_raw().hex()
    url = f"ws://{kit.address.host}:{kit.address.port}"
    command = ["node", str(PLAY), url, gate.name, seed, card]
    printed: list[bytes] = []

    async def client() -> None:
        finished = await trio.run_process(command, capture_stdout=True, check=True)
        printed.append(finished.stdout)

    async with trio.open_nursery() as nursery, kit.session(OPERATOR) as officer:
        async with kit.session(TERMINAL):
            pass
        nursery.start_soon(client)
        await publish(kit, officer, "deny", {card: "lost"})
        action = ["command", [[gate.name]], ["lane", "closed"], now_ms() + HOUR_MS]
        await done(officer, kit.name(), *action)
    told: dict[str, Any] = json.loads(printed[0])
    return told


async def test_a_client_that_cannot_be_started_is_told() -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(Exception, match="no-such-client")):
        await played(["no-such-client"], SCENARIOS)


async def test_nobody_is_waited_for_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.conformance.client.stage.FIRST_S_MAX", 0.1)
    tried = await played([], SCENARIOS)
    assert [each.verdict for each in tried[:2]] == ["failed", "skipped"]
    assert "did not connect" in tried[0].why
    assert {each.verdict for each in tried[1:]} == {"skipped"}
