"""`jakarta-one rules rehearse`: what a period would have cost by other rules."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click
from rich.console import Console

from engine.calendar import date_of_day, day_of
from engine.fares.network import Network
from engine.fares.rehearsal import Rehearsal
from engine.fares.tariff import Tariffs
from engine.rules.reading import RulesInvalid
from ops.network import network_of, network_option
from ops.options import bundled
from ops.output import emit, json_option
from ops.past.journal import Period, first_moment_ms, journal_option, past_of, period_options
from ops.rehearsal import report
from ops.rehearsal.chart import draw
from ops.rehearsal.proposal import Proposal
from ops.rehearsal.taps import read_taps
from ops.rulebook import rules_option
from ops.values import MOMENT
from storage.errors import StorageError


class Given(NamedTuple):
    """What the node of the folder is served with."""

    rules_in: Path | None
    networks: Sequence[Path]


@click.command()
@click.argument(
    "files",
    metavar="NEW.toml...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
)
@journal_option
@period_options
@bundled("given", Given, rules_option, network_option)
@click.option(
    "--as-if",
    "as_if_ms",
    type=MOMENT,
    help="The day from which the new rules are taken to hold. The first of the period if not "
    "given.",
)
@click.option(
    "--chart",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the figures as a picture to this SVG file.",
)
@click.option(
    "--scratch",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Where to work: some 150 bytes for each tap. The system's temporary folder if not given.",
)
@json_option
def rehearse(
    files: Sequence[Path],
    folder: Path,
    period: Period,
    given: Given,
    as_if_ms: int | None,
    chart: Path | None,
    scratch: Path | None,
    *,
    as_json: bool,
) -> None:
    """Tell what the taps of a period would have cost with other instruments: who pays more.

    Each NEW.toml stands beside the instruments in force, or takes the place of the one of its name.
    Its rules are taken to hold from the first day of the period on, whatever day they name. All
    taps that name their service are rated twice, by card; nothing in the folder is changed.

    \b
    Example:
      jakarta-one rules rehearse fare-2027.toml --journal DIR --from 2026-11-01 --to 2026-11-30
    """
    as_if = None if as_if_ms is None else day_of(as_if_ms)
    try:
        proposal = Proposal(given.rules_in, files)
        network = network_of(given.networks)
        with tempfile.TemporaryDirectory(prefix="jakarta-one-rehearse-", dir=scratch) as place:
            told = _rehearse(folder, period, as_if, proposal, network, Path(place))
        if chart is not None:
            draw(told.figures, chart)
    except (RulesInvalid, StorageError, OSError) as error:
        raise click.ClickException(str(error)) from error
    emit(report.as_json(told), as_json=as_json, render=partial(report.show, told=told))


def _rehearse(
    folder: Path,
    period: Period,
    as_if: int | None,
    proposal: Proposal,
    network: Network,
    scratch: Path,
) -> report.Rehearsing:
    console = Console(stderr=True)
    with past_of(folder) as past, console.status("reading the journal") as status:
        taps = read_taps(
            past,
            period,
            scratch,
            progress=lambda entries: status.update(f"{entries:,} entries read"),
        )
        if not taps.count:
            raise click.ClickException(
                f"{folder} holds no taps {period} that were rated: those that name their service"
            )
        first, last = taps.first_day, taps.last_day
        first = first if period.first_day is None else period.first_day
        last = last if period.last_day is None else period.last_day
        since = first if as_if is None else as_if
        rulebook, rules = proposal.since(date_of_day(since))
        figures = Rehearsal(
            Tariffs(proposal.in_force, network), Tariffs(rulebook, network), first_moment_ms(first)
        )
        for number, (card, taken) in enumerate(taps.by_card()):
            figures.add(card, taken)
            if number % 1_000 == 0:
                status.update(f"{figures.cards:,} cards rated")
        return report.Rehearsing(
            first, last, since, rules, taps.operators_rp, figures, past.pseudonym
        )
