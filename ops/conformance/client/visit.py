"""One connection of the client under test; the kit plays the node."""

from __future__ import annotations

import math
import os
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Sequence
from hashlib import sha1
from typing import Any, Final, NamedTuple

import msgpack
import trio
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ops.conformance.client.book import Book
from ops.conformance.client.contract import NAME, PUBLIC
from ops.conformance.errors import RuleBroken, Silent, check, check_equal
from ops.conformance.frames import (
    SHORT_MAX,
    Frame,
    FrameReader,
    Opcode,
    close_payload,
    close_told,
    frame,
)
from ops.conformance.limits import HTTP_BYTES_MAX, PATIENCE_S, RECEIVE_BYTES
from ops.conformance.peer import Fields, fields, packed, proof_text, told
from ops.conformance.shape import SCHEMA, fault

GUID: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""Of RFC 6455, section 1.3."""
LATER: Final = ["later", 7, [None]]
"""Elements that a later version may have added."""
LIMITS: Final[dict[str, int]] = SCHEMA["x-limits"]
CAPABILITIES: Final = [*SCHEMA["x-capabilities"], "time_travel"]
NO_ROOM: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)


class Request(NamedTuple):
    """The request that opened the connection."""

    line: str
    headers: dict[str, str]


class Visit:
    """A connection.

    Args:
      stream: TCP.
      book: what the client has to deliver, and what was found wrong.
      clock_ms: what is told as the node's clock.

    Attributes:
      later: whether elements are added to what is said, as a later version would.
      request: how the client asked for a websocket.
      hello: what it said first.
      pulses: whether heartbeats are answered.
      credits: those that it has left.
      unanswered: counters of its transactions that have no outcome here, in order.
      ended_s: when the kit has ended it.
    """

    def __init__(self, stream: trio.SocketStream, book: Book, clock_ms: Callable[[], int]) -> None:
        self.later = False
        self.pulses = True
        self.request = Request("", {})
        self.hello: Fields = {}
        self.credits = 0
        self.unanswered: list[int] = []
        self.ended_s = math.inf
        self._per_frame_max = 0
        self._stream = stream
        self._book = book
        self._clock_ms = clock_ms
        self._reader = FrameReader()
        self._frames: deque[Frame] = deque()
        self._parts: list[bytes] = []
        self._heard: deque[list[Any]] = deque()
        self._pongs: list[bytes] = []

    # --- the connection -----------------------------------------------------------------------

    async def read_request(self) -> Request:
        """Read the request for a websocket."""
        data = b""
        with trio.move_on_after(PATIENCE_S):
            while b"\r\n\r\n" not in data and len(data) < HTTP_BYTES_MAX:
                received = await self._read()
                if not received:
                    break
                data += received
        head, end, rest = data.partition(b"\r\n\r\n")
        check(end, f"no request came, but {data[:80]!r}")
        check(not rest, "something was sent before the request was answered")
        line, *lines = head.decode("latin-1").split("\r\n")
        pairs = (each.partition(":") for each in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        self.request = Request(line, headers)
        return self.request

    async def accept(self) -> None:
        """Read the request, and open the websocket."""
        key = (await self.read_request()).headers.get("sec-websocket-key", "")
        accepted = b64encode(sha1((key + GUID).encode()).digest()).decode()  # noqa: S324
        lines = [
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {accepted}",
            "Sec-WebSocket-Protocol: jakarta-one.v1",
        ]
        await self.write("\r\n".join([*lines, "", ""]).encode())

    async def turn_away(self) -> Request:
        """Answer the request with 503, and return it."""
        request = await self.read_request()
        await self.write(NO_ROOM)
        await self.cut()
        return request

    async def write(self, data: bytes) -> None:
        """Write bytes; where the client has hung up they are lost."""
        try:
            with trio.fail_after(PATIENCE_S):
                await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
        except trio.TooSlowError as late:
            raise Silent(f"it does not read, for {PATIENCE_S:g} s") from late

    async def cut(self) -> None:
        """End the connection without a word."""
        self.ended_s = min(self.ended_s, trio.current_time())
        await trio.aclose_forcefully(self._stream)

    async def close(self, code: int | None, reason: str = "") -> int | None:
        """Close the websocket; return the code of the client's close frame, None if none came."""
        payload = b"" if code is None else close_payload(code, reason)
        await self.write(frame(payload, Opcode.CLOSE, mask=None))
        found: int | None = None
        with trio.move_on_after(PATIENCE_S):
            while (came := await self._frame()) is not None:
                if came.opcode == Opcode.CLOSE:
                    found = close_told(came.payload)[0]
                    break
        await self.cut()
        return found

    async def fail(self, code: str, number: int | None = None) -> int | None:
        """End the session with an error, as a node does."""
        close = SCHEMA["x-codes"][code]["close"] if number is None else number
        await self.say("error", code, "", "the kit plays this")
        return await self.close(close, code)

    async def is_left_within(self, seconds: float) -> bool:
        """Tell whether the client ends the connection; whatever else it says is taken."""
        try:
            await self.hear_for(seconds)
        except RuleBroken:
            return True
        return False

    # --- out ----------------------------------------------------------------------------------

    async def say(self, *message: object) -> None:
        """Send a message."""
        await self.write(frame(self._packed(message), mask=None))

    def _packed(self, message: Sequence[object]) -> bytes:
        return packed(*message, *(LATER if self.later else ()))

    async def ping(self, payload: bytes) -> None:
        """Send a ping."""
        await self.write(frame(payload, Opcode.PING, mask=None))

    async def say_in_pieces(self, *message: object) -> None:
        """Send a message in fragments, byte by byte, with pings between."""
        payload = packed(*message)
        third = len(payload) // 3
        data = b"".join(
            (
                frame(payload[:third], fin=False, mask=None),
                frame(b"one", Opcode.PING, mask=None),
                frame(payload[third : 2 * third], Opcode.CONTINUATION, fin=False, mask=None),
                frame(b"", Opcode.CONTINUATION, fin=False, mask=None),
                frame(b"two", Opcode.PING, mask=None),
                frame(payload[2 * third :], Opcode.CONTINUATION, mask=None),
            )
        )
        for at in range(len(data)):
            await self.write(data[at : at + 1])
            if not at % 16:
                await trio.sleep(0.001)

    async def say_half(self, *message: object) -> None:
        """Send the first half of a message, and end the connection."""
        data = frame(self._packed(message), mask=None)
        await self.write(data[: len(data) // 2])
        await self.cut()

    # --- in -----------------------------------------------------------------------------------

    async def hear(self, name: str) -> Fields:
        """Wait for a message of a name; others are kept for later.

        Raises:
          Silent: none comes in time.
        """
        for message in self._heard:
            if message[0] == name:
                self._heard.remove(message)
                return fields(f"message.{name}", message)
        try:
            with trio.fail_after(PATIENCE_S):
                while (message := await self._message())[0] != name:
                    self._heard.append(message)
        except trio.TooSlowError as late:
            raise Silent(f"no {name} came for {PATIENCE_S:g} s") from late
        return fields(f"message.{name}", message)

    async def hear_for(self, seconds: float) -> None:
        """Take whatever comes for a while."""
        with trio.move_on_after(seconds):
            while True:
                self._heard.append(await self._message())

    def has_heard(self, name: str) -> list[Fields]:
        """Take all messages of a name that have come and were not looked at."""
        found = [message for message in self._heard if message[0] == name]
        self._heard = deque(message for message in self._heard if message[0] != name)
        return [fields(f"message.{name}", message) for message in found]

    async def pongs(self, *payloads: bytes) -> None:
        """Wait until pings were answered."""
        until_s = trio.current_time() + PATIENCE_S
        while len(self._pongs) < len(payloads) and trio.current_time() < until_s:
            await self.hear_for(0.05)
        check_equal("the pongs", self._pongs[: len(payloads)], list(payloads))

    async def _message(self) -> list[Any]:
        payload = await self._payload()
        try:
            message = msgpack.unpackb(payload)
        except (ValueError, TypeError, msgpack.UnpackException) as error:
            self._book.fault("shape", f"no MessagePack value: {error}")
        wrong = fault(message, "from_terminal")
        if wrong:
            self._book.fault("shape", f"{told(message)} is not of the schema{wrong}")
        assert isinstance(message, list)
        if message[0] == "submit":
            self._take_submit(message[1])
        elif message[0] == "heartbeat" and self.pulses:
            await self.say("pulse", message[1], self._clock_ms())
        return message

    def _take_submit(self, transactions: list[list[Any]]) -> None:
        if len(transactions) > self._per_frame_max:
            self._book.fault("per_frame", f"{len(transactions)}, not {self._per_frame_max}")
        self.credits -= len(transactions)
        if self.credits < 0:
            self._book.fault("credits", f"{-self.credits} more than it has")
        for each in transactions:
            self._book.sent(each)
            self.unanswered.append(each[0])

    async def _payload(self) -> bytes:
        while (came := await self._frame()) is not None:
            if came.opcode == Opcode.PING:
                await self.write(frame(came.payload, Opcode.PONG, mask=None))
            elif came.opcode == Opcode.PONG:
                self._pongs.append(came.payload)
            elif came.opcode == Opcode.CLOSE:
                break
            else:
                self._parts.append(came.payload)
                if came.fin:
                    whole = b"".join(self._parts)
                    self._parts.clear()
                    return whole
        raise RuleBroken("the client ended the connection")

    async def _frame(self) -> Frame | None:
        while not self._frames:
            data = await self._read()
            if not data:
                return None
            self._frames += self._reader.feed(data)
        found = self._frames.popleft()
        if wrong := _wrong(found):
            self._book.fault("frames", wrong)
        return found

    async def _read(self) -> bytes:
        try:
            return bytes(await self._stream.receive_some(RECEIVE_BYTES))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return b""

    # --- conversations ------------------------------------------------------------------------

    async def greet(
        self,
        *,
        credits_: int = LIMITS["credits"],
        per_frame_max: int = LIMITS["transactions_per_frame_max"],
        heartbeat_s: int = LIMITS["heartbeat_s"],
        in_pieces: bool = False,
    ) -> None:
        """Do the handshake, and tell these limits."""
        say = self.say_in_pieces if in_pieces else self.say
        self.hello = await self.hear("hello")
        check(1 in self.hello["versions"], "it does not speak version 1")
        check_equal("its name", self.hello["terminal"], NAME)
        check_equal("its public key", self.hello["public_key"], PUBLIC)
        nonce = os.urandom(32)
        await say("challenge", 1, nonce, self._clock_ms())
        signature = (await self.hear("prove"))["signature"]
        try:
            Ed25519PublicKey.from_public_bytes(PUBLIC).verify(
                signature, proof_text(nonce, PUBLIC, NAME)
            )
        except InvalidSignature:
            self._book.fault("proof", "the signature is not that of the proof text")
        self.credits, self._per_frame_max = credits_, per_frame_max
        limits_ = (credits_, heartbeat_s, LIMITS["frame_bytes_max"], per_frame_max)
        await say("ready", self._clock_ms(), self._book.highest, *limits_, CAPABILITIES)

    async def submitted(self, count: int) -> list[int]:
        """Wait until so many transactions have no outcome; return their counters, in order."""
        while len(self.unanswered) < count:
            await self.hear("submit")
        return list(self.unanswered)

    async def answer(self, *outcomes: Sequence[Any], in_pieces: bool = False) -> None:
        """Send outcomes, with the credits that come back with them."""
        for outcome in outcomes:
            self.unanswered.remove(outcome[0])
            self._book.answered(outcome)
        self.credits += len(outcomes)
        rows = [[*outcome, *(LATER if self.later else ())] for outcome in outcomes]
        say = self.say_in_pieces if in_pieces else self.say
        await say("outcome", rows, len(rows))

    async def answer_all(self) -> None:
        """Answer everything that comes, until nothing is left to be delivered."""
        while self._book.left():
            for counter in await self.submitted(1):
                await self.answer(posted(counter))


def posted(counter: int, *, repeated: bool = False) -> list[Any]:
    """Return the outcome of a transaction that took effect."""
    return [counter, "posted", 16_500, counter + 100, repeated, "", "", "", [], 0]


def not_yet(counter: int, result: str, retry_after_ms: int) -> list[Any]:
    """Return the outcome of a transaction that has to be sent again."""
    reason = "overload" if result == "busy" else ""
    return [counter, result, 0, -1, result != "busy", reason, "", "", [], retry_after_ms]


def _wrong(found: Frame) -> str:
    """Return what is wrong with a frame of a client, or nothing."""
    is_control = found.opcode >= Opcode.CLOSE
    if not found.masked:
        return "a frame is not masked"
    if found.reserved:
        return "a frame has reserved bits, and no extension was negotiated"
    if found.opcode not in {*Opcode}:
        return f"a frame has the opcode {found.opcode}"
    if found.opcode == Opcode.TEXT:
        return "a text message"
    if is_control and (not found.fin or len(found.payload) > SHORT_MAX):
        return "a control frame in fragments, or a long one"
    return ""
