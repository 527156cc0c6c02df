"""What a node may say: every message of it, drawn by chance."""

from __future__ import annotations

from typing import TypeVar, get_args

from hypothesis import strategies as st

from engine.chips import ChipFinding, Finding
from engine.errors import Reason
from engine.explaining.explanation import ExplainedLine
from engine.fleet.commands import (
    ChangeChip,
    CommandState,
    RestartTerminal,
    SendJournal,
    SetLane,
    SetLogLevel,
)
from engine.fleet.lists import LIST_NAMES
from engine.fleet.terminals import ReaderState, TerminalKind
from engine.transaction import Entry, Tap, Transaction
from protocol import messages

T = TypeVar("T")

COUNTS = st.integers(0, 2**53 - 1)
AMOUNTS = st.integers(-(2**53) + 1, 2**53 - 1)
TEXTS = st.text(max_size=40)
REASONS = st.sampled_from(Reason)
RESULTS = st.sampled_from(["posted", "refused", "conflict", "in_progress", "busy"])

OUTCOMES = st.builds(
    messages.Outcome,
    COUNTS,
    RESULTS,
    AMOUNTS,
    st.integers(-1, 2**53 - 1),
    st.booleans(),
    TEXTS,
    TEXTS,
    TEXTS,
    st.lists(REASONS, max_size=3).map(tuple),
    COUNTS,
)
INTENTS = st.builds(
    Tap, TEXTS, COUNTS, TEXTS, st.just("in"), TEXTS, TEXTS, TEXTS, st.none() | st.binary(max_size=8)
)
ENTRIES = st.builds(
    Entry,
    TEXTS,
    COUNTS,
    COUNTS,
    INTENTS,
    COUNTS,
    REASONS,
    TEXTS,
    TEXTS,
    AMOUNTS,
    st.lists(REASONS, max_size=2).map(tuple),
    st.lists(st.tuples(st.integers(1, 10), TEXTS, AMOUNTS), max_size=3).map(tuple),
    st.integers(-1, 2**53 - 1),
    chip=st.none()
    | st.builds(
        ChipFinding,
        st.sampled_from(get_args(Finding)),
        *(st.binary(max_size=10), COUNTS, TEXTS, st.booleans()),
    ),
)
LINES = st.builds(messages.StatementLine, COUNTS, AMOUNTS, ENTRIES)


def many(items: st.SearchStrategy[T], size_max: int) -> st.SearchStrategy[tuple[T, ...]]:
    """Return a strategy of a few of the same."""
    return st.lists(items, max_size=size_max).map(tuple)


POSITIONS = st.integers(-1, 2**53 - 1)
NAMES = st.sampled_from(LIST_NAMES)
KINDS = st.sampled_from(get_args(TerminalKind))
READERS = st.sampled_from(get_args(ReaderState))
HASHES = st.binary(min_size=32, max_size=32)
RECEIPTS = st.sampled_from(["done", "waiting", "refused", "busy"])

TERMINAL_ROWS = st.builds(
    messages.TerminalRow,
    *(TEXTS, KINDS, TEXTS, TEXTS, TEXTS),
    st.binary(max_size=8),
    *(st.booleans(), st.booleans()),
    *(COUNTS, COUNTS, AMOUNTS, st.integers(-1, 100), READERS, COUNTS, COUNTS),
    many(st.tuples(COUNTS, COUNTS), 3),
    many(st.tuples(NAMES, COUNTS), 3),
)
TREE_ROWS = st.builds(messages.TreeRow, COUNTS, TEXTS, TEXTS, TEXTS, *[COUNTS] * 10, TEXTS)
LIST_ROWS = st.builds(
    messages.ListRow,
    *(NAMES, COUNTS, HASHES),
    *[COUNTS] * 4,
    *(TEXTS, TEXTS, TEXTS, COUNTS, COUNTS, st.tuples(POSITIONS, POSITIONS, POSITIONS), COUNTS),
)
DRAFT_ROWS = st.builds(messages.DraftRow, TEXTS, NAMES, TEXTS, COUNTS, COUNTS, TEXTS)
BODIES_OF_COMMANDS = st.one_of(
    st.builds(ChangeChip, TEXTS, st.sampled_from(["block", "unblock", "reset_journey"])),
    st.builds(RestartTerminal, st.sampled_from(["now", "idle"])),
    st.builds(SetLogLevel, st.sampled_from(["error", "debug"]), st.integers(1, 9_999)),
    st.builds(SetLane, st.sampled_from(["open", "closed"])),
    st.builds(SendJournal, COUNTS, COUNTS),
)
COMMAND_ROWS = st.builds(
    messages.CommandRow, COUNTS, TEXTS, BODIES_OF_COMMANDS, TEXTS, COUNTS, COUNTS, *[COUNTS] * 5
)
COMMAND_PLACES = st.builds(
    messages.CommandPlace, TEXTS, st.sampled_from(CommandState), COUNTS, TEXTS
)
JOURNAL_LINES = st.builds(
    messages.JournalLine, st.builds(Transaction, COUNTS, COUNTS, INTENTS), POSITIONS
)
EXPLAINED_LINES = st.builds(ExplainedLine, *[TEXTS] * 5)
BODIES = st.one_of(
    st.builds(messages.Balance, AMOUNTS, COUNTS, COUNTS),
    st.builds(messages.Statement, st.lists(LINES, max_size=2).map(tuple), st.integers(-1, 99)),
    st.builds(messages.Found, COUNTS, ENTRIES),
    st.builds(messages.Explanation, COUNTS, many(EXPLAINED_LINES, 3)),
    st.builds(messages.Trial, OUTCOMES),
    st.builds(
        messages.ChipFound,
        *(st.binary(max_size=10), TEXTS, COUNTS, COUNTS, many(st.tuples(COUNTS, COUNTS), 3)),
        COUNTS,
    ),
    st.builds(messages.Shift, st.booleans(), *[COUNTS] * 5, many(st.tuples(COUNTS, COUNTS), 3)),
    st.builds(messages.Failed, TEXTS, TEXTS, TEXTS, COUNTS),
    st.builds(messages.Terminals, many(TERMINAL_ROWS, 2), TEXTS, COUNTS, COUNTS, COUNTS),
    st.builds(messages.Tree, many(TREE_ROWS, 3), COUNTS, COUNTS, COUNTS),
    st.builds(messages.Lists, many(LIST_ROWS, 2), many(DRAFT_ROWS, 2)),
    st.builds(messages.Commands, many(COMMAND_ROWS, 2), POSITIONS),
    st.builds(messages.CommandFound, COMMAND_ROWS, many(COMMAND_PLACES, 2), TEXTS),
    st.builds(messages.JournalFound, many(JOURNAL_LINES, 2), POSITIONS),
)
MESSAGES = st.one_of(
    st.builds(messages.Challenge, COUNTS, st.binary(min_size=32, max_size=32), COUNTS),
    st.builds(
        messages.Ready,
        COUNTS,
        COUNTS,
        st.integers(1, 9_999),
        st.integers(1, 99),
        st.integers(4_096, 2**20),
        st.integers(1, 500),
        st.lists(TEXTS, max_size=3).map(tuple),
    ),
    st.builds(messages.Outcomes, st.lists(OUTCOMES, max_size=4).map(tuple), COUNTS),
    st.builds(messages.Answer, COUNTS, BODIES),
    st.builds(
        messages.Feed,
        COUNTS,
        st.lists(st.builds(messages.FeedEntry, COUNTS, ENTRIES), max_size=3).map(tuple),
        COUNTS,
        COUNTS,
    ),
    st.builds(messages.FeedEnd, COUNTS, TEXTS, TEXTS, TEXTS, COUNTS),
    st.builds(messages.Pulse, COUNTS, COUNTS),
    st.builds(messages.Offer, NAMES, COUNTS, COUNTS, HASHES, COUNTS, COUNTS, COUNTS, COUNTS),
    st.builds(messages.Chunk, NAMES, COUNTS, COUNTS, COUNTS, st.binary(max_size=99)),
    st.builds(messages.Receipt, TEXTS, RECEIPTS, TEXTS, TEXTS, TEXTS, COUNTS, COUNTS),
    st.builds(messages.Error, TEXTS, TEXTS, TEXTS),
)

COMMANDS = st.builds(messages.Command, TEXTS, BODIES_OF_COMMANDS, COUNTS)
