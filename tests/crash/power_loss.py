"""Loses the power of a journal's writer at any moment, and looks at what it left.

A killed process cannot show that a flush is missing, as the system writes its pages all the same.
So a writer is watched, each state is built in which its file may be found when the power goes
between two of its calls or in the middle of one, and each is opened as a node would open it.
"""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from tests.crash.disk import KINDS, Disk, after_power_loss
from tests.crash.recording import ROOT, Acknowledge, Event, NameFlush, record

EXIT_TIMEOUT_S: Final = 30


@dataclass(frozen=True)
class Case:
    """A state of the disk, and what must be in it.

    Attributes:
      kind: one of `KINDS`.
      moment: number of the call in which the power went.
      content: of the file.
      acknowledged: so many entries must be there.
      begun: more than these cannot be there.
    """

    kind: str
    moment: int
    content: bytes
    acknowledged: int
    begun: int


@dataclass
class Survey:
    """What was found.

    Attributes:
      states: how many of each kind were opened.
      bad: what is wrong with some of them, by kind.
      moments: in how many different calls the power went.
      acknowledged_max: entries acknowledged in the latest of them.
    """

    states: Counter[str] = field(default_factory=Counter)
    bad: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    moments: int = 0
    acknowledged_max: int = 0


def survey(folder: Path, *, seed: int, blocks: int, states: int, flush: str = "always") -> Survey:
    """Watch a writer, lose its power, and open what it left.

    Args:
      folder: an empty one, for the writer and the states.
      seed: of the sizes of its blocks, of the moments and of what is lost.
      blocks: how many it appends.
      states: how many are opened.
      flush: "always", or "never" for a writer with that bug.
    """
    events = record(folder / "written", seed=seed, blocks=blocks, flush=flush)
    result = Survey()
    moments: set[int] = set()
    with Checker() as checker:
        for case in cases(events, states, random.Random(seed)):
            place = folder / "found"
            place.mkdir()
            (place / "data.mdb").write_bytes(case.content)
            problem = judge(case, checker.ask(place))
            shutil.rmtree(place)
            result.states[case.kind] += 1
            moments.add(case.moment)
            result.acknowledged_max = max(result.acknowledged_max, case.acknowledged)
            if problem:
                result.bad[case.kind].append(f"call {case.moment}: {problem}")
    result.moments = len(moments)
    return result


def cases(events: Sequence[Event], states: int, chance: random.Random) -> Iterator[Case]:
    """Yield states at moments spread evenly at random over the calls of a writer."""
    named = [number for number, event in enumerate(events) if isinstance(event, NameFlush)]
    acknowledged = [number for number, event in enumerate(events) if isinstance(event, Acknowledge)]
    # Until then the file may be gone with its name, and nothing may have been promised.
    assert named[1] < acknowledged[0]
    moments = sorted(chance.choices(range(named[1] + 1, len(events)), k=states))
    disk = Disk()
    done = 0
    for number, event in enumerate(events):
        disk.begin(event)
        for index in range(moments.count(number)):
            kind = KINDS[(number + index) % len(KINDS)]
            begun = next(
                (each.position for each in events[number:] if isinstance(each, Acknowledge)), done
            )
            yield Case(kind, number, after_power_loss(disk, kind, chance), done, begun)
        disk.end(event)
        if isinstance(event, Acknowledge):
            done = event.position


def judge(case: Case, answer: str) -> str:
    """Return what is wrong with an answer of the checker, or nothing."""
    if not answer.isdigit():
        return answer
    found = int(answer)
    if found < case.acknowledged:
        return f"{case.acknowledged - found} acknowledged entries are lost"
    if found > case.begun:
        return f"{found - case.begun} entries were never written"
    return ""


class Checker:
    """The process that opens the states; it is started again when one of them has killed it."""

    def __init__(self) -> None:
        self._process = self._start()

    def ask(self, folder: Path) -> str:
        """Return how many entries stand in the journal in a folder, or what is wrong with it."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{folder}\n")
        process.stdin.flush()
        if answer := process.stdout.readline().strip():
            return answer
        self._end()
        self._process = self._start()
        return f"the reader was ended by {signal.Signals(-process.returncode).name}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        # Its end of the pipe closes, and it ends.
        self._process.communicate(timeout=EXIT_TIMEOUT_S)

    @staticmethod
    def _start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.crash.checker"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
