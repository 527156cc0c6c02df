"""Plays the document to a client: listens, and tries one rule after the other on it."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import trio

from ops.conformance.client import SCENARIOS
from ops.conformance.client.contract import NAME, SEED
from ops.conformance.client.stage import Stage
from ops.conformance.errors import NotTried
from ops.conformance.rules import Rule
from ops.conformance.run import OnTried, Tried, try_rule

END_S_MAX: Final = 5.0
"""For a client that was started here to end by itself when it was told that its key is revoked."""


async def play(
    host: str,
    port: int,
    *,
    clock_ms: Callable[[], int],
    client: Sequence[str],
    on_listening: Callable[[str], None],
    on_tried: OnTried,
    scenarios: Sequence[Rule[Stage]] = SCENARIOS,
) -> list[Tried]:
    """Play rules to one client.

    Args:
      host: where to listen.
      port: 0 takes a free one.
      clock_ms: the clock of this machine.
      client: the command that starts it; URL, name and key are added. Empty: somebody else does.
      on_listening: told the URL, before the client is started.
      on_tried: told of each rule, as it is done.
      scenarios: what is played; a part of all is for whoever looks for something.

    Raises:
      NotTried: the address cannot be used, or the client cannot be started.
    """
    stage = Stage(clock_ms)
    async with trio.open_nursery() as nursery:
        listener = await _listener(host, port)
        nursery.start_soon(trio.serve_listeners, stage.enter, [listener])
        address = listener.socket.getsockname()
        name = f"[{address[0]}]" if ":" in address[0] else address[0]
        url = f"ws://{name}:{address[1]}"
        on_listening(url)
        async with _started(client, url):
            tried = []
            for rule in scenarios:
                tried.append(await try_rule(rule, stage))
                on_tried(tried[-1])
        nursery.cancel_scope.cancel()
    return tried


async def _listener(host: str, port: int) -> trio.SocketListener:
    try:
        return (await trio.open_tcp_listeners(port, host=host))[0]
    except OSError as error:
        raise NotTried(f"{host}:{port}: {error.strerror or error}") from error


@asynccontextmanager
async def _started(client: Sequence[str], url: str) -> AsyncIterator[None]:
    if not client:
        yield
        return
    try:
        process = await trio.lowlevel.open_process(
            [*client, url, NAME, SEED], stdin=subprocess.DEVNULL
        )
    except OSError as error:
        raise NotTried(f"{client[0]}: {error.strerror}") from error
    try:
        yield
        with trio.move_on_after(END_S_MAX):
            await process.wait()
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
