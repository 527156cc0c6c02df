"""Hostile bytes: frames, messages and orders that are almost right, or wrong in every way.

Whatever comes, there is only a message or a documented rejection; what is rejected changes
nothing but that the session ends; and nothing stays behind in memory.
"""

from __future__ import annotations

import random
from time import perf_counter  # noqa: TID251 - the longest time is told, and decides nothing
from typing import Final

import msgspec
import pytest

from engine.keys import Role
from protocol.messages import FromTerminal, Submit
from protocol.session import EnrolledKey, ServerSession
from tests.fuzz.cases import (
    TAKEN,
    Case,
    frame_case,
    message_case,
    noise_case,
    request_case,
    typed_case,
)
from tests.fuzz.orders import order_case
from tests.fuzz.running import Tally, check_memory

CASES: Final = 1_250
CASES_SLOW: Final = 20_000
"""Of each kind but one."""
ORDERS_SLOW: Final = 8_000
"""Each is a whole conversation, and takes some fifteen times as long."""

KINDS: Final = (
    *((message_case, 0.01), (frame_case, 0.05), (request_case, 0.01), (noise_case, 0.0)),
    *((typed_case, 0.05), (order_case, 0.1)),
)
"""Each with the share that has to be taken, and that has to be rejected, for it to count."""


def run(case: Case, seeds: range) -> Tally:
    tally = Tally(case)
    tally.run(seeds, perf_counter)
    return tally


def check(case: Case, share: float, seeds: range) -> None:
    tally = run(case, seeds)
    assert share <= tally.share_taken <= 1 - share
    print(tally)  # noqa: T201 - for whoever asks with -rP; how fast a machine is fails no test


@pytest.mark.parametrize(("case", "share"), KINDS)
def test_mutated_input_is_read_or_rejected(case: Case, share: float) -> None:
    check(case, share, range(CASES))


@pytest.mark.slow
@pytest.mark.usefixtures("no_cover")
@pytest.mark.parametrize(("case", "share"), KINDS)
def test_a_hundred_thousand_mutations_are_read_or_rejected(case: Case, share: float) -> None:
    count = ORDERS_SLOW if case is order_case else CASES_SLOW
    # Other seeds than those of the quick test.
    check(case, share, range(CASES, CASES + count))


@pytest.mark.parametrize("case", [case for case, _ in KINDS])
def test_mutated_input_leaves_nothing_behind_in_memory(case: Case) -> None:
    check_memory(case, range(CASES // 5), perf_counter)


def test_orders_reach_every_part_of_a_session() -> None:
    """Or what they find says little: sessions are opened, asked, answered, and end in many ways."""
    # Some ends are rare: one in 500 cases, and fewer when messages get another kind of field.
    became = run(order_case, range(3 * CASES)).became
    assert became[TAKEN] > 15 * CASES
    ends = {code for code, count in became.items() if count > 3}
    assert ends >= {
        *("message_unexpected", "field_invalid", "payload_invalid", "message_unknown"),
        *("proof_invalid", "key_unknown", "key_revoked", "key_expired", "not_allowed"),
        "credits_exceeded",
        *("queries_exceeded", "rate_exceeded", "handshake_timeout", "idle"),
    }


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
    for case in (message_case, typed_case, order_case):
        with pytest.raises(AssertionError):
            run(case, range(CASES))


def test_a_key_that_is_not_looked_at_again_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    role: Role = "service"

    def take_any(session: ServerSession, _found: EnrolledKey | None, _now_ms: int) -> None:
        session.role = role

    monkeypatch.setattr(ServerSession, "_take_key", take_any)
    with pytest.raises(AssertionError):
        run(order_case, range(CASES))


def test_credits_for_nothing_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ServerSession, "answer", lambda *_: b"\x93\xa7outcome\x90\x00")
    with pytest.raises(AssertionError):
        run(order_case, range(CASES))


def test_memory_that_grows_is_found() -> None:
    kept = []

    def hoarding(rng: random.Random) -> list[str]:
        kept.append(rng.randbytes(1000))
        return [TAKEN]

    with pytest.raises(AssertionError):
        check_memory(hoarding, range(CASES // 5), perf_counter)
