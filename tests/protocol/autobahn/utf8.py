"""UTF-8 (section 6 of the suite): texts are refused whatever they hold, and reasons must be it.

The suite tries its sequences on texts. A node takes none, so each stands in two rows here: as a
text, and as the reason of a close frame, the one place where the websocket itself reads UTF-8.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from protocol.errors import Code
from tests.protocol.autobahn.rows import Row, closing
from tests.protocol.peer import CLOSE, CONTINUATION, TEXT, masked

KOSME: Final = "\u03ba\u1f79\u03c3\u03bc\u03b5".encode()
"""Letters of two and three bytes."""


def letters(*points: int) -> list[bytes]:
    """Return the UTF-8 of letters, one by one."""
    return [chr(point).encode() for point in points]


def spread(point: int, size: int) -> bytes:
    """Return a number in the pattern of UTF-8, in so many bytes, whether or not it may be so."""
    tail = [0x80 | point >> 6 * place & 0x3F for place in range(size - 1)]
    head = (0xFF00 >> size & 0xFF) | point >> 6 * (size - 1)
    return bytes([head, *reversed(tail)])


def surrogates(*points: int) -> bytes:
    """Return surrogates in the pattern of UTF-8."""
    return b"".join(spread(point, 3) for point in points)


def top(size: int) -> int:
    """Return the greatest number that so many bytes can hold."""
    return (1 << 5 * size + 1) - 1


LONELY: Final = ((0xC0, 0xE0), (0xE0, 0xF0), (0xF0, 0xF8), (0xF8, 0xFC), (0xFC, 0xFE))
CUT_SHORT: Final = [
    *(spread(0, size)[:-1] for size in range(2, 7)),
    *(spread(top(size), size)[:-1] for size in range(2, 7)),
]
HIGH: Final = (0xD800, 0xDB7F, 0xDB80, 0xDBFF)
LOW: Final = (0xDC00, 0xDFFF)
NONCHARACTERS: Final = (
    *(0xFFFE, 0xFFFF),
    *(plane << 16 | last for plane in range(1, 17) for last in (0xFFFE, 0xFFFF)),
)

SEQUENCES: Final[dict[str, tuple[str, bool, list[bytes]]]] = {
    "6.5": (
        "valid text",
        True,
        [b"hello" + letter + b"world" for letter in letters(0x24, 0xA2, 0x20AC, 0x24B62)] + [KOSME],
    ),
    "6.6": (
        "a text cut between its letters",
        True,
        [KOSME[:end] for end in (2, 5, 7, 9)],
    ),
    "6.6.a": (
        "a text cut within a letter",
        False,
        [KOSME[:end] for end in (1, 3, 4, 6, 8, 10)],
    ),
    "6.7": ("the first of each length", True, letters(0, 0x80, 0x800, 0x10000)),
    "6.8": ("the first of five and six bytes", False, [spread(2**21, 5), spread(2**26, 6)]),
    "6.9": ("the last of each length", True, letters(0x7F, 0x7FF, 0xFFFF, 0x10FFFF)),
    "6.10": (
        "the last of four to six bytes",
        False,
        [spread(top(size), size) for size in (4, 5, 6)],
    ),
    "6.11": ("around the surrogates and the end", True, letters(0xD7FF, 0xE000, 0xFFFD, 0x10FFFF)),
    "6.11.a": ("behind the end", False, [spread(0x110000, 4)]),
    "6.12": (
        "continuations of nothing",
        False,
        [*((b"\x80\xbf" * 3)[:size] for size in range(1, 7)), b"\xbf", bytes(range(0x80, 0xC0))],
    ),
    "6.13": (
        "lonely beginnings",
        False,
        [b"".join(bytes([byte]) + b" " for byte in range(*some)) for some in LONELY],
    ),
    "6.14": ("without their last byte", False, CUT_SHORT),
    "6.15": ("all of these in a row", False, [b"".join(CUT_SHORT)]),
    "6.16": ("bytes that never occur", False, [b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"]),
    "6.17": ("a slash, too long", False, [spread(0x2F, size) for size in range(2, 7)]),
    "6.18": (
        "the greatest that are too long",
        False,
        [spread(last, size) for last, size in ((0x7F, 2), (0x7FF, 3), (0xFFFF, 4))]
        + [spread(top(size), size + 1) for size in (4, 5)],
    ),
    "6.19": ("zero, too long", False, [spread(0, size) for size in range(2, 7)]),
    "6.20": ("single surrogates", False, [surrogates(point) for point in (*HIGH, *LOW, 0xDF80)]),
    "6.21": (
        "pairs of surrogates",
        False,
        [surrogates(high, low) for high in HIGH for low in LOW],
    ),
    "6.22": ("points that are no letters", True, letters(*NONCHARACTERS)),
    "6.23": ("specials", True, letters(*range(0xFFF9, 0x10000))),
}

OUT_OF_RANGE: Final = spread(0x110000, 4)
BROKEN: Final = {
    "6.1.2": ("empty fragments", [b"", b"", b""]),
    "6.1.3": ("a text between empty fragments", [b"", b"middle", b""]),
    "6.2.2": ("fragments that end between letters", [KOSME[:5], KOSME[5:]]),
    "6.2.4 (6.2.3)": ("one fragment a byte", [bytes([byte]) for byte in KOSME]),
    "6.3.2 (6.3.1)": ("no UTF-8, one fragment a byte", [bytes([b]) for b in KOSME + b"\xed\xa0"]),
    "6.4.1 (6.4.3)": ("a second part out of range", [KOSME, OUT_OF_RANGE, b"edited"]),
    "6.4.2 (6.4.4)": ("the same, cut within", [KOSME + OUT_OF_RANGE[:2], b"\x80\x80", b"edited"]),
}


def fragmented() -> Iterator[Row]:
    """Yield texts in fragments: refused at the first one."""
    yield Row("6.1.1", "an empty text", masked(b"", TEXT), ends=Code.TEXT_FRAME)
    yield Row("6.2.1", "a text in one frame", masked(KOSME, TEXT), ends=Code.TEXT_FRAME)
    for id_, (what, parts) in BROKEN.items():
        sent = masked(parts[0], TEXT, fin=False)
        for number, part in enumerate(parts[1:], start=2):
            sent += masked(part, CONTINUATION, fin=number == len(parts))
        yield Row(id_, f"a text: {what}", sent, ends=Code.TEXT_FRAME)


def sequences() -> Iterator[Row]:
    """Yield each sequence as a text and as a reason."""
    for section, (what, is_valid, found) in SEQUENCES.items():
        for number, sequence in enumerate(found, start=1):
            id_ = f"{section}.{number}"
            yield Row(f"{id_}.t", f"a text: {what}", masked(sequence, TEXT), ends=Code.TEXT_FRAME)
            body = closing(1000, sequence)
            ends = body if is_valid else Code.PAYLOAD_INVALID
            yield Row(f"{id_}.r", f"a reason: {what}", masked(body, CLOSE), ends=ends)


ROWS: Final = (*fragmented(), *sequences())
