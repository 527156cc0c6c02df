"""A node that is asked and ordered over its protocol: where it is, who asks, what went wrong."""

from __future__ import annotations

import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import click
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ops.endings import interruptible, leaves, run_interruptible
from ops.node import now_ms
from ops.options import bundled
from ops.trust import ca_option, trusted
from ops.values import printable
from protocol.errors import Code, QueryCode
from terminals.client import ClientOptions, TerminalClient, open_terminal
from terminals.errors import (
    KeyFileError,
    LinkLost,
    NodeMisbehaved,
    NodeRefused,
    NodeUnreachable,
    TerminalError,
)
from terminals.keys import load_key
from terminals.link import Connect, Link
from terminals.messages import Failed
from terminals.websocket import websocket

T = TypeVar("T")

PATIENCE_S: Final = 10.0
"""A node that went away under a question or an order is started again by then."""
WATCH_PATIENCE_S: Final = 50.0
"""Who watches wants to see the node come back."""
ANSWER_S_MAX: Final = 60.0
"""A node may be too busy for questions; a person does not wait for longer without a word."""
URL_HELP: Final = "The node, as ws://HOST:PORT or wss://HOST:PORT."
SOFTWARE: Final = "jakarta-one command line"


class Remote(NamedTuple):
    """A node and who speaks to it.

    Attributes:
      url: where the node is.
      name: under which name the key is enrolled.
      key: proves it.
      tls: whom to trust where the node speaks TLS; None trusts whom the system trusts.
    """

    url: str
    name: str
    key: Ed25519PrivateKey
    tls: ssl.SSLContext | None = None


def _remote(url: str, name: str, key: Path, ca: Path | None) -> Remote:
    try:
        return Remote(url, name, load_key(key), trusted(ca))
    except KeyFileError as error:
        raise click.BadParameter(str(error), param_hint="--key") from error


remote_options = bundled(
    "remote",
    _remote,
    click.option("--url", envvar="JAKARTA_ONE_URL", show_envvar=True, required=True, help=URL_HELP),
    click.option(
        "--name", envvar="JAKARTA_ONE_NAME", show_envvar=True, required=True, help="Who you are."
    ),
    click.option(
        "--key",
        envvar="JAKARTA_ONE_KEY",
        show_envvar=True,
        required=True,
        type=click.Path(path_type=Path, dir_okay=False),
        help="File of the key that is enrolled under this name.",
    ),
    ca_option,
)
"""Adds `--url`, `--name`, `--key` and `--ca` to a command; it gets them as one: `remote`."""


def at_node(
    remote: Remote,
    work: Callable[[TerminalClient], Awaitable[T]],
    *,
    patience_s: float = PATIENCE_S,
) -> T:
    """Connect to a node, do what is to be done there, and hang up.

    Args:
      remote: the node, and who asks.
      work: what is to be done.
      patience_s: how long the node may be away in the middle of it.

    Raises:
      click.ClickException: it cannot be reached, or does not want us, or `work` raised it.
    """
    with interruptible():
        try:
            return run_interruptible(_at_node, remote, work, patience_s)
        except (click.ClickException, TerminalError, ExceptionGroup) as error:
            told = _for_a_person(remote, list(leaves(error)))
            if told is None:
                raise
            raise told from error


def _for_a_person(remote: Remote, causes: Sequence[BaseException]) -> click.ClickException | None:
    """Return what a person is told of failures, or None where one of them is a defect."""
    if not all(isinstance(cause, click.ClickException | TerminalError) for cause in causes):
        return None
    for cause in causes:
        if isinstance(cause, click.ClickException):
            return cause
    return click.ClickException(in_words(remote, causes[0]))


async def _at_node(
    remote: Remote, work: Callable[[TerminalClient], Awaitable[T]], patience_s: float
) -> T:
    async with open_terminal(
        remote.url,
        remote.name,
        remote.key,
        clock_ms=now_ms,
        random=random.SystemRandom().random,
        connect=first_or_never(partial(websocket, tls=remote.tls)),
        options=ClientOptions(software=SOFTWARE, patience_s=patience_s, backoff_s_max=2.0),
    ) as client:
        return await work(client)


def first_or_never(connect: Connect) -> Connect:
    """Return what connects, and gives up where even the first time fails.

    A node that was there once is waited for. One that was not has mostly another address than
    somebody typed, and they want to know it now.
    """
    connected = False

    @asynccontextmanager
    async def connect_or_give_up(url: str) -> AsyncIterator[Link]:
        nonlocal connected
        async with AsyncExitStack() as held:
            try:
                link = await held.enter_async_context(connect(url))
            except LinkLost as lost:
                if connected:
                    raise
                raise NodeUnreachable(str(lost)) from lost
            connected = True
            yield link

    return connect_or_give_up


def in_words(remote: Remote, error: BaseException) -> str:
    """Return what went wrong at a node, and what to do about it, in one line."""
    match error:
        case NodeUnreachable():
            return f"{remote.url} cannot be reached: {error}"
        case NodeRefused(code=Code.KEY_UNKNOWN):
            return (
                f"{remote.url} does not know {remote.name} by this key: "
                f"enrol it there (jakarta-one keys enroll {remote.name} --role operator ...)"
            )
        case NodeRefused(code=Code.KEY_REVOKED):
            return f"this key of {remote.name} was revoked"
        case NodeRefused(code=Code.NOT_ALLOWED):
            return f"{remote.name} is not allowed to order anything: that takes the role operator"
        case _:
            return printable(str(error))


async def ask(client: TerminalClient, kind: type[T], question: Sequence[object]) -> T:
    """Ask the node, and return its answer.

    Raises:
      click.ClickException: there is none; it says why.
      TerminalError: the node is gone.
    """
    answer = await _answer(client, kind, question)
    if isinstance(answer, Failed):
        raise click.ClickException(f"{answer.code}: {printable(answer.text)}")
    return answer


async def find(client: TerminalClient, kind: type[T], question: Sequence[object]) -> T | None:
    """Ask the node for something that there may not be; else as `ask`."""
    answer = await _answer(client, kind, question)
    if not isinstance(answer, Failed):
        return answer
    if answer.code == QueryCode.NOT_FOUND:
        return None
    raise click.ClickException(f"{answer.code}: {printable(answer.text)}")


async def _answer(client: TerminalClient, kind: type[T], question: Sequence[object]) -> T | Failed:
    with trio.move_on_after(ANSWER_S_MAX) as waited:
        answer = await client.query(question)
    if waited.cancelled_caught:
        raise click.ClickException(f"the node is too busy: no answer in {ANSWER_S_MAX:g} s")
    if isinstance(answer, Failed) and answer.code == QueryCode.NOT_ALLOWED:
        raise click.ClickException(
            f"{client.terminal} is not allowed to ask this: that takes the role operator, "
            "or for terminals, tree and lists observer"
        )
    if not isinstance(answer, kind | Failed):
        raise NodeMisbehaved(f"did not ask for {type(answer).__name__.lower()}")
    return answer
