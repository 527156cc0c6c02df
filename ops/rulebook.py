"""The rulebook of a node: the instruments that come with the program, and those of a folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import click

from engine.fares.lines import LineNetwork
from engine.fares.network import Network
from engine.law import Law, law_of
from engine.rules.reading import Instrument, RulesInvalid, by_file
from engine.rules.rulebook import Rulebook
from ops.shipped import coming_with, texts_beside

NOWHERE: Final = LineNetwork(())
"""The network of a node that was given none."""


rules_option = click.option(
    "--rules",
    "rules_in",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of instruments beside those that come with the program.",
)
"""Adds `--rules FOLDER` to a command, passed to it as `rules_in`."""


def rulebook_in(folder: Path | None) -> Rulebook:
    """Return the rules as `load_rulebook` does, for a command.

    Raises:
      click.ClickException: they cannot be used; it says why, a line for each fault.
    """
    try:
        return load_rulebook(folder)
    except RulesInvalid as invalid:
        raise click.ClickException(str(invalid)) from invalid


def law_in(folder: Path | None, network: Network = NOWHERE) -> Law:
    """Return the law that the rules make, for a command.

    Raises:
      click.ClickException: they cannot be used; it says why, a line for each fault.
    """
    return law_of(rulebook_in(folder), network)


def load_rulebook(folder: Path | None = None) -> Rulebook:
    """Return the rules that come with the program, and beside them those of a folder.

    A file of the folder that has the name of one that comes with the program takes its place.

    Args:
      folder: of files `*.toml`; None: there are no others.

    Raises:
      RulesInvalid: with everything that is wrong with them.
    """
    return checked(load_instruments(instruments_in(folder)))


def checked(instruments: Iterable[Instrument]) -> Rulebook:
    """Return the rulebook of instruments.

    Raises:
      RulesInvalid: rules are missing, or contradict each other.
    """
    rulebook = Rulebook(instruments)
    law_of(rulebook, NOWHERE)
    return rulebook


def instruments_in(folder: Path | None) -> list[Path]:
    """Return the files of instruments in a folder; none if there is no folder."""
    return sorted(folder.glob("*.toml")) if folder else []


def load_instruments(paths: Iterable[Path]) -> list[Instrument]:
    """Return the instruments that come with the program, and those of files.

    Of two files with the same name, the later one takes the place of the other.

    Raises:
      RulesInvalid: with everything that is wrong with any of them.
    """
    texts, faults = texts_beside(coming_with("engine.rules", "instruments"), paths)
    instruments: list[Instrument] = []
    try:
        instruments = by_file(texts)
    except RulesInvalid as invalid:
        faults += invalid.faults
    if faults:
        raise RulesInvalid(sorted(faults))
    return instruments
