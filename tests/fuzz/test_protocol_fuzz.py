"""Hostile bytes: frames and messages that are almost right, or wrong in every way.

Whatever comes, there is only a message or a documented rejection; what is rejected changes
nothing but that the session ends; and nothing stays behind in memory.
"""

from __future__ import annotations

import gc
import random
import tracemalloc
from collections.abc import Callable
from copy import deepcopy
from time import perf_counter  # noqa: TID251 - the longest time is told, and decides nothing
from typing import Final, TypeAlias, get_args

import msgspec
import pytest

from engine.keys import Role
from protocol import limits
from protocol.errors import CLOSE_CODES, ProtocolViolation
from protocol.messages import FromTerminal, Submit
from protocol.session import Phase, ServerSession, Wanted
from protocol.websocket import ServerWebSocket
from tests.fuzz.mutation import cut, mutate
from tests.protocol.peer import (
    CLOSE,
    CONTINUATION,
    NOW_MS,
    PING,
    PONG,
    TAP,
    TERMINAL,
    TEXT,
    UPGRADE,
    StoredKey,
    hello,
    masked,
    new_session,
    open_websocket,
    pack,
    proof,
    ready_session,
    submit,
)

Case: TypeAlias = Callable[[random.Random], bool]
"""Feeds something drawn, and tells whether it was taken."""

CASES: Final = 1_250
CASES_SLOW: Final = 25_000
"""Of each of the four kinds."""

GROWTH_BYTES_MAX: Final = 64 * 1024
"""What a run may leave behind: caches of the interpreter, not of the number of cases."""
PEAK_BYTES_MAX: Final = 4 * 1024 * 1024
"""What all of one case may take: a few times the longest message."""

INTENTS: Final = (
    ["purchase", "C", 1, "m", "p", "kjp", b"proof"],
    ["top_up", "C", 1, "dki", 0, "chip", "", b"proof"],
    ["group", [TAP, ["subsidy", "p", "o", 1], ["share", "a", "b", 1]]],
    ["reversal", "T", 1],
    ["refund", "T", 1, 1],
    ["adjustment", "ani", "why", [[1, "C", 5], [3, "o", -5]], "C"],
    ["issue", "C", "account", "dki", True],
    ["replace", "C", "D"],
    ["hold", "C", 1, "operator", "o", 60_000],
    ["post", "C", "T", 1, 1],
)
PAYLOADS: Final = (
    *(hello(), proof(), submit(), submit(50)),
    *(pack("submit", [[1, NOW_MS, intent]]) for intent in INTENTS),
    pack("query", 1, ["balance", 1, "C", None, 5]),
    pack("query", 2, ["statement", 1, "C", 7, 100]),
    pack("query", 3, ["transaction", TERMINAL, 1]),
    pack("query", 4, ["dry_run", [1, NOW_MS, TAP]]),
    pack("subscribe", 1, 5),
    pack("subscribe", 2, 0, [["tap", "group"], ["transjakarta"], ["dki"], ["kjp"]]),
    pack("unsubscribe", 1),
    pack("heartbeat", NOW_MS, 3),
)
FRAMES: Final = (
    *(masked(payload) for payload in PAYLOADS),
    masked(submit()[:20], fin=False) + masked(submit()[20:], CONTINUATION),
    masked(submit()) * 8,
    masked(b"are you there?", PING),
    masked(b"", PONG),
    masked(b"\x03\xe8bye", CLOSE),
    masked(b"text", TEXT),
)


# --- seeded mutation --------------------------------------------------------------------------


def state(session: ServerSession) -> tuple[object, ...]:
    """Return what a rejected payload must leave as it is."""
    names = (session.terminal, session.software, session.role)
    following = [number for number in range(8) if number in session._subscriptions]  # noqa: SLF001
    return (*names, session.credits, session.last_heartbeat, following)


class Sessions:
    """Sessions in each phase, fresh for each case."""

    def __init__(self) -> None:
        new = new_session(StoredKey())
        challenged = new_session(StoredKey())
        challenged.receive(hello(), NOW_MS)
        challenged.outbox.clear()
        roles: tuple[Role, ...] = get_args(Role)
        self._templates = (new, challenged, *map(ready_session, roles))

    def draw(self, rng: random.Random) -> ServerSession:
        return deepcopy(rng.choice(self._templates))


SESSIONS: Final = Sessions()


def feed(session: ServerSession, payload: bytes) -> bool:
    """Give a payload to a session, check all that is promised, and tell whether it was taken."""
    before, credits_before = state(session), session.credits
    was_closed = session.phase is Phase.CLOSED
    try:
        wanted = session.receive(payload, NOW_MS + 1)
    except ProtocolViolation as violation:
        check_rejection(session, violation)
        assert state(session) == before
        return False
    assert len(session.outbox) <= 1
    if was_closed:
        assert (wanted, state(session), session.outbox) == (None, before, [])
    taken = len(wanted.transactions) if isinstance(wanted, Submit) else 0
    assert session.credits == credits_before - taken
    assert wanted is None or isinstance(wanted, get_args(Wanted))
    return True


def check_rejection(session: ServerSession, violation: ProtocolViolation) -> None:
    assert violation.code in CLOSE_CODES
    assert len(violation.text) <= limits.ERROR_TEXT_LENGTH_MAX
    assert session.phase is Phase.CLOSED
    assert len(session.outbox[-1]) < 2_000


def message_case(rng: random.Random) -> bool:
    """Feed a mutated message to a session, and a valid one behind it."""
    session = SESSIONS.draw(rng)
    taken = feed(session, mutate(rng, rng.choice(PAYLOADS), PAYLOADS))
    session.outbox.clear()
    feed(session, rng.choice(PAYLOADS))
    return taken


def receive_all(websocket: ServerWebSocket, pieces: list[bytes]) -> tuple[list[bytes], bytes]:
    """Return messages and output of a connection that is fed bytes, then ended."""
    messages: list[bytes] = []
    output = b""
    for piece in pieces:
        was_closed = websocket.closed
        received = websocket.receive(piece)
        assert not (was_closed and received)
        messages += received
        output += websocket.take_output()
    websocket.receive_eof()
    assert websocket.closed
    assert websocket.receive(b"late") == []
    return messages, output + websocket.take_output()


def check_output(websocket: ServerWebSocket, output: bytes) -> None:
    """Check that there are only pongs, then at most one close with a documented code."""
    closes: list[bytes] = []
    while output:
        assert not closes, "nothing follows a close frame"
        head, size = output[:2]
        assert head in {0x80 | PONG, 0x80 | CLOSE}
        assert size <= 125
        body, output = output[2 : 2 + size], output[2 + size :]
        if head == 0x80 | CLOSE:
            closes.append(body)
    if websocket.violation:
        assert closes[0][:2] == websocket.violation.close_code.to_bytes(2)


def frame_case(rng: random.Random) -> bool:
    """Feed a mutated stream of frames, cut at random, to a connection and on to a session."""
    websocket = open_websocket(message_bytes_max=rng.choice((100, 10_000)))
    stream = b"".join(rng.choice(FRAMES) for _ in range(rng.randint(1, 5)))
    messages, output = receive_all(websocket, cut(rng, mutate(rng, stream, FRAMES)))
    check_output(websocket, output)
    session = SESSIONS.draw(rng)
    for message in messages:
        session.outbox.clear()
        feed(session, message)
    return websocket.violation is None


def request_case(rng: random.Random) -> bool:
    """Feed a mutated request, with frames behind it."""
    websocket = ServerWebSocket()
    sent = mutate(rng, UPGRADE, FRAMES) + rng.choice(FRAMES)
    messages, output = receive_all(websocket, cut(rng, sent))
    assert output == b"" or output.startswith(b"HTTP/1.1 ")
    opened = output.startswith(b"HTTP/1.1 101 ")
    assert opened or not messages
    return opened


def noise_case(rng: random.Random) -> bool:
    """Feed bytes without any sense to everything."""
    noise = rng.randbytes(rng.choice((0, 1, 10, 100, 5_000)))
    receive_all(ServerWebSocket(), cut(rng, noise))
    websocket = open_websocket()
    check_output(websocket, receive_all(websocket, cut(rng, noise))[1])
    return feed(SESSIONS.draw(rng), noise)


KINDS: Final = ((message_case, 0.01), (frame_case, 0.05), (request_case, 0.01), (noise_case, 0.0))
"""Each with the share that has to be taken, and that has to be rejected, for it to count."""


def run(case: Case, seeds: range) -> tuple[float, str]:
    """Run a case for each seed; return the share that was taken, and which took longest."""
    taken = 0
    slowest = (0.0, -1)
    for seed in seeds:
        rng = random.Random(seed)
        start = perf_counter()
        try:
            taken += case(rng)
        except BaseException as error:
            error.add_note(f"replay: {case.__name__}(random.Random({seed}))")
            raise
        slowest = max(slowest, ((perf_counter() - start) * 1000, seed))
    return taken / len(seeds), f"{case.__name__}: {slowest[0]:.2f} ms for seed {slowest[1]}"


def check_memory(case: Case, seeds: range) -> None:
    """Check that cases leave nothing behind and that none takes much."""
    run(case, seeds)
    tracemalloc.start()
    try:
        run(case, seeds)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        run(case, seeds)
        gc.collect()
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < GROWTH_BYTES_MAX
    assert peak - before < PEAK_BYTES_MAX


def check(case: Case, share: float, seeds: range) -> None:
    taken, slowest = run(case, seeds)
    assert share <= taken <= 1 - share
    print(slowest)  # noqa: T201 - for whoever asks with -rP; how fast a machine is fails no test


@pytest.mark.parametrize(("case", "share"), KINDS)
def test_mutated_input_is_read_or_rejected(case: Case, share: float) -> None:
    check(case, share, range(CASES))


@pytest.mark.slow
@pytest.mark.parametrize(("case", "share"), KINDS)
def test_a_hundred_thousand_mutations_are_read_or_rejected(case: Case, share: float) -> None:
    # Other seeds than those of the quick test.
    check(case, share, range(CASES, CASES + CASES_SLOW))


@pytest.mark.parametrize("case", [case for case, _ in KINDS])
def test_mutated_input_leaves_nothing_behind_in_memory(case: Case) -> None:
    check_memory(case, range(CASES // 5))


# --- the harness itself -----------------------------------------------------------------------


def test_an_error_that_is_not_documented_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = msgspec.msgpack.Decoder(FromTerminal)
    monkeypatch.setattr("protocol.session.decode", lambda payload, **_: decoder.decode(payload))
    with pytest.raises(msgspec.DecodeError) as caught:
        run(message_case, range(CASES))
    assert "replay: message_case(random.Random(" in caught.value.__notes__[0]


def test_a_rejection_that_leaves_a_trace_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    take = ServerSession._take_submit  # noqa: SLF001 - the place of the planted bug

    def spend_first(session: ServerSession, message: Submit) -> Submit:
        session.credits -= 1
        return take(session, message)

    monkeypatch.setattr(ServerSession, "_take_submit", spend_first)
    with pytest.raises(AssertionError):
        run(message_case, range(CASES))


def test_memory_that_grows_is_found() -> None:
    kept = []

    def hoarding(rng: random.Random) -> bool:
        kept.append(rng.randbytes(1000))
        return True

    with pytest.raises(AssertionError):
        check_memory(hoarding, range(CASES // 5))
