"""What can go wrong on the wire, and the stable codes that tell it.

    ProtocolError
    └── ProtocolViolation   the other side broke a rule; its connection is closed, no other

The values of all codes are part of the protocol: they are never renamed and never reused.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from protocol.limits import ERROR_TEXT_LENGTH_MAX


class Code(StrEnum):
    """Why the node closes a connection."""

    FRAME_INVALID = "frame_invalid"
    FRAMES_EXCEEDED = "frames_exceeded"
    TEXT_FRAME = "text_frame"
    MESSAGE_TOO_BIG = "message_too_big"
    PAYLOAD_INVALID = "payload_invalid"
    MESSAGE_UNKNOWN = "message_unknown"
    FIELD_INVALID = "field_invalid"
    MESSAGE_UNEXPECTED = "message_unexpected"
    NOT_ALLOWED = "not_allowed"
    VERSION_UNSUPPORTED = "version_unsupported"
    PROOF_INVALID = "proof_invalid"
    KEY_UNKNOWN = "key_unknown"
    KEY_REVOKED = "key_revoked"
    KEY_EXPIRED = "key_expired"
    HANDSHAKE_TIMEOUT = "handshake_timeout"
    IDLE = "idle"
    RATE_EXCEEDED = "rate_exceeded"
    CREDITS_EXCEEDED = "credits_exceeded"
    QUERIES_EXCEEDED = "queries_exceeded"
    ORDERS_EXCEEDED = "orders_exceeded"
    CERTIFICATE_MISMATCH = "certificate_mismatch"
    SESSIONS_EXCEEDED = "sessions_exceeded"
    INTERNAL_ERROR = "internal_error"
    NODE_STOPPING = "node_stopping"


CLOSE_CODES: Final[dict[Code, int]] = {
    Code.FRAME_INVALID: 1002,
    Code.FRAMES_EXCEEDED: 1008,
    Code.TEXT_FRAME: 1003,
    Code.MESSAGE_TOO_BIG: 1009,
    Code.PAYLOAD_INVALID: 1007,
    Code.MESSAGE_UNKNOWN: 1007,
    Code.FIELD_INVALID: 1007,
    Code.MESSAGE_UNEXPECTED: 1002,
    Code.NOT_ALLOWED: 1008,
    Code.VERSION_UNSUPPORTED: 4000,
    Code.PROOF_INVALID: 4001,
    Code.KEY_UNKNOWN: 4002,
    Code.KEY_REVOKED: 4003,
    Code.HANDSHAKE_TIMEOUT: 4004,
    Code.IDLE: 4005,
    Code.RATE_EXCEEDED: 4006,
    Code.CREDITS_EXCEEDED: 4007,
    Code.QUERIES_EXCEEDED: 4008,
    Code.ORDERS_EXCEEDED: 4011,
    Code.KEY_EXPIRED: 4010,
    Code.CERTIFICATE_MISMATCH: 4009,
    Code.SESSIONS_EXCEEDED: 4012,
    Code.INTERNAL_ERROR: 1011,
    Code.NODE_STOPPING: 1012,
}
"""The websocket close code that goes with each; from 4000 on they are our own (RFC 6455, 7.4.2)."""


class ComeBack(StrEnum):
    """When whoever was disconnected may connect again."""

    LATER = "later"
    """After a while."""
    ENROLLED = "enrolled"
    """Not before an operator has enrolled a key."""
    REPAIRED = "repaired"
    """The same again ends the same way: the client, or the way it is used, is wrong."""


COME_BACK: Final[dict[Code, ComeBack]] = {
    Code.FRAME_INVALID: ComeBack.REPAIRED,
    Code.FRAMES_EXCEEDED: ComeBack.REPAIRED,
    Code.TEXT_FRAME: ComeBack.REPAIRED,
    Code.MESSAGE_TOO_BIG: ComeBack.REPAIRED,
    Code.PAYLOAD_INVALID: ComeBack.REPAIRED,
    Code.MESSAGE_UNKNOWN: ComeBack.REPAIRED,
    Code.FIELD_INVALID: ComeBack.REPAIRED,
    Code.MESSAGE_UNEXPECTED: ComeBack.REPAIRED,
    Code.NOT_ALLOWED: ComeBack.REPAIRED,
    Code.VERSION_UNSUPPORTED: ComeBack.REPAIRED,
    Code.PROOF_INVALID: ComeBack.REPAIRED,
    Code.KEY_UNKNOWN: ComeBack.ENROLLED,
    Code.KEY_REVOKED: ComeBack.ENROLLED,
    Code.KEY_EXPIRED: ComeBack.ENROLLED,
    Code.HANDSHAKE_TIMEOUT: ComeBack.LATER,
    Code.IDLE: ComeBack.LATER,
    Code.RATE_EXCEEDED: ComeBack.LATER,
    Code.CREDITS_EXCEEDED: ComeBack.REPAIRED,
    Code.QUERIES_EXCEEDED: ComeBack.REPAIRED,
    Code.ORDERS_EXCEEDED: ComeBack.REPAIRED,
    Code.CERTIFICATE_MISMATCH: ComeBack.REPAIRED,
    Code.SESSIONS_EXCEEDED: ComeBack.LATER,
    Code.INTERNAL_ERROR: ComeBack.LATER,
    Code.NODE_STOPPING: ComeBack.LATER,
}


class BusyReason(StrEnum):
    """Why a transaction was turned away for now; `card_quarantined` of the engine is another."""

    OVERLOAD = "overload"
    STORAGE_FULL = "storage_full"
    TOO_MANY_GAPS = "too_many_gaps"
    RESTARTING = "restarting"
    KEYS_UNAVAILABLE = "keys_unavailable"
    TERMINAL_SUSPENDED = "terminal_suspended"


class QueryCode(StrEnum):
    """Why a question has no answer."""

    BUSY = "busy"
    NOT_ALLOWED = "not_allowed"
    NOT_FOUND = "not_found"
    QUESTION_INVALID = "question_invalid"
    INTERNAL_ERROR = "internal_error"


class OrderCode(StrEnum):
    """Why an order was not done."""

    CONFLICT = "conflict"
    DRAFT_UNKNOWN = "draft_unknown"
    EXPIRED = "expired"
    INTERNAL_ERROR = "internal_error"
    KEY_INVALID = "key_invalid"
    NOTHING_CHANGES = "nothing_changes"
    NO_TARGET = "no_target"
    OVERLOAD = "overload"
    PARTS_MISSING = "parts_missing"
    SECOND_OFFICER = "second_officer"
    STORAGE_FULL = "storage_full"
    TERMINAL_UNKNOWN = "terminal_unknown"
    TOO_MANY = "too_many"
    VERSION_PASSED = "version_passed"


class ProtocolError(Exception):
    """Root of the exceptions of this package."""


class ProtocolViolation(ProtocolError):
    """The other side broke a rule of the protocol.

    Attributes:
      code: which rule; also the reason of the close frame.
      field: where, as `submit.transactions[0].intent.amount_rp`; empty where no field is to blame.
      text: for a person; its wording may change.
    """

    def __init__(self, code: Code, field: str = "", text: str = "") -> None:
        super().__init__(code, field, text)
        self.code = code
        self.field = field
        self.text = text[:ERROR_TEXT_LENGTH_MAX]

    @property
    def close_code(self) -> int:
        """The code of the close frame."""
        return CLOSE_CODES[self.code]

    def __str__(self) -> str:
        """Return one line for a log."""
        return " ".join(part for part in (self.code, self.field, self.text) if part)
