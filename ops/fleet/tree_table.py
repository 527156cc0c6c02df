"""The supervision tree of a node, drawn as a tree, with what went through its mailboxes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from ops.fleet.shown import NOTHING, age, cell, counted, table
from ops.values import printable, shown_span
from terminals.messages import Tree, TreeRow

DEPTH_MAX: Final = 32
"""No tree of ours is a quarter as deep; what a node says is not trusted with our stack."""
_COMES_AND_GOES: Final = re.compile(r".+-\d+")
"""A child that comes and goes carries the number that it was started with."""
_STYLES: Final = {"running": "green", "failed": "bold red", "overdue": "bold red"}
_FULL: Final = 0.5
"""A mailbox that is fuller is worth a look."""


@dataclass(slots=True)
class Branch:
    """A place in the tree, what it takes a second (None: there is no telling), and its children."""

    row: TreeRow
    per_s: float | None
    children: list[Branch] = field(default_factory=list)


def rates(before: Tree, after: Tree) -> list[float | None]:
    """Return the messages taken a second at each row of `after`; None where there is no telling."""
    passed_s = (after.server_time_ms - before.server_time_ms) / 1000
    counts = {path: row.accepted for path, row in _paths(before.rows)}
    found: list[float | None] = []
    for path, row in _paths(after.rows):
        # Fewer than before: it was started anew meanwhile.
        taken = row.accepted - counts.get(path, row.accepted + 1)
        told = row.waiting_max and passed_s > 0 and taken >= 0
        found.append(round(taken / passed_s, 1) if told else None)
    return found


def _paths(rows: Sequence[TreeRow]) -> Iterator[tuple[tuple[str, ...], TreeRow]]:
    path: list[str] = []
    for row in rows:
        path[row.depth :] = [row.name]
        yield tuple(path), row


def draw(found: Tree, per_s: Sequence[float | None]) -> RenderableType:
    """Return the tree as it is shown.

    Args:
      found: what the node answered.
      per_s: messages taken a second, one for each row.
    """
    made = table(
        *("tree", "state", "for", "restarts", "waiting", "oldest", "per s", "besides"),
        right=("for", "restarts", "waiting", "oldest", "per s"),
        unbroken=("tree",),
        gap=1,
    )
    for root in _grown(found.rows, per_s):
        for name, branch in _lines(root, "", ""):
            shown = Text(printable(name))
            if branch is None:
                made.add_row(shown)
            else:
                made.add_row(shown, *_columns(branch))
    cards = f"; {counted(found.quarantined, 'card')} quarantined" if found.quarantined else ""
    return Group(made, Text(f"journal at position {found.position:,}{cards}"))


def _grown(rows: Sequence[TreeRow], per_s: Sequence[float | None]) -> list[Branch]:
    """Return the roots, with all below them."""
    roots: list[Branch] = []
    path: list[Branch] = []
    for row, rate in zip(rows, per_s, strict=True):
        branch = Branch(row, rate)
        del path[min(row.depth, DEPTH_MAX) :]
        (path[-1].children if path else roots).append(branch)
        path.append(branch)
    return roots


def _lines(branch: Branch, guide: str, stem: str) -> Iterator[tuple[str, Branch | None]]:
    """Yield the lines of a branch: the tree as it is drawn, and whose figures stand beside it.

    Those that come and go are counted in one line, unless one is unwell.
    """
    row = branch.row
    yield guide + row.name, branch
    named = [child for child in branch.children if not _is_one_of_many(child.row)]
    for child in named:
        is_last = child is named[-1] and not row.started
        tick, go_on = ("└── ", "    ") if is_last else ("├── ", "│   ")
        yield from _lines(child, stem + tick, stem + go_on)
    if row.started:
        yield f"{stem}└── {row.live:,} that come and go", None


def _is_one_of_many(row: TreeRow) -> bool:
    return row.state == "running" and _COMES_AND_GOES.fullmatch(row.name) is not None


def _columns(branch: Branch) -> Iterator[RenderableType]:
    row = branch.row
    yield cell(row.state, style=_STYLES.get(row.state, "yellow"))
    yield age(row.age_ms)
    yield f"{row.restarts:,}"
    if row.waiting_max:
        style = "red" if row.waiting > _FULL * row.waiting_max else ""
        yield cell(f"{row.waiting:,}/{row.waiting_max:,}", style=style)
        yield shown_span(row.oldest_ms) if row.waiting else NOTHING
        yield NOTHING if branch.per_s is None else f"{branch.per_s:,.1f}"
    else:
        yield from ("", "", "")
    besides = [
        row.last_end,
        f"{row.refused:,} turned away" if row.refused else "",
        f"{row.started:,} came, {row.crashed:,} crashed" if row.started else "",
    ]
    yield cell(*besides) if any(besides) else ""
