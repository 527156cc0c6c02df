"""The result: percentiles by nearest rank, and balanced only if everything is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ops.demo.result import Result, latency_of


def test_percentiles_of_a_hundred_waits_are_the_fiftieth_and_ninety_ninth() -> None:
    latency = latency_of([wait / 1000 for wait in range(100, 0, -1)])
    assert (latency.p50_ms, latency.p99_ms, latency.max_ms) == (50, 99, 100)


def test_percentiles_of_nothing_are_zero() -> None:
    assert latency_of([]).max_ms == 0


@given(st.lists(st.floats(0, 100), min_size=1))
def test_percentiles_are_in_order_and_no_more_than_the_longest_wait(waits_s: list[float]) -> None:
    latency = latency_of(waits_s)
    assert latency.p50_ms <= latency.p99_ms <= latency.max_ms == round(max(waits_s) * 1000, 2)


def test_clean_result_is_balanced_and_its_json_has_the_promised_keys(result: Result) -> None:
    found = json.loads(json.dumps(result.as_json()))
    assert result.balanced
    assert found["balanced"] is True
    promised = {
        "taps_sent",
        "posted",
        "duplicates",
        "refused",
        "lost",
        "doubled",
        "sum_of_accounts_rp",
        "verified",
        "taps_per_s",
        "p50_ms",
        "p99_ms",
    }
    assert promised <= found.keys()
    assert found["taps_sent"] == found["posted"] + found["refused"]
    assert (found["lost"], found["doubled"], found["sum_of_accounts_rp"]) == (0, 0, 0)
    assert (found["kills"], found["recovery_ms"]) == (1, 120.0)


def test_result_without_a_kill_says_so(result: Result) -> None:
    found = replace(result, outage=None).as_json()
    assert (found["kills"], found["recovery_ms"], found["replayed"]) == (0, None, None)


@pytest.mark.parametrize(
    "fault",
    ["unanswered", "verified", "lost", "doubled", "strangers", "ledger"],
)
def test_any_fault_means_not_balanced(result: Result, fault: str) -> None:
    if fault == "unanswered":
        bad = replace(result, unanswered=1)
    elif fault == "verified":
        bad = replace(result, verified=False)
    elif fault == "ledger":
        bad = replace(result, audit=replace(result.audit, ledger={(1, "card-1"): 1}))
    else:
        bad = replace(result, audit=replace(result.audit, **{fault: 1}))
    assert not bad.balanced
