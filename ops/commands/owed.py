"""`jakarta-one owed`: which cards are owed something for their fares, and which owe."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path

import click
from rich.console import Console

from ops.output import emit, json_option
from ops.owing import Owing, private_file
from storage.errors import StorageError
from storage.folder import DataFolder
from storage.journal import TABLES as JOURNAL_TABLES
from storage.journal import Journal
from storage.lmdb_store import LmdbStore
from storage.owed import Owed, owed_to_cards
from storage.view_rows import VIEWS_TABLES
from storage.views import Views


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Data folder of a node, which may be at work.",
)
@click.option(
    "--csv",
    "csv_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="New file for all of these cards.",
)
@json_option
def owed(data: Path, csv_path: Path | None, *, as_json: bool) -> None:
    """Tell how many cards are owed something for their fares, or owe, and how much.

    Chips take what they know to be the fare. What that is above what the rules say is owed to the
    card; what it is below, the card owes. Only the file names cards whole, and only its owner can
    read it.

    \b
    Examples:
      jakarta-one owed --data /var/lib/jakarta-one
      jakarta-one owed --data DIR --csv owed.csv
    """
    try:
        found = _look(data)
    except StorageError as error:
        raise click.ClickException(str(error)) from error
    owing = Owing(found.balances)
    if csv_path is not None:
        with private_file(csv_path) as file:
            owing.write(file)
    emit(
        {"position": found.position, **owing.as_json()},
        as_json=as_json,
        render=lambda console: _render(console, owing, found.position),
    )


def _look(data: Path) -> Owed:
    with DataFolder.open(data, exclusive=False) as folder, ExitStack() as held:

        def opened(path: Path, tables: tuple[str, ...]) -> LmdbStore:
            store = LmdbStore(path, tables=tables, read_only=True)
            return held.enter_context(closing(store))

        # A folder that was restored has no views until a node has built them.
        views = Views(opened(folder.views, VIEWS_TABLES)) if folder.views.exists() else None
        return owed_to_cards(Journal(opened(folder.journal, JOURNAL_TABLES)), views)


def _render(console: Console, owing: Owing, position: int) -> None:
    console.print(f"before position {position:,}:")
    owing.show(console)
