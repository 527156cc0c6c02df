"""A terminal's session as the node sees it: payloads in, transactions and questions out.

    new --hello--> challenged --prove--> ready --violation, deadline, close--> closed

No I/O, no clock and no chance: the time comes with each call, the nonce with the session. The
host's clock (`now_ms`) is only told on; deadlines run on one that nobody can set (`now_s`). What
the session has to say itself stands in `outbox`; the answers to transactions and questions are made
by `answer` and `answer_query`, which give back what the question took, and `end_feed` gives back
what a subscription took.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final, Protocol, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Struct
from msgspec.structs import replace

from engine.accounts import is_name
from engine.keys import Role, is_of_small_order
from protocol import limits
from protocol.codec import decode, encode
from protocol.errors import Code, ProtocolViolation, QueryCode
from protocol.messages import (
    CAPABILITIES,
    VERSION,
    Answer,
    AnswerBody,
    Challenge,
    Error,
    Failed,
    FeedEnd,
    Fetch,
    FromNode,
    FromTerminal,
    Heartbeat,
    Hello,
    Holds,
    JournalPart,
    Order,
    Outcome,
    Outcomes,
    Prove,
    Pulse,
    Query,
    Ready,
    Receipt,
    Report,
    Statement,
    Submit,
    Subscribe,
    Unsubscribe,
    name_of,
    proof_text,
)
from protocol.rights import may
from protocol.sense import nonsense
from protocol.subscriptions import Subscriptions


class EnrolledKey(Protocol):
    """What a session needs to know of a key."""

    @property
    def role(self) -> Role:
        """What the key may do."""
        ...

    @property
    def revoked_ms(self) -> int | None:
        """Since when it may do nothing any more; None while it may."""
        ...

    @property
    def expires_ms(self) -> int | None:
        """From when on it may do nothing any more; None: never."""
        ...


KeyName: TypeAlias = tuple[str, bytes]
"""A terminal and its public key."""

FindKey: TypeAlias = Callable[[str, bytes], EnrolledKey | None]
"""Finds the key that a terminal was enrolled with, by its name and the public key."""

LastCounter: TypeAlias = Callable[[str], int]
"""Tells the highest counter seen of a terminal, 0 for none."""

CertifiedNames: TypeAlias = Callable[[], frozenset[str] | None]
"""Tells the names in the certificate of the connection; None where none was demanded."""


Wanted: TypeAlias = (
    Submit
    | Query
    | Subscribe
    | Unsubscribe
    | Heartbeat
    | Holds
    | Fetch
    | Report
    | JournalPart
    | Order
)
"""Messages that somebody else has to look at. A heartbeat has its pulse already."""


class Bounds(Struct, frozen=True):
    """What one connection may have under way.

    Attributes:
      credits: transactions that may be unanswered.
      frames_per_second_max: messages taken in a second.
      queries_open_max: questions that may be unanswered.
    """

    credits: int = limits.CREDITS
    frames_per_second_max: int = limits.FRAMES_PER_SECOND_MAX
    queries_open_max: int = limits.QUERIES_OPEN_MAX


USUAL_BOUNDS: Final = Bounds()


class Phase(StrEnum):
    """How far a session has come."""

    NEW = "new"
    CHALLENGED = "challenged"
    READY = "ready"
    CLOSED = "closed"


class ServerSession:
    """One connection of a terminal, from `hello` to its end.

    Args:
      nonce: 32 bytes of chance, never used before.
      opened_s: when the connection came in, on a clock that is never set.
      find_key: finds an enrolled key.
      last_counter: tells where a terminal's counter stands.
      latest_ms: the latest time that the host's clock has shown so far. A key that had expired by
        then stays so, also when the clock was set back.
      certified_names: tells, once a proof has come, whom the connection's certificate names.
      bounds: what the terminal may have under way.

    Attributes:
      phase: how far it has come.
      terminal: the name claimed by `hello`, proven once `phase` is `ready`.
      software: what the terminal says it runs.
      role: what the terminal may do, from `ready` on.
      key_expires_ms: when its key expires; None: never.
      credits: transactions that may still be sent.
      last_heartbeat: the terminal's own clock and backlog, when it told them last.
      outbox: payloads to send, in order; the caller sends and clears them.
    """

    def __init__(
        self,
        nonce: bytes,
        opened_s: float,
        find_key: FindKey,
        last_counter: LastCounter,
        *,
        latest_ms: int = 0,
        certified_names: CertifiedNames = lambda: None,
        bounds: Bounds = USUAL_BOUNDS,
    ) -> None:
        self.phase = Phase.NEW
        self.terminal = ""
        self.software = ""
        self.role: Role = "terminal"
        self.key_expires_ms: int | None = None
        self.credits = bounds.credits
        self.last_heartbeat: Heartbeat | None = None
        self.outbox: list[bytes] = []
        self._nonce = nonce
        self._opened_s = self._quiet_since_s = opened_s
        self._heard = False
        self._find_key = find_key
        self._last_counter = last_counter
        self._latest_ms = latest_ms
        self._certified_names = certified_names
        self._public_key = b""
        self._second = 0
        self._frames_in_second = 0
        self._bounds = bounds
        self._queries_open: set[int] = set()
        self._orders_open = 0
        self._subscriptions = Subscriptions()

    # --- what comes in ------------------------------------------------------------------------

    def receive(self, payload: bytes, now_ms: int) -> Wanted | None:
        """Take one payload; return what somebody else has to answer.

        After the end nothing is taken any more.

        Raises:
          ProtocolViolation: a rule was broken. Nothing of the payload counts, the session is
            closed, and the last payload of `outbox` tells the terminal why.
        """
        if self.phase is Phase.CLOSED:
            return None
        try:
            self._count_frame(now_ms)
            ready = self.phase is Phase.READY
            bytes_max = limits.FRAME_BYTES_MAX if ready else limits.HANDSHAKE_BYTES_MAX
            message = decode(payload, bytes_max=bytes_max)
            _check_length(message, len(payload))
            self._heard = True
            return self._handle(message, now_ms)
        except ProtocolViolation as violation:
            self.close(violation)
            raise

    def check_deadline(self, now_s: float) -> None:
        """Close the session if it was silent for too long, as `receive` would.

        Silence is counted from the first look after a message: look about once a second.

        Raises:
          ProtocolViolation: the handshake, or the next message, is overdue.
        """
        if self._heard:
            self._heard = False
            self._quiet_since_s = now_s
        if self.phase is Phase.CLOSED or now_s < self.deadline_s:
            return
        ready = self.phase is Phase.READY
        violation = ProtocolViolation(Code.IDLE if ready else Code.HANDSHAKE_TIMEOUT)
        self.close(violation)
        raise violation

    @property
    def key_mark(self) -> bytes:
        """The first bytes of the key that was proven: enough to tell it from another one."""
        return self._public_key[: limits.KEY_MARK_BYTES]

    @property
    def deadline_s(self) -> float:
        """When the session ends unless something is heard before."""
        if self.phase is Phase.READY:
            return self._quiet_since_s + limits.IDLE_S
        return self._opened_s + limits.HANDSHAKE_S

    def close(self, violation: ProtocolViolation) -> None:
        """End the session and leave the reason in `outbox`, for the terminal."""
        if self.phase is not Phase.CLOSED:
            self.phase = Phase.CLOSED
            self.outbox.append(encode(Error(violation.code, violation.field, violation.text)))

    @property
    def key(self) -> KeyName | None:
        """The key that was proven, while the session is ready."""
        return (self.terminal, self._public_key) if self.phase is Phase.READY else None

    def check_key(self, found: EnrolledKey | None, now_ms: int) -> None:
        """Close the session if its key may do nothing any more, as `receive` would.

        Args:
          found: what is enrolled now under `key`.
          now_ms: the host's clock, or the latest time that it has shown.

        Raises:
          ProtocolViolation: since it was proven the key was revoked, has expired, or is gone.
        """
        if self.phase is not Phase.READY:
            return
        try:
            self._take_key(found, now_ms)
        except ProtocolViolation as violation:
            self.close(violation)
            raise

    # --- what goes out ------------------------------------------------------------------------

    def tell(self, message: FromNode) -> bytes:
        """Return the payload of a message about lists, commands or orders."""
        if isinstance(message, Receipt):
            self._orders_open -= 1
            assert self._orders_open >= 0, "more receipts than orders"
        return encode(message)

    def answer(self, outcomes: Sequence[Outcome]) -> bytes:
        """Return the payload that answers transactions, with their credits."""
        given_back = len(outcomes)
        self.credits += given_back
        assert self.credits <= self._bounds.credits, "more was answered than was sent"
        return encode(Outcomes(tuple(outcomes), given_back))

    def answer_query(self, query_id: int, body: AnswerBody) -> bytes:
        """Return the payload that answers a question.

        A statement too long for a frame is cut short; its `next` leads to the rest.
        """
        self._queries_open.remove(query_id)
        payload = encode(Answer(query_id, body))
        while len(payload) > limits.FRAME_BYTES_MAX and isinstance(body, Statement):
            lines = body.lines[: len(body.lines) // 2]
            body = replace(body, lines=lines, next=lines[-1].position)
            payload = encode(Answer(query_id, body))
        return payload

    def end_feed(self, end: FeedEnd) -> bytes:
        """Return the payload that ends a subscription; its id is free again."""
        self._subscriptions.end(end.id)
        return encode(end)

    # --- messages -----------------------------------------------------------------------------

    def _count_frame(self, now_ms: int) -> None:
        second = now_ms // 1000
        if second != self._second:
            self._second = second
            self._frames_in_second = 0
        self._frames_in_second += 1
        if self._frames_in_second > self._bounds.frames_per_second_max:
            text = f"more than {self._bounds.frames_per_second_max} messages in a second"
            raise ProtocolViolation(Code.RATE_EXCEEDED, "", text)

    def _handle(self, message: FromTerminal, now_ms: int) -> Wanted | None:
        match message:
            case Hello():
                self._expect(Phase.NEW, message)
                self._take_hello(message, now_ms)
                return None
            case Prove():
                self._expect(Phase.CHALLENGED, message)
                self._take_proof(message, now_ms)
                return None
            case _:
                self._expect(Phase.READY, message)
                return self._take(message, now_ms)

    def _take(self, message: Wanted, now_ms: int) -> Wanted | None:
        if not may(self.role, self.terminal, message):
            text = f"for the role {self.role}"
            raise ProtocolViolation(Code.NOT_ALLOWED, name_of(message), text)
        match message:
            case Submit():
                return self._take_submit(message)
            case Query():
                return self._take_query(message)
            case Order() | JournalPart():
                return self._take_order(message)
            case Subscribe():
                return self._take_subscribe(message)
            case Unsubscribe():
                return message if message.id in self._subscriptions else None
            case Heartbeat():
                self.last_heartbeat = message
                self.outbox.append(encode(Pulse(message.at_ms, now_ms)))
            case _:
                pass
        return message

    def _expect(self, phase: Phase, message: FromTerminal) -> None:
        if self.phase is not phase:
            text = f"the session is {self.phase}, not {phase}"
            raise ProtocolViolation(Code.MESSAGE_UNEXPECTED, name_of(message), text)

    def _take_submit(self, message: Submit) -> Submit:
        wanted = len(message.transactions)
        if wanted > self.credits:
            text = f"{wanted} transactions, {self.credits} credits"
            raise ProtocolViolation(Code.CREDITS_EXCEEDED, "submit.transactions", text)
        for number, transaction in enumerate(message.transactions):
            if not may(self.role, self.terminal, transaction.intent):
                field = f"submit.transactions[{number}].intent"
                raise ProtocolViolation(Code.NOT_ALLOWED, field, f"for the role {self.role}")
        self.credits -= wanted
        return message

    def _take_query(self, message: Query) -> Query | None:
        if message.id in self._queries_open:
            raise ProtocolViolation(Code.FIELD_INVALID, "query.id", "a query of this id is open")
        if len(self._queries_open) >= self._bounds.queries_open_max:
            text = f"{self._bounds.queries_open_max} queries are open"
            raise ProtocolViolation(Code.QUERIES_EXCEEDED, "query", text)
        self._queries_open.add(message.id)
        if failed := self._unanswerable(message):
            self.outbox.append(self.answer_query(message.id, failed))
            return None
        return message

    def _take_order(self, message: Order | JournalPart) -> Order | JournalPart:
        if self._orders_open >= limits.ORDERS_OPEN_MAX:
            text = f"{limits.ORDERS_OPEN_MAX} have no receipt yet"
            raise ProtocolViolation(Code.ORDERS_EXCEEDED, name_of(message), text)
        if isinstance(message, Order) and not is_name(message.id):
            text = "printable ASCII without blanks, / and *"
            raise ProtocolViolation(Code.FIELD_INVALID, "order.id", text)
        if isinstance(message, Order) and not may(self.role, self.terminal, message.action):
            text = f"for the role {self.role}"
            raise ProtocolViolation(Code.NOT_ALLOWED, "order.action", text)
        self._orders_open += 1
        return message

    def _unanswerable(self, query: Query) -> Failed | None:
        question = query.question
        if not may(self.role, self.terminal, question):
            text = f"for the role {self.role}"
            return Failed(QueryCode.NOT_ALLOWED, "query.question", text)
        return nonsense(question)

    def _take_subscribe(self, message: Subscribe) -> Subscribe | None:
        if refusal := self._subscriptions.take(message):
            self.outbox.append(self.end_feed(refusal))
            return None
        return message

    def _take_hello(self, message: Hello, now_ms: int) -> None:
        if VERSION not in message.versions:
            text = f"this node speaks version {VERSION}"
            raise ProtocolViolation(Code.VERSION_UNSUPPORTED, "hello.versions", text)
        if not is_name(message.terminal):
            text = "printable ASCII without blanks, / and *"
            raise ProtocolViolation(Code.FIELD_INVALID, "hello.terminal", text)
        self.terminal = message.terminal
        self.software = message.software
        self._public_key = message.public_key
        self.phase = Phase.CHALLENGED
        self.outbox.append(encode(Challenge(VERSION, self._nonce, now_ms)))

    def _take_proof(self, message: Prove, now_ms: int) -> None:
        # The proof comes first: only who holds a key is told whether it is enrolled.
        if is_of_small_order(self._public_key):
            why = "a key of small order proves nothing"
            raise ProtocolViolation(Code.PROOF_INVALID, "hello.public_key", why)
        text = proof_text(self._nonce, self._public_key, self.terminal)
        # Raised outside of what caught the cause: that would keep alive all that is on the stack.
        if not _is_signed(self._public_key, message.signature, text):
            raise ProtocolViolation(Code.PROOF_INVALID, "prove.signature")
        names = self._certified_names()
        if names is not None and self.terminal not in names:
            why = "the certificate of the connection does not name this terminal"
            raise ProtocolViolation(Code.CERTIFICATE_MISMATCH, "hello.terminal", why)
        found = self._find_key(self.terminal, self._public_key)
        self._take_key(found, max(now_ms, self._latest_ms))
        self.phase = Phase.READY
        self.outbox.append(
            encode(
                Ready(
                    server_time_ms=now_ms,
                    last_counter=self._last_counter(self.terminal),
                    credits=self.credits,
                    heartbeat_s=limits.HEARTBEAT_S,
                    frame_bytes_max=limits.FRAME_BYTES_MAX,
                    transactions_per_frame_max=limits.TRANSACTIONS_PER_FRAME_MAX,
                    capabilities=CAPABILITIES,
                )
            )
        )

    def _take_key(self, found: EnrolledKey | None, now_ms: int) -> None:
        if found is None:
            raise ProtocolViolation(Code.KEY_UNKNOWN, "hello.public_key")
        if found.revoked_ms is not None:
            raise ProtocolViolation(Code.KEY_REVOKED, "hello.public_key")
        if found.expires_ms is not None and found.expires_ms <= now_ms:
            raise ProtocolViolation(Code.KEY_EXPIRED, "hello.public_key")
        self.role = found.role
        self.key_expires_ms = found.expires_ms


def _check_length(message: FromTerminal, payload_bytes: int) -> None:
    """Check a bound of one kind of message.

    Raises:
      ProtocolViolation: it is longer than the answer that will show it can be.
    """
    bytes_max = limits.JOURNAL_PART_BYTES_MAX
    if isinstance(message, JournalPart) and payload_bytes > bytes_max:
        text = f"{payload_bytes} bytes, {bytes_max} may be sent"
        raise ProtocolViolation(Code.MESSAGE_TOO_BIG, name_of(message), text)


def _is_signed(public_key: bytes, signature: bytes, text: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, text)
    except (InvalidSignature, ValueError):
        return False
    return True
