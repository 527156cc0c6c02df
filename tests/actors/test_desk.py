"""Questions are answered from durable facts, and give way to taps."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
import trio
import trio.testing

from actors import limits
from actors.desk import Desk
from actors.proofs import ProofJudge
from actors.runtime import Report
from actors.shard import Shard
from engine.accounts import BANK_SETTLEMENT, OPERATOR_REVENUE, PURSE
from engine.transaction import Issue, Purchase, Share, Tap, Transaction
from protocol.messages import (
    AnswerBody,
    Balance,
    BalanceOf,
    ChipFound,
    ChipOf,
    DryRun,
    Explain,
    Explanation,
    Failed,
    Found,
    Query,
    Question,
    Shift,
    ShiftOf,
    Statement,
    StatementOf,
    TransactionOf,
    Trial,
)
from storage.errors import StorageDamaged, StorageFailed
from tests.actors.proving import KEYS, UID, prove
from tests.actors.test_committer import a_life
from tests.actors.world import (
    CARD,
    NOON_MS,
    Clock,
    Disk,
    Sender,
    commit,
    desk_on,
    on_the_spot,
    send,
    tap,
    unreported,
)
from tests.engine.rules_here import LAW

T = TypeVar("T")


async def answer(shard: Shard, question: Question) -> AnswerBody:
    """Ask one question and return the answer."""
    desk, asker, life = (
        desk_on(shard, offload=on_the_spot, report=unreported),
        Sender(),
        a_life(),
    )
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(desk.run, life)
            desk.ask(asker, "GATE-1", Query(7, question))
            await asker.answered.wait()
            life.stopping.set()
    ((query_id, body),) = asker.answers
    assert query_id == 7
    return body


def judged_shard(clock: Clock) -> Shard:
    """Return a shard with a card that is bound to a chip, and three advices of it."""
    with Disk().open() as store:
        judge = ProofJudge(KEYS, note=unreported_note)
        shard = Shard(store, now_ms=clock, law=LAW, clock=clock.seconds, judge=judge)
    send(shard, Issue("S", "stored", "dki", chip=UID), Issue("U", "stored", "dki"))
    advices = [
        prove(Transaction(counter, NOON_MS, Tap("S", 500, "mrtj", "out")), "GATE-1", count)
        for counter, count in ((1, 2), (2, 5), (4, 4))
    ]
    shard.submit(Sender(), "GATE-1", advices)
    commit(shard)
    return shard


def unreported_note(note: str) -> None:
    pytest.fail(note)


@pytest.mark.parametrize("question", [ChipOf("S"), ChipOf(uid=UID)])
async def test_the_counts_of_a_chip_are_told_with_their_gaps(
    clock: Clock, question: ChipOf
) -> None:
    body = await answer(judged_shard(clock), question)
    assert body == ChipFound(UID, "S", 5, 2, ((1, 1), (3, 3)), 5)


@pytest.mark.parametrize(
    ("question", "field"), [(ChipOf("U"), "card"), (ChipOf("X"), "card"), (ChipOf(uid=b"x"), "uid")]
)
async def test_a_chip_that_is_not_known_is_not_found(
    clock: Clock, question: ChipOf, field: str
) -> None:
    body = await answer(judged_shard(clock), question)
    assert isinstance(body, Failed)
    assert (body.code, body.field) == ("not_found", f"query.question.{field}")


async def test_a_shift_is_complete_if_all_has_come_and_the_sums_are_the_same(
    clock: Clock,
) -> None:
    shard = judged_shard(clock)
    asked = [
        ShiftOf("GATE-1", 1, 2, taken_rp, added_rp)
        for taken_rp, added_rp in ((1_000, 0), (999, 0), (1_000, 1))
    ]
    told = [await answer(shard, question) for question in asked]
    assert told == [Shift(complete, 2, 1_000, 0, 0, 0, ()) for complete in (True, False, False)]
    lacking = await answer(shard, ShiftOf("GATE-1", 1, 5, 1_500, 0))
    assert lacking == Shift(False, 3, 1_500, 0, 0, 2, ((3, 3), (5, 5)))  # noqa: FBT003
    many = await answer(shard, ShiftOf("GATE-9", 1, 5, 0, 0))
    assert many == Shift(False, 0, 0, 0, 0, 5, ((1, 5),))  # noqa: FBT003


@pytest.mark.parametrize("question", [ChipOf("S"), ShiftOf("GATE-1", 1, 2, 0, 0)])
async def test_of_chips_and_shifts_nothing_is_told_that_will_not_be_durable(
    clock: Clock, question: Question, sender: Sender
) -> None:
    shard = judged_shard(clock)
    shard.submit(sender, "GATE-1", [tap(7)])
    desk, asker, life = desk_on(shard, offload=on_the_spot), Sender(), a_life()
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(desk.run, life)
            desk.ask(asker, "GATE-1", Query(7, question))
            await trio.testing.wait_all_tasks_blocked()
            assert not asker.answers
            shard.end()
            await asker.answered.wait()
            life.stopping.set()
    ((_, body),) = asker.answers
    assert isinstance(body, Failed)
    assert body.code == "busy"


async def test_a_balance_is_told_with_its_position(shard: Shard) -> None:
    body = await answer(shard, BalanceOf(PURSE, CARD))
    assert body == Balance(100_000, 2, NOON_MS)


async def test_a_balance_is_not_told_before_it_is_durable(shard: Shard, sender: Sender) -> None:
    shard.submit(sender, "GATE-1", [tap(1)])
    with trio.move_on_after(0.05) as waited:
        await answer(shard, BalanceOf(PURSE, CARD))
    assert waited.cancelled_caught
    commit(shard)
    assert await answer(shard, BalanceOf(PURSE, CARD)) == Balance(96_500, 3, NOON_MS)


@pytest.mark.parametrize(
    ("question", "told"),
    [
        (BalanceOf(PURSE, CARD, position=2), (100_000, 2, NOON_MS)),
        (BalanceOf(PURSE, CARD, position=3), (96_500, 3, NOON_MS + 1_000)),
        (BalanceOf(PURSE, CARD, position=0), (0, 0, 0)),
        (BalanceOf(PURSE, CARD, at_ms=NOON_MS), (100_000, 2, NOON_MS)),
        (BalanceOf(PURSE, CARD, at_ms=NOON_MS + 1_000), (96_500, 3, NOON_MS + 1_000)),
        (BalanceOf(PURSE, CARD, at_ms=NOON_MS + 1_500), (96_500, 3, NOON_MS + 1_500)),
        (BalanceOf(PURSE, CARD, at_ms=0), (0, 0, 0)),
        (BalanceOf(OPERATOR_REVENUE, "transjakarta", position=2), (0, 2, NOON_MS)),
        (BalanceOf(OPERATOR_REVENUE, "transjakarta"), (3_500, 4, NOON_MS + 2_000)),
        (BalanceOf(BANK_SETTLEMENT, "dki", position=1_000), (-100_000, 4, NOON_MS + 2_000)),
    ],
)
async def test_a_past_balance_is_told_by_position_or_time(
    shard: Shard, clock: Clock, question: BalanceOf, told: tuple[int, int, int]
) -> None:
    clock.ms += 1_000
    send(shard, tap(1).intent, terminal="GATE-1")
    clock.ms += 1_000
    send(shard, tap(1, 0).intent, terminal="GATE-2")
    assert await answer(shard, question) == Balance(*told)


@pytest.mark.parametrize(
    ("question", "field"),
    [
        (BalanceOf(PURSE, CARD, position=0), "position"),
        (BalanceOf(PURSE, CARD, at_ms=0), "at_ms"),
        (StatementOf(PURSE, CARD, before=3), "before"),
        (StatementOf(PURSE, CARD, at_ms=NOON_MS), "at_ms"),
    ],
)
async def test_what_lies_too_far_back_is_not_found(
    shard: Shard, clock: Clock, monkeypatch: pytest.MonkeyPatch, question: Question, field: str
) -> None:
    send(shard, Share("mrt", "lrt", 1), terminal="GATE-1")
    clock.ms += 1
    send(shard, tap(1).intent, tap(1).intent, terminal="GATE-1", first=2)
    monkeypatch.setattr("storage.history.CHAIN_STEPS_MAX", 1)
    body = await answer(shard, question)
    assert isinstance(body, Failed)
    assert (body.code, body.field) == ("not_found", f"query.question.{field}")


async def test_a_statement_is_told_newest_first(shard: Shard) -> None:
    send(shard, tap(1).intent, Purchase(CARD, 20_000, "warung"), terminal="GATE-1")
    body = await answer(shard, StatementOf(PURSE, CARD, limit=2))
    assert isinstance(body, Statement)
    assert [line.amount_rp for line in body.lines] == [-20_000, -3_500]
    rest = await answer(shard, StatementOf(PURSE, CARD, before=body.next))
    assert isinstance(rest, Statement)
    assert [line.amount_rp for line in rest.lines] == [100_000]
    assert rest.next == -1


@pytest.mark.parametrize(
    ("at_ms", "amounts_rp"),
    [
        (0, []),
        (NOON_MS - 1, []),
        (NOON_MS, [100_000]),
        (NOON_MS + 999, [100_000]),
        (NOON_MS + 1_000, [-3_500, 100_000]),
        (NOON_MS + 9_000, [-20_000, -3_500, 100_000]),
    ],
)
async def test_a_statement_is_told_as_it_was_at_a_time(
    shard: Shard, clock: Clock, at_ms: int, amounts_rp: list[int]
) -> None:
    for intent in (tap(1).intent, Purchase(CARD, 20_000, "warung")):
        clock.ms += 1_000
        send(shard, intent, terminal=f"GATE-{clock.ms}")
    body = await answer(shard, StatementOf(PURSE, CARD, at_ms=at_ms))
    assert isinstance(body, Statement)
    assert [line.amount_rp for line in body.lines] == amounts_rp
    past = await answer(shard, BalanceOf(PURSE, CARD, at_ms=at_ms))
    assert isinstance(past, Balance)
    assert past.balance_rp == sum(amounts_rp)


async def test_a_purse_that_nothing_has_moved_has_an_empty_statement(shard: Shard) -> None:
    send(shard, Issue("NEW", "account", "dki"), terminal="DESK-2")
    assert await answer(shard, StatementOf(PURSE, "NEW")) == Statement((), -1)
    assert await answer(shard, StatementOf(PURSE, CARD, before=0)) == Statement((), -1)


async def test_a_transaction_is_found_by_its_identity(shard: Shard) -> None:
    body = await answer(shard, TransactionOf("DESK-1", 2))
    assert isinstance(body, Found)
    assert (body.position, body.entry.balance_rp) == (1, 100_000)


async def test_a_transaction_is_explained(shard: Shard) -> None:
    body = await answer(shard, Explain("DESK-1", 2))
    assert isinstance(body, Explanation)
    assert body.position == 1
    assert {line.part for line in body.lines} == {"input", "outcome"}
    # What no card is to blame for, or belongs to, is explained as well.
    send(shard, Share("mrt", "lrt", 1), terminal="GATE-1")
    assert isinstance(await answer(shard, Explain("GATE-1", 1)), Explanation)


async def test_a_transaction_is_not_explained_before_it_is_durable(
    shard: Shard, sender: Sender
) -> None:
    shard.submit(sender, "GATE-1", [tap(1)])
    with trio.move_on_after(0.05) as waited:
        await answer(shard, Explain("GATE-1", 1))
    assert waited.cancelled_caught
    shard.end()
    assert isinstance(await answer(shard, Explain("GATE-1", 1)), Failed)


@pytest.mark.parametrize(
    "question",
    [
        TransactionOf("DESK-1", 9),
        Explain("DESK-1", 9),
        BalanceOf(PURSE, "NOBODY"),
        BalanceOf(BANK_SETTLEMENT, "bca"),
        StatementOf(PURSE, "NOBODY"),
        StatementOf(BANK_SETTLEMENT, "bca"),
    ],
)
async def test_what_does_not_exist_is_not_found(shard: Shard, question: Question) -> None:
    body = await answer(shard, question)
    assert isinstance(body, Failed)
    assert (body.code, body.retry_after_ms) == ("not_found", 0)


async def test_a_dry_run_is_answered_and_posts_nothing(shard: Shard) -> None:
    body = await answer(shard, DryRun(tap(1)))
    assert isinstance(body, Trial)
    assert body.outcome.balance_rp == 96_500
    assert shard.book.position == 2


async def test_questions_give_way_while_taps_are_many(
    shard: Shard, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "OPEN_ENTRIES_MAX", 4)
    shard.submit(sender, "GATE-1", [tap(number, 0) for number in (1, 2, 3)])
    desk = desk_on(shard, report=unreported)
    desk.ask(sender, "GATE-1", Query(1, BalanceOf(PURSE, CARD)))
    ((_, body),) = sender.answers
    assert isinstance(body, Failed)
    assert body.code == "busy"
    assert body.retry_after_ms > 0
    assert shard.submit(sender, "GATE-1", [tap(4, 0)]) == [], "taps are still taken"


async def test_more_questions_than_may_wait_are_turned_away_and_a_stop_answers_all(
    shard: Shard, sender: Sender
) -> None:
    desk, life = desk_on(shard, report=unreported), a_life()
    for number in range(limits.QUERIES_WAITING_MAX + 3):
        desk.ask(sender, "GATE-1", Query(number, BalanceOf(PURSE, CARD)))
    assert len(sender.answers) == 3
    assert desk.trace().depth == limits.QUERIES_WAITING_MAX
    life.stopping.set()
    await desk.run(life)
    assert sorted(number for number, _ in sender.answers) == list(
        range(limits.QUERIES_WAITING_MAX + 3)
    )
    assert desk.trace().depth == 0


async def ask_all(desk: Desk, asker: Sender, *questions: Question) -> list[AnswerBody]:
    """Ask one after the other while the desk runs, and return the answers."""
    life = a_life()
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(desk.run, life)
            await trio.testing.wait_all_tasks_blocked()
            for number, question in enumerate(questions, len(asker.answers)):
                asker.answered = trio.Event()
                desk.ask(asker, "GATE-1", Query(number, question))
                await asker.answered.wait()
            life.stopping.set()
    return [body for _, body in asker.answers]


class Broken:
    """Where calls run: nothing that is called comes to its end."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure

    async def __call__(self, _call: Callable[[], T], /) -> T:
        raise self.failure


async def test_a_question_that_fails_is_one_failed_answer_and_is_reported_once(
    shard: Shard, sender: Sender
) -> None:
    reports: list[Report] = []
    desk = desk_on(shard, offload=Broken(ValueError("planted")), report=reports.append)
    broken, sound = TransactionOf("DESK-1", 1), BalanceOf(PURSE, CARD)
    *failed, balance = await ask_all(desk, sender, broken, broken, StatementOf(PURSE, CARD), sound)
    assert failed == [Failed("internal_error", "", "a defect of the node")] * 3
    assert balance == Balance(100_000, 2, NOON_MS), "others are answered"
    assert [(report.supervisor, report.child) for report in reports] == [
        ("desk", "transaction"),
        ("desk", "statement"),
    ]
    assert reports[0].reason == "ValueError: planted"
    assert isinstance(reports[0].failure, ValueError)


@pytest.mark.parametrize("failure", [StorageFailed("planted"), StorageDamaged("planted")])
async def test_storage_that_fails_ends_the_desk_and_the_question_is_answered(
    shard: Shard, sender: Sender, failure: Exception
) -> None:
    desk = desk_on(shard, offload=Broken(failure), report=unreported)
    desk.ask(sender, "GATE-1", Query(1, TransactionOf("DESK-1", 1)))
    with pytest.RaisesGroup(type(failure)):
        await desk.run(a_life())
    desk.ask(sender, "GATE-1", Query(2, TransactionOf("DESK-1", 1)))
    assert [(number, getattr(body, "code", "")) for number, body in sender.answers] == [
        (1, "busy"),
        (2, "busy"),
    ]


async def test_a_store_that_is_closed_under_a_question_is_no_failure_of_the_desk(
    shard: Shard, sender: Sender
) -> None:
    async def closing(_call: Callable[[], T], /) -> T:
        shard.end()
        raise StorageFailed("the store is closed")

    desk = desk_on(shard, offload=closing, report=unreported)
    for body in await ask_all(desk, sender, TransactionOf("DESK-1", 1), DryRun(tap(1))):
        assert isinstance(body, Failed)
        assert (body.code, body.retry_after_ms) == ("busy", limits.RESTART_RETRY_MS)


async def test_a_desk_that_is_started_again_answers_again(shard: Shard, sender: Sender) -> None:
    desk = desk_on(shard, offload=on_the_spot, report=unreported)
    question = BalanceOf(PURSE, CARD)
    assert await ask_all(desk, sender, question) == [Balance(100_000, 2, NOON_MS)]
    assert await ask_all(desk, sender, question) == [Balance(100_000, 2, NOON_MS)] * 2


@pytest.mark.parametrize(
    "question",
    [
        BalanceOf(PURSE, CARD),
        BalanceOf(PURSE, CARD, position=0),
        StatementOf(PURSE, CARD),
        TransactionOf("GATE-1", 1),
    ],
)
async def test_what_will_never_be_durable_is_not_told(
    shard: Shard, sender: Sender, question: Question
) -> None:
    shard.submit(sender, "GATE-1", [tap(1)])
    shard.end()
    body = await answer(shard, question)
    assert isinstance(body, Failed)
    assert body.code == "busy"
