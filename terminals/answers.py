"""Readers of a node's answers to questions."""

from __future__ import annotations

from typing import Final

from protocol.limits import KEY_MARK_BYTES
from terminals import messages as m
from terminals.chip_answers import ChipFinding, ChipFound, ShiftFound
from terminals.readers import (
    AMOUNT,
    COUNT,
    POSITION,
    TEXTS,
    Reader,
    array,
    data,
    flag,
    integer,
    many,
    optional,
    record,
    row,
    tagged,
    text,
    word,
)

HASH_BYTES: Final = 32
UID_BYTES_MAX: Final = 10
"""The longest identifier of a contactless chip there is."""

OUTCOME: Final = record(
    m.Outcome,
    ("counter", COUNT),
    ("result", word("posted", "refused", "conflict", "in_progress", "busy")),
    ("balance_rp?", AMOUNT),
    ("position?", POSITION),
    ("repeated?", flag),
    ("reason?", text),
    ("rule?", text),
    ("detail?", text),
    ("exceptions?", TEXTS),
    ("retry_after_ms?", COUNT),
    ("article?", text),
)
_CHIP_FINDING: Final = record(
    ChipFinding,
    ("finding", text),
    ("uid", data(0, UID_BYTES_MAX)),
    ("counter", COUNT),
    ("field?", text),
    ("blocks?", flag),
)
_GAPS: Final = many(record(row, ("first", COUNT), ("last", COUNT)))
ENTRY: Final = record(
    m.Entry,
    ("terminal", text),
    ("counter", COUNT),
    ("at_ms", COUNT),
    ("intent", array),
    ("decided_ms", COUNT),
    ("reason", text),
    ("rule", text),
    ("detail", text),
    ("balance_rp", AMOUNT),
    ("exceptions", TEXTS),
    ("postings", many(record(row, ("kind", COUNT), ("owner", text), ("rp", AMOUNT)))),
    ("previous", POSITION),
    ("rating?", optional(array)),
    ("middle?", optional(array)),
    ("tally?", optional(array)),
    ("chip?", optional(_CHIP_FINDING)),
)
_EXPLAINED_LINE: Final = record(
    m.ExplainedLine,
    ("part", text),
    ("rule", text),
    ("article", text),
    ("text_id", text),
    ("text_en", text),
)
_STATEMENT_LINE: Final = record(
    m.StatementLine, ("position", COUNT), ("amount_rp", AMOUNT), ("entry", ENTRY)
)
_TERMINAL_ROW: Final = record(
    m.TerminalRow,
    ("terminal", text),
    ("kind", text),
    ("place", text),
    ("operator", text),
    ("firmware", text),
    ("key", data(0, KEY_MARK_BYTES)),
    ("connected", flag),
    ("silent", flag),
    ("last_seen_ms", COUNT),
    ("backlog", COUNT),
    ("clock_offset_ms", AMOUNT),
    ("battery", integer(-1, 100)),
    ("reader", text),
    ("counter", COUNT),
    ("missing", COUNT),
    ("gaps", _GAPS),
    ("lists", many(record(row, ("name", text), ("version", COUNT)))),
)
_TREE_ROW: Final = record(
    m.TreeRow,
    ("depth", COUNT),
    ("name", text),
    ("kind", text),
    ("state", text),
    ("age_ms", COUNT),
    ("restarts", COUNT),
    ("waiting", COUNT),
    ("waiting_max", COUNT),
    ("oldest_ms", COUNT),
    ("accepted", COUNT),
    ("refused", COUNT),
    ("live", COUNT),
    ("started", COUNT),
    ("crashed", COUNT),
    ("last_end", text),
)
_LIST_ROW: Final = record(
    m.ListRow,
    ("name", text),
    ("version", COUNT),
    ("hash", data(HASH_BYTES, HASH_BYTES)),
    ("entries", COUNT),
    ("file_bytes", COUNT),
    ("published_ms", COUNT),
    ("activate_ms", COUNT),
    ("officer", text),
    ("second_officer", text),
    ("note", text),
    ("holders", COUNT),
    ("connected", COUNT),
    ("reached_ms", many(POSITION)),
    ("mismatches", COUNT),
)
_DRAFT_ROW: Final = record(
    m.DraftRow,
    ("draft", text),
    ("name", text),
    ("officer", text),
    ("changes", COUNT),
    ("made_ms", COUNT),
    ("note", text),
)
_COMMAND_ROW: Final = record(
    m.CommandRow,
    ("number", COUNT),
    ("id", text),
    ("body", array),
    ("officer", text),
    ("ordered_ms", COUNT),
    ("expires_ms", COUNT),
    ("accepted", COUNT),
    ("delivered", COUNT),
    ("done", COUNT),
    ("failed", COUNT),
    ("expired", COUNT),
)
_COMMAND_PLACE: Final = record(
    m.CommandPlace, ("terminal", text), ("state", text), ("at_ms", COUNT), ("text", text)
)
_OWN_TRANSACTION: Final = record(
    m.OwnTransaction, ("counter", COUNT), ("at_ms", COUNT), ("intent", array)
)

ANSWER: Final[Reader[object]] = tagged(
    {
        "balance": record(m.Balance, ("balance_rp", AMOUNT), ("position", COUNT), ("at_ms", COUNT)),
        "statement": record(m.Statement, ("lines", many(_STATEMENT_LINE)), ("next", POSITION)),
        "transaction": record(m.Found, ("position", COUNT), ("entry", ENTRY)),
        "explain": record(m.Explanation, ("position", COUNT), ("lines", many(_EXPLAINED_LINE))),
        "dry_run": record(m.Trial, ("outcome", OUTCOME)),
        "chip": record(
            ChipFound,
            ("uid", data(0, UID_BYTES_MAX)),
            ("card", text),
            ("counter", COUNT),
            ("missing", COUNT),
            ("gaps", _GAPS),
            ("position", COUNT),
        ),
        "shift": record(
            ShiftFound,
            ("complete", flag),
            ("count", COUNT),
            ("taken_rp", COUNT),
            ("added_rp", COUNT),
            ("unproved", COUNT),
            ("missing", COUNT),
            ("gaps", _GAPS),
        ),
        "failed": record(
            m.Failed, ("code", text), ("field", text), ("text", text), ("retry_after_ms?", COUNT)
        ),
        "terminals": record(
            m.Terminals,
            ("terminals", many(_TERMINAL_ROW)),
            ("next", text),
            ("known", COUNT),
            ("connected", COUNT),
            ("silent", COUNT),
        ),
        "tree": record(
            m.Tree,
            ("rows", many(_TREE_ROW)),
            ("server_time_ms", COUNT),
            ("quarantined", COUNT),
            ("position", COUNT),
        ),
        "lists": record(m.Lists, ("lists", many(_LIST_ROW)), ("drafts", many(_DRAFT_ROW))),
        "commands": record(m.Commands, ("commands", many(_COMMAND_ROW)), ("next", POSITION)),
        "command": record(
            m.CommandFound,
            ("command", _COMMAND_ROW),
            ("terminals", many(_COMMAND_PLACE)),
            ("next", text),
        ),
        "journal": record(
            m.JournalFound,
            (
                "lines",
                many(
                    record(
                        m.JournalLine,
                        ("transaction", _OWN_TRANSACTION),
                        ("position", POSITION),
                    )
                ),
            ),
            ("next", POSITION),
        ),
    }
)
