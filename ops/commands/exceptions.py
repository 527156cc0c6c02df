"""`jakarta-one exceptions`: what was posted although the ledger dislikes it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import cast

import click
from rich.console import Console
from rich.table import Table

from engine.advance import card_of
from engine.book import volume_rp
from ops.output import emit, json_option
from ops.rulebook import law_in, rules_option
from storage.errors import StorageError
from storage.folder import DataFolder
from storage.history import exceptions_before
from storage.journal import TABLES as JOURNAL_TABLES
from storage.journal import Journal
from storage.lmdb_store import LmdbStore
from storage.view_rows import VIEWS_TABLES
from storage.views import Filed, Views


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--before", type=click.IntRange(min=0), help="Only entries before this position.")
@click.option(
    "--limit",
    type=click.IntRange(min=1, max=10_000),
    default=50,
    show_default=True,
    help="The most to list.",
)
@rules_option
@json_option
def exceptions(
    folder: Path, before: int | None, limit: int, rules_in: Path | None, *, as_json: bool
) -> None:
    """List the exceptions of a data folder, newest first; a node may be at work in it.

    An advice tells what happened on a chip. It is posted whatever the ledger thinks of it, and
    listed here with the reasons, for somebody to look at. Rule, article and field are those of the
    first reason. What no chip has proved (proof_forged, proof_repeated, proof_unreadable,
    chip_mismatch) stands in suspense, claimed by its terminal.

    \b
    Example:
      jakarta-one exceptions /var/lib/jakarta-one --limit 20
    """
    try:
        filed, told = _look(folder, before, limit, law_in(rules_in).articles)
    except StorageError as error:
        raise click.ClickException(str(error)) from error
    # A full page ends at its last position; there may be more before it.
    rest = filed[-1][0] if len(filed) == limit else -1
    emit(
        {"exceptions": told, "next": rest},
        as_json=as_json,
        render=lambda console: _render(console, told, rest),
    )


def _look(
    folder: Path, before: int | None, limit: int, articles: Mapping[str, str]
) -> tuple[list[Filed], list[dict[str, object]]]:
    with DataFolder.open(folder, exclusive=False) as data, ExitStack() as held:

        def opened(path: Path, tables: tuple[str, ...]) -> LmdbStore:
            store = LmdbStore(path, tables=tables, read_only=True)
            return held.enter_context(closing(store))

        # A folder that was restored has no views until a node has built them.
        views = Views(opened(data.views, VIEWS_TABLES)) if data.views.exists() else None
        journal = Journal(opened(data.journal, JOURNAL_TABLES))
        filed = exceptions_before(journal, views, before, limit)
        return filed, [_told(journal, each, articles) for each in filed]


def _told(journal: Journal, filed: Filed, articles: Mapping[str, str]) -> dict[str, object]:
    position, reasons = filed
    entry = journal.entry_at(position)
    return {
        "position": position,
        "card": card_of(entry.intent, entry.postings),
        "reasons": [str(reason) for reason in reasons],
        "rule": entry.rule,
        "article": articles.get(entry.rule, ""),
        "field": entry.detail,
        "terminal": entry.terminal,
        "counter": entry.counter,
        "decided_ms": entry.decided_ms,
        "amount_rp": volume_rp(entry),
    }


def _render(console: Console, told: list[dict[str, object]], rest: int) -> None:
    table = Table("position")
    for heading in ("card", "reasons", "terminal", "counter", "rupiah"):
        table.add_column(heading, no_wrap=heading == "card")
    for each in told:
        reasons = ", ".join(cast("list[str]", each["reasons"]))
        table.add_row(
            str(each["position"]),
            str(each["card"]),
            "\n".join(filter(None, (reasons, str(each["rule"]), str(each["article"])))),
            str(each["terminal"]),
            str(each["counter"]),
            str(each["amount_rp"]),
        )
    console.print(table)
    if rest >= 0:
        console.print(f"more with --before {rest}")
