"""A websocket to a node, by trio-websocket: another implementation than the node's own."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import SplitResult, urlsplit

import trio
import trio_websocket

from protocol import limits
from protocol.messages import SUBPROTOCOL
from terminals.errors import LinkLost, NodeMisbehaved, NodeRefused
from terminals.link import Link
from terminals.nursery import flat_nursery

CONNECT_S: Final = 5
"""For the TCP connection, and again for the websocket on it."""
CLOSE_S: Final = 2
"""For the node to answer a close frame; a dead one does not."""
RECEIVE_BYTES: Final = 16 * 1024
MESSAGES_QUEUED_MAX: Final = 16
"""Between the websocket and the session, so that outcomes that came together are taken together."""
HTTP_SERVER_ERROR: Final = 500


@asynccontextmanager
async def websocket(url: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Link]:
    """Open a websocket to a node.

    Args:
      url: where the node is; `wss://` for one that speaks TLS.
      tls: whom to trust with `wss://`, and what to show; None trusts whom the system trusts.

    Raises:
      LinkLost: no connection, or the node is not ready for one.
      NodeRefused: whatever answers there is no node of this protocol.

    Cancellation: the connection is dropped instead of closed.
    """
    parts = _parts(url)
    stream = await _open_stream(parts, tls)
    try:
        # trio-websocket leaves the stream open when the websocket does not come about: it is ours.
        async with stream, flat_nursery() as nursery:
            connection = await _open_websocket(nursery, stream, parts)
            yield _WebSocket(connection)
            with trio.move_on_after(CLOSE_S):
                await connection.aclose()
            nursery.cancel_scope.cancel()
    except trio_websocket.ConnectionRejected as rejected:
        if rejected.status_code >= HTTP_SERVER_ERROR:
            raise LinkLost(f"{url} answers {rejected.status_code}") from rejected
        raise NodeRefused(f"http_{rejected.status_code}", "", f"{url} is no node") from rejected


def _parts(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        if parts.scheme in {"ws", "wss"} and parts.hostname and parts.port != 0:
            return parts
    except ValueError:
        pass
    raise NodeRefused("url", "", f"{url!r} is not of the form ws://HOST:PORT or wss://HOST:PORT")


async def _open_stream(
    parts: SplitResult, tls: ssl.SSLContext | None
) -> trio.SocketStream | trio.SSLStream[trio.SocketStream]:
    host = parts.hostname or ""
    try:
        with trio.fail_after(CONNECT_S):
            if parts.scheme == "ws":
                return await trio.open_tcp_stream(host, parts.port or 80)
            secure = await trio.open_ssl_over_tcp_stream(
                host, parts.port or 443, https_compatible=True, ssl_context=tls
            )
            await _shake_hands(secure)
            return secure
    except trio.TooSlowError as error:
        raise LinkLost(f"no connection to {parts.netloc} in {CONNECT_S:g} s") from error
    except trio.BrokenResourceError as broken:
        raise LinkLost(f"no connection to {parts.netloc}: {_in_words(broken)}") from broken
    except OSError as error:
        raise LinkLost(f"no connection to {parts.netloc}: {error.strerror or error}") from error


def _in_words(broken: trio.BrokenResourceError) -> str:
    cause = broken.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        # Not for good: one that has run out is renewed.
        return f"its certificate is not trusted: {cause.verify_message}"
    return str(cause or broken)


async def _shake_hands(stream: trio.SSLStream[trio.SocketStream]) -> None:
    try:
        await stream.do_handshake()
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise


async def _open_websocket(
    nursery: trio.Nursery,
    stream: trio.SocketStream | trio.SSLStream[trio.SocketStream],
    parts: SplitResult,
) -> trio_websocket.WebSocketConnection:
    connection: trio_websocket.WebSocketConnection | None = None
    # It does not see a peer that dies before it has answered; this sees it, if late.
    with trio.move_on_after(CONNECT_S):
        connection = await trio_websocket.wrap_client_stream(
            nursery,
            stream,
            parts.netloc,
            parts.path or "/",
            subprotocols=[SUBPROTOCOL],
            message_queue_size=MESSAGES_QUEUED_MAX,
            max_message_size=limits.FRAME_BYTES_MAX,
            receive_buffer_size=RECEIVE_BYTES,
        )
    if connection is None:
        raise LinkLost(f"no websocket at {parts.netloc} in {CONNECT_S:g} s")
    if connection.subprotocol != SUBPROTOCOL:
        raise NodeRefused("subprotocol", "", f"{parts.netloc} does not speak {SUBPROTOCOL}")
    return connection


class _WebSocket:
    def __init__(self, connection: trio_websocket.WebSocketConnection) -> None:
        self._connection = connection

    async def send(self, payload: bytes) -> None:
        try:
            await self._connection.send_message(payload)
        except trio_websocket.ConnectionClosed as closed:
            raise _lost(closed) from closed

    async def receive(self) -> bytes:
        try:
            message = await self._connection.get_message()
        except trio_websocket.ConnectionClosed as closed:
            raise _lost(closed) from closed
        if isinstance(message, str):
            raise NodeMisbehaved("a text message")
        return message


def _lost(closed: trio_websocket.ConnectionClosed) -> LinkLost:
    reason = closed.reason
    code, text = (reason.code, reason.reason or reason.name) if reason else (1006, "lost")
    return LinkLost(f"connection closed: {text}", code=code)
