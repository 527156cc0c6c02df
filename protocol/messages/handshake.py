"""The handshake, signs of life, and the last word."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

from engine.fleet.terminals import NO_BATTERY, Battery, ReaderState
from engine.transaction import Name, TimeMs
from protocol import limits
from protocol.messages.base import SUBPROTOCOL, Key, Message, ShortText, Signature

CAPABILITIES: Final = (
    *("submit", "query", "dry_run", "lists", "commands", "orders"),
    "feed",
    "chips",
)


class Hello(Message, frozen=True, tag="hello"):
    """Terminal to node, first: who I am, what I speak."""

    versions: Annotated[tuple[int, ...], Meta(min_length=1, max_length=limits.VERSIONS_MAX)]
    terminal: Name
    public_key: Key
    software: ShortText = ""
    capabilities: Annotated[tuple[ShortText, ...], Meta(max_length=limits.CAPABILITIES_MAX)] = ()


class Challenge(Message, frozen=True, tag="challenge"):
    """Node to terminal: prove that you hold the key, over this nonce."""

    version: int
    nonce: Key
    server_time_ms: int


class Prove(Message, frozen=True, tag="prove"):
    """Terminal to node: Ed25519 signature over `proof_text`."""

    signature: Signature


class Ready(Message, frozen=True, tag="ready"):
    """Node to terminal: you are in; these are your limits and where your counter stands."""

    server_time_ms: int
    last_counter: int
    credits: int
    heartbeat_s: int
    frame_bytes_max: int
    transactions_per_frame_max: int
    capabilities: tuple[str, ...]


class Heartbeat(Message, frozen=True, tag="heartbeat"):
    """Terminal to node: I am alive, my clock, how much I have yet to send, and how I am."""

    at_ms: TimeMs
    backlog: Annotated[int, Meta(ge=0, le=2**53 - 1)] = 0
    battery: Battery = NO_BATTERY
    reader: ReaderState = ""


class Pulse(Message, frozen=True, tag="pulse"):
    """Node to terminal: the answer to a heartbeat, with both clocks."""

    at_ms: int
    server_time_ms: int


class Error(Message, frozen=True, tag="error"):
    """Node to terminal, before it closes: what rule was broken, in which field."""

    code: str
    field: str
    text: str


def proof_text(nonce: bytes, public_key: bytes, terminal: str) -> bytes:
    """Return the bytes that a terminal signs: bound to this protocol, nonce, key and name."""
    return SUBPROTOCOL.encode() + b"\0" + nonce + public_key + terminal.encode()
