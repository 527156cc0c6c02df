"""Whatever ends a command early, it cleans up, and nothing that it started goes on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest
import trio

from ops.endings import (
    INTERRUPTED_STATUS,
    Interrupted,
    interruptible,
    leaves,
    run_interruptible,
)
from tests.e2e.commands import environment

pytestmark = pytest.mark.slow

LISTENS = re.compile(r"node (\d+) listens on")
TAKEN = (signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def _signals_as_in_a_terminal() -> Iterator[None]:
    """Whoever started the tests may have had some signals ignored, as nohup does."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in TAKEN}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@contextmanager
def started(tmp_path: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start a demo whose temporary files lie in a folder of their own."""
    place = tmp_path / "temporary"
    place.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "ops", "demo", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**environment(tmp_path), "TMPDIR": str(place), "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def node_of(demo: subprocess.Popen[str]) -> int:
    """Wait until the demo has a node; return a descriptor that is readable when that has ended."""
    assert demo.stdout is not None
    for line in demo.stdout:
        if found := LISTENS.search(line):
            return os.pidfd_open(int(found[1]))
    raise AssertionError("there was no node")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
async def test_a_demo_that_is_told_to_end_leaves_nothing_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    with started(tmp_path, "--trips", "200", "--speed", "1") as demo:
        node = node_of(demo)
        demo.send_signal(number)
        with trio.fail_after(20):
            await trio.lowlevel.wait_readable(node)
        os.close(node)
        said, _ = demo.communicate(timeout=20)
        assert demo.returncode == INTERRUPTED_STATUS, said
        # Python may warn of a task that was interrupted before its first step.
        assert "Aborted!\n" in said
        assert "Traceback" not in said
    assert not list((tmp_path / "temporary").iterdir())


async def test_a_node_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    with started(tmp_path, "--trips", "200", "--speed", "1") as demo:
        node = node_of(demo)
        demo.kill()
        with trio.fail_after(20):
            await trio.lowlevel.wait_readable(node)
        os.close(node)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_the_body_wherever_it_waits(number: signal.Signals) -> None:
    async def wait() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            signal.raise_signal(number)

    with pytest.raises(Interrupted), interruptible():
        trio.run(wait)
    with pytest.raises(Interrupted), interruptible():
        signal.raise_signal(number)


def test_a_task_comes_to_its_next_wait_before_it_is_ended() -> None:
    """What stands between two waits belongs together, in trio's lines as in ours."""
    steps: list[str] = []

    async def child() -> None:
        signal.raise_signal(signal.SIGINT)
        steps.append("child")
        try:
            await trio.sleep_forever()
        finally:
            steps.append("let go")

    async def work() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(child)
            await trio.sleep_forever()

    with pytest.raises(Interrupted), interruptible():
        run_interruptible(work)
    assert steps == ["child", "let go"]


def test_signals_are_as_before_afterwards() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]
    with interruptible():
        assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)] == before


def test_a_command_in_the_background_can_be_ended() -> None:
    """A shell lets it ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(Interrupted), interruptible():
            signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_handler_that_was_there_is_there_again() -> None:
    """Whoever had one, as a tool that measures coverage has, gets the signals after the body."""
    heard: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    with pytest.raises(Interrupted), interruptible():
        signal.raise_signal(signal.SIGTERM)
    assert heard == []
    signal.raise_signal(signal.SIGTERM)
    assert heard == [signal.SIGTERM]


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_other_errors_go_their_way() -> None:
    with pytest.raises(click.ClickException, match="other"), interruptible():
        raise click.ClickException("other")
    with pytest.RaisesGroup(ValueError), interruptible():
        raise ExceptionGroup("", [ValueError()])


def test_leaves_of_a_group() -> None:
    one, two = ValueError(), KeyError()
    assert list(leaves(ExceptionGroup("", [one, ExceptionGroup("", [two])]))) == [one, two]
    assert list(leaves(one)) == [one]
