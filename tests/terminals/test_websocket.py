"""The client's websocket against a server of trio-websocket on the loopback."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing
import trio_websocket

from bench.authority import Authority
from ops.tls_files import TlsFiles
from protocol import limits
from protocol.messages import SUBPROTOCOL
from terminals import websocket as websocket_module
from terminals.errors import LinkLost, NodeMisbehaved, NodeRefused
from terminals.websocket import websocket

Handler = Callable[[trio_websocket.WebSocketRequest], Awaitable[None]]


@pytest.fixture
def serve(nursery: trio.Nursery) -> Callable[[Handler], Awaitable[str]]:
    """Return what serves a handler and tells its URL."""

    async def start(handler: Handler) -> str:
        server = await nursery.start(trio_websocket.serve_websocket, handler, "127.0.0.1", 0, None)
        return f"ws://127.0.0.1:{server.port}"

    return start


async def accepted(request: trio_websocket.WebSocketRequest) -> trio_websocket.WebSocketConnection:
    assert request.proposed_subprotocols == (SUBPROTOCOL,)
    assert request.path == "/"
    return await request.accept(subprotocol=SUBPROTOCOL)


async def echo(request: trio_websocket.WebSocketRequest) -> None:
    connection = await accepted(request)
    try:
        while True:
            await connection.send_message(await connection.get_message())
    except trio_websocket.ConnectionClosed:
        return


async def test_messages_go_out_and_come_back(serve: Callable[[Handler], Awaitable[str]]) -> None:
    with trio.fail_after(10):
        async with websocket(await serve(echo)) as link:
            for size in (0, 1, 125, 126, 70_000, limits.FRAME_BYTES_MAX):
                payload = bytes(size)
                await link.send(payload)
                assert await link.receive() == payload


async def test_a_close_is_told_with_its_code(serve: Callable[[Handler], Awaitable[str]]) -> None:
    async def close(request: trio_websocket.WebSocketRequest) -> None:
        await (await accepted(request)).aclose(4003, "key_revoked")

    with trio.fail_after(10):
        async with websocket(await serve(close)) as link:
            with pytest.raises(LinkLost, match="key_revoked") as caught:
                await link.receive()
            assert caught.value.code == 4003
            with pytest.raises(LinkLost):
                await link.send(b"x")


async def test_a_text_message_is_no_message(serve: Callable[[Handler], Awaitable[str]]) -> None:
    async def talk(request: trio_websocket.WebSocketRequest) -> None:
        async with aclosing(await accepted(request)) as connection:
            await connection.send_message("hello")
            await echo_until_closed(connection)

    with trio.fail_after(10):
        async with websocket(await serve(talk)) as link:
            with pytest.raises(NodeMisbehaved, match="text"):
                await link.receive()


async def echo_until_closed(connection: trio_websocket.WebSocketConnection) -> None:
    try:
        await connection.get_message()
    except trio_websocket.ConnectionClosed:
        return


async def test_a_message_longer_than_any_may_be_ends_the_connection(
    serve: Callable[[Handler], Awaitable[str]],
) -> None:
    async def shout(request: trio_websocket.WebSocketRequest) -> None:
        connection = await accepted(request)
        await connection.send_message(bytes(limits.FRAME_BYTES_MAX + 1))
        await echo_until_closed(connection)

    with trio.fail_after(10):
        async with websocket(await serve(shout)) as link:
            with pytest.raises(LinkLost) as caught:
                await link.receive()
    assert caught.value.code == 1009


@pytest.mark.parametrize(
    ("status", "kind"), [(404, NodeRefused), (400, NodeRefused), (503, LinkLost)]
)
async def test_what_is_no_node_is_told_from_one_that_is_not_ready(
    serve: Callable[[Handler], Awaitable[str]], status: int, kind: type[Exception]
) -> None:
    async def reject(request: trio_websocket.WebSocketRequest) -> None:
        await request.reject(status)

    url = await serve(reject)
    with trio.fail_after(10), pytest.raises(kind, match=str(status)):
        async with websocket(url):
            pytest.fail("it was let in")


async def test_another_subprotocol_is_not_spoken(
    serve: Callable[[Handler], Awaitable[str]],
) -> None:
    async def accept_plainly(request: trio_websocket.WebSocketRequest) -> None:
        await echo_until_closed(await request.accept())

    url = await serve(accept_plainly)
    with trio.fail_after(10), pytest.raises(NodeRefused, match=SUBPROTOCOL):
        async with websocket(url):
            pytest.fail("it was let in")


async def test_nobody_there() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    await listener.aclose()
    with trio.fail_after(10), pytest.raises(LinkLost, match="no connection"):
        async with websocket(f"ws://127.0.0.1:{port}"):
            pytest.fail("it was let in")


async def test_a_peer_that_dies_while_the_websocket_opens_is_noticed(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket_module, "CONNECT_S", 0.2)

    async def hang_up(stream: trio.SocketStream) -> None:
        await stream.receive_some()

    listeners = await nursery.start(partial(trio.serve_tcp, hang_up, 0, host="127.0.0.1"))
    port = listeners[0].socket.getsockname()[1]
    with trio.fail_after(10), pytest.raises(LinkLost):
        async with websocket(f"ws://127.0.0.1:{port}"):
            pytest.fail("it was let in")


async def test_a_peer_that_does_not_answer_the_close_is_left(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket_module, "CLOSE_S", 0.1)
    server_side, client_side = trio.testing.memory_stream_pair()

    async def open_stream(*_: object) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        return client_side

    async def frozen() -> None:
        async with trio.open_nursery() as reading:
            request = await trio_websocket.wrap_server_stream(reading, server_side)
            await accepted(request)
            # It reads no further, so it never sees the close frame.
            reading.cancel_scope.cancel()

    monkeypatch.setattr(websocket_module, "_open_stream", open_stream)
    nursery.start_soon(frozen)
    with trio.fail_after(10):
        async with websocket("ws://node.example"):
            pass


@pytest.mark.parametrize(
    "url", ["", "node", "http://node", "ws://", "ws://node:port", "ws://node:0", "ws://[::1"]
)
async def test_what_is_no_address_of_a_node_is_said(url: str) -> None:
    with pytest.raises(NodeRefused, match="ws://HOST:PORT"):
        async with websocket(url):
            pytest.fail("it was let in")


async def test_an_encrypted_connection_needs_a_peer_that_encrypts(
    serve: Callable[[Handler], Awaitable[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket_module, "CONNECT_S", 0.2)
    url = (await serve(echo)).replace("ws:", "wss:")
    with trio.fail_after(10), pytest.raises(LinkLost):
        async with websocket(url):
            pytest.fail("it was let in")


async def test_a_host_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_module, "CONNECT_S", 0.01)

    async def hang(*_: object) -> None:
        await trio.sleep_forever()

    monkeypatch.setattr(trio, "open_tcp_stream", hang)
    with trio.fail_after(10), pytest.raises(LinkLost, match=r"no connection to .* in 0.01 s"):
        async with websocket("ws://127.0.0.1:9"):
            pytest.fail("it was let in")


@pytest.fixture
def serve_tls(nursery: trio.Nursery, tmp_path: Path) -> Callable[[Authority, str], Awaitable[str]]:
    """Return what serves an echo under a certificate for a host, and tells its URL."""

    async def start(authority: Authority, host: str) -> str:
        pair = authority.certify(tmp_path, "node", host)
        server = await nursery.start(
            trio_websocket.serve_websocket,
            echo,
            "127.0.0.1",
            0,
            TlsFiles(pair.certificate, pair.key).load(),
        )
        return f"wss://127.0.0.1:{server.port}"

    return start


ServeTls = Callable[[Authority, str], Awaitable[str]]


async def test_messages_go_out_and_come_back_under_tls(serve_tls: ServeTls) -> None:
    authority = Authority()
    with trio.fail_after(10):
        async with websocket(await serve_tls(authority, "127.0.0.1"), authority.trusted()) as link:
            for size in (0, 1, 70_000, limits.FRAME_BYTES_MAX):
                payload = bytes(size)
                await link.send(payload)
                assert await link.receive() == payload


async def test_a_node_that_is_not_trusted_is_told_no_word(serve_tls: ServeTls) -> None:
    authority = Authority()
    elsewhere = await serve_tls(authority, "node.example")
    for trusted, url, why in (
        (Authority().trusted(), elsewhere, "not trusted: "),
        (None, elsewhere, "not trusted: "),
        (authority.trusted(), elsewhere, "not trusted: IP address mismatch"),
    ):
        with trio.fail_after(10), pytest.raises(LinkLost, match=why):
            async with websocket(url, trusted):
                pytest.fail("it was let in")
