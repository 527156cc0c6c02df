"""The websocket of a terminal as the node sees it: bytes in, messages out (RFC 6455).

A shell around the Sans-I/O core of `websockets` (D3). The core parses frames and answers pings and
closes; the shell opens the connection, puts messages together, and bounds what the core does not.
"""

from __future__ import annotations

from http import HTTPStatus
from struct import Struct
from typing import Final

from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from protocol import limits
from protocol.errors import Code, ProtocolViolation
from protocol.messages import SUBPROTOCOL

PATH: Final = "/"
CLOSE_REASON_BYTES_MAX: Final = 123
"""What a close frame has room for (RFC 6455, 5.5)."""

NO_ROOM: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"Connection: close\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: 29\r\n"
    b"\r\n"
    b"the node has no room for you\n"
)
"""What is said, without waiting for a request, to a connection that nobody can serve."""

_DATA: Final = Opcode.BINARY
_WHOLE_MESSAGE: Final = 0x80 | _DATA
_SHORT_MAX: Final = 125
_MIDDLE_MAX: Final = 0xFFFF
_SHORT_HEADER: Final = Struct("!BB").pack
_MIDDLE_HEADER: Final = Struct("!BBH").pack
_LONG_HEADER: Final = Struct("!BBQ").pack
_HEAD_END: Final = b"\r\n\r\n"

_CODES: Final[dict[int, Code]] = {
    CloseCode.PROTOCOL_ERROR: Code.FRAME_INVALID,
    CloseCode.INVALID_DATA: Code.PAYLOAD_INVALID,
    CloseCode.MESSAGE_TOO_BIG: Code.MESSAGE_TOO_BIG,
    CloseCode.INTERNAL_ERROR: Code.INTERNAL_ERROR,
}
"""Our codes for what the core finds wrong; the end of the stream is none of them."""


class _Core(ServerProtocol):
    """The core, with our bounds between its frames, and our codes in what it closes with."""

    def __init__(self, message_bytes_max: int) -> None:
        # Terminals name no Origin. Web pages do, and none is to reach a node through the browser
        # of somebody inside its network.
        super().__init__(
            origins=[None], subprotocols=[Subprotocol(SUBPROTOCOL)], max_size=message_bytes_max
        )
        self.violation: ProtocolViolation | None = None
        self.frames_left = limits.WEBSOCKET_FRAMES_PER_SECOND_MAX
        self._frames_since_message = 0

    def recv_frame(self, frame: Frame) -> None:
        """Take a frame as soon as it is parsed, and look at no other behind one that is wrong.

        The core would parse all that was read first: what is answered would depend on how the
        network cut the bytes.
        """
        self.frames_left -= 1
        if frame.opcode is _DATA and frame.fin and self.frames_left >= 0:
            self._frames_since_message = 0
            super().recv_frame(frame)
        elif self._has_room_for(frame):
            self._take_part(frame)

    def fail(self, code: CloseCode | int, reason: str = "") -> None:
        """Close at once, as the core does when it finds a frame wrong."""
        if code in _CODES:
            self.break_off(_CODES[code], reason)
        else:
            super().fail(code)

    def break_off(self, code: Code, text: str) -> None:
        """Close at once because of a rule, ours or the websocket's."""
        self.violation = ProtocolViolation(code, "", text)
        super().fail(self.violation.close_code, _cut(f"{code}: {text}"))

    def _has_room_for(self, frame: Frame) -> bool:
        """Count a frame that is no message by itself; return False when it is one too many."""
        if self.frames_left < 0:
            text = f"more than {limits.WEBSOCKET_FRAMES_PER_SECOND_MAX} websocket frames"
            self.break_off(Code.RATE_EXCEEDED, f"{text} in a second")
            return False
        self._frames_since_message += 1
        if self._frames_since_message > limits.FRAMES_PER_MESSAGE_MAX:
            text = f"more than {limits.FRAMES_PER_MESSAGE_MAX} without a message"
            self.break_off(Code.FRAMES_EXCEEDED, text)
            return False
        if frame.opcode is Opcode.CONT and frame.fin:
            self._frames_since_message = 0
        return True

    def _take_part(self, frame: Frame) -> None:
        """Take a frame that is no message by itself: a fragment, a control frame, a text."""
        if frame.opcode is Opcode.CLOSE:
            # It may stand between fragments, as other control frames may (RFC 6455, 5.4); the
            # core takes it for an error there.
            self.current_size = None
        super().recv_frame(frame)
        if frame.opcode is Opcode.TEXT:
            self.break_off(Code.TEXT_FRAME, "messages are binary")


class ServerWebSocket:
    """One connection, from the HTTP request to the last frame.

    `receive` takes what was read and returns the messages in it; then `take_output` is to be
    written, and once `closed` the connection ends. No error escapes: what breaks the rules closes
    the connection with a code, and `violation` tells which.

    Args:
      message_bytes_max: the longest message taken, until `allow` says otherwise.
    """

    def __init__(self, *, message_bytes_max: int = limits.HANDSHAKE_BYTES_MAX) -> None:
        self._core = _Core(message_bytes_max)
        self._request: bytes | None = b""
        self._fragments: list[bytes] = []
        self._deaf = False
        self._close_taken = False

    @staticmethod
    def frame(payload: bytes) -> bytes:
        """Return the frame of a message to the terminal, to be sent while `sendable`."""
        size = len(payload)
        if size <= _SHORT_MAX:
            return _SHORT_HEADER(_WHOLE_MESSAGE, size) + payload
        if size <= _MIDDLE_MAX:
            return _MIDDLE_HEADER(_WHOLE_MESSAGE, 126, size) + payload
        return _LONG_HEADER(_WHOLE_MESSAGE, 127, size) + payload

    def allow(self, message_bytes_max: int) -> None:
        """Take messages of this length from now on: it is known who sends them.

        The core reserves nothing, but keeps what has come of a frame until it is whole.
        """
        self._core.max_message_size = message_bytes_max

    def begin_second(self) -> None:
        """Take as many frames again as a second may bring."""
        self._core.frames_left = limits.WEBSOCKET_FRAMES_PER_SECOND_MAX

    def receive(self, data: bytes) -> list[bytes]:
        """Take bytes of the terminal; return the messages that are whole now, in order.

        What the terminal sent before it closed or broke a rule still counts; what arrives after
        `close` does not.
        """
        core = self._core
        messages: list[bytes] = []
        if self._request is not None and not core.eof_sent:
            data = self._open(self._request + data)
        if data and not core.eof_sent:
            core.receive_data(data)
            # It holds on to the whole of a frame that was wrong, in a cycle that only the
            # collector finds.
            core.parser_exc = None
            for event in core.events_received():
                assert isinstance(event, Frame), "the request was taken before"
                if event.opcode is _DATA and event.fin:
                    messages.append(bytes(event.data))
                elif event.opcode in (_DATA, Opcode.CONT):
                    self._take_fragment(event, messages)
        return [] if self._deaf else messages

    def receive_eof(self) -> None:
        """Take the end of the terminal's bytes."""
        self._core.receive_eof()

    def take_output(self) -> bytes:
        """Return what is to be written now: the HTTP response, pongs, close frames."""
        self._close_taken = self.close_sent
        return b"".join(self._core.data_to_send())

    def close(self, code: int, reason: str = "") -> None:
        """Begin to close: the terminal has yet to answer, and the caller waits for that, bounded.

        A connection that is not open yet is dropped; one that closes already goes on to do so.
        """
        self._deaf = True
        if self.open:
            self._core.send_close(code, _cut(reason))
        elif not self.close_sent:
            self._core.fail(CloseCode.ABNORMAL_CLOSURE)

    def release(self) -> None:
        """Let go of everything, so that it need not wait for the collector; the end of all use."""
        self._core.parser.close()
        self._fragments.clear()

    @property
    def open(self) -> bool:
        """Whether neither side has begun to close."""
        return self._core.state is State.OPEN

    @property
    def sendable(self) -> bool:
        """Whether messages may be sent: nothing goes behind a close frame that was taken.

        What came before a close, or before a broken rule, is answered before that is.
        """
        return self.open or (self.close_sent and not self._close_taken)

    @property
    def close_sent(self) -> bool:
        """Whether a close frame was sent, the node's own or the answer to the terminal's."""
        return self._core.close_sent is not None

    @property
    def closed(self) -> bool:
        """Whether the connection may end, once all output is written."""
        return self._core.eof_sent

    @property
    def violation(self) -> ProtocolViolation | None:
        """The rule of the websocket that the terminal broke."""
        return self._core.violation

    def _open(self, received: bytes) -> bytes:
        """Take the HTTP request; return what stands behind it.

        The core gets it alone: frames that come before they may would be answered too early.
        """
        head, end, rest = received.partition(_HEAD_END)
        too_big = len(head) > limits.REQUEST_BYTES_MAX
        if not end and not too_big:
            self._request = received
            return b""
        self._request = None
        core = self._core
        if too_big:
            text = f"more than {limits.REQUEST_BYTES_MAX} bytes\n"
            self._respond(core.reject(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, text))
            return b""
        core.receive_data(head + end)
        for request in core.events_received():
            assert isinstance(request, Request), "frames are not fed yet"
            self._respond(self._response_to(request))
        return rest

    def _response_to(self, request: Request) -> Response:
        """Return the answer to a request; what the core does not look at is looked at here."""
        if request.path != PATH:
            return self._core.reject(HTTPStatus.NOT_FOUND, f"the path is {PATH}\n")
        if len(request.headers.get_all("Host")) != 1:
            return self._core.reject(HTTPStatus.BAD_REQUEST, "one Host is to be named\n")
        response = self._core.accept(request)
        failure: BaseException | None = self._core.handshake_exc
        while failure is not None:
            # The core keeps it in a cycle, and with it all that was on the stack.
            failure.__traceback__ = None
            failure = failure.__context__
        if response.status_code == HTTPStatus.BAD_REQUEST:
            # Said to a client of another version of the websocket (RFC 6455, 4.4).
            response.headers["Sec-WebSocket-Version"] = "13"
        return response

    def _respond(self, response: Response) -> None:
        # The date would be the only thing here that is read from a clock.
        del response.headers["Date"]
        self._core.send_response(response)

    def _take_fragment(self, frame: Frame, messages: list[bytes]) -> None:
        """Keep a fragment; add the message that it ends."""
        self._fragments.append(bytes(frame.data))
        if frame.fin:
            messages.append(b"".join(self._fragments))
            self._fragments.clear()


def _cut(reason: str) -> str:
    return reason.encode()[:CLOSE_REASON_BYTES_MAX].decode(errors="ignore")
