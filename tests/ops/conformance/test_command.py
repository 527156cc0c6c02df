"""`jakarta-one conformance`, as it is called."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench.authority import THIS_MACHINE, Authority
from ops.cli import main
from ops.node_process import NodeProcess
from tests.e2e.commands import run, run_json


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeProcess]:
    """A node that nobody is enrolled at."""
    process = NodeProcess.start(tmp_path / "DIR")
    yield process
    process.kill()


@pytest.mark.slow
def test_a_node_is_tried_with_keys_that_the_kit_enrols(node: NodeProcess, tmp_path: Path) -> None:
    where = ("--url", node.url, "--enroll", tmp_path / "DIR")
    told = run_json("conformance", *where, "--only", "8.1", "--only", "7")
    assert (told["passed"], told["failed"], told["skipped"]) == (4, 0, 0)
    assert [rule["id"] for rule in told["rules"]] == ["7.1", "7.2", "7.3", "8.1"]
    assert told["rules"][3]["sentence"].startswith("the original outcome")
    # The same again: counters and names go on.
    assert run_json("conformance", *where, "--only", "8.1")["passed"] == 1
    keys = run_json("keys", "list", "--data", tmp_path / "DIR")["keys"]
    assert keys
    assert all(key["revoked_ms"] for key in keys), "the kit leaves no key behind"


@pytest.mark.slow
def test_what_needs_a_key_that_was_not_given_is_skipped(node: NodeProcess, tmp_path: Path) -> None:
    for name, role in (("KIT-TERMINAL-1", "terminal"), ("KIT-SERVICE", "service")):
        enrolled = ("--data", tmp_path / "DIR", "--key-out", tmp_path / f"{name}.key")
        assert run("keys", "enroll", name, "--role", role, *enrolled).returncode == 0
    told = run("conformance", "--url", node.url, "--keys", tmp_path, "--only", "13")
    assert told.returncode == 0, told.stderr
    assert "no key of KIT-OBSERVER was given" in told.stdout
    assert "the kit was given no data folder to enrol keys in" in " ".join(told.stdout.split())
    files = [("--key", tmp_path / f"KIT-{name}.key") for name in ("TERMINAL-1", "SERVICE")]
    alone = run("conformance", "--url", node.url, *files[0], *files[1], "--only", "6.1")
    assert "1 passed, 0 failed, 0 skipped" in alone.stdout


@pytest.mark.slow
@pytest.mark.waits
def test_a_rule_that_does_not_hold_is_told_with_its_sentence(tmp_path: Path) -> None:
    node = NodeProcess.start(tmp_path / "DIR", dev=True)
    try:
        where = ("--url", node.url, "--enroll", tmp_path / "DIR", "--only", "3")
        told = run("conformance", *where)
        as_json = run("conformance", *where, "--json")
    finally:
        node.kill()
    assert (told.returncode, as_json.returncode) == (1, 1)
    said = " ".join(told.stdout.split())
    assert "The document: the key is not enrolled for this terminal, or no more" in said
    assert "It does not hold: " in said
    failed = [rule for rule in json.loads(as_json.stdout)["rules"] if rule["verdict"] == "failed"]
    assert [rule["name"] for rule in failed] == ["a key that is not enrolled is unknown"]


@pytest.mark.slow
def test_a_node_that_speaks_tls_is_tried(tmp_path: Path) -> None:
    authority = Authority()
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    pair = authority.certify(tmp_path, "node", *THIS_MACHINE)
    options = ("--tls-cert", pair.certificate, "--tls-key", pair.key)
    node = NodeProcess.start(tmp_path / "DIR", options=options)
    where = ("conformance", "--url", node.url, "--enroll", tmp_path / "DIR")
    try:
        told = run_json(*where, "--tls-ca", tmp_path / "ca.pem", "--only", "1", "--only", "10")
        stranger = run(*where, "--only", "4")
    finally:
        node.kill()
    skipped = [rule["why"] for rule in told["rules"] if rule["verdict"] == "skipped"]
    assert skipped == ["one direction alone cannot be closed with TLS"]
    assert stranger.returncode == 1
    assert "no connection to" in stranger.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give either --url or --serve"),
        (["--url", "ws://x:1", "--serve", "127.0.0.1:0"], "give either --url or --serve"),
        (["--url", "ws://x:1"], "give --enroll, or --keys and --key"),
        (["--url", "http://x:1", "--enroll", "."], "is not of the form ws://HOST:PORT"),
        (["--url", "ws://x:1", "--enroll", ".", "--only", "99"], "no rule is called 99"),
        (["--url", "ws://x:1", "--enroll", "."], "is no data folder"),
        (["--url", "ws://x:1", "--key", "pyproject.toml"], "expected the 32 bytes of a key"),
        (["--url", "ws://127.0.0.1:1", "--keys", "."], "no key of KIT-TERMINAL-1 was given"),
        (["--serve", "127.0.0.1:0", "--once", "--", "no-such-client"], "no-such-client: No such"),
        (["--serve", "203.0.113.1:80", "--once"], "203.0.113.1:80: "),
    ],
)
def test_what_cannot_be_tried_is_told(arguments: list[str], said: str) -> None:
    told = CliRunner().invoke(main, ["conformance", *arguments])
    assert told.exit_code in {1, 2}
    assert said in " ".join(told.output.split()).replace(" │ ", " ")


def test_whoever_starts_the_client_is_told_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.conformance.client.stage.FIRST_S_MAX", 0.1)
    told = CliRunner().invoke(main, ["conformance", "--serve", "127.0.0.1:0", "--once"])
    assert told.exit_code == 1
    assert "start the client with ws://127.0.0.1:" in told.output
    assert " KIT-CLIENT 4ccd089b" in told.output
    assert "the client did not connect within" in told.output
