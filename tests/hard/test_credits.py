"""Credits under every order of events: each tap has one outcome, and nobody gets credit for air."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import AsyncExitStack
from typing import Final

import pytest
import trio
import trio.testing

from actors.shard import Shard
from protocol.limits import CREDITS, TRANSACTIONS_PER_FRAME_MAX
from protocol.session import Phase
from tests.actors.stage import Stage, ready
from tests.actors.world import Clock, commit
from tests.protocol import peer

STEPS: Final = 60
TERMINALS: Final = 3


class Account:
    """What one terminal has sent and heard, kept apart from what the node thinks of it."""

    def __init__(self, stage: Stage, terminal: str) -> None:
        self.stage = stage
        self.terminal = terminal
        self.sent: Counter[int] = Counter()
        self.heard: Counter[int] = Counter()
        self.credits = CREDITS
        self.next = 1
        self.is_open = True

    async def send(self, first: int, count: int) -> None:
        """Send taps, also more than credits allow."""
        self.stage.wire.put(peer.masked(peer.submit(count, first)))
        await trio.testing.wait_all_tasks_blocked()
        if count > self.credits:
            self.is_open = False
        else:
            self.credits -= count
            self.sent.update(range(first, first + count))

    def listen(self) -> None:
        """Take what the node said, and compare its books with ours."""
        for said in self.stage.wire.take():
            if said[0] == "outcome":
                _, outcomes, given_back = said
                assert isinstance(outcomes, list)
                assert len(outcomes) == given_back
                self.heard.update(outcome[0] for outcome in outcomes)
                self.credits += len(outcomes)
            elif said[0] == "error":
                assert said[1] == "credits_exceeded"
            else:
                assert said == ["close", 4007]
        assert self.is_open == (self.stage.actor.session.phase is Phase.READY)
        if self.is_open:
            assert self.stage.actor.session.credits == self.credits


async def step(rng: random.Random, shard: Shard, accounts: list[Account]) -> None:
    """Let one thing happen, whichever it is."""
    account = rng.choice(accounts)
    if not account.is_open or rng.random() < 0.25:
        if shard.waiting:
            commit(shard)
        return
    if account.next > 1 and rng.random() < 0.3:
        # Again, some of it known and some of it not: whatever the state, one outcome for each.
        first = rng.randint(1, account.next)
        count = rng.randint(1, TRANSACTIONS_PER_FRAME_MAX)
    else:
        first, count = account.next, rng.choice((1, 7, TRANSACTIONS_PER_FRAME_MAX))
    await account.send(first, count)
    if account.is_open:
        account.next = max(account.next, first + count)


@pytest.mark.parametrize("seed", range(12))
async def test_credits_and_outcomes_add_up_in_any_order(
    shard: Shard, clock: Clock, seed: int
) -> None:
    rng = random.Random(seed)
    async with AsyncExitStack() as held:
        accounts = []
        for number in range(TERMINALS):
            terminal = f"GATE-{number}"
            stage = await held.enter_async_context(ready(shard, clock, terminal=terminal))
            accounts.append(Account(stage, terminal))
        for _ in range(STEPS):
            await step(rng, shard, accounts)
            for account in accounts:
                account.listen()
        while shard.waiting:
            commit(shard)
        for account in accounts:
            account.listen()
            if account.is_open:
                assert account.heard == account.sent
                assert account.credits == CREDITS
            seen = shard.book.terminals.get(account.terminal)
            taken = seen.high if seen else 0
            assert taken == max(account.sent, default=0), "what was over the credits was not taken"
    assert shard.book.sum_of_accounts_rp() == 0
