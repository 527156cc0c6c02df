"""The machine: its facts, and who runs on which core."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
import time
from itertools import count
from pathlib import Path

import pytest

from bench import machine
from bench.machine import (
    Pins,
    choose_pins,
    cpu_s,
    filesystem_of,
    fsyncs_per_s,
    generating,
)

MOUNTS = "/dev/a / ext4 rw 0 0\ntmpfs /mem tmpfs rw 0 0\n/dev/b /mem/disk xfs rw 0 0\n"


@pytest.mark.parametrize(
    ("folder", "kind"), [("/etc", "ext4"), ("/mem/x", "tmpfs"), ("/mem/disk/x/y", "xfs")]
)
def test_a_file_system_is_found_by_its_longest_mount(folder: str, kind: str) -> None:
    assert filesystem_of(Path(folder), MOUNTS) == kind
    assert filesystem_of(Path(folder), "") == "unknown"


def test_two_cores_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {4, 2, 7})
    monkeypatch.setattr(shutil, "which", lambda _: "taskset")
    pins = choose_pins()
    assert (pins.server, pins.generator) == (2, 7)
    assert pins.prefix == ["taskset", "-c", "2"]
    assert "core 2" in str(pins)
    assert "core 7" in str(pins)


def test_nothing_is_pinned_on_one_core_or_without_taskset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    pins = choose_pins()
    assert pins.prefix == []
    assert str(pins) == "nothing is pinned: there is one core only"
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert "taskset" in str(choose_pins())


def test_a_generator_has_its_core_and_no_collector_and_gives_both_back() -> None:
    before = os.sched_getaffinity(0)
    core = max(before)
    with generating(Pins(min(before), core)):
        assert os.sched_getaffinity(0) == {core}
        assert not gc.isenabled()
    assert os.sched_getaffinity(0) == before
    assert gc.isenabled()
    with generating(Pins(None, None)):
        assert os.sched_getaffinity(0) == before


def test_syncs_are_counted_against_the_clock_and_leave_no_file(tmp_path: Path) -> None:
    ticks = count()
    # The clock is read at the beginning, and once before each sync: 0.1 s on each look.
    assert fsyncs_per_s(tmp_path, clock=lambda: next(ticks) / 10) == round(4 / 0.5)
    assert list(tmp_path.iterdir()) == []


def test_the_facts_name_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "FSYNC_TRIAL_S", 0.01)
    facts = machine.look(tmp_path)
    assert facts.cores >= 1
    assert facts.memory_mib > 0
    assert facts.fsyncs_per_s > 0
    assert facts.python.startswith("3.")
    assert facts.filesystem


def test_processor_time_counts_the_children_too() -> None:
    before = cpu_s(os.getpid())
    script = "while :; do :; done & echo on; wait"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE) as busy:
        assert busy.stdout is not None
        busy.stdout.readline()
        (child,) = Path(f"/proc/{busy.pid}/task/{busy.pid}/children").read_text().split()
        until_s = time.monotonic() + 10
        while cpu_s(busy.pid) < 0.05 and time.monotonic() < until_s:
            sum(range(100_000))
        used_s = cpu_s(busy.pid)
        assert cpu_s(os.getpid()) - before >= used_s
        os.kill(int(child), signal.SIGKILL)
    assert used_s >= 0.05
