"""`jakarta-one replay`: a file of real trips through a node, and both sides compared."""

from __future__ import annotations

import resource
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console

from ops.endings import interruptible, leaves, run_interruptible
from ops.network import network_of, network_option
from ops.output import Times, emit, json_option
from ops.owing import private_file
from ops.replay import report
from ops.replay.csv_file import Reading, read_trips
from ops.replay.errors import FileDamaged, ReplayError
from ops.replay.run import Target, replay_trips
from ops.replay.services import Services
from ops.replay.trips import BY_AMOUNT
from ops.trust import ca_option, trusted
from terminals.errors import KeyFileError, TerminalError
from terminals.keys import load_key, new_key, save_key

FILES_BESIDES: Final = 64
"""Open files of this process that are no connections of terminals."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--url", required=True, help="The node, as ws://HOST:PORT or wss://HOST:PORT.")
@ca_option
@click.option(
    "--speed",
    type=Times(min=0),
    default=0.0,
    help="Seconds of the file in a second; 0, as fast as possible, if not given.",
)
@click.option(
    "--terminals-max",
    type=click.IntRange(min=1, max=20_000),
    default=4_096,
    show_default=True,
    help="Most terminals connected at the same time.",
)
@click.option(
    "--key",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Key file of the terminals; if not given, one is made once and kept.",
)
@click.option(
    "--rate",
    is_flag=True,
    help="Let the node say what each ride costs; what chips paid above it is owed to the cards.",
)
@network_option
@click.option(
    "--owed",
    "owed_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="New file for the cards that are owed something, or owe.",
)
@json_option
@click.pass_context
def replay(  # noqa: PLR0913, PLR0917 one for each option
    ctx: click.Context,
    file: Path,
    url: str,
    ca: Path | None,
    speed: float,
    terminals_max: int,
    key: Path | None,
    networks: tuple[Path, ...],
    owed_path: Path | None,
    *,
    rate: bool,
    as_json: bool,
) -> None:
    """Replay a file of trips into a node, and compare the file with the ledger.

    Each trip becomes a tap-in and a tap-out at the terminals of its stops, in time order, with
    the file's amounts. Rows that cannot be posted are refused by line and reason; a file that a
    spreadsheet has damaged is refused whole. Replaying a file again posts nothing new.
    Exit status 0 says that the file explains every difference between it and the ledger.

    With --rate each tap names its service, and the node says what was due by its rules. It rates
    what is at most a month old by its clock. What the ledger holds stays as it was sent.

    \b
    Examples:
      jakarta-one serve --data DIR --dev &
      jakarta-one replay taps.csv --url ws://127.0.0.1:8145
      jakarta-one replay taps.csv --url wss://node.example:8145 --ca ca.pem
      jakarta-one serve --data APRIL --dev --clock 2023-04-16 &
      jakarta-one replay taps.csv --url URL --rate --network FEED --owed owed.csv
    """
    if rate is not bool(networks):
        raise click.UsageError("--rate and --network need each other: corridors tell the service")
    if owed_path is not None and not rate:
        raise click.UsageError("nothing is owed without --rate")
    with ExitStack() as held:
        held.enter_context(interruptible())
        tls = trusted(ca)
        owed = held.enter_context(private_file(owed_path)) if owed_path is not None else None
        reading = _read(file, as_json=as_json)
        services = _services(networks, reading) if rate else None
        target = Target(url, _key(key), speed, _room_for(terminals_max), tls, services)
        replayed = _run(reading, target)
        if owed is not None:
            replayed.owing.write(owed)
    emit(
        report.as_json(file, reading, replayed),
        as_json=as_json,
        render=lambda console: report.show(console, file, reading, replayed),
    )
    ctx.exit(0 if replayed.result.reconciled else 1)


def _services(networks: tuple[Path, ...], reading: Reading) -> Services:
    services = Services(network_of(networks).services)
    if judged := services.judged(reading.trips):
        reading.notes[BY_AMOUNT] = judged
    return services


def _read(file: Path, *, as_json: bool) -> Reading:
    try:
        return read_trips(file)
    except FileDamaged as error:
        damaged = error
        emit(
            report.damage_as_json(file, damaged),
            as_json=as_json,
            render=lambda console: report.show_damage(console, file, damaged),
        )
        raise click.ClickException(f"{file} was refused whole; nothing was sent") from error
    except ReplayError as error:
        raise click.ClickException(str(error)) from error


def _run(reading: Reading, target: Target) -> report.Replayed:
    try:
        return run_interruptible(replay_trips, reading, target, Console(stderr=True))
    except (TerminalError, ReplayError, ExceptionGroup) as error:
        causes = list(leaves(error))
        if not all(isinstance(cause, TerminalError | ReplayError) for cause in causes):
            raise
        raise click.ClickException(str(causes[0])) from error


def _key(path: Path | None) -> Ed25519PrivateKey:
    """Return the key of this replayer: a terminal stays enrolled with the one it came with."""
    own = Path(click.get_app_dir("jakarta-one")) / "replay.key"
    try:
        if path is None and not own.exists():
            own.parent.mkdir(parents=True, exist_ok=True)
            save_key(own, new_key())
        return load_key(path or own)
    except KeyFileError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{own}: {error.strerror}") from error


def _room_for(terminals_max: int) -> int:
    """Raise the soft bound on open files as far as is needed and allowed."""
    needed = terminals_max + FILES_BESIDES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and needed > hard:
        message = f"this system allows {hard - FILES_BESIDES} connections at most"
        raise click.BadParameter(message, param_hint="--terminals-max")
    if soft != resource.RLIM_INFINITY and needed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    return terminals_max
