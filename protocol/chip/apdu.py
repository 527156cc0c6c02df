"""Commands and answers of a chip: short APDUs, native commands in them, and chains of frames.

Source: ISO/IEC 7816-4, 5.1 (short lengths); NXP AN12343 (native commands under CLA 90).
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

from protocol.chip.errors import CardRefused, Malformed
from protocol.chip.limits import ANSWER_BYTES_MAX, COMMAND_BYTES_MAX, FRAME_BYTES_MAX

NATIVE_CLASS: Final = 0x90
MORE_FRAMES: Final = 0xAF
"""The command that sends, or asks for, the next frame; and the status that says there is one."""

ISO_OK: Final = 0x9000
NATIVE_OK: Final = 0x9100
NATIVE_MORE: Final = 0x91AF

_HEADER_BYTES: Final = 4
_STATUS_BYTES: Final = 2
_NATIVE_SW1: Final = 0x91
_BYTE_MAX: Final = 0xFF
_WORD_MAX: Final = 0xFFFF

_MEANINGS: Final[dict[int, str]] = {
    ISO_OK: "done",
    NATIVE_OK: "done",
    0x910C: "no changes to commit",
    0x911C: "illegal command",
    0x911E: "integrity error, a wrong MAC or padding",
    0x9140: "no such key",
    0x917E: "wrong length of the command",
    0x919D: "permission denied",
    0x919E: "wrong parameter",
    0x91AD: "authentication delay after wrong keys",
    0x91AE: "authentication error",
    NATIVE_MORE: "another frame is awaited",
    0x91BE: "boundary error, a limit of the file or of its value",
    0x91CA: "command aborted",
    0x91DE: "duplicate",
    0x91EE: "memory error",
    0x91F0: "no such file",
}
"""Status words and what they say (NXP AN12343; MF2DL(H)x0 data sheet)."""


@dataclass(frozen=True, slots=True)
class CommandApdu:
    """A command with short lengths; `expected` is Le, 1 to 256 bytes, or None for no Le.

    Raises:
      Malformed: a part is out of bounds.
    """

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = b""
    expected: int | None = None

    def __post_init__(self) -> None:
        for name, value in (
            *(("CLA", self.cla), ("INS", self.ins)),
            *(("P1", self.p1), ("P2", self.p2)),
        ):
            if not 0 <= value <= _BYTE_MAX:
                raise Malformed(f"{name} is {value}, which is no byte")
        if len(self.data) > COMMAND_BYTES_MAX:
            raise Malformed(f"a command of {len(self.data)} bytes, above {COMMAND_BYTES_MAX}")
        if self.expected is not None and not 1 <= self.expected <= FRAME_BYTES_MAX:
            raise Malformed(f"Le is {self.expected}, outside 1 to {FRAME_BYTES_MAX}")

    def encode(self) -> bytes:
        """Return the bytes on the wire."""
        length = bytes((len(self.data),)) if self.data else b""
        expected = b"" if self.expected is None else bytes((self.expected & _BYTE_MAX,))
        return bytes((self.cla, self.ins, self.p1, self.p2)) + length + self.data + expected

    @classmethod
    def decode(cls, raw: bytes) -> CommandApdu:
        """Read a command.

        Raises:
          Malformed: too short, lengths that do not add up, or an extended length.
        """
        if len(raw) < _HEADER_BYTES:
            raise Malformed(f"a command of {len(raw)} bytes has no header")
        cla, ins, p1, p2 = raw[:_HEADER_BYTES]
        body = raw[_HEADER_BYTES:]
        if len(body) <= 1:
            return cls(cla, ins, p1, p2, expected=_expected(body))
        length = body[0]
        if length == 0:
            raise Malformed("Lc is 00: no data, or an extended length, which is not spoken here")
        data, rest = body[1 : 1 + length], body[1 + length :]
        if len(data) < length or len(rest) > 1:
            raise Malformed(f"Lc is {length}, and {len(body) - 1} bytes follow")
        return cls(cla, ins, p1, p2, data, _expected(rest))


@dataclass(frozen=True, slots=True)
class ResponseApdu:
    """An answer: data, and the status word SW1 SW2 as one number."""

    data: bytes
    status: int

    def __post_init__(self) -> None:
        if not 0 <= self.status <= _WORD_MAX:
            raise Malformed(f"the status is {self.status}, which is no status word")
        if len(self.data) > FRAME_BYTES_MAX:
            raise Malformed(f"an answer of {len(self.data)} bytes, above {FRAME_BYTES_MAX}")

    def encode(self) -> bytes:
        """Return the bytes on the wire."""
        return self.data + self.status.to_bytes(_STATUS_BYTES, "big")

    @classmethod
    def decode(cls, raw: bytes) -> ResponseApdu:
        """Read an answer.

        Raises:
          Malformed: no status word: the card left, and what it did is not known; or too long.
        """
        if len(raw) < _STATUS_BYTES:
            raise Malformed(f"an answer of {len(raw)} bytes has no status word")
        return cls(raw[:-_STATUS_BYTES], int.from_bytes(raw[-_STATUS_BYTES:], "big"))


_Result = TypeVar("_Result")
Exchange: TypeAlias = Generator[CommandApdu, ResponseApdu, _Result]
"""Yields each command, is sent its answer, and returns what came of it; somebody else does I/O."""


def select(application: bytes) -> CommandApdu:
    """Return the command that selects an application by its DF name, without its FCI."""
    return CommandApdu(0x00, 0xA4, 0x04, 0x0C, application, FRAME_BYTES_MAX)


def native(ins: int, payload: bytes = b"") -> CommandApdu:
    """Return a native command in an APDU."""
    return CommandApdu(NATIVE_CLASS, ins, 0, 0, payload, FRAME_BYTES_MAX)


def transmit(
    ins: int, payload: bytes = b"", frame_bytes_max: int = COMMAND_BYTES_MAX
) -> Exchange[tuple[bytes, int]]:
    """Exchange one native command in as many frames as it needs; return data and last status.

    Raises:
      Malformed: the card ends before all is sent, answers too early, never ends, or sends a
        status that is not native.
    """
    frames = [
        payload[start : start + frame_bytes_max]
        for start in range(0, len(payload), frame_bytes_max)
    ] or [b""]
    *earlier, last = frames
    for frame in earlier:
        answer = yield native(ins, frame)
        if not _asks_for_more(answer):
            return b"", answer.status
        ins = MORE_FRAMES
    answer = yield native(ins, last)
    return (yield from _rest_of(answer))


def ensure_done(status: int) -> None:
    """Let a status pass that says all is done.

    Raises:
      CardRefused: it says anything else; the error names it.
    """
    if status not in {ISO_OK, NATIVE_OK}:
        raise CardRefused(status, _MEANINGS.get(status, "a status not known here"))


def _expected(rest: bytes) -> int | None:
    return (rest[0] or FRAME_BYTES_MAX) if rest else None


def _asks_for_more(answer: ResponseApdu) -> bool:
    """Tell whether the card waits for the next frame, and not for having refused the command."""
    status = _native(answer)
    if status == NATIVE_OK:
        raise Malformed("the card ended a command of which frames were left to send")
    if answer.data:
        raise Malformed(f"the card answers {len(answer.data)} bytes to half a command")
    return status == NATIVE_MORE


def _rest_of(answer: ResponseApdu) -> Exchange[tuple[bytes, int]]:
    data = bytearray(answer.data)
    while _native(answer) == NATIVE_MORE:
        answer = yield native(MORE_FRAMES)
        data += answer.data
        if len(data) > ANSWER_BYTES_MAX:
            raise Malformed(f"an answer above {ANSWER_BYTES_MAX} bytes")
        if not answer.data and answer.status == NATIVE_MORE:
            raise Malformed("a frame without data asks for another one")
    return bytes(data), answer.status


def _native(answer: ResponseApdu) -> int:
    if answer.status >> 8 != _NATIVE_SW1:
        raise Malformed(f"{answer.status:04X} is no status of a native command")
    return answer.status
