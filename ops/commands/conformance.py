"""`jakarta-one conformance`: does a node, or a client, keep to docs/protocol.md?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click
import trio

from ops.conformance import report
from ops.conformance.enroller import enrolling_in
from ops.conformance.errors import ConformanceError
from ops.conformance.keys import Keys
from ops.conformance.kit import Kit
from ops.conformance.line import Address
from ops.conformance.node import RULES
from ops.conformance.rules import Rule
from ops.conformance.run import try_rules
from ops.endings import interruptible
from ops.node import now_ms
from ops.output import emit, json_option, progress_console
from storage.errors import StorageError
from terminals.errors import KeyFileError


@click.command()
@click.option("--url", help="The node to try: ws://HOST:PORT or wss://HOST:PORT.")
@click.option(
    "--enroll",
    "data",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Data folder of that node: the kit enrols its keys there, and revokes them in the end.",
)
@click.option(
    "--keys",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder with the keys KIT-TERMINAL-1.key, KIT-SERVICE.key, ... enrolled beforehand.",
)
@click.option(
    "--key",
    "files",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    multiple=True,
    help="One such key; may be given several times.",
)
@click.option(
    "--tls-ca",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Certificate of the authority to trust with wss, beside those of the system.",
)
@click.option("--only", multiple=True, help="A section (8) or a rule (8.3); several may be given.")
@click.option("--slow", is_flag=True, help="Also the rules that take a minute: silence, deadlines.")
@json_option
@click.pass_context
def conformance(  # noqa: PLR0913 one for each option
    ctx: click.Context,
    url: str | None,
    data: Path | None,
    folder: Path | None,
    files: tuple[Path, ...],
    tls_ca: Path | None,
    only: tuple[str, ...],
    *,
    slow: bool,
    as_json: bool,
) -> None:
    """Try every rule of docs/protocol.md on a node. Never on one that serves a city.

    It issues cards, publishes lists and commands terminals. Exit status 0: no rule is broken.

    \b
    Example:
      jakarta-one conformance --url ws://127.0.0.1:8145 --enroll DIR
    """
    if url is None:
        raise click.UsageError("give --url")
    address = _address(url, tls_ca)
    rules = _chosen(only)
    console = progress_console(as_json=as_json)
    with interruptible(), _keys(data, folder, files) as keys:
        kit = Kit(address, keys, f"{now_ms():X}")
        told = partial(report.progress, console)
        try:
            tried = trio.run(partial(try_rules, kit, rules, slow=slow, on_tried=told))
        except ConformanceError as error:
            raise click.ClickException(str(error)) from error
    emit(
        report.summary(tried),
        as_json=as_json,
        render=lambda console: report.render(console, tried),
    )
    ctx.exit(1 if any(each.verdict == "failed" for each in tried) else 0)


def _address(url: str, tls_ca: Path | None) -> Address:
    try:
        return Address.of(url, None if tls_ca is None else str(tls_ca))
    except (ValueError, OSError) as error:
        raise click.BadParameter(str(error), param_hint="--url") from error


def _chosen(only: Sequence[str]) -> list[Rule]:
    rules = [
        rule for rule in RULES if not only or rule.id in only or rule.id.partition(".")[0] in only
    ]
    if not rules:
        raise click.BadParameter(f"no rule is called {only[0]}", param_hint="--only")
    return rules


@contextmanager
def _keys(data: Path | None, folder: Path | None, files: Sequence[Path]) -> Iterator[Keys]:
    if (data is None) == (folder is None and not files):
        raise click.UsageError("give --enroll, or --keys and --key")
    if data is None:
        found = [*files, *(sorted(folder.glob("*.key")) if folder else ())]
        try:
            yield Keys.loaded(found)
        except KeyFileError as error:
            raise click.ClickException(str(error)) from error
        return
    try:
        with enrolling_in(data, now_ms) as enroller:
            keys = Keys.enrolled_by(enroller)
            try:
                yield keys
            finally:
                keys.revoke_all()
    except StorageError as error:
        raise click.ClickException(str(error)) from error
