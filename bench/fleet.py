"""A fleet on one node: what connected gates cost, and how lists reach them, while taps go on."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, closing
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from bench.crowd import Crowd, CrowdPlan, TakenIn, gathered
from bench.errors import BenchError
from bench.figures import Figure, percentile
from bench.line import Line, LineBroken, new_key, open_line, submit_frame
from bench.load import card_name
from bench.machine import cpu_s, generating
from bench.setting import Bench, Plan
from engine.keys import Role
from engine.transaction import Tap, Transaction
from ops.node_process import NodeProcess
from protocol.messages import (
    Action,
    Answer,
    FromTerminal,
    Heartbeat,
    ListApprove,
    ListPart,
    ListPublish,
    ListRow,
    Lists,
    ListsOf,
    Order,
    Pulse,
    Query,
    Receipt,
)
from storage.folder import DataFolder
from storage.key_store import KEYS_TABLES, KeyRecord, KeyStore
from storage.lmdb_store import LmdbStore

T = TypeVar("T")

GATES: Final = "gate"
TAPPERS: Final = "bus"
OFFICERS: Final = ("ani", "budi")

HEARTBEAT_S: Final = 20.0
PART_ENTRIES: Final = 1_000
PARTS_AT_ONCE: Final = 8
DELTA_CARDS: Final = 100
RUN_S_MAX: Final = 1_200.0


def fleet(bench: Bench) -> list[Figure]:
    """Gates with heartbeats: memory, idle processor time, taps beside them, all back at once."""
    return _run(bench, bench.plan.terminals, _fleet)


def lists(bench: Bench) -> list[Figure]:
    """A deny list of many cards to many gates, then a change of a hundred, while taps go on."""
    return _run(bench, bench.plan.list_gates, _lists)


async def _fleet(bench: Bench, world: World) -> list[Figure]:
    plan, node = bench.plan, world.node
    before = node.rss_bytes()
    bench.tell(f"connecting {plan.terminals:,} gates")
    await _aside(world.crowd.connect)
    grown_kib = (node.rss_bytes() - before) / 1024
    bench.tell(f"{plan.terminals:,} gates beat their hearts")
    idle_s = HEARTBEAT_S if plan.open_s > 1 else 1.0
    used_s = cpu_s(node.pid)
    await trio.sleep(idle_s)
    idle_share = (cpu_s(node.pid) - used_s) / idle_s
    async with world.tapping(plan.rate_per_s) as taps:
        bench.tell("taps beside heartbeats")
        await trio.sleep(plan.open_s)
        beside = taps.take()
        bench.tell("all gates come back at once, and taps go on")
        back_s = await _aside(world.crowd.connect)
        during = taps.take()
        await trio.sleep(plan.open_s)
        after = taps.take()
    what = f"{plan.terminals:,} gates with heartbeats"
    rate = f"at {plan.rate_per_s:,.0f} taps/s"
    return [
        Figure("fleet_memory_per_gate_kib", what, [grown_kib / plan.terminals], "<= 40"),
        Figure("fleet_idle_cpu_percent", f"of a core, {what}", [100 * idle_share]),
        Figure("fleet_open_p99_ms", f"{rate}, {what}", [percentile(beside, 0.99)], "<= 25"),
        Figure("fleet_back_s", "all cut off at once, until the last is back", [back_s], "< 60"),
        Figure("fleet_back_p99_ms", f"{rate} meanwhile", [percentile(during, 0.99)]),
        Figure("fleet_after_p99_ms", f"{rate} afterwards", [percentile(after, 0.99)]),
    ]


async def _lists(bench: Bench, world: World) -> list[Figure]:
    plan = bench.plan
    # Before the taps begin: drawing a million takes half a second, in which none would be sent.
    lost = iter(list(lost_cards(plan.list_cards + DELTA_CARDS)))
    await _aside(world.crowd.connect)
    async with world.tapping(plan.list_rate_per_s) as taps, world.officers() as officers:
        await trio.sleep(plan.open_s)
        quiet = taps.take()
        bench.tell(f"publishing a deny list of {plan.list_cards:,} cards")
        spread = _Spreading(world.crowd, taps, officers)
        whole = await spread.publish(islice(lost, plan.list_cards), base=0)
        bench.tell(f"publishing a change of {DELTA_CARDS} cards")
        change = await spread.publish(lost, base=1)
    gates = f"{plan.list_gates:,} gates"
    rate = f"at {plan.list_rate_per_s:,.0f} taps/s"
    return [
        Figure("lists_quiet_p99_ms", f"{rate}, before", [percentile(quiet, 0.99)]),
        *whole.figures("list", f"{plan.list_cards:,} cards to {gates}", rate),
        *change.figures("change", f"{DELTA_CARDS} cards to {gates}", rate),
    ]


def lost_cards(count: int) -> Iterator[tuple[str, str]]:
    """Yield entries of a deny list: any cards of a billion, as they are lost, in no order."""
    for number in random.Random(1).sample(range(10**9), count):
        yield card_name(number), "lost"


class _Spread(Struct, frozen=True):
    """How a version came to all gates: seconds of each step, bytes, and what taps felt."""

    upload_s: float
    publish_s: float
    taken_in: TakenIn
    row: ListRow
    upload_ms: list[float]
    publish_ms: list[float]
    spread_ms: list[float]

    def figures(self, name: str, what: str, rate: str) -> list[Figure]:
        """Return all of it as figures."""
        half, most, all_ms = (reached_ms / 1000 for reached_ms in self.row.reached_ms)
        mib = self.taken_in.file_bytes / 2**20
        return [
            Figure(f"{name}_upload_s", "parts of the draft, each durable", [self.upload_s]),
            Figure(f"{name}_publish_s", "from the order to its receipt", [self.publish_s]),
            Figure(f"{name}_half_s", f"{what}: until half of them held it", [half]),
            Figure(f"{name}_most_s", "until 95 per cent did", [most]),
            Figure(f"{name}_all_s", "until all did", [all_ms]),
            Figure(f"{name}_sent_mib", "list files to all of them", [mib]),
            Figure(f"{name}_upload_p99_ms", f"{rate}, draft coming in", _p99(self.upload_ms)),
            Figure(f"{name}_publish_p99_ms", f"{rate}, version made", _p99(self.publish_ms)),
            Figure(f"{name}_spread_p99_ms", f"{rate}, gates taking it in", _p99(self.spread_ms)),
        ]


def _p99(latencies_ms: Sequence[float]) -> list[float]:
    return [percentile(latencies_ms, 0.99) if latencies_ms else 0.0]


class _Spreading:
    """Publishes versions, and looks what that takes."""

    def __init__(self, crowd: Crowd, taps: _Taps, officers: Sequence[_Officer]) -> None:
        self._crowd = crowd
        self._taps = taps
        self._ani, self._budi = officers

    async def publish(self, entries: Iterable[tuple[str, str]], *, base: int) -> _Spread:
        taps, draft = self._taps, f"draft-{base}"
        taps.take()
        began_s = time.perf_counter()
        parts = await self._ani.upload(draft, entries)
        upload_s, upload_ms = time.perf_counter() - began_s, taps.take()
        began_s = time.perf_counter()
        receipt = await self._ani.order(ListPublish(draft, "deny", parts, base))
        if receipt.result == "waiting":
            receipt = await self._budi.order(ListApprove(draft))
        if receipt.result != "done":
            raise BenchError(str(receipt))
        publish_s, publish_ms = time.perf_counter() - began_s, taps.take()
        taken_in = await _aside(lambda: self._crowd.hold(receipt.version))
        (row,) = (await self._ani.ask_lists()).lists
        return _Spread(upload_s, publish_s, taken_in, row, upload_ms, publish_ms, taps.take())


# --- who takes part ---------------------------------------------------------------------------


class World:
    """A node with gates in another process, officers and tappers in this one.

    Attributes:
      posted: how many taps were acknowledged.
    """

    def __init__(self, node: NodeProcess, crowd: Crowd, key: Ed25519PrivateKey, plan: Plan) -> None:
        self.node, self.crowd, self.posted = node, crowd, 0
        self._key, self._plan = key, plan

    @asynccontextmanager
    async def tapping(self, rate_per_s: float) -> AsyncIterator[_Taps]:
        """Tap at a steady rate while the body runs."""
        async with self._lines(_tappers(self._plan)) as lines, trio.open_nursery() as nursery:
            taps = _Taps(lines, rate_per_s, self._plan.small)
            nursery.start_soon(taps.run)
            yield taps
            nursery.cancel_scope.cancel()
            self.posted += taps.posted

    @asynccontextmanager
    async def officers(self) -> AsyncIterator[Sequence[_Officer]]:
        """Have officers connected while the body runs."""
        async with self._lines(OFFICERS) as lines, trio.open_nursery() as nursery:
            officers = [_Officer(line) for line in lines]
            for officer in officers:
                nursery.start_soon(officer.keep_alive)
            yield officers
            nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def _lines(self, names: Sequence[str]) -> AsyncIterator[Sequence[Line]]:
        with ExitStack() as held:
            yield [
                held.enter_context(closing(await open_line(self.node.url, name, self._key)))
                for name in names
            ]


def _tappers(plan: Plan) -> Sequence[str]:
    return [f"{TAPPERS}-{number:05d}" for number in range(plan.single_lines)]


def _run(
    bench: Bench, gates: int, measure: Callable[[Bench, World], Awaitable[list[Figure]]]
) -> list[Figure]:
    plan, data = bench.plan, bench.folder(bench.plan.small)
    key = new_key()
    crowd_names = [f"{GATES}-{number:05d}" for number in range(gates)]
    enrol(data, key, {"terminal": [*_tappers(plan), *crowd_names], "operator": OFFICERS})
    with bench.node(data) as node, generating(bench.pins):
        crowd_plan = CrowdPlan(
            node.url, GATES, gates, key.private_bytes_raw(), bench.pins.generator
        )
        with gathered(crowd_plan) as crowd:
            world = World(node, crowd, key, plan)

            async def run() -> list[Figure]:
                with trio.fail_after(RUN_S_MAX):
                    return await measure(bench, world)

            found = trio.run(run)
    bench.acknowledged(data, world.posted)
    return found


def enrol(data: Path, key: Ed25519PrivateKey, names: dict[Role, Sequence[str]]) -> None:
    """Enrol one key for many names, each in its role."""
    with (
        DataFolder.open(data, exclusive=False) as folder,
        closing(LmdbStore(folder.keys, tables=KEYS_TABLES)) as store,
    ):
        public_key = key.public_key().public_bytes_raw()
        KeyStore(store).save(
            KeyRecord(name, public_key, role, 0, note="bench")
            for role, of_role in names.items()
            for name in of_role
        )


class _Officer:
    """An officer at a line of their own."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self._saying = trio.Lock()
        self._orders = 0
        self._receipts: deque[Receipt] = deque()

    async def order(self, action: Action) -> Receipt:
        """Give an order and wait for its receipt."""
        await self._send(action)
        return await self._receipt()

    async def upload(self, draft: str, entries: Iterable[tuple[str, str]]) -> int:
        """Send a draft of the deny list in parts; return how many."""
        walk, sent, kept = iter(entries), 0, 0
        while part := tuple(islice(walk, PART_ENTRIES)):
            if sent - kept == PARTS_AT_ONCE:
                await self._receipt()
                kept += 1
            await self._send(ListPart(draft, "deny", sent, part))
            sent += 1
        for _ in range(sent - kept):
            await self._receipt()
        return sent

    async def ask_lists(self) -> Lists:
        """Ask how far lists have spread."""
        await self._say(Query(1, ListsOf()))
        while True:
            for message in await self.line.messages():
                if isinstance(message, Answer) and isinstance(message.answer, Lists):
                    return message.answer

    async def _send(self, action: Action) -> None:
        self._orders += 1
        await self._say(Order(f"bench-{self._orders}", action))

    async def keep_alive(self) -> None:
        """Beat, however long there is nothing to say."""
        while True:
            await trio.sleep(self.line.ready.heartbeat_s)
            await self._say(Heartbeat(time.time_ns() // 1_000_000))

    async def _say(self, message: FromTerminal) -> None:
        async with self._saying:
            await self.line.say(message)

    async def _receipt(self) -> Receipt:
        while not self._receipts:
            for message in await self.line.messages():
                if isinstance(message, Receipt):
                    self._receipts.append(message)
                elif not isinstance(message, Pulse):
                    raise LineBroken(str(message))
        receipt = self._receipts.popleft()
        if receipt.result not in {"done", "waiting"}:
            raise BenchError(str(receipt))
        return receipt


class _Taps:
    """One tap after the other at a fixed rate, whether or not answers come.

    Latencies count from the time that a tap was meant to be sent.
    """

    def __init__(self, lines: Sequence[Line], rate_per_s: float, cards: int) -> None:
        self._lines, self._rate_per_s, self._cards = lines, rate_per_s, cards
        self._chance = random.Random(1)
        self._meant: list[deque[float]] = [deque() for _ in lines]
        self._latencies_ms: list[float] = []
        self.posted = 0

    def take(self) -> list[float]:
        """Return the latencies since the last call."""
        taken, self._latencies_ms = self._latencies_ms, []
        return taken

    async def run(self) -> None:
        """Tap for ever."""
        async with trio.open_nursery() as nursery:
            for number in range(len(self._lines)):
                nursery.start_soon(self._read, number)
            due_s = time.perf_counter()
            while True:
                due_s += 1 / self._rate_per_s
                await trio.sleep(max(0.0, due_s - time.perf_counter()))
                await self._tap(self._chance.randrange(len(self._lines)), due_s)

    async def _tap(self, number: int, due_s: float) -> None:
        line = self._lines[number]
        line.counter += 1
        card = card_name(self._chance.randrange(self._cards))
        tap = Tap(card, 0, "transjakarta", "out", "P00142", "1")
        at_ms = time.time_ns() // 1_000_000
        self._meant[number].append(due_s)
        await line.send(submit_frame([Transaction(line.counter, at_ms, tap)]))

    async def _read(self, number: int) -> None:
        while True:
            count = await self._lines[number].wait_posted()
            now_s = time.perf_counter()
            self.posted += count
            meant = self._meant[number]
            self._latencies_ms += [(now_s - meant.popleft()) * 1000 for _ in range(count)]


async def _aside(call: Callable[[], T]) -> T:
    return await trio.to_thread.run_sync(call)
