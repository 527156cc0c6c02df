"""`jakarta-one serve`: run a node."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Final

import click
import trio
from msgspec.structs import asdict
from rich.console import Console

from actors.errors import CertificateUnusable
from actors.runtime import Escalation
from ops.chip_keys import ChipKeyPlace, chip_key_options, opened_card_keys
from ops.endings import leaves
from ops.network import network_of, network_option
from ops.node import Listening, clock_since, is_loopback, now_ms, run_node
from ops.output import emit, json_option
from ops.rulebook import law_in, rules_option
from ops.tls_files import TlsFiles
from ops.values import MOMENT
from storage.errors import StorageError

log: Final = logging.getLogger("jakarta_one")

PORT_MAX: Final = 0xFFFF
DEV_WARNING: Final = (
    "DEVELOPMENT MODE: every key is enrolled at first use, in the role that its terminal's name "
    "begins with, or as a service. Never run this where anybody else can connect."
)


PEM_FILE: Final = click.Path(path_type=Path, dir_okay=False)


class Address(click.ParamType[tuple[str, int]]):
    """An address as HOST:PORT; IPv6 in brackets."""

    name = "host:port"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """Take the two parts apart."""
        if isinstance(value, tuple):
            return value
        host, colon, port = str(value).rpartition(":")
        if not colon or not host or not port.isdecimal() or int(port) > PORT_MAX:
            self.fail(f"{value} is not HOST:PORT, for example 127.0.0.1:8145", param, ctx)
        return host.strip("[]"), int(port)


@click.command()
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Data folder; made if there is none.",
)
@click.option(
    "--listen",
    type=Address(),
    default="127.0.0.1:8145",
    show_default=True,
    help="Address to listen on; port 0 takes a free one.",
)
@click.option(
    "--dev",
    is_flag=True,
    help="Enrol unknown keys at first use: operator-ani as an operator, GATE-1 as a service.",
)
@click.option(
    "--tls-cert",
    type=PEM_FILE,
    help="Certificate of the node, and those behind it; then it may listen on any address.",
)
@rules_option
@network_option
@click.option("--tls-key", type=PEM_FILE, help="Key of the certificate.")
@click.option(
    "--client-ca",
    type=PEM_FILE,
    help="Demand certificates of this authority that name the terminal.",
)
@click.option(
    "--clock",
    "began_ms",
    type=MOMENT,
    help="With --dev: its clock begins at this moment, to try what happened then.",
)
@chip_key_options
@click.option("--until-eof", is_flag=True, hidden=True, help="Stop when standard input ends, too.")
@json_option
def serve(  # noqa: PLR0913, PLR0917 one for each option
    data: Path,
    listen: tuple[str, int],
    rules_in: Path | None,
    networks: tuple[Path, ...],
    tls_cert: Path | None,
    tls_key: Path | None,
    client_ca: Path | None,
    began_ms: int | None,
    chip_keys: ChipKeyPlace | None,
    *,
    dev: bool,
    until_eof: bool,
    as_json: bool,
) -> None:
    """Run a node on a data folder until it is told to stop (SIGTERM, Ctrl-C).

    With keys of chips it looks into the proof of each advice, and believes no other.

    \b
    Examples:
      jakarta-one serve --data /var/lib/jakarta-one --listen 127.0.0.1:8145
      jakarta-one serve --data DIR --listen 0.0.0.0:8145 --tls-cert node.pem --tls-key node.key
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    # One line for each connection would be all that the log holds.
    logging.getLogger("websockets").setLevel(logging.WARNING)
    host, port = listen
    tls = _tls_files(tls_cert, tls_key, client_ca)
    if began_ms is not None and not dev:
        raise click.UsageError("only a node for development has another clock: add --dev")
    law = law_in(rules_in, network_of(networks))
    if not is_loopback(host):
        _check_open_to_all(host, tls, dev=dev)

    def on_listening(node: Listening) -> None:
        if dev:
            log.warning(DEV_WARNING)
        told = {**asdict(node), "listening": node.url, "pid": os.getpid(), "dev": dev}
        emit(told, as_json=as_json, render=lambda console: _greet(console, node, data, dev=dev))

    if until_eof:
        threading.Thread(target=_stop_at_end_of_input, daemon=True).start()
    node = partial(
        run_node,
        *(data, host, port),
        dev=dev,
        on_listening=on_listening,
        law=law,
        tls=tls,
        clock_ms=now_ms if began_ms is None else clock_since(began_ms),
    )
    try:
        with opened_card_keys(chip_keys) if chip_keys else nullcontext() as card_keys:
            trio.run(_serve, partial(node, card_keys=card_keys))
    except (StorageError, CertificateUnusable) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{host}:{port}: {error.strerror}") from error


def _tls_files(
    certificate: Path | None, key: Path | None, client_ca: Path | None
) -> TlsFiles | None:
    if certificate is not None and key is not None:
        return TlsFiles(certificate, key, client_ca)
    if certificate is None and key is None and client_ca is None:
        return None
    raise click.UsageError("a certificate needs its key: give both --tls-cert and --tls-key")


def _check_open_to_all(host: str, tls: TlsFiles | None, *, dev: bool) -> None:
    """Refuse an address that others can reach where that would give them what is ours."""
    reached = f"{host} can be reached from outside"
    if tls is None:
        message = f"{reached}, and without --tls-cert there is no encryption: use loopback"
        raise click.BadParameter(message, param_hint="--listen")
    if dev:
        message = f"{reached}, where --dev would let anybody in: use loopback"
        raise click.BadParameter(message, param_hint="--listen")


async def _serve(node: Callable[[], Awaitable[None]]) -> None:
    try:
        await node()
    except (Escalation, BaseExceptionGroup) as failure:
        if not all(isinstance(leaf, Escalation) for leaf in leaves(failure)):
            raise
        raise click.ClickException(_innermost(failure)) from failure


def _stop_at_end_of_input() -> None:
    # Whoever started this node holds the other end of a pipe. It closes when they end, however
    # they end, and a node that nobody would ever stop stops by itself.
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)


def _innermost(failure: BaseException) -> str:
    """Return why a tree gave up: the failure at the end of the chain of causes."""
    while True:
        if isinstance(failure, BaseExceptionGroup):
            failure = failure.exceptions[0]
        elif isinstance(failure, Escalation) and failure.__cause__ is not None:
            failure = failure.__cause__
        else:
            return f"the node has stopped: {failure}"


def _greet(console: Console, node: Listening, data: Path, *, dev: bool) -> None:
    console.print(
        f"Jakarta One serves [bold]{data}[/bold] at [bold]{node.url}[/bold]", highlight=False
    )
    console.print(
        f"journal at position {node.position:,}; {node.replayed:,} entries replayed "
        f"in {node.recovery_ms:,.0f} ms",
        highlight=False,
    )
    if node.rebuilt:
        console.print(f"all views were built anew: {node.rebuilt}")
    if dev:
        console.print(f"[bold red]{DEV_WARNING}[/bold red]")
