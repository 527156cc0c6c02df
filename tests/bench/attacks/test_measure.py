"""What is held against a node, and what is not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

import pytest
import trio

from bench.attacks.beside import Felt
from bench.attacks.catalogue import ATTACKS
from bench.attacks.crowd import Crowd
from bench.attacks.measure import TURNED_AWAY, CrowdFailed, Finding, crowd
from bench.machine import Pins
from ops.node_process import NodeProcess
from protocol.errors import CLOSE_CODES

NOTHING: Mapping[str, int] = {}


def finding(ends: Mapping[str, int] = NOTHING, *, grown_mib: float = 0.0) -> Finding:
    felt = Felt(taps=1, p50_ms=1.0, p99_ms=2.0)
    return Finding(
        name="bomb",
        what="",
        peers=1,
        ends=ends,
        before=felt,
        during=felt,
        newcomers_s=[],
        rss_before_mib=10.0,
        rss_peak_mib=10.0 + grown_mib,
        grows_mib_max=5.0,
    )


def test_a_documented_end_and_a_bounded_growth_are_nothing_to_object_to() -> None:
    ends = dict.fromkeys(ATTACKS["bomb"].ends | TURNED_AWAY, 3)
    assert finding(ends, grown_mib=5.0).objections() == []


def test_an_end_that_is_not_documented_is_objected_to() -> None:
    ends = {"1002 frame_invalid": 3, "1011 internal_error": 1, "dropped": 2}
    assert finding(ends).objections() == [
        "a connection ended with 1011 internal_error",
        "a connection ended with dropped",
    ]


def test_memory_that_grows_is_objected_to() -> None:
    assert finding(grown_mib=6.0).objections() == ["the node grew by 6 MiB"]


def test_attacks_end_with_codes_of_the_protocol() -> None:
    codes = {f"{number} {code}" for code, number in CLOSE_CODES.items()}
    others = {"dropped", "left", "431"}
    assert {end for attack in ATTACKS.values() for end in attack.ends} <= codes | others
    assert "1011 internal_error" not in {end for each in ATTACKS.values() for end in each.ends}


def test_a_crowd_counts_how_its_connections_end(node: NodeProcess) -> None:
    ends: dict[str, int] = {}
    for name in ("first pings", "drip", "no hello"):
        some = Crowd(ATTACKS[name], node.url, 2)
        trio.run(some.run, 0.5)
        ends |= {f"{name}: {how}": count for how, count in some.ends.items()}
    assert ends["first pings: 1008 frames_exceeded"] >= 1
    assert ends["drip: open"] == ends["no hello: open"] == 2


def test_a_crowd_that_does_not_start_is_no_attack(monkeypatch: pytest.MonkeyPatch) -> None:
    popen = subprocess.Popen

    def start_another(_: list[str], **options: object) -> subprocess.Popen[str]:
        return popen([sys.executable, "-c", "print('no')"], stdout=subprocess.PIPE, text=True)

    monkeypatch.setattr("subprocess.Popen", start_another)
    pins = Pins(0, 0)
    with pytest.raises(CrowdFailed), crowd("bomb", "ws://127.0.0.1:1", 1.0, 1, pins):
        pass
