"""What a rehearsal says at its end: one JSON object for programs, tables and bars for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from rich.bar import Bar
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from engine.calendar import date_of_day
from engine.fares.rehearsal import Change, Increase, Rehearsal, Sides
from engine.rules.proposed import Rehearsed
from ops.values import printable
from protocol.redaction import Pseudonym

SHOWN_MAX: Final = 10
"""Of a long list, for a person; the JSON has all of it."""

NO_LINE: Final = "(no line)"
OTHERS: Final = "(others)"
_BAR_COLUMNS: Final = 32


class Rehearsing(NamedTuple):
    """What was rehearsed.

    Attributes:
      first_day, last_day: the period.
      since_day: the day from which the proposed rules were taken to hold.
      rules: the rules of the proposal.
      posted_rp: what the taps have brought to operators when they were decided.
      figures: what was found.
      pseudonym: by which cards may be told of; None: by nothing.
    """

    first_day: int
    last_day: int
    since_day: int
    rules: Sequence[Rehearsed]
    posted_rp: int
    figures: Rehearsal
    pseudonym: Pseudonym | None


def as_json(told: Rehearsing) -> dict[str, object]:
    """Return everything as one object."""
    figures = told.figures
    return {
        "from": date_of_day(told.first_day).isoformat(),
        "to": date_of_day(told.last_day).isoformat(),
        "as_if": date_of_day(told.since_day).isoformat(),
        "rules": [
            {
                "rule": rule.rule,
                "proposed_from": rule.proposed.isoformat(),
                "rehearsed_from": rule.since.isoformat(),
                "enabled": rule.enabled,
            }
            for rule in told.rules
        ],
        "cards": {
            "all": figures.cards,
            "more": figures.cards_more,
            "less": figures.cards_less,
            "same": figures.cards - figures.cards_more - figures.cards_less,
        },
        "posted_operators_rp": told.posted_rp,
        "total": _change(figures.total),
        "groups": _changes("group", figures.groups),
        "services": _changes("service", figures.services),
        "lines": _changes("line", figures.lines),
        "operators": _sides("operator", figures.operators),
        "programmes": _sides("programme", figures.programmes),
        "largest": [_increase(each, told.pseudonym) for each in figures.largest],
        "not_rated": dict(sorted(figures.not_rated.items())),
    }


def _change(change: Change) -> dict[str, object]:
    before, after = change.before, change.after
    return {
        "taps": change.taps,
        "holders_rp": {"before": before.holders_rp, "after": after.holders_rp},
        "funds_rp": {"before": before.funds_rp, "after": after.funds_rp},
        "operators_rp": {"before": before.operators_rp, "after": after.operators_rp},
    }


def _changes(name: str, changes: Mapping[str, Change]) -> list[dict[str, object]]:
    return [{name: key, **_change(change)} for key, change in changes.items()]


def _sides(name: str, sides: Mapping[str, Sides]) -> list[dict[str, object]]:
    return [
        {name: owner, "before_rp": each.before_rp, "after_rp": each.after_rp}
        for owner, each in sorted(sides.items())
    ]


def _increase(increase: Increase, pseudonym: Pseudonym | None) -> dict[str, object]:
    return {
        "card": None if pseudonym is None else pseudonym(increase.card),
        "before_rp": increase.before_rp,
        "after_rp": increase.after_rp,
    }


# --- for people -----------------------------------------------------------------------------------


def show(console: Console, told: Rehearsing) -> None:
    """Print what a person wants to know of it."""
    figures = told.figures
    first, last = date_of_day(told.first_day), date_of_day(told.last_day)
    say = partial(_say, console)
    say(f"{figures.total.taps:,} taps of {figures.cards:,} cards, {first} to {last}")
    for rule in told.rules:
        say(f"  {_rehearsed(rule)}")
    same = figures.cards - figures.cards_more - figures.cards_less
    say(f"cards: {figures.cards_more:,} pay more, {figures.cards_less:,} less, {same:,} the same")
    _show_total(console, figures)
    _show_changes(console, "group", figures.groups.items())
    _show_changes(console, "service", figures.services.items())
    _show_changes(console, "line", top_lines(figures))
    _show_sides(console, "operator", figures.operators)
    _show_sides(console, "fund of", figures.programmes)
    _show_largest(console, told)
    for reason, count in sorted(figures.not_rated.items()):
        say(f"left out: {count:,} taps that the rules of one side do not know ({reason})")
    before_rp = figures.total.before.operators_rp
    if before_rp != told.posted_rp:
        say(
            f"when these taps were decided they brought Rp{told.posted_rp:,} to operators; the "
            f"rules in force make it Rp{before_rp:,}: are --rules and --network those of the node?"
        )


def _rehearsed(rule: Rehearsed) -> str:
    text = f"{rule.rule} as if from {rule.since}"
    if rule.since != rule.proposed:
        text += f"; it says {rule.proposed}"
    return text if rule.enabled else f"{text}; it is not enabled"


def top_lines(figures: Rehearsal) -> list[tuple[str, Change]]:
    """Return the lines that change most, and all others together."""
    found = sorted(figures.lines.items(), key=lambda each: (-each[1].largest_rp, each[0]))
    shown = [(name or NO_LINE, change) for name, change in found[:SHOWN_MAX]]
    others = Change()
    for _, change in found[SHOWN_MAX:]:
        others.add(change)
    return [*shown, (OTHERS, others)] if others.taps else shown


def more_rp(change: Change) -> int:
    """Return how much more holders pay."""
    return change.after.holders_rp - change.before.holders_rp


def _say(console: Console, text: str) -> None:
    console.print(printable(text), highlight=False, markup=False, soft_wrap=True)


def _rp(amount_rp: int) -> str:
    return f"{amount_rp:,}"


def _signed(amount_rp: int) -> str:
    return f"{amount_rp:+,}" if amount_rp else "0"


def _show_total(console: Console, figures: Rehearsal) -> None:
    total = figures.total
    table = Table("rupiah", box=None, pad_edge=False)
    for heading in ("before", "after", "change"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, before_rp, after_rp in (
        ("holders pay", total.before.holders_rp, total.after.holders_rp),
        ("funds pay", total.before.funds_rp, total.after.funds_rp),
        ("operators get", total.before.operators_rp, total.after.operators_rp),
    ):
        table.add_row(name, _rp(before_rp), _rp(after_rp), _signed(after_rp - before_rp))
    console.print(table)


def _show_changes(console: Console, name: str, changes: Iterable[tuple[str, Change]]) -> None:
    rows = list(changes)
    # All others together would leave no room for the bars of the rest.
    most_rp = max(abs(more_rp(change)) for key, change in rows if key != OTHERS)
    table = Table(box=None, pad_edge=False)
    table.add_column(name, overflow="fold")
    for heading in ("taps", "holders", "funds", "operators"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("holders pay less | more", max_width=_BAR_COLUMNS)
    for key, change in rows:
        funds_rp = change.after.funds_rp - change.before.funds_rp
        operators_rp = change.after.operators_rp - change.before.operators_rp
        table.add_row(
            escape(printable(key)),
            f"{change.taps:,}",
            _signed(more_rp(change)),
            _signed(funds_rp),
            _signed(operators_rp),
            "" if key == OTHERS else _bar(more_rp(change), most_rp),
        )
    console.print()
    console.print(table)


def _bar(amount_rp: int, most_rp: int) -> Bar | str:
    if not amount_rp:
        return ""
    begin, end = sorted((most_rp, most_rp + amount_rp))
    return Bar(2 * most_rp, begin, end, color="red" if amount_rp > 0 else "green")


def _show_sides(console: Console, name: str, sides: Mapping[str, Sides]) -> None:
    table = Table(name, box=None, pad_edge=False)
    for heading in ("before", "after", "change"):
        table.add_column(heading, justify="right", no_wrap=True)
    for owner, each in sorted(sides.items()):
        change = _signed(each.after_rp - each.before_rp)
        table.add_row(escape(printable(owner)), _rp(each.before_rp), _rp(each.after_rp), change)
    if sides:
        console.print()
        console.print(table)


def _show_largest(console: Console, told: Rehearsing) -> None:
    largest = told.figures.largest
    if not largest or told.pseudonym is None:
        return
    table = Table("card (pseudonym)", box=None, pad_edge=False)
    for heading in ("before", "after", "change"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in largest:
        name = told.pseudonym(each.card)
        table.add_row(name, _rp(each.before_rp), _rp(each.after_rp), _signed(each.more_rp))
    console.print()
    console.print(table)
