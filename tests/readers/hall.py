"""A hall with a real node, and terminals of the real program at real readers.

The node has the keys of proofs, and judges each advice: at the end of a test it has filed nothing.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

import trio
from click.testing import CliRunner

from engine.accounts import BANK_SETTLEMENT, PURSE
from ops.chip_key_stores import file_store
from ops.chip_keys import VARIABLE_OF_FILE
from ops.commands.exceptions import exceptions
from ops.node_process import NodeProcess
from ops.remote import Remote
from ops.rulebook import NOWHERE
from ops.terminal.build import Outside, Parts, built
from ops.terminal.folder import opened_journal
from ops.terminal.law import TerminalLaw
from ops.virtual_card.card import VirtualCard
from ops.virtual_card.vpcd import VpcdSlot
from protocol.chip.keys import Role
from terminals import intents
from terminals.acceptance.point import Point
from terminals.keys import new_key, save_key
from terminals.messages import Balance
from terminals.pcsc.watch import named
from tests.e2e.city import officer_at, until
from tests.readers.pcsc_stack import PcscStack
from tests.terminals.acceptance.kept_screen import KeptScreen
from tests.terminals.acceptance.lab import MASTERS, VERSION, drawing

WAIT_S_MAX: Final = 20.0
PROGRAM_S_MAX: Final = 30.0
PASSPHRASE: Final = "four words of a test"
UID: Final = bytes.fromhex("04DE5F1EACC040")
"""Of the chip of `made_card`, if it is told no other one."""


class Program:
    """The program of a terminal, in a process of its own.

    Args:
      hall: where its readers, its keys and its node are.
      name: of the terminal; its folder bears it too.
      options: that tell what it is.
    """

    def __init__(self, hall: Hall, name: str, options: Sequence[str]) -> None:
        self.name = name
        self._log = hall.folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        hall.programs.append(self)
        key = hall.folder / f"{name}.key"
        save_key(key, new_key())
        self._command = [sys.executable, "-m", "ops", "terminal", "--json", *options]
        self._command += ["--data", str(hall.folder / name), "--chip-keys", str(hall.chip_keys)]
        self._command += ["--url", hall.node.url, "--name", name, "--key", str(key)]

    def start(self) -> None:
        """Start it."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, VARIABLE_OF_FILE: PASSPHRASE},
            )

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run it until the end of the body, and end it in good order."""
        self.start()
        try:
            yield
        except BaseException:
            self.kill()
            self.ended()
            raise
        self.stop()

    def kill(self) -> None:
        """Kill it, as a power cut would."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)

    def leave_nothing(self) -> None:
        """Kill it if a test that failed has left it running."""
        if self._process is not None and self._process.poll() is None:
            self.kill()
            self.ended()

    def ended(self) -> None:
        """Wait until it has ended."""
        assert self._process is not None
        assert self._process.stdout is not None
        assert self._process.stdin is not None
        self._process.wait(PROGRAM_S_MAX)
        self._process.stdout.close()
        self._process.stdin.close()

    def stop(self) -> None:
        """End it in good order."""
        assert self._process is not None
        self._process.terminate()
        self.ended()
        assert self._process.returncode == 0, self.log()

    def key_in(self, line: str) -> None:
        """Type a line."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def told(self) -> dict[str, Any]:
        """Return what it says of the next visit."""
        assert self._process is not None
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], PROGRAM_S_MAX)
        assert readable, self.log()
        line: dict[str, Any] = json.loads(self._process.stdout.readline())
        return line

    def log(self) -> str:
        """Return its last words."""
        return self._log.read_text(encoding="utf-8")[-2_000:]


class Hall:
    """A node that judges proofs, and the readers that terminals are put together with.

    Args:
      stack: of readers.
      folder: where everything is kept.

    Attributes:
      chip_keys: a file of all master keys, under `PASSPHRASE`.
    """

    def __init__(self, stack: PcscStack, folder: Path) -> None:
        self.stack = stack
        self.folder = folder
        self.notes: list[str] = []
        self.programs: list[Program] = []
        self.chip_keys = folder / "chip.keys"
        masters = {(role, VERSION): bytes([number]) * 16 for number, role in enumerate(Role)}
        file_store.create(self.chip_keys, PASSPHRASE, masters, chance=drawing())
        passphrase = folder / "passphrase"
        passphrase.write_text(PASSPHRASE, encoding="utf-8")
        options: list[str | Path] = ["--chip-keys", self.chip_keys]
        options += ["--chip-passphrase-file", passphrase]
        self.node = NodeProcess.start(folder / "node", dev=True, options=options)

    def stop(self) -> None:
        """End the node, and whatever a test has left running."""
        for program in self.programs:
            program.leave_nothing()
        self.node.stop()

    def filed(self) -> list[dict[str, Any]]:
        """Return the advices that the node has filed an exception of."""
        result = CliRunner().invoke(exceptions, [str(self.folder / "node"), "--json"])
        assert result.exit_code == 0, result.output
        found: list[dict[str, Any]] = json.loads(result.stdout)["exceptions"]
        return found

    @asynccontextmanager
    async def terminal(self, point: Point, *slots: int, screen: KeptScreen) -> AsyncIterator[Parts]:
        """Run a terminal at these readers, until the node has all that it did."""
        folder = self.folder / point.terminal
        outside = Outside(
            chosen=named(*(self.stack.readers[slot] for slot in slots)),
            screen=screen,
            needs=(),
            note=self.notes.append,
        )
        key = new_key()
        remote = Remote(self.node.url, point.terminal, key)
        with opened_journal(folder) as journal:
            parts = built(
                point,
                remote,
                journal,
                folder,
                keys=MASTERS,
                law=TerminalLaw(None, NOWHERE),
                outside=outside,
            )
            async with trio.open_nursery() as nursery:
                nursery.start_soon(parts.terminal.run)
                yield parts
                await told(parts)
                nursery.cancel_scope.cancel()

    @contextmanager
    def card_at(self, slot: int, card: VirtualCard) -> Iterator[None]:
        """Present a card at a reader."""
        presented = VpcdSlot(card, port=self.stack.port(slot))
        thread = threading.Thread(target=presented.run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            presented.stop()
            thread.join(WAIT_S_MAX)
            assert not thread.is_alive()

    async def issue(self, number: str, value_rp: int, uid: bytes = UID) -> None:
        """Have the node know a card and its chip, and what stands on that from the beginning."""
        wanted: list[intents.Intent] = [intents.issue(number, "stored", "dki", chip=uid)]
        if value_rp:
            lines = [[PURSE, number, value_rp], [BANK_SETTLEMENT, "dki", -value_rp]]
            wanted.append(["adjustment", "ani", "on the chip when it was issued", lines, number])
        async with officer_at(self.node.url, f"operator-{number}") as officer:
            outcomes = await officer.client.send(wanted)
            assert [outcome.result for outcome in outcomes] == ["posted"] * len(wanted), outcomes

    async def balance_rp(self, number: str) -> int:
        """Return what the node has on a card."""
        async with officer_at(self.node.url, "operator-ani2") as officer:
            answer = await officer.ask("balance", 1, number)
            assert isinstance(answer, Balance)
            return answer.balance_rp


async def told(parts: Parts) -> set[str]:
    """Wait until the node has all that a terminal did; return how it found that."""
    await until(lambda: parts.sender.online)
    parts.sender.wake()
    with trio.fail_after(WAIT_S_MAX):
        await parts.sender.wait_empty()
    last = parts.journal.last_counter
    return {tap.result for tap in parts.journal.taps(1, last, last)}
