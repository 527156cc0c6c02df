"""`jakarta-one terminal`: run a terminal with real card readers."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, get_args

import click
import trio
from rich.console import Console

from engine.fleet.lists import LIST_NAMES, ListName
from engine.rules.kinds import Service
from engine.rules.reading import RulesInvalid
from ops.chip_keys import ChipKeyPlace, chip_key_options, opened_card_keys
from ops.endings import leaves, run_interruptible
from ops.fleet.shown import counted
from ops.network import network_of, network_option
from ops.options import bundled
from ops.output import json_option
from ops.remote import Remote, remote_options
from ops.rulebook import rules_option
from ops.terminal.build import Outside, Parts, built
from ops.terminal.certificates import in_json, shown_on
from ops.terminal.folder import opened_journal
from ops.terminal.law import TerminalLaw
from ops.terminal.screen import ConsoleScreen, JsonScreen
from ops.terminal.trace import Trace
from storage.errors import StorageError, StorageFull
from terminals.acceptance.certifier import OnCertificate
from terminals.acceptance.point import KINDS, Point, Side
from terminals.acceptance.terminal import Screen
from terminals.errors import TerminalError
from terminals.pcsc.watch import ReaderChoice, every_reader, starting_with

DRAIN_S: Final = 10.0
"""How long a terminal that is to end goes on telling the node, if there is something to tell."""

DIGITS_MAX: Final = 12
"""Of an amount that is keyed in; more are no amount."""

_RIDES: Final = ("gate", "bus")


def _chosen(readers: Sequence[str]) -> ReaderChoice:
    choices = [starting_with(reader) for reader in readers]
    return (lambda name: any(choice(name) for choice in choices)) if choices else every_reader


def _point_for(**described: str) -> Callable[[str], Point]:
    def named(name: str) -> Point:
        try:
            # click has checked what there are only a few of.
            point = Point(terminal=name, **described)  # type: ignore[arg-type]
        except ValueError as error:
            field, _, why = str(error).partition(": ")
            raise click.BadParameter(why, param_hint=f"--{field.replace('_', '-')}") from error
        _ensure_whole(point)
        return point

    return named


point_options = bundled(
    "point_for",
    _point_for,
    click.option("--kind", type=click.Choice(KINDS), default="gate", show_default=True),
    click.option("--operator", default="", help="Who gives the service; of a gate or bus."),
    click.option("--service", type=click.Choice(get_args(Service)), help="Of a gate or bus."),
    click.option("--place", default="", help="Station, stop or branch."),
    click.option("--line", default="", help="Of the service."),
    click.option(
        "--side",
        type=click.Choice(get_args(Side)),
        default="both",
        show_default=True,
        help="Whom a gate lets pass; both: the card tells.",
    ),
    click.option("--merchant", default="", help="Who is paid; of a shop."),
    click.option("--merchant-kind", default="", help="What it sells."),
    click.option("--bank", default="", help="Whose money a kiosk puts on cards."),
)
"""Describes where a terminal stands; the command gets what makes a `Point` of its name."""


@click.command()
@click.option(
    "--reader",
    "readers",
    multiple=True,
    help="Card reader, by how its name begins; may be given several times.  [else: all]",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder of its journal and lists; made if there is none.",
)
@click.option(
    "--amount",
    type=click.IntRange(1, 10_000_000),
    help="Rupiah that each card pays or gets.  [else: keyed in, a line each]",
)
@click.option(
    "--needs",
    type=click.Choice(LIST_NAMES),
    multiple=True,
    help="List without which no card is taken; may be given several times.",
)
@click.option("--trace", is_flag=True, help="Tell each command of a card, and how long it took.")
@click.option("--close-shift", is_flag=True, help="Close the shift when the program ends.")
@point_options
@rules_option
@network_option
@chip_key_options
@remote_options
@json_option
def terminal(  # noqa: PLR0913 - one for each option
    *,
    readers: tuple[str, ...],
    data: Path,
    amount: int | None,
    needs: tuple[ListName, ...],
    trace: bool,
    close_shift: bool,
    point_for: Callable[[str], Point],
    rules_in: Path | None,
    networks: tuple[Path, ...],
    chip_keys: ChipKeyPlace | None,
    remote: Remote,
    as_json: bool,
) -> None:
    """Take cards at real readers (PC/SC): a gate, a bus, a shop or a kiosk.

    It works without the node, and tells it of everything when it is there. Ctrl-C or SIGTERM ends
    it; SIGHUP closes the shift, and what the node has of that is printed once it has told.

    \b
    Examples:
      jakarta-one terminal --data gate-01 --kind gate --operator transjakarta \\
        --service transjakarta_brt --place "Blok M" --chip-keys gate.keys \\
        --url ws://127.0.0.1:8145 --name GATE-01 --key gate-01.key
      jakarta-one terminal --data till --kind shop --merchant pasar-jaya --amount 25000 ...
    """
    point = point_for(remote.name)
    if chip_keys is None:
        raise click.UsageError("a terminal has keys of chips: --chip-keys or --chip-token")
    screen, on_certificate = _shown(as_json=as_json)
    outside = Outside(
        chosen=_chosen(readers),
        screen=screen,
        needs=needs,
        note=_note,
        on_step=Trace(lambda line: click.echo(line, err=True)) if trace else None,
        on_certificate=on_certificate,
    )
    law = _law(rules_in, networks)
    try:
        with opened_card_keys(chip_keys) as keys, opened_journal(data) as journal:
            parts = built(
                point,
                remote,
                journal,
                data,
                keys=keys,
                law=law,
                outside=outside,
            )
            run_interruptible(partial(run_terminal, parts, amount, close_shift=close_shift))
    except (StorageError, TerminalError, BaseExceptionGroup) as error:
        causes = list(leaves(error))
        if not all(isinstance(cause, StorageError | TerminalError) for cause in causes):
            raise
        raise click.ClickException(str(causes[0])) from error


def _law(rules_in: Path | None, networks: Sequence[Path]) -> TerminalLaw:
    try:
        return TerminalLaw(rules_in, network_of(networks))
    except RulesInvalid as invalid:
        raise click.ClickException(str(invalid)) from invalid


def _shown(*, as_json: bool) -> tuple[Screen, OnCertificate]:
    if as_json:
        return JsonScreen(click.echo), in_json(click.echo)
    console = Console()
    return ConsoleScreen(console), shown_on(console)


def _ensure_whole(point: Point) -> None:
    """Refuse a terminal that lacks something of its kind.

    Raises:
      click.UsageError: it names the option.
    """
    lacking = {
        "--operator": point.kind in _RIDES and not point.operator,
        "--service": point.kind in _RIDES and point.service is None,
        "--merchant": point.kind == "shop" and not point.merchant,
        "--bank": point.kind == "kiosk" and not point.bank,
    }
    for option, is_lacking in lacking.items():
        if is_lacking:
            raise click.UsageError(f"a {point.kind} needs {option}")


async def run_terminal(parts: Parts, amount: int | None, *, close_shift: bool) -> None:
    """Run a terminal until it is told to end.

    Args:
      parts: that it is made of.
      amount: that each card pays or gets; None: it is keyed in, or there is none.
      close_shift: whether its shift is closed at the end.

    Raises:
      StorageError: the disk failed.
    """
    lane = parts.lane
    async with trio.open_nursery() as nursery:
        end = partial(_end_on_signal, nursery.cancel_scope, parts, close_shift=close_shift)
        nursery.start_soon(end)
        # Who started this with hangups ignored (nohup) wants none to be felt.
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            nursery.start_soon(_close_on_sighup, parts)
        if amount is not None:
            lane.amount_rp = amount
        elif lane.wants_amount:
            nursery.start_soon(_key_in, parts)
        await parts.terminal.run()


async def _end_on_signal(scope: trio.CancelScope, parts: Parts, *, close_shift: bool) -> None:
    # A second Ctrl-C ends it at once: it is listened for no more.
    ending = (signal.SIGTERM, signal.SIGINT) if close_shift else (signal.SIGTERM,)
    with trio.open_signal_receiver(*ending) as signals:
        async for _ in signals:
            break
    parts.lane.closed = True
    if close_shift:
        await _close(parts)
    with trio.move_on_after(DRAIN_S if parts.sender.online else 0):
        await parts.sender.wait_empty()
        if close_shift:
            await parts.certifier.wait_certified()
    if close_shift and parts.journal.waiting_shifts:
        _note("the certificate follows when the terminal is at its node again")
    scope.cancel()


async def _close_on_sighup(parts: Parts) -> None:
    with trio.open_signal_receiver(signal.SIGHUP) as signals:
        async for _ in signals:
            await _close(parts)


async def _close(parts: Parts) -> None:
    try:
        shift = await parts.certifier.close()
    except StorageFull as full:
        _note(f"the shift is not closed: {full}")
    else:
        _note(f"shift {shift.number} is closed: {counted(shift.count, 'transaction')}")


def _note(text: str) -> None:
    click.echo(f"terminal: {text}", err=True)


async def _key_in(parts: Parts) -> None:
    """Take amounts from the keyboard, a line each."""
    while True:
        line = await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
        if not line:
            return
        text = line.strip().replace(".", "")
        is_number = text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX
        if not (is_number and parts.terminal.key_in(int(text))):
            _note("an amount in rupiah, as 25000")
