"""How a connection is opened (RFC 6455, section 4.2), for which the suite has no cases."""

from __future__ import annotations

from typing import Final

from protocol.limits import REQUEST_BYTES_MAX
from tests.protocol.autobahn.rows import Opening
from tests.protocol.peer import UPGRADE

HOST: Final = b"Host: node\r\n"
KEY: Final = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
VERSION: Final = b"Sec-WebSocket-Version: 13\r\n"
PROTOCOL: Final = b"Sec-WebSocket-Protocol: jakarta-one.v1\r\n"
UPGRADES: Final = b"Upgrade: websocket\r\n"
CONNECTION: Final = b"Connection: Upgrade\r\n"


def changed(old: bytes, new: bytes) -> bytes:
    """Return the request with one thing changed."""
    assert old in UPGRADE
    return UPGRADE.replace(old, new)


ROWS: Final = (
    Opening("0.1", "as it should be", UPGRADE, 101),
    Opening("0.2", "names in other cases", UPGRADE.replace(b"Sec-Web", b"SEC-wEB"), 101),
    Opening("0.3", "Upgrade: WebSocket", changed(UPGRADES, b"upgrade: WebSocket\r\n"), 101),
    Opening(
        "0.4",
        "Connection: keep-alive, Upgrade",
        changed(CONNECTION, b"Connection: keep-alive, upgrade\r\n"),
        101,
    ),
    Opening(
        "0.5", "several subprotocols", changed(b"jakarta-one.v1", b"a, jakarta-one.v1, b"), 101
    ),
    Opening(
        "0.6",
        "subprotocols in several lines",
        changed(PROTOCOL, b"Sec-WebSocket-Protocol: a\r\n" + PROTOCOL),
        101,
    ),
    Opening("0.7", "lines of others", changed(HOST, HOST + b"User-Agent: x\r\nX-A:\r\n"), 101),
    Opening("0.8", "a cookie", changed(HOST, HOST + b"Cookie: a=b; c=d\r\n"), 101),
    Opening("0.9", "Content-Length: 0", changed(HOST, HOST + b"Content-Length: 0\r\n"), 101),
    Opening("0.10", "no Host", changed(HOST, b""), 400),
    Opening("0.11", "two Hosts", changed(HOST, HOST * 2), 400),
    Opening("0.12", "no key", changed(KEY, b""), 400),
    Opening("0.13", "two keys", changed(KEY, KEY * 2), 400),
    Opening("0.14", "a key of 15 bytes", changed(b"b25jZQ==", b"b25j"), 400),
    Opening("0.15", "a key that is no base64", changed(b"dGhl", b"d!hl"), 400),
    Opening("0.16", "no version", changed(VERSION, b""), 400, b"Sec-WebSocket-Version: 13"),
    Opening("0.17", "version 8", changed(b": 13", b": 8"), 400, b"Sec-WebSocket-Version: 13"),
    Opening("0.18", "version 14", changed(b": 13", b": 14"), 400, b"Sec-WebSocket-Version: 13"),
    Opening("0.19", "two versions", changed(VERSION, VERSION * 2), 400),
    Opening("0.20", "no subprotocol", changed(PROTOCOL, b""), 400),
    Opening("0.21", "another subprotocol", changed(b"one.v1", b"one.v2"), 400),
    Opening("0.22", "a subprotocol in another case", changed(b"jakarta", b"Jakarta"), 400),
    Opening("0.23", "an Origin", changed(HOST, HOST + b"Origin: http://x.example\r\n"), 403),
    Opening("0.24", "the Origin null", changed(HOST, HOST + b"Origin: null\r\n"), 403),
    Opening("0.25", "another path", changed(b"GET / ", b"GET /admin "), 404),
    Opening("0.26", "a query", changed(b"GET / ", b"GET /?a=b "), 404),
    Opening("0.27", "an absolute address", changed(b"GET / ", b"GET ws://node/ "), 404),
    Opening("0.28", "POST", changed(b"GET", b"POST"), 405, b"Allow: GET"),
    Opening("0.29", "get", changed(b"GET", b"get"), 405),
    Opening("0.30", "no Upgrade", changed(UPGRADES, b""), 426, b"Upgrade: websocket"),
    Opening("0.31", "Upgrade: h2c", changed(b": websocket", b": h2c"), 426),
    Opening("0.32", "no Connection", changed(CONNECTION, b""), 426),
    Opening("0.33", "Connection: close", changed(CONNECTION, b"Connection: close\r\n"), 426),
    Opening("0.34", "HTTP/1.0", changed(b"HTTP/1.1", b"HTTP/1.0"), 505),
    Opening("0.35", "too many lines", changed(HOST, HOST + b"a: b\r\n" * 200), 431),
    Opening("0.36", "a line too long", changed(HOST, b"X: " + b"x" * REQUEST_BYTES_MAX), 431),
    Opening("0.37", "no end in sight", b"GET / HTTP/1.1\r\nX: " + b"x" * 9_000, 431),
    Opening("0.38", "no request at all", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 0),
    Opening("0.39", "HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0),
    Opening("0.40", "a body", changed(HOST, HOST + b"Content-Length: 5\r\n") + b"hello", 0),
    Opening("0.41", "chunks", changed(HOST, HOST + b"Transfer-Encoding: chunked\r\n"), 0),
    Opening("0.42", "a line without a colon", changed(HOST, HOST + b"nonsense\r\n"), 0),
    Opening("0.43", "a line that goes on", changed(HOST, HOST + b" folded\r\n"), 0),
    Opening("0.44", "lines that end in LF alone", UPGRADE.replace(b"\r\n", b"\n") + b"\r\n\r\n", 0),
    Opening("0.45", "an empty line first", b"\r\n" + UPGRADE, 0),
)
