"""A small morning, and what a node without faults makes of it."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime

import pytest

from ops.demo.audit import Answer, audit
from ops.demo.city import City, morning
from ops.demo.network import Network, built_in
from ops.demo.result import Event, Latency, Outage, Result
from tests.ops.demo.played import Played, journal_of


@pytest.fixture(scope="session")
def network() -> Network:
    return built_in()


@pytest.fixture(scope="session")
def city(network: Network) -> City:
    return morning(network, random.Random(7), trips=600)


@pytest.fixture(scope="session")
def played(city: City) -> Played:
    entries = journal_of([*city.loads, *city.taps])
    answers = {
        (entry.terminal, entry.counter): Answer(position, entry.reason)
        for position, entry in enumerate(entries)
    }
    return Played(city, entries, answers)


@pytest.fixture(scope="session")
def result(played: Played) -> Result:
    """What a demo of that morning would have come to."""
    taps = played.entries[len(played.city.loads) :]
    refused = Counter(entry.reason.value for entry in taps if entry.reason)
    return Result(
        city=played.city,
        audit=audit(played.entries, played.planned, played.answers),
        events=(Event(datetime(2025, 11, 24, 8, 30, 0, 250_000, UTC), "node killed with SIGKILL"),),
        seed=7,
        terminals=116,
        taps_sent=len(taps),
        posted=len(taps) - refused.total(),
        refused=dict(refused),
        resent=12,
        duplicates=5,
        unanswered=0,
        sending_s=2.0,
        latency=Latency(3.5, 900.25, 1200),
        calm=Latency(3.25, 20.5, 90),
        outage=Outage(recovery_ms=120.0, replayed=400, down_ms=600, away_ms=900),
        verified=True,
        blocks=42,
        problems=(),
        folder="",
        took_s=9.5,
    )
