"""Sizes, fragments and many messages (section 9 of the suite), within the bounds of this protocol.

The suite goes up to 16 MiB. A message of this protocol has 256 KiB at most, in 256 frames at most:
what is within is taken, what is beyond is refused as soon as that can be known.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from protocol.errors import Code
from protocol.limits import FRAME_BYTES_MAX, FRAMES_PER_MESSAGE_MAX
from tests.protocol.autobahn.framing import claims
from tests.protocol.autobahn.rows import Row, fragments, heartbeat, message, taps_in
from tests.protocol.peer import CONTINUATION, TEXT, masked

KIB: Final = 1024
MIB: Final = 1024 * KIB
SIZES: Final = (64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB)
FRAGMENTS: Final = (64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB)
CHOPS: Final = (64, 128, 256, 512, KIB, 2 * KIB)
SMALL: Final = (0, 16, 64, 256, KIB, 4 * KIB)
MANY: Final = 200
"""Instead of a thousand, which is as many messages as a second may bring."""


def begun(size: int, fragment: int) -> bytes:
    """Return the fragments of a message that is too long, as far as anybody reads."""
    if fragment > FRAME_BYTES_MAX:
        return claims(fragment)
    first = masked(b"*" * fragment, fin=False)
    read = min(size, FRAME_BYTES_MAX + fragment, fragment * (FRAMES_PER_MESSAGE_MAX + 1))
    return first + masked(b"*" * fragment, CONTINUATION, fin=False) * (read // fragment - 1)


def whole() -> Iterator[Row]:
    """Yield messages in one frame."""
    for number, size in enumerate(SIZES, start=1):
        what = f"{size // KIB} KiB"
        fits = size <= FRAME_BYTES_MAX
        text = masked(b"*" * size, TEXT) if fits else claims(size, TEXT)
        refusal = Code.TEXT_FRAME if fits else Code.MESSAGE_TOO_BIG
        yield Row(f"9.1.{number}", f"a text of {what}", text, ends=refusal)
        if fits:
            yield Row(f"9.2.{number}", what, masked(message(size)), (message(size),))
        else:
            yield Row(f"9.2.{number}", what, claims(size), ends=Code.MESSAGE_TOO_BIG)


def in_fragments() -> Iterator[Row]:
    """Yield a message that is too long, in fragments; and one as long as may be."""
    for number, size in enumerate(FRAGMENTS, start=1):
        what = f"in fragments of {size} bytes"
        text = masked(b"*" * min(size, KIB), TEXT, fin=False)
        yield Row(f"9.3.{number}", f"a text {what}", text, ends=Code.TEXT_FRAME)
        many = size * FRAMES_PER_MESSAGE_MAX < FRAME_BYTES_MAX
        refusal = Code.FRAMES_EXCEEDED if many else Code.MESSAGE_TOO_BIG
        yield Row(f"9.4.{number}", f"4 MiB {what}", begun(4 * MIB, size), ends=refusal)
    longest = message(FRAME_BYTES_MAX)
    for size in (KIB, 4 * KIB, 64 * KIB, 100_001):
        what = f"the longest message in fragments of {size} bytes"
        yield Row(f"9.4.{size}", what, fragments(longest, size), (longest,))
    short = message(KIB)
    yield Row("9.4.a", "as many frames as may be", fragments(short, 4), (short,))
    sent = fragments(message(KIB + 1), 4)
    yield Row("9.4.b", "one frame more", sent, ends=Code.FRAMES_EXCEEDED)


def in_chops() -> Iterator[Row]:
    """Yield the longest message in chops; how else every row is cut is not told here."""
    longest = message(FRAME_BYTES_MAX)
    for number, size in enumerate(CHOPS, start=1):
        yield Row(f"9.6.{number}", f"256 KiB in chops of {size} bytes", masked(longest), (longest,))
    yield Row("9.5.1", "a text in chops", masked(b"*" * KIB, TEXT), ends=Code.TEXT_FRAME)


def many() -> Iterator[Row]:
    """Yield many messages."""
    for number, size in enumerate(SMALL, start=1):
        text = masked(b"*" * size, TEXT) * 3
        yield Row(f"9.7.{number}", f"texts of {size} bytes", text, ends=Code.TEXT_FRAME)
        step = max(1, taps_in(size))
        each = tuple(message(size, 1 + turn * step) for turn in range(MANY))
        sent = b"".join(map(masked, each))
        yield Row(f"9.8.{number}", f"{MANY} messages of {size} bytes", sent, each)
    each = tuple(heartbeat(number) for number in range(MANY))
    yield Row("9.8.a", f"{MANY} heartbeats", b"".join(map(masked, each)), each)


ROWS: Final = (*whole(), *in_fragments(), *in_chops(), *many())
