"""The operator's commands on a real folder, with a node at work in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.line import LineBroken, open_line, submit_frame
from bench.load import issue_cards
from engine.transaction import Tap, Transaction
from ops.node_process import NodeProcess
from terminals.keys import load_key
from tests.e2e.commands import run, run_json

COMMANDS = (
    *("serve", "replay", "demo", "bench", "verify", "backup", "restore", "keys"),
    *("terminals", "lists", "commands", "tree"),
)


def test_help_lists_every_command_with_an_example() -> None:
    listed = run("--help").stdout
    for name in COMMANDS:
        assert name in listed
        shown = run(name, *(["enroll"] if name == "keys" else []), "--help").stdout
        assert "Example" in shown, name
    assert run("nonsense").returncode == 2


async def test_keys_are_enrolled_listed_and_revoked_while_a_node_runs(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    node = NodeProcess.start(folder)
    key_file = tmp_path / "gate.key"
    made = run_json("keys", "enroll", "GATE-1", "--data", folder, "--key-out", key_file)
    assert made["terminal"] == "GATE-1"
    assert key_file.stat().st_mode & 0o077 == 0
    key = load_key(key_file)
    with trio.fail_after(20):
        (await open_line(node.url, "GATE-1", key)).close()
        with pytest.raises(LineBroken, match="key_unknown"):
            await open_line(node.url, "GATE-2", key)
        assert "GATE-1" in run("keys", "list", "--data", folder).stdout
        assert run("keys", "revoke", "GATE-1", "--data", folder).returncode == 0
        with pytest.raises(LineBroken, match="key_revoked"):
            await open_line(node.url, "GATE-1", key)
    assert "GATE-1" in json.dumps(run_json("keys", "list", "--data", folder))
    again = run("keys", "enroll", "GATE-1", "--data", folder, "--key-out", key_file)
    assert again.returncode != 0, "a key file is never overwritten"
    assert run("keys", "enroll", "GATE-3", "--data", folder, "--public-key", "zz").returncode != 0
    assert run("keys", "enroll", "GATE-3", "--data", folder).returncode != 0
    node.stop()


async def test_a_backup_of_a_live_node_is_restored_to_a_position(tmp_path: Path) -> None:
    folder, copy = tmp_path / "node", tmp_path / "copy"
    node = NodeProcess.start(folder, dev=True)
    await issue_cards(node.url, 50)
    taken = run_json("backup", folder, copy)
    assert taken["position"] == 100
    assert run_json("verify", folder)["ok"], "a node may be at work in the folder"
    await issue_cards(node.url, 10, first=50)
    node.kill()
    assert run_json("verify", copy)["entries"] == 100
    whole = run_json("restore", copy, tmp_path / "whole")
    assert whole["position"] == 100
    part = run_json("restore", copy, tmp_path / "part", "--position", "33")
    assert part["position"] == 33
    report = run_json("verify", tmp_path / "part")
    assert (report["ok"], report["entries"]) == (True, 33)
    assert run("verify", tmp_path / "part").returncode == 0
    again = NodeProcess.start(tmp_path / "part", dev=True)
    assert again.ready["position"] == 33
    again.stop()
    assert run("backup", folder, copy).returncode == 1, "a backup is never overwritten"
    assert run("restore", copy, tmp_path / "whole").returncode == 1
    assert run("restore", copy, tmp_path / "far", "--position", "999").returncode == 1
    assert run("backup", tmp_path / "nothing", tmp_path / "x").returncode == 1
    assert run("verify", tmp_path / "nothing").returncode == 1


async def test_what_the_ledger_dislikes_is_listed(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    node = NodeProcess.start(folder, dev=True)
    key = load_key_for(tmp_path, folder)
    line = await open_line(node.url, "GATE-1", key)
    tap = Tap("NEVER-ISSUED", 3_500, "transjakarta", "in", proof=b"proof")
    await line.send(submit_frame([Transaction(1, 1, tap)]))
    (outcome,) = await line.outcomes()
    assert outcome.result == "posted"
    line.close()
    node.stop()
    listed = run("exceptions", folder)
    assert "card_unknown" in listed.stdout
    assert "card_unknown" in json.dumps(run_json("exceptions", folder, "--limit", "1"))
    assert run("exceptions", tmp_path / "nothing").returncode == 1


def load_key_for(tmp_path: Path, folder: Path) -> Ed25519PrivateKey:
    run_json("keys", "enroll", "GATE-1", "--data", folder, "--key-out", tmp_path / "k")
    return load_key(tmp_path / "k")
