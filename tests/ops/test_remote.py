"""A node that is asked over its protocol: what goes wrong, in words."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import click
import pytest
import trio
from click.testing import CliRunner

from bench.authority import THIS_MACHINE, Authority
from ops.cli import main
from ops.remote import (
    ANSWER_S_MAX,
    Remote,
    ask,
    at_node,
    find,
    first_or_never,
    in_words,
)
from protocol.messages import Answer, BalanceOf, Failed, Query
from terminals.client import TerminalClient
from terminals.errors import LinkLost, NodeMisbehaved, NodeRefused, NodeUnreachable
from terminals.keys import load_key, new_key
from terminals.messages import Lists, Tree
from tests.ops.commands.fleet_place import FleetPlace, fleet_place
from tests.terminals.fake_node import FakeNode, FakeSession, never

ANI = Remote("ws://node.example", "ani", new_key())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FleetPlace]:
    with fleet_place(tmp_path_factory.mktemp("fleet")) as made:
        yield made


@pytest.fixture
def node(nursery: trio.Nursery) -> FakeNode:
    return FakeNode(nursery)


def saying(code: str) -> Callable[[FakeSession, Query], Awaitable[None]]:
    """Return what answers every question with a failure."""

    async def answer(session: FakeSession, query: Query) -> None:
        await session.say(Answer(query.id, Failed(code, "query.question", "because")))

    return answer


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("not_allowed", "gate-1 is not allowed to ask this"),
        ("question_invalid", "question_invalid: because"),
        ("not_found", "not_found: because"),
    ],
)
async def test_a_question_that_fails_is_one_line(node: FakeNode, code: str, said: str) -> None:
    node.on_query = saying(code)
    async with node.open() as client:
        with pytest.raises(click.ClickException) as caught:
            await ask(client, Lists, ["lists"])
    assert caught.value.message.startswith(said)


async def test_what_need_not_be_there_is_none(node: FakeNode) -> None:
    async with node.open() as client:
        node.on_query = saying("not_found")
        assert await find(client, Lists, ["lists"]) is None
        node.on_query = saying("internal_error")
        with pytest.raises(click.ClickException, match="internal_error"):
            await find(client, Lists, ["lists"])


async def test_a_node_that_does_not_answer_is_not_waited_for(
    node: FakeNode, autojump_clock: trio.testing.MockClock
) -> None:
    node.on_query = never
    async with node.open() as client:
        began_s = trio.current_time()
        with pytest.raises(click.ClickException, match="no answer in 60 s"):
            await ask(client, Lists, ["lists"])
        assert trio.current_time() - began_s == ANSWER_S_MAX


async def test_another_answer_than_was_asked_for_is_a_fault_of_the_node(node: FakeNode) -> None:
    async def answer(session: FakeSession, query: Query) -> None:
        await node.answer_query(session, Query(query.id, BalanceOf(1, "7")))

    node.on_query = answer
    async with node.open() as client:
        with pytest.raises(NodeMisbehaved, match="did not ask for balance"):
            await find(client, Lists, ["lists"])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NodeUnreachable("refused"), "ws://node.example cannot be reached: refused"),
        (NodeRefused("key_unknown", "", "x"), "ws://node.example does not know ani by this key"),
        (NodeRefused("key_revoked", "", "x"), "this key of ani was revoked"),
        (NodeRefused("not_allowed", "order", "x"), "ani is not allowed to order anything"),
        (
            NodeRefused("field_invalid", "order.id", "too\x1blong"),
            "field_invalid order.id: too\N{REPLACEMENT CHARACTER}long",
        ),
    ],
)
def test_what_ends_a_connection_is_said_in_words(error: Exception, said: str) -> None:
    assert in_words(ANI, error).startswith(said)


def remote_at(place: FleetPlace, who: str = "ani") -> Remote:
    return Remote(place.node.url, who, load_key(place.keys / f"{who}.key"))


def test_ages_are_told_by_the_clock_of_the_node(place: FleetPlace) -> None:
    async def look(client: TerminalClient) -> tuple[int, int]:
        return client.clock.corrected_ms(), (await ask(client, Tree, ["tree"])).server_time_ms

    first_ms, then_ms = at_node(remote_at(place), look)
    assert abs(then_ms - first_ms) < 60_000


def test_what_is_raised_at_the_node_comes_out_as_it_is(place: FleetPlace) -> None:
    async def fail(_client: TerminalClient) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            raise click.ClickException("enough")

    with pytest.raises(click.ClickException, match="enough"):
        at_node(remote_at(place), fail)

    async def break_down(_client: TerminalClient) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            raise LookupError

    with pytest.RaisesGroup(LookupError):
        at_node(remote_at(place), break_down)


async def test_only_a_node_that_was_there_once_is_waited_for(node: FakeNode) -> None:
    connect = first_or_never(lambda _url: node.make_link())
    node.refusals = 1
    with pytest.raises(NodeUnreachable, match="connection refused"):
        async with connect("ws://node.example"):
            pass
    async with connect("ws://node.example"):
        pass
    node.refusals = 1
    with pytest.raises(LinkLost):
        async with connect("ws://node.example"):
            pass
    async with connect("ws://node.example") as link:
        assert link is not None


def test_a_node_that_speaks_tls_is_trusted_by_its_authority(tmp_path: Path) -> None:
    authority, ca = Authority(), tmp_path / "ca.pem"
    ca.write_bytes(authority.pem)
    pair = authority.certify(tmp_path, "node", *THIS_MACHINE)
    options = ("--tls-cert", pair.certificate, "--tls-key", pair.key)
    with fleet_place(tmp_path, options) as secure:
        assert secure.node.url.startswith("wss://")
        assert secure.call("tree", "--no-rates", "--ca", ca).exit_code == 0
        files = secure.call("export", "tides", "--out", tmp_path / "fares", "--ca", ca)
        assert files.exit_code == 0, files.stderr
        stranger = secure.call("tree", "--no-rates")
    assert stranger.exit_code == 1
    assert "its certificate is not trusted" in stranger.stderr


def test_a_file_that_holds_no_authority_is_said(place: FleetPlace, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("nonsense")
    done = place.call("tree", "--ca", path)
    assert done.exit_code == 2
    assert f"{path} holds no certificate of an authority" in done.stderr


def test_an_address_where_nobody_listens_is_said_at_once(place: FleetPlace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    done = place.call("tree", "--url", f"ws://127.0.0.1:{port}")
    assert done.exit_code == 1
    assert done.stderr.startswith(f"Error: ws://127.0.0.1:{port} cannot be reached: no connection")
    assert done.stderr.count("\n") == 1


def test_a_key_that_is_not_enrolled_is_said_with_what_to_do(place: FleetPlace) -> None:
    done = place.call("lists", "--name", "nobody")
    assert done.exit_code == 1
    assert "does not know nobody by this key: enrol it there" in done.stderr


def test_a_file_that_holds_no_key_is_said(place: FleetPlace, tmp_path: Path) -> None:
    path = tmp_path / "no.key"
    for content in (None, "nonsense"):
        if content is not None:
            path.write_text(content)
        done = place.call("lists", "--key", path)
        assert done.exit_code == 2
        assert "--key" in done.stderr
        assert str(path) in done.stderr


def test_what_is_missing_is_said_with_where_it_may_stand() -> None:
    done = CliRunner().invoke(main, ["terminals"])
    assert done.exit_code == 2
    assert "Missing option '--url'" in done.stderr
    assert "JAKARTA_ONE_URL" in done.stderr
