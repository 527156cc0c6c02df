"""A node process with officers who may order, an observer who may look, and terminals.

The terminals are sessions that speak by hand: they claim to hold what they are offered, and report
on commands as a test tells them to.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any, Final

import msgspec
import trio
from click.testing import CliRunner, Result

from engine.fleet.commands import SendJournal
from engine.fleet.lists import ListName
from engine.transaction import Tap, Transaction
from ops.cli import main
from ops.node_process import NodeProcess
from protocol.limits import HEARTBEAT_S
from protocol.messages import (
    VERSION,
    Challenge,
    Command,
    FromNode,
    FromTerminal,
    Heartbeat,
    HeldList,
    Hello,
    Holds,
    JournalPart,
    Offer,
    Prove,
    Ready,
    Receipt,
    Report,
    proof_text,
)
from terminals.keys import load_key, public_bytes
from terminals.link import Link
from terminals.websocket import websocket

ROLES: Final = {"ani": "operator", "budi": "operator", "oki": "observer"}
GATES: Final = ("GATE-01", "GATE-02", "GATE-03")
WAIT_S_MAX: Final = 30.0

_DECODER: Final = msgspec.msgpack.Decoder(FromNode)
_encode: Final = msgspec.msgpack.Encoder().encode

Answer = Callable[[Command], Report | None]


def does_it(command: Command) -> Report | None:
    """Report that a command is done."""
    return Report(command.id, "done")


class FleetPlace:
    """A running node, and the keys of everybody who may speak to it."""

    def __init__(self, node: NodeProcess, keys: Path) -> None:
        self.node = node
        self.keys = keys

    def environment(self, who: str) -> dict[str, str]:
        """Return what somebody has in the environment."""
        return {
            "JAKARTA_ONE_URL": self.node.url,
            "JAKARTA_ONE_NAME": who,
            "JAKARTA_ONE_KEY": str(self.keys / f"{who}.key"),
            "COLUMNS": "100",
        }

    def call(self, *arguments: object, who: str = "ani", stdin: str = "") -> Result:
        """Run a command in this process."""
        words = [str(argument) for argument in arguments]
        return CliRunner().invoke(main, words, env=self.environment(who), input=stdin)

    def told(self, *arguments: object, who: str = "ani", status: int = 0) -> dict[str, Any]:
        """Run a command with `--json`, and return its object."""
        done = self.call(*arguments, "--json", who=who)
        assert done.exit_code == status, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@contextmanager
def fleet_place(
    folder: Path, options: Sequence[str | Path] = (), *, data: str = "data"
) -> Iterator[FleetPlace]:
    """Start a node at which officers, an observer and some gates are enrolled."""
    keys, path = folder / "keys", folder / data
    keys.mkdir()
    for name in (*ROLES, *GATES):
        role = ROLES.get(name, "terminal")
        words = ["keys", "enroll", name, "--data", str(path), "--role", role]
        done = CliRunner().invoke(main, [*words, "--key-out", str(keys / f"{name}.key")])
        assert done.exit_code == 0, done.stderr
    place = FleetPlace(NodeProcess.start(path, options=options), keys)
    try:
        yield place
    finally:
        # Whichever it is by now: a test may have started another one.
        place.node.stop()


class Gate:
    """A terminal that is connected.

    Attributes:
      wanted: the lists that it wants to hear of.
      takes: whether it says that it holds what it is offered.
      answer: what it reports on a command; None: nothing.
      heard: the commands that it was told.
      journal: what it has written down.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.wanted: Sequence[ListName] = ("deny",)
        self.takes = True
        self.answer: Answer = does_it
        self.heard: list[Command] = []
        self.journal: list[Transaction] = []
        self._held: dict[ListName, HeldList] = {}

    async def live(self, place: FleetPlace) -> None:
        """Connect, and do what a terminal does until cancelled."""
        async with websocket(place.node.url) as link:
            await self._shake_hands(link, place)
            self._held = {name: HeldList(name, 0, b"") for name in self.wanted}
            await say(link, Holds(tuple(self._held.values())))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_beat, link)
                while True:
                    await self._take(link, _DECODER.decode(await link.receive()))

    async def _shake_hands(self, link: Link, place: FleetPlace) -> None:
        key = load_key(place.keys / f"{self.name}.key")
        await say(link, Hello((VERSION,), self.name, public_bytes(key), "gate 2.4.1"))
        challenge = _DECODER.decode(await link.receive())
        assert isinstance(challenge, Challenge)
        text = proof_text(challenge.nonce, public_bytes(key), self.name)
        await say(link, Prove(key.sign(text)))
        assert isinstance(_DECODER.decode(await link.receive()), Ready)

    async def _take(self, link: Link, message: FromNode) -> None:
        match message:
            case Offer() if self.takes:
                self._held[message.name] = HeldList(message.name, message.version, message.hash)
                await say(link, Holds(tuple(self._held.values())))
            case Command():
                self.heard.append(message)
                await self._do(link, message)
            case Receipt():
                await say(link, Report(message.id, "done"))
            case _:
                pass

    async def _do(self, link: Link, command: Command) -> None:
        if isinstance(command.body, SendJournal):
            await say(link, JournalPart(command.id, 0, tuple(self.journal)))
            return
        report = self.answer(command)
        if report is not None:
            await say(link, report)


async def _beat(link: Link) -> None:
    while True:
        await say(link, Heartbeat(int(time.time() * 1000), 3, 71, "ok"))
        await trio.sleep(HEARTBEAT_S)


async def say(link: Link, message: FromTerminal) -> None:
    """Send a message to the node."""
    await link.send(_encode(message))


@contextmanager
def connected(place: FleetPlace, *gates: Gate) -> Iterator[None]:
    """Have gates connected, in a thread of their own, until the body ends."""
    scopes: list[tuple[trio.lowlevel.TrioToken, trio.CancelScope]] = []
    failures: list[BaseException] = []

    async def live() -> None:
        with trio.CancelScope() as scope:
            scopes.append((trio.lowlevel.current_trio_token(), scope))
            async with trio.open_nursery() as nursery:
                for gate in gates:
                    nursery.start_soon(gate.live, place)

    def run() -> None:
        try:
            trio.run(live)
        except BaseException as failure:
            failures.append(failure)
            raise

    before = place.told("terminals")["connected"]
    thread = Thread(target=run)
    thread.start()
    try:
        wait_until(lambda: place.told("terminals")["connected"] >= before + len(gates))
        yield
    finally:
        token, scope = scopes[0]
        token.run_sync_soon(scope.cancel)
        thread.join(WAIT_S_MAX)
    assert not failures


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, with a bound."""
    until_s = time.monotonic() + WAIT_S_MAX
    while not holds():
        assert time.monotonic() < until_s, "it never came to that"
        time.sleep(0.05)


def tap(counter: int) -> Transaction:
    """Return a tap as a gate writes it down."""
    return Transaction(counter, 1_760_000_000_000, Tap("C", 3_500, "mrtj", "in", proof=b"\x01"))
