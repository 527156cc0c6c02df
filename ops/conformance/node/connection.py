"""Section 1: how a connection is opened, and what may come in which pieces."""

from __future__ import annotations

from typing import Final

from ops.conformance.errors import NotTried, check, check_equal
from ops.conformance.frames import Opcode, frame
from ops.conformance.kit import Kit
from ops.conformance.line import ACCEPT, Response, request
from ops.conformance.peer import about, packed
from ops.conformance.rules import Section
from ops.conformance.shape import SCHEMA

SECTION: Final[Section[Kit]] = Section(1, "Connection")
REQUEST_BYTES_MAX: Final = SCHEMA["x-limits"]["request_bytes_max"]
HOST: Final = b"Host: node.example\r\n"
HEADERS_TOO_MANY: Final = 300


async def answered(kit: Kit, data: bytes) -> Response:
    """Return the answer to a request; the connection has to end behind it, unless it is 101."""
    async with kit.line() as line:
        await line.write(data)
        response = await line.response()
        kit.notes.add("status", response.status)
        while response.status != 101 and await line.read():  # noqa: PLR2004 - RFC 6455, 1.3
            pass
        return response


async def refused(kit: Kit, status: int, **requests: bytes) -> None:
    """Check that each of some requests is refused with a status."""
    for what, data in requests.items():
        with about(what.replace("_", " ")):
            check_equal("the status", (await answered(kit, data)).status, status)


@SECTION.rule("The client must offer the subprotocol `jakarta-one.v1`.")
async def _the_websocket_is_opened(kit: Kit) -> None:
    response = await answered(kit, request(Sec_WebSocket_Protocol="chat, jakarta-one.v1"))
    check_equal("the status", response.status, 101)
    headers = response.headers
    check_equal("Upgrade", headers.get("upgrade", "").lower(), "websocket")
    check_equal("Connection", headers.get("connection", "").lower(), "upgrade")
    check_equal("Sec-WebSocket-Accept", headers.get("sec-websocket-accept"), ACCEPT)
    check_equal("the subprotocol", headers.get("sec-websocket-protocol"), "jakarta-one.v1")


@SECTION.rule("No extension is negotiated, so nothing is compressed.")
async def _no_extension_is_taken(kit: Kit) -> None:
    offer = request(Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits")
    response = await answered(kit, offer)
    check_equal("the status", response.status, 101)
    check("sec-websocket-extensions" not in response.headers, "an extension was taken")


@SECTION.rule(
    "the subprotocol, the key or the version of the websocket is missing or wrong; or there"
)
async def _an_upgrade_that_is_wrong_is_400(kit: Kit) -> None:
    await refused(
        kit,
        400,
        no_subprotocol=request(Sec_WebSocket_Protocol=None),
        another_subprotocol=request(Sec_WebSocket_Protocol="jakarta-one.v2"),
        no_key=request(Sec_WebSocket_Key=None),
        a_short_key=request(Sec_WebSocket_Key="c2hvcnQ="),
        no_version=request(Sec_WebSocket_Version=None),
        no_host=request(Host=None),
        two_hosts=request().replace(HOST, HOST * 2),
    )


@SECTION.rule("It must not send an `Origin` header: terminals are no web pages.")
async def _a_web_page_is_403(kit: Kit) -> None:
    await refused(kit, 403, origin=request(Origin="http://shop.example"))


@SECTION.rule("The path is `/`.")
async def _another_path_is_404(kit: Kit) -> None:
    await refused(kit, 404, path=request(path="/v2"), query=request(path="/?a=1"))


@SECTION.rule("another method than `GET`")
async def _another_method_is_405(kit: Kit) -> None:
    await refused(kit, 405, put=request(method="PUT"))


@SECTION.rule("not a request for a websocket")
async def _a_plain_request_is_426(kit: Kit) -> None:
    await refused(
        kit,
        426,
        no_upgrade=request(Upgrade=None),
        no_connection=request(Connection="keep-alive"),
    )


@SECTION.rule(
    "the request is longer than `request_bytes_max`, or has too many headers",
    limits=("request_bytes_max",),
)
async def _a_long_request_is_431(kit: Kit) -> None:
    room = REQUEST_BYTES_MAX - len(request(X_Long=""))
    response = await answered(kit, request(X_Long="x" * room))
    check_equal("the status of a request as long as may be", response.status, 101)
    many = {f"X_{number}": "x" for number in range(HEADERS_TOO_MANY)}
    await refused(
        kit,
        431,
        too_long=request(X_Long="x" * (room + 5)),
        too_many_headers=request(**many),
    )


@SECTION.rule("another protocol than HTTP/1.1")
async def _an_old_protocol_is_505(kit: Kit) -> None:
    await refused(kit, 505, old=request(version="HTTP/1.0"))


@SECTION.rule("A websocket (RFC 6455) over TLS 1.3 (RFC 8446): `wss://`.")
async def _tls_is_of_version_1_3(kit: Kit) -> None:
    if kit.address.tls is None:
        raise NotTried("the node speaks no TLS here")
    async with kit.line() as line:
        check_equal("the version of TLS", line.tls_version, "TLSv1.3")


@SECTION.rule(
    "What is no HTTP request at all, or no TLS where TLS is spoken, is dropped without an answer."
)
async def _what_is_no_request_is_dropped(kit: Kit) -> None:
    async with kit.line() as line:
        await line.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n")
        check_equal("what came", await line.read(), b"")


@SECTION.rule("Messages may be fragmented.")
async def _a_message_may_come_in_fragments(kit: Kit) -> None:
    payload = packed("heartbeat", 77)
    async with kit.session() as peer:
        await peer.line.write(
            frame(payload[:3], fin=False),
            frame(b"between", Opcode.PING),
            frame(b"", Opcode.CONTINUATION, fin=False),
            frame(payload[3:], Opcode.CONTINUATION),
        )
        came = [await peer.line.frame(), await peer.line.frame()]
        found = {each.opcode: each.payload for each in came if each}
        check_equal("the pong", found.get(Opcode.PONG), b"between")
        check_equal("the pulse", found.get(Opcode.BINARY, b"")[1:8], packed("pulse", 77)[1:8])


@SECTION.rule("Every message is one **binary** websocket message")
async def _bytes_may_come_one_by_one(kit: Kit) -> None:
    async with kit.session() as peer:
        for byte in frame(packed("heartbeat", 78)):
            await peer.line.write(bytes([byte]))
        check_equal("at_ms of the pulse", (await peer.hear("pulse"))["at_ms"], 78)


@SECTION.rule("Every message is one **binary** websocket message")
async def _messages_may_come_together(kit: Kit) -> None:
    async with kit.session() as peer:
        await peer.say_all([["heartbeat", number] for number in range(5)])
        found = [(await peer.hear("pulse"))["at_ms"] for _ in range(5)]
        check_equal("the order of the pulses", found, [*range(5)])


@SECTION.rule("Pings are answered;")
async def _pings_are_answered(kit: Kit) -> None:
    async with kit.session() as peer:
        for payload in (b"", b"are you there", bytes(125)):
            await peer.line.write(frame(payload, Opcode.PING))
            pong = await peer.line.frame()
            check_equal("the pong", pong and (pong.opcode, pong.payload), (Opcode.PONG, payload))
        await peer.line.write(frame(b"unasked", Opcode.PONG))
        await peer.hears_nothing()
