"""The peer: found, started as somebody else than root, idempotent, and removed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bench import postgres
from bench.errors import PeerFailed
from bench.load import BALANCE_RP, FARE_RP, card_name
from bench.postgres import Peer
from tests.bench.conftest import CARDS, reachable


def tap(peer: Peer, terminal: str, counter: int, card: str, amount_rp: int) -> int | None:
    with postgres.connect(peer) as connection:
        values = (terminal, counter, card, amount_rp, "transjakarta")
        (answer,) = connection.execute(postgres.TAP, values).fetchone()
        assert answer is None or isinstance(answer, int)
        return answer


def ask(peer: Peer, question: str) -> object:
    with postgres.connect(peer) as connection:
        return connection.execute(question).fetchone()[0]


def program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_a_tap_sent_again_is_not_charged_again(peer: Peer) -> None:
    card = card_name(1)
    assert tap(peer, "again", 1, card, FARE_RP) == BALANCE_RP - FARE_RP
    assert tap(peer, "again", 2, card, FARE_RP) == BALANCE_RP - 2 * FARE_RP
    assert tap(peer, "again", 1, card, FARE_RP) == BALANCE_RP - FARE_RP
    assert ask(peer, "SELECT min(balance_rp) FROM cards") == BALANCE_RP - 2 * FARE_RP
    assert ask(peer, "SELECT count(*) FROM postings WHERE terminal = 'again'") == 4


def test_a_tap_beyond_the_balance_is_refused_and_stays_refused(peer: Peer) -> None:
    card = card_name(2)
    assert tap(peer, "poor", 1, card, BALANCE_RP + 1) is None
    assert tap(peer, "poor", 1, card, BALANCE_RP + 1) is None
    assert tap(peer, "poor", 2, "nobody's", FARE_RP) is None
    assert ask(peer, "SELECT count(*) FROM postings WHERE terminal = 'poor'") == 0


@pytest.mark.parametrize("setting", ["fsync", "synchronous_commit", "full_page_writes"])
def test_the_peer_keeps_its_promise_of_durability(peer: Peer, setting: str) -> None:
    assert ask(peer, f"SHOW {setting}") == "on"


def test_a_trial_posts_what_it_counts(peer: Peer) -> None:
    before = ask(peer, "SELECT count(*) FROM transactions WHERE posted")
    assert isinstance(before, int)
    trial = postgres.trial(peer, clients=3, seconds=0.1, cards=CARDS, run="trial")
    assert trial.clients == 3
    assert trial.taps > 0
    assert trial.taps_per_s > 0
    postgres.check(peer, before + trial.taps)
    with pytest.raises(PeerFailed, match="PostgreSQL holds"):
        postgres.check(peer, before + trial.taps + 1)


def test_a_trial_with_a_tap_that_is_refused_fails(peer: Peer) -> None:
    with pytest.raises(PeerFailed, match="was refused"):
        postgres.trial(peer, clients=1, seconds=5.0, cards=10**9, run="wrong")


def test_the_peer_does_not_run_as_root(peer: Peer) -> None:
    assert Path(f"/proc/{peer.pid}").stat().st_uid != 0
    assert peer.version


def test_a_cluster_that_cannot_be_made_is_told_and_removed(tmp_path: Path) -> None:
    reachable(tmp_path)
    programs, place = tmp_path / "bin", tmp_path / "place"
    place.mkdir()
    program(programs, "initdb", "echo no room >&2; exit 1")
    with pytest.raises(PeerFailed, match="no room"), postgres.running_peer(programs, place):
        pass
    program(programs, "initdb", "exit 0")
    program(programs, "postgres", "echo bad setting; exit 1")
    with pytest.raises(PeerFailed, match="bad setting"), postgres.running_peer(programs, place):
        pass
    program(programs, "postgres", "exit 1")
    with pytest.raises(PeerFailed, match="it said nothing"), postgres.running_peer(programs, place):
        pass
    assert list(place.iterdir()) == []


def test_a_server_that_does_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "START_S_MAX", 0.2)
    deaf = subprocess.Popen(["sh", "-c", "trap '' INT; echo on; sleep 60"], stdout=subprocess.PIPE)
    assert deaf.stdout is not None
    with deaf.stdout:
        deaf.stdout.readline()
        postgres.stop(deaf)
    assert deaf.returncode == -9


def test_programs_are_found_where_both_are(tmp_path: Path) -> None:
    program(tmp_path / "half", "initdb", "")
    program(tmp_path / "whole", "initdb", "")
    program(tmp_path / "whole", "postgres", "")
    assert postgres.find_programs([tmp_path / "half", tmp_path / "whole"]) == tmp_path / "whole"
    assert postgres.find_programs([tmp_path / "none", tmp_path / "half"]) is None


def test_programs_are_looked_for_on_the_path_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "glob", lambda *_: iter([Path("/x/9.6/bin"), Path("/x/devel/bin")]))
    program(tmp_path, "initdb", "")
    program(tmp_path, "postgres", "")
    program(tmp_path, "pg_config", "exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert postgres.find_programs() == tmp_path
    program(tmp_path, "pg_config", f"echo {tmp_path}")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert postgres.find_programs() == tmp_path
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    assert postgres.find_programs() is None


def test_why_there_is_no_peer_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "not installed" in postgres.why_absent(None)
    monkeypatch.setattr(postgres, "find_spec", lambda _: None)
    assert "psycopg" in postgres.why_absent(tmp_path)
    monkeypatch.setattr(postgres, "find_spec", lambda name: name)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(postgres, "system_user", lambda: None)
    assert "root" in postgres.why_absent(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 1_000)
    assert postgres.why_absent(tmp_path) == ""
    assert postgres.as_somebody_else(tmp_path) == {}


def test_the_first_user_that_exists_is_taken() -> None:
    found = postgres.system_user(["surely-nobody-has-this-name", "root"])
    assert found is not None
    assert found.pw_name == "root"
    assert postgres.system_user([]) is None
