"""`jakarta-one conformance`: does a node, or a client, keep to docs/protocol.md?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeAlias

import click

from ops.commands.serve import Address
from ops.conformance import report
from ops.conformance.client.contract import NAME, SEED
from ops.conformance.client.play import play
from ops.conformance.enroller import FolderEnroller
from ops.conformance.errors import ConformanceError
from ops.conformance.keys import ROLES, Keys
from ops.conformance.kit import Kit
from ops.conformance.line import Address as Where
from ops.conformance.node import RULES
from ops.conformance.rules import Rule
from ops.conformance.run import Tried, try_rules
from ops.endings import interruptible, leaves, run_interruptible
from ops.node import now_ms
from ops.output import emit, json_option, progress_console
from terminals.errors import KeyFileError

KeysIn: TypeAlias = tuple[Path | None, Path | None, tuple[Path, ...]]
"""Where keys are: a data folder to enrol them in, a folder of keys, key files."""


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
@click.option(
    "--serve",
    type=Address(),
    help="Try a client instead: listen on HOST:PORT and play the node; port 0 takes a free one.",
)
@click.option("--once", is_flag=True, help="With --serve: one client, then end.")
@click.argument("client", nargs=-1, type=click.UNPROCESSED)
@json_option
@click.pass_context
def conformance(  # noqa: PLR0913, PLR0917 one for each option
    ctx: click.Context,
    url: str | None,
    data: Path | None,
    folder: Path | None,
    files: tuple[Path, ...],
    tls_ca: Path | None,
    only: tuple[str, ...],
    serve: tuple[str, int] | None,
    client: tuple[str, ...],
    *,
    slow: bool,
    once: bool,
    as_json: bool,
) -> None:
    """Try every rule of docs/protocol.md: on a node (--url), or on a client (--serve).

    A node under test issues cards, publishes lists and commands terminals: never try one that
    serves a city. A client is started as CLIENT URL NAME KEY, or by hand. What it has to do stands
    in docs/conformance.md. Exit status 0: no rule is broken.

    \b
    Example:
      jakarta-one conformance --url ws://127.0.0.1:8145 --enroll DIR
      jakarta-one conformance --serve 127.0.0.1:0 --once -- node client.js
    """
    if (url is None) == (serve is None):
        raise click.UsageError("give either --url or --serve")
    if url is not None:
        keys_in = (data, folder, files)
        address, rules = _address(url, tls_ca), _chosen(only)
        tried = _try_node(address, rules, keys_in, slow=slow, as_json=as_json)
        _ended(ctx, tried, as_json=as_json)
    assert serve is not None
    while True:
        tried = _try_client(serve, client, as_json=as_json)
        if once or client:
            _ended(ctx, tried, as_json=as_json)
        _told(tried, as_json=as_json)


def _try_node(
    address: Where,
    rules: Sequence[Rule[Kit]],
    keys_in: KeysIn,
    *,
    slow: bool,
    as_json: bool,
) -> list[Tried]:
    console = progress_console(as_json=as_json)
    with interruptible(), _keys(*keys_in) as keys:
        kit = Kit(address, keys, f"{now_ms():X}")
        told = partial(report.progress, console)
        return _run(partial(try_rules, kit, rules, slow=slow, on_tried=told))


def _try_client(serve: tuple[str, int], client: Sequence[str], *, as_json: bool) -> list[Tried]:
    console = progress_console(as_json=as_json)

    def listening(url: str) -> None:
        if not client:
            told = f"start the client with {url} {NAME} {SEED}"
            console.print(told, highlight=False, soft_wrap=True)

    with interruptible():
        return _run(
            partial(
                play,
                *serve,
                clock_ms=now_ms,
                client=client,
                on_listening=listening,
                on_tried=partial(report.progress, console),
            )
        )


def _run(trial: Callable[[], Awaitable[list[Tried]]]) -> list[Tried]:
    try:
        return run_interruptible(trial)
    except (ConformanceError, BaseExceptionGroup) as error:
        causes = list(leaves(error))
        if not all(isinstance(cause, ConformanceError) for cause in causes):
            raise
        raise click.ClickException(str(causes[0])) from error


def _told(tried: Sequence[Tried], *, as_json: bool) -> None:
    emit(
        report.summary(tried),
        as_json=as_json,
        render=lambda console: report.render(console, tried),
    )


def _ended(ctx: click.Context, tried: Sequence[Tried], *, as_json: bool) -> NoReturn:
    _told(tried, as_json=as_json)
    ctx.exit(1 if any(each.verdict == "failed" for each in tried) else 0)


def _address(url: str, tls_ca: Path | None) -> Where:
    try:
        return Where.of(url, None if tls_ca is None else str(tls_ca))
    except (ValueError, OSError) as error:
        raise click.BadParameter(str(error), param_hint="--url") from error


def _chosen(only: Sequence[str]) -> list[Rule[Kit]]:
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
        named = [folder / f"{name}.key" for name in ROLES] if folder else []
        found = [*files, *(file for file in named if file.exists())]
        try:
            yield Keys.loaded(found)
        except KeyFileError as error:
            raise click.ClickException(str(error)) from error
        return
    keys = Keys.enrolled_by(FolderEnroller(data, now_ms))
    try:
        yield keys
    finally:
        keys.revoke_all()
