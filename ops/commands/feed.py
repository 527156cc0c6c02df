"""`jakarta-one feed`: the journal as lines of JSON."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final, get_args

import click
import trio

from ops.feed.lines import Lines
from ops.feed.output import Output
from ops.feed.position_file import NoPosition, PositionFile
from ops.feed.run import Source, until_told
from ops.remote import Remote, remote_options
from protocol.messages import IntentName
from terminals.errors import TerminalError
from terminals.feed import Wanted

KINDS: Final = get_args(IntentName)


@click.command()
@remote_options
@click.option(
    "--from",
    "position",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Position of the first entry that is wanted; where --state knows better, that counts.",
)
@click.option("--kind", "kinds", type=click.Choice(KINDS), multiple=True, help="Only such intents.")
@click.option("--operator", "operators", multiple=True, help="Only what is about this operator.")
@click.option("--bank", "banks", multiple=True, help="Only what is about this bank.")
@click.option("--programme", "programmes", multiple=True, help="Only what is about this programme.")
@click.option(
    "--follow/--no-follow",
    default=True,
    show_default=True,
    help="Go on as the journal grows, or stop where it ends now.",
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File that keeps the position, so that the next run goes on there.",
)
def feed(
    remote: Remote,
    position: int,
    kinds: Sequence[str],
    operators: Sequence[str],
    banks: Sequence[str],
    programmes: Sequence[str],
    *,
    follow: bool,
    state: Path | None,
) -> None:
    """Print the entries of a node's journal, one JSON object on a line.

    Each condition may be given several times: any of its values will do, and all conditions must
    hold. The role of the key decides what is shown. It connects again by itself. SIGTERM, Ctrl-C
    and a reader that goes away end it with status 0.

    \b
    Example:
      jakarta-one feed --url URL --key reports.key --name REPORTS --kind tap --operator mrt
    """
    kept = PositionFile(state) if state else None
    try:
        if kept and (known := kept.load()) is not None:
            position = known
        wanted = Wanted(position, kinds, operators, banks, programmes)
        source, output = Source.at(remote), Output(sys.stdout.fileno())
        lines = Lines(source, wanted, output, kept, partial(click.echo, err=True))
        trio.run(until_told, partial(lines.run, for_ever=follow))
    except BrokenPipeError:
        # Whoever read has seen enough; what was not read comes again with the next run.
        return
    except (TerminalError, NoPosition) as error:
        raise click.ClickException(str(error)) from error
