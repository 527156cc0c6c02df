"""Our own client as a client under test: `python -m tests.ops.conformance.python_client`.

It takes URL, name and key, and does what docs/conformance.md asks.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ops.conformance.client.contract import FIRST_MS, LISTS, STEP_MS, TRANSACTIONS
from terminals import intents
from terminals.client import ClientOptions, open_terminal
from terminals.clock import NodeClock
from terminals.commands import CommandPart
from terminals.device import Device, Status
from terminals.errors import NodeRefused
from terminals.intents import Intent
from terminals.keeper import FileKeeper
from terminals.list_part import ListPart
from terminals.messages import CommandBody, Outcome

# As the kit has it: without the service, which is empty.
TAP = intents.tap("6013500100000001", 3_500, "transjakarta", "in", place="P00142", line="5")[:-1]
JOURNAL: list[tuple[int, int, Intent]] = [
    (counter, FIRST_MS + counter * STEP_MS, TAP) for counter in range(1, TRANSACTIONS + 1)
]


def clock_ms() -> int:
    """Return the clock of this machine."""
    return time.time_ns() // 1_000_000


def written_down(first: int, last: int, most: int) -> Sequence[tuple[int, int, Intent]]:
    """Return some of what was delivered, or is to be."""
    return [each for each in JOURNAL if first <= each[0] <= last][:most]


class Terminal:
    """The terminal that the client runs on."""

    def __init__(self, folder: Path) -> None:
        self.carried_out = 0
        self.delivered = 0
        clock = NodeClock(clock_ms)
        self.device = Device(
            clock=clock,
            status=lambda: Status(backlog=TRANSACTIONS - self.delivered, battery=self.carried_out),
            lists=ListPart(LISTS, FileKeeper(folder / "lists"), now_ms=clock.corrected_ms),
            commands=CommandPart(
                self.carry_out,
                FileKeeper(folder / "commands"),
                clock=clock,
                journal=written_down,
            ),
        )

    async def carry_out(self, _body: CommandBody) -> str:
        """Count a command."""
        self.carried_out += 1
        return ""

    def take(self, _outcome: Outcome, _waited_s: float) -> None:
        """Count an outcome."""
        self.delivered += 1


async def run(url: str, name: str, seed: str, folder: Path) -> None:
    """Deliver, hold and carry out, until the node refuses us."""
    terminal = Terminal(folder)
    async with open_terminal(
        url,
        name,
        Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed)),
        clock_ms=clock_ms,
        random=random.Random(name).random,
        options=ClientOptions(device=terminal.device),
        on_outcome=terminal.take,
    ) as client:
        await client.submit(JOURNAL)
        await trio.sleep_forever()


def main() -> None:
    """Run until the key is revoked."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            url, name, seed = sys.argv[1:4]
            trio.run(run, url, name, seed, Path(folder))
        except* NodeRefused as group:
            sys.stderr.write(f"{group.exceptions[0]}\n")


if __name__ == "__main__":
    main()
