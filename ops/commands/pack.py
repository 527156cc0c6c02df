"""`jakarta-one rules pack`: instruments as a file for the list that terminals hold."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import click

from engine.rules.listed import entries_of
from engine.rules.reading import RulesInvalid
from ops.rulebook import instruments_in, rulebook_in
from ops.shipped import texts_beside


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
def pack(folder: Path) -> None:
    """Write the instruments of FOLDER as entries of the list `rules`, an entry a line.

    Terminals that get the list use them beside the instruments that come with the program, and in
    place of those of the same name, each from its first day on. They are checked first, as
    `rules check` does.

    \b
    Example:
      jakarta-one rules pack DECREES > rules.csv
      jakarta-one lists publish rules rules.csv --whole
    """
    rulebook_in(folder)
    texts, _ = texts_beside({}, instruments_in(folder))
    try:
        entries = list(entries_of({Path(name).name: text for name, text in texts.items()}))
    except RulesInvalid as invalid:
        raise click.ClickException(str(invalid)) from invalid
    written = csv.writer(sys.stdout, lineterminator="\n")
    written.writerow(("key", "value"))
    written.writerows(entries)
