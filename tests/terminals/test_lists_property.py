"""Whatever happens on the way: a terminal holds what was published, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from hypothesis import given, settings
from hypothesis import strategies as st

from terminals.errors import KeeperFailed
from terminals.lists import ListHolder
from terminals.messages import Chunk
from tests.terminals.list_world import Change, Crash, FailingKeeper, Published, cards

NEVER: Final = 10**9

CHANGES = st.dictionaries(
    st.integers(0, 30).map(lambda number: f"card-{number:02}"),
    st.none() | st.sampled_from(["lost", "stolen"]),
    min_size=1,
    max_size=6,
)


@dataclass
class World:
    """A node, a terminal, and the line between them, which lets a few bytes through at a time."""

    published: Published = field(default_factory=Published)
    keeper: FailingKeeper = field(default_factory=FailingKeeper)
    now_ms: int = 1_000
    ever: dict[tuple[int, bytes], dict[str, str]] = field(default_factory=dict)
    offered: tuple[int, int] | None = None
    spoil: bool = False
    last: Chunk | None = None

    def __post_init__(self) -> None:
        self.holder = ListHolder(("deny",), self.keeper)
        self.publish(cards(range(40)), 0)
        self.restart(None)

    # --- the node ---

    def publish(self, change: Change, wait_ms: int) -> None:
        self.published.publish(change, activate_ms=self.now_ms + wait_ms if wait_ms else 0)
        version = self.published.version
        self.ever[version, self.published.hash(version)] = self.published.content

    def go_back(self) -> None:
        if self.published.version > 1:
            self.published.go_back(self.published.version - 1)

    def hear_holds(self) -> None:
        """Offer as docs/protocol.md says."""
        (held,) = self.holder.holds()
        present = self.published.version
        if held.state == "mismatch" and self.offered == (present, 0):
            return
        if (held.version, held.hash) == (present, self.published.hash(present)):
            return
        known = 0 < held.version < present and held.hash == self.published.hash(held.version)
        self.offer(held.version if known and held.state != "mismatch" else 0)

    def offer(self, base: int) -> None:
        offer = self.published.offer(base)
        self.offered = offer.version, offer.base
        self.holder.take_offer(offer)

    def forge(self) -> None:
        """Have files lead elsewhere than their offers say, until the next connection."""
        self.published.forged = self.published.content | {"card-00": "forged"}

    def repeat(self) -> None:
        """Send something once more, or out of place."""
        if self.last is not None:
            self.holder.take_chunk(self.last)

    def answer(self) -> None:
        """Answer what is asked for now: with some bytes, or with an offer of what there is."""
        wish = self.holder.wish()
        if wish is None:
            return
        if wish.version != self.published.version:
            self.hear_holds()
            return
        chunk = self.published.chunk(wish, 60)
        if self.spoil:
            self.spoil = False
            chunk = chunk._replace(data=bytes([chunk.data[0] ^ 0x55]) + chunk.data[1:])
        self.last = chunk
        self.holder.take_chunk(chunk)

    # --- the terminal ---

    def work(self) -> None:
        """Do what the terminal's part does."""
        while (download := self.holder.complete()) is not None:
            worked = self.holder.work_out(download)
            try:
                self.holder.keep(download, worked, self.now_ms)
            except KeeperFailed:
                self.holder.drop(download)
            else:
                self.holder.settle(download, worked)
        self.holder.activate(self.now_ms)

    def restart(self, damaged: int | None) -> None:
        self.keeper = FailingKeeper(self.keeper.records)
        names = self.keeper.names()
        if damaged is not None and names:
            name = names[damaged % len(names)]
            data = bytearray(self.keeper.records[name])
            data[damaged % len(data)] ^= 1 + damaged % 255
            self.keeper.records[name] = bytes(data)
        self.holder = ListHolder(("deny",), self.keeper)
        assert bool(self.holder.load()) <= (damaged is not None)
        self.reconnect()

    def reconnect(self) -> None:
        self.offered = None
        self.published.forged = None
        self.holder.begin()

    def go_on(self, steps: int) -> None:
        for _ in range(steps):
            try:
                self.work()
            except Crash:
                self.restart(None)
            if self.holder.changed:
                self.hear_holds()
            self.answer()
            self.check()

    def check(self) -> None:
        """What is in use is a version that was published, whole."""
        content, version = self.holder.active("deny"), self.holder.version("deny")
        assert (content is None) == (version == 0)
        if content is not None:
            assert dict(content) == self.ever[version, content.hash]


Action: TypeAlias = Callable[[World], object]


def publishing(change: Change, wait_ms: int) -> Action:
    def publish(world: World) -> None:
        world.publish(change, wait_ms)
        if world.offered is not None:
            world.hear_holds()

    return publish


def going_on(steps: int) -> Action:
    return lambda world: world.go_on(steps)


def waiting(ms: int) -> Action:
    return lambda world: setattr(world, "now_ms", world.now_ms + ms)


def restarting(damaged: int | None) -> Action:
    return lambda world: world.restart(damaged)


def failing(operations: int, failure: type[BaseException]) -> Action:
    return lambda world: world.keeper.fail_in(operations, failure)


def spoiling(world: World) -> None:
    world.spoil = True


ACTIONS: Final[st.SearchStrategy[Action]] = st.one_of(
    st.integers(1, 12).map(going_on),
    st.builds(publishing, CHANGES, st.sampled_from([0, 50, 500])),
    st.integers(1, 200).map(waiting),
    (st.none() | st.integers(0, 10**4)).map(restarting),
    st.builds(failing, st.integers(0, 4), st.sampled_from([KeeperFailed, Crash])),
    st.sampled_from([World.reconnect, World.go_back, World.forge, World.repeat, spoiling]),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(ACTIONS, max_size=40))
def test_a_terminal_ends_with_what_the_node_has_and_meanwhile_uses_nothing_else(
    actions: list[Action],
) -> None:
    world = World()
    world.go_on(12)
    for action in actions:
        action(world)
        world.check()
    # From now on nothing goes wrong.
    world.keeper.fails_at = NEVER
    world.spoil = False
    world.reconnect()
    world.go_on(200)
    (held,) = world.holder.holds()
    version = world.published.version
    assert held[1:3] == (version, world.published.hash(version))
    world.now_ms += 10_000
    world.go_on(1)
    content = world.holder.active("deny")
    assert content is not None
    assert dict(content) == world.published.content
    # And it is still there after a start, which may have to find out anew that its time has come.
    world.restart(None)
    world.holder.activate(world.now_ms)
    content = world.holder.active("deny")
    assert content is not None
    assert dict(content) == world.published.content
