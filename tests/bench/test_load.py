"""Loads on a real node: every tap is posted, or the load fails."""

from __future__ import annotations

import random

import pytest
import trio

from bench.line import Line, LineBroken
from bench.load import issue_cards, open_lines, open_loop, prepare, stream
from ops.node_process import NodeProcess
from tests.bench.conftest import CARDS


def prepared(
    lines: list[Line], *, frames: int, taps_per_frame: int, first: int = CARDS
) -> list[list[bytes]]:
    chance = random.Random(1)
    return [
        prepare(line, frames=frames, taps_per_frame=taps_per_frame, cards=first, chance=chance)
        for line in lines
    ]


async def test_a_stream_is_posted_whole_and_each_frame_has_a_latency(node: NodeProcess) -> None:
    lines = await open_lines(node.url, 4, prefix="line")
    for _ in range(2):
        frames = prepared(lines, frames=6, taps_per_frame=10)
        load = await stream(lines, frames, taps_per_frame=10, window=2)
        assert load.taps == 240
        assert len(load.latencies_ms) == 24
        assert min(load.latencies_ms) > 0
        assert load.taps_per_s == load.taps / load.took_s
    assert [line.posted for line in lines] == [120] * 4
    for line in lines:
        line.close()


async def test_an_open_loop_keeps_its_rate_and_gives_each_tap_a_latency(node: NodeProcess) -> None:
    lines = await open_lines(node.url, 3, prefix="bus")
    frames = prepared(lines, frames=20, taps_per_frame=1)
    load = await open_loop(lines, frames, rate_per_s=300.0, chance=random.Random(1))
    assert load.taps == len(load.latencies_ms) == 60
    assert load.took_s >= 59 / 300
    # Behind its time from the first tap on, it does not wait at all.
    frames = prepared(lines, frames=20, taps_per_frame=1)
    load = await open_loop(lines, frames, rate_per_s=1e9, chance=random.Random(1))
    assert load.taps == 60
    for line in lines:
        line.close()


async def test_a_tap_that_is_refused_fails_the_load(node: NodeProcess) -> None:
    lines = await open_lines(node.url, 1, prefix="line")
    frames = prepared(lines, frames=2, taps_per_frame=5, first=1_000_000)
    with pytest.RaisesGroup(LineBroken, flatten_subgroups=True):
        await stream(lines, frames, taps_per_frame=5, window=1)
    for line in lines:
        line.close()


async def test_cards_are_issued_through_the_protocol(node: NodeProcess) -> None:
    with trio.fail_after(20):
        await issue_cards(node.url, 600, first=CARDS, prefix="desk")
        (line,) = await open_lines(node.url, 1, prefix="line")
        frames = prepared([line], frames=4, taps_per_frame=50, first=CARDS + 600)
        assert (await stream([line], frames, taps_per_frame=50, window=2)).taps == 200
    line.close()
