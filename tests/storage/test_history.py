"""The past of accounts, beside a model that reads the whole journal."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.accounts import (
    ALL_CARDS,
    BANK_SETTLEMENT,
    OPERATOR_REVENUE,
    OWED_FARES,
    PROGRAMME_FUND,
    PROGRAMME_PURSE,
    PURSE,
    PURSE_KINDS,
    AccountKind,
)
from engine.advance import card_of
from engine.transaction import Entry, Hold, Intent, Issue, Post, Replace, Tap, TopUp, Void
from storage.history import AccountHistory, Line, exceptions_before
from storage.views import Views
from tests.storage.city import (
    CARDS,
    MINUTE_MS,
    NOON_MS,
    PROOF,
    City,
    intents,
    lively_city,
    terminals,
)

OPERATOR = (OPERATOR_REVENUE, "transjakarta")
ACCOUNTS = [
    *((PURSE, card) for card in CARDS),
    *((PROGRAMME_PURSE, f"{card}/kjp") for card in CARDS[:2]),
    *((OWED_FARES, card) for card in CARDS),
    *(OPERATOR, (BANK_SETTLEMENT, "dki"), (PROGRAMME_FUND, "kjp"), (AccountKind.FLOAT, "pool")),
    *(
        (PURSE, ALL_CARDS),
        (PROGRAMME_PURSE, ALL_CARDS),
        (OWED_FARES, ALL_CARDS),
        (PURSE, "nobody"),
        (PURSE, f"{CARDS[0]}/kjp"),
        (PROGRAMME_PURSE, CARDS[0]),
        (AccountKind.FLOAT, ALL_CARDS),
    ),
]


def moved(entry: Entry, kind: int, owner: str) -> list[int]:
    is_total = owner == ALL_CARDS and kind in PURSE_KINDS
    return [
        amount_rp
        for line_kind, name, amount_rp in entry.postings
        if line_kind == kind and (name == owner or is_total)
    ]


def expected_lines(entries: list[Entry], kind: int, owner: str) -> list[Line]:
    """Read backwards; where a card took over from another one, go on with that too."""
    lines = []
    owners = [owner]
    for position in range(len(entries) - 1, -1, -1):
        entry = entries[position]
        intent = entry.intent
        for known in owners if kind in PURSE_KINDS else ():
            card, slash, programme = known.partition("/")
            if isinstance(intent, Replace) and entry.posted and intent.new_card == card:
                owners.append(intent.card + slash + programme)
        amounts = [amount_rp for name in owners for amount_rp in moved(entry, kind, name)]
        if any(amounts):
            lines.append(Line(position, sum(amounts), entry))
    return lines


def all_lines(history: AccountHistory, before: int | None, limit: int) -> list[Line]:
    lines: list[Line] = []
    while before != -1:
        answer = history.statement(before, limit)
        assert answer is not None
        assert len(answer.lines) <= limit
        assert before is None or answer.next < before
        lines += answer.lines
        before = answer.next
    return lines


@settings(max_examples=60)
@given(
    blocks=st.lists(
        st.lists(st.tuples(intents, terminals), min_size=1, max_size=8), min_size=1, max_size=6
    ),
    data=st.data(),
)
def test_the_past_is_what_the_journal_says(
    blocks: list[list[tuple[Intent, str]]], data: st.DataObject
) -> None:
    city = lively_city()
    for block in blocks:
        for intent, terminal in block:
            city.send(intent, terminal)
            if data.draw(st.integers(0, 5)) == 0:
                # Anywhere, also in the middle of a block.
                city.shard.views.write_landmark(len(city.entries), city.shard.book.accounts)
        city.commit()
        if data.draw(st.booleans()):
            city.shard.checkpoint()
    account = data.draw(st.sampled_from(ACCOUNTS))
    limit = data.draw(st.integers(1, 5))
    entries = city.entries
    history = city.shard.history(*account)
    for position in (*range(len(entries) + 1), len(entries) + 5):
        balance_rp = sum(sum(moved(entry, *account)) for entry in entries[:position])
        assert history.balance_at(position) == balance_rp
        lines = [line for line in expected_lines(entries, *account) if line.position < position]
        assert all_lines(history, position, limit) == lines
    assert all_lines(history, None, limit) == expected_lines(entries, *account)
    now_rp = city.shard.balance_rp(*account) or 0
    assert now_rp == history.balance_at(len(entries))
    assert now_rp == sum(line.amount_rp for line in all_lines(history, None, limit))


@pytest.fixture
def city() -> City:
    city = City()
    city.run(*(Issue(card, "account", "dki") for card in CARDS[:2]))
    city.run(*(TopUp(card, 50_000, "dki") for card in CARDS[:2]))
    return city


def tap(card: str = CARDS[0]) -> Tap:
    return Tap(card, 3500, "transjakarta", "in")


@pytest.mark.parametrize(
    "account",
    [(PURSE, f"{CARDS[0]}/kjp"), (PROGRAMME_PURSE, CARDS[0]), (PROGRAMME_PURSE, f"{CARDS[0]}/")],
)
def test_a_purse_under_a_wrong_name_has_no_past_either(
    city: City, account: tuple[int, str]
) -> None:
    city.run(TopUp(CARDS[0], 70, purse="kjp"), tap())
    assert city.shard.balance_rp(*account) is None
    history = city.shard.history(*account)
    assert {history.balance_at(position) for position in range(7)} == {0}
    assert all_lines(history, None, 10) == []


def test_a_statement_goes_on_with_the_card_that_was_replaced(city: City) -> None:
    city.run(tap(), Replace(CARDS[0], CARDS[2]), tap(CARDS[2]))
    city.run(Replace(CARDS[2], CARDS[3]), tap(CARDS[3]))
    lines = all_lines(city.shard.history(PURSE, CARDS[3]), None, 1)
    assert [line.amount_rp for line in lines] == [-3500, 0, -3500, 0, -3500, 50_000]
    assert sum(line.amount_rp for line in lines) == city.shard.balance_rp(PURSE, CARDS[3])
    of_the_old_card = all_lines(city.shard.history(PURSE, CARDS[2]), None, 1)
    assert [line.amount_rp for line in of_the_old_card] == [-43_000, -3500, 0, -3500, 50_000]


def test_what_was_held_on_a_replaced_card_is_history_of_the_new_one(city: City) -> None:
    holds = [Hold(CARDS[0], 1000, "merchant", "kiosk", MINUTE_MS * 10)] * 2
    city.run(*holds, Replace(CARDS[0], CARDS[2]))
    taken, let_go = (("GATE-1", counter) for counter in (5, 6))
    city.run(Post(CARDS[0], *taken, 400), Void(CARDS[0], *let_go), tap(CARDS[2]))
    assert [entry.previous for entry in city.entries[6:]] == [5, 6, 7, 8]
    lines = all_lines(city.shard.history(PURSE, CARDS[2]), None, 10)
    assert [line.amount_rp for line in lines] == [-3500, -400, 0, 50_000]
    assert all_lines(city.shard.history(PURSE, CARDS[2]), 9, 10) == lines[1:]
    of_the_old_card = all_lines(city.shard.history(PURSE, CARDS[0]), None, 10)
    assert [line.amount_rp for line in of_the_old_card] == [-50_000, 50_000]


def test_what_came_late_for_a_replaced_card_is_no_history_of_the_new_one(city: City) -> None:
    late = replace(tap(), proof=PROOF)
    city.run(tap(), Replace(CARDS[0], CARDS[2]), late, tap(), tap(CARDS[2]), late, tap(CARDS[2]))
    history = city.shard.history(PURSE, CARDS[2])
    lines = all_lines(history, None, 10)
    assert [line.position for line in lines] == [10, 8, 5, 4, 2]
    for before in range(12):
        expected = [line for line in lines if line.position < before]
        assert all_lines(history, before, 10) == expected


def test_what_advices_told_of_a_card_before_it_took_over_is_not_lost(city: City) -> None:
    advice = replace(tap(CARDS[2]), proof=PROOF)
    city.run(advice, tap(), advice, tap(), Replace(CARDS[0], CARDS[2]), tap(CARDS[2]))
    city.run(Replace(CARDS[2], CARDS[3]), tap(CARDS[3]))
    for card in CARDS[2:]:
        history = city.shard.history(PURSE, card)
        lines = all_lines(history, None, 10)
        assert [line.position for line in lines][-8:] == [10, 9, 8, 7, 6, 5, 4, 2]
        assert sum(line.amount_rp for line in lines) == city.shard.balance_rp(PURSE, card)
        assert all_lines(history, None, 1) == lines
        assert all_lines(history, 8, 2) == [line for line in lines if line.position < 8]
    assert city.shard.history(PURSE, CARDS[2]).balance_at(8) == -7000


def test_a_place_that_no_answer_named_is_looked_for_along_the_chain(city: City) -> None:
    city.run(*[tap(), tap(CARDS[1])] * 3)
    history = city.shard.history(PURSE, CARDS[0])
    assert [line.position for line in all_lines(history, 8, 10)] == [6, 4, 2]


def test_what_was_refused_before_a_card_existed_is_none_of_its_history(city: City) -> None:
    city.run(tap(CARDS[2]), Replace(CARDS[0], CARDS[2]), tap(CARDS[2]))
    assert not city.entries[4].posted
    lines = all_lines(city.shard.history(PURSE, CARDS[2]), 5, 10)
    assert [line.position for line in lines] == [2]


def test_a_landmark_may_stand_in_the_middle_of_a_block(city: City) -> None:
    city.send(tap())
    city.shard.views.write_landmark(5, city.shard.book.accounts)
    city.run(tap(), tap())
    city.run(tap())
    history = city.shard.history(*OPERATOR)
    assert [history.balance_at(at) for at in range(4, 9)] == [0, 3500, 7000, 10_500, 14_000]


def test_what_lies_too_far_back_is_refused(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    city.run(*[tap(), tap(CARDS[1])] * 3)
    monkeypatch.setattr("storage.history.CHAIN_STEPS_MAX", 2)
    history = city.shard.history(PURSE, CARDS[0])
    assert history.statement(6, 1) is None
    assert history.balance_at(5) is None
    assert history.balance_at(7) == 43_000
    assert len(all_lines(history, None, 2)) == 4
    assert history.balance_at(0) is None
    monkeypatch.setattr("storage.history.CHAIN_STEPS_MAX", 5)
    assert history.balance_at(0) == 0
    assert history.statement(0, 1) == history.statement(-3, 1)


def test_a_chain_that_ends_before_the_place_has_no_lines(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    city.run(Issue(CARDS[2], "account", "dki"), TopUp(CARDS[2], 100, "dki"))
    answer = city.shard.history(PURSE, CARDS[2]).statement(3, 5)
    assert answer is not None
    assert (answer.lines, answer.next) == ((), -1)


def test_the_work_of_one_answer_about_a_purse_is_bounded(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    city.run(*[tap()] * 10)
    monkeypatch.setattr("storage.history.STATEMENT_STEPS_MAX", 3)
    history = city.shard.history(PROGRAMME_PURSE, f"{CARDS[0]}/kjp")
    answer = history.statement(None, 5)
    assert answer is not None
    assert (answer.lines, answer.next) == ((), 11)
    assert not all_lines(history, None, 5)


def test_the_work_of_one_answer_about_another_account_is_bounded(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        city.run(tap(), tap())
    assert len(all_lines(city.shard.history(*OPERATOR), None, 1)) == 6
    monkeypatch.setattr("storage.history.STATEMENT_BLOCKS_MAX", 2)
    history = city.shard.history(*OPERATOR)
    answer = history.statement(None, 5)
    assert answer is not None
    assert ([line.position for line in answer.lines], answer.next) == ([9, 8, 7, 6], 6)
    assert len(all_lines(history, None, 5)) == 6


def test_a_balance_at_a_time_counts_what_was_decided_until_then(city: City) -> None:
    city.now_ms = NOON_MS + 10 * MINUTE_MS
    city.send(tap())
    city.now_ms += 500
    city.send(tap())
    city.now_ms += 500
    city.commit()
    history = city.shard.history(*OPERATOR)
    decided_ms = [entry.decided_ms for entry in city.entries]
    for at_ms in (0, *(ms + off for ms in decided_ms for off in (-1, 0, 1))):
        expected = sum(ms <= at_ms for ms in decided_ms)
        assert history.position_at(at_ms) == expected
    told = [history.decided_ms_before(position) for position in range(len(decided_ms) + 1)]
    assert told == [0, *decided_ms]
    city.run(tap())
    assert history.position_at(10**15) == history.position == 6


def test_only_durable_history_is_read_when_more_was_decided(city: City) -> None:
    history = city.shard.history(PURSE, CARDS[0])
    city.run(tap())
    assert history.balance_at(100) == 50_000
    assert [line.position for line in all_lines(history, None, 5)] == [2]


def test_exceptions_come_from_views_and_journal_newest_first(city: City) -> None:
    fault = Tap(CARDS[0], 1, "transjakarta", "in", proof=PROOF)
    city.run(fault, tap(), fault)
    city.shard.checkpoint()
    city.run(fault, tap(), fault)
    journal, views = city.shard.journal, city.shard.views

    def positions(before: int | None, limit: int, known: Views | None = views) -> list[int]:
        return [position for position, _ in exceptions_before(journal, known, before, limit)]

    assert positions(None, 10) == positions(None, 10, None) == [9, 7, 6, 4]
    assert positions(9, 10) == [7, 6, 4]
    assert positions(6, 10) == [4]
    assert positions(0, 10) == []
    assert [positions(None, limit) for limit in (1, 2, 3)] == [[9], [9, 7], [9, 7, 6]]
    assert card_of(city.entries[4].intent, ()) == CARDS[0]
