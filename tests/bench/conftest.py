"""A node with a few cards, and PostgreSQL's programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from bench import postgres
from bench.cards import fill
from bench.machine import Pins
from bench.setting import Bench, Plan
from ops.node_process import NodeProcess

TINY: Final = Plan(
    repeats=1,
    small=40,
    large=60,
    stream_frames=3,
    single_lines=5,
    single_frames=3,
    open_s=0.05,
    rate_per_s=500.0,
    terminals=8,
    list_cards=300,
    list_gates=8,
    clients=(1, 3),
    peer_s=0.05,
    offline_terminals=2,
    offline_taps=30,
    taps=3,
)
CARDS: Final = 40


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NodeProcess]:
    fill(tmp_path / "data", CARDS)
    node = NodeProcess.start(tmp_path / "data", dev=True)
    yield node
    if node.running:
        node.stop()


@pytest.fixture
def tiny(tmp_path: Path) -> Bench:
    return Bench(tmp_path, TINY, Pins(None, None, "it is a test"), lambda _: None)


@pytest.fixture(scope="session")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[postgres.Peer]:
    programs = postgres.find_programs()
    if programs is None or postgres.why_absent(programs):
        pytest.skip("PostgreSQL is not installed")
    place = tmp_path_factory.mktemp("peer")
    reachable(place)
    with postgres.running_peer(programs, place) as peer:
        postgres.fill(peer, CARDS)
        yield peer


def reachable(place: Path) -> None:
    """Let PostgreSQL's user pass through to a folder of ours."""
    for folder in (place, *place.parents[:3]):
        if folder.stat().st_mode & 0o077 == 0:
            folder.chmod(0o711)
