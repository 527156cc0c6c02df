"""Each code of the document reaches a terminal: none is promised that the node never says."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeAlias

import pytest
import trio
import trio.testing

from actors.shard import Shard
from protocol import limits
from protocol.errors import CLOSE_CODES, Code
from tests.actors.stage import Another, Stage, on_stage, ready
from tests.actors.world import Clock
from tests.protocol import document, peer

Act: TypeAlias = Callable[[Stage], None]

HEARTBEAT: Final = peer.pack("heartbeat", 1)
ISSUE: Final = peer.pack("submit", [[1, 1, ["issue", "C", "account", "dki"]]])


def sending(*payloads: bytes) -> Act:
    """Send messages."""
    return lambda stage: stage.wire.put(b"".join(map(peer.masked, payloads)))


def writing(data: bytes) -> Act:
    """Write bytes into the websocket."""
    return lambda stage: stage.wire.put(data)


def proving_with(key: peer.StoredKey | None) -> Act:
    """Prove a key of which the node knows this."""

    def act(stage: Stage) -> None:
        stage.enrolled = key
        sending(peer.hello(), peer.proof())(stage)

    return act


def coming_anew(stage: Stage) -> None:
    """Let the same terminal connect as often as it may."""
    for _ in range(limits.SESSIONS_PER_TERMINAL_MAX):
        stage.reception.greet(Another(), peer.TERMINAL)


def proving_under_another_name(stage: Stage) -> None:
    """Prove the key on a connection whose certificate names somebody else."""
    stage.wire.names = frozenset({"GATE-02"})
    sending(peer.hello(), peer.proof())(stage)


def stop(stage: Stage) -> None:
    stage.life.stopping.set()


UNSHAKEN: Final[dict[Code, Act]] = {
    Code.VERSION_UNSUPPORTED: sending(peer.pack("hello", [2], peer.TERMINAL, peer.PUBLIC)),
    Code.PROOF_INVALID: sending(peer.hello(), peer.pack("prove", bytes(64))),
    Code.KEY_UNKNOWN: proving_with(None),
    Code.KEY_REVOKED: proving_with(peer.StoredKey(revoked_ms=1)),
    Code.KEY_EXPIRED: proving_with(peer.StoredKey(expires_ms=1)),
    Code.CERTIFICATE_MISMATCH: proving_under_another_name,
}
SHAKEN: Final[dict[Code, Act]] = {
    Code.FRAME_INVALID: writing(b"\x82\x03one"),
    Code.FRAMES_EXCEEDED: writing(
        peer.masked(b"", peer.PING) * (limits.FRAMES_PER_MESSAGE_MAX + 1)
    ),
    Code.TEXT_FRAME: writing(peer.masked(b"text", peer.TEXT)),
    Code.MESSAGE_TOO_BIG: writing(peer.masked(bytes(limits.FRAME_BYTES_MAX + 1))[:14]),
    Code.PAYLOAD_INVALID: sending(b"\xc1"),
    Code.MESSAGE_UNKNOWN: sending(peer.pack("greetings")),
    Code.FIELD_INVALID: sending(peer.pack("heartbeat", -1)),
    Code.MESSAGE_UNEXPECTED: sending(peer.hello()),
    Code.NOT_ALLOWED: sending(ISSUE),
    Code.RATE_EXCEEDED: sending(*[HEARTBEAT] * (limits.FRAMES_PER_SECOND_MAX + 1)),
    Code.CREDITS_EXCEEDED: sending(*(peer.submit(500, 1 + 500 * frame) for frame in range(5))),
    Code.QUERIES_EXCEEDED: sending(
        *(peer.pack("query", number, ["balance", 1, "C"]) for number in range(17))
    ),
    Code.ORDERS_EXCEEDED: sending(*[peer.pack("journal_part", "ani/1", 0, [])] * 17),
    Code.SESSIONS_EXCEEDED: coming_anew,
    Code.NODE_STOPPING: stop,
}
WITHOUT_ERROR: Final = {
    Code.FRAME_INVALID,
    Code.FRAMES_EXCEEDED,
    Code.TEXT_FRAME,
    Code.MESSAGE_TOO_BIG,
}
"""Faults that the websocket finds: there is no message to answer yet."""

SILENT: Final = {Code.HANDSHAKE_TIMEOUT: limits.HANDSHAKE_S, Code.IDLE: limits.IDLE_S}


def closed_with(stage: Stage, code: Code) -> None:
    """Check the close frame, and the error before it where there is one."""
    *said, close = stage.wire.take()
    assert close == ["close", CLOSE_CODES[code]]
    errors = [message[1] for message in said if message[0] == "error"]
    assert errors == ([] if code in WITHOUT_ERROR else [code])


def test_every_code_is_tried() -> None:
    tried = [*UNSHAKEN, *SHAKEN, *SILENT, Code.INTERNAL_ERROR]
    assert sorted(tried) == sorted(CLOSE_CODES)


def test_codes_that_come_without_an_error_are_told() -> None:
    told = document.TEXT.partition("only the close frame is\nsent: ")[2].partition(", `payload")[0]
    assert {code.strip("`") for code in told.split(", ")} == WITHOUT_ERROR


@pytest.mark.parametrize("code", UNSHAKEN)
async def test_a_handshake_ends_with_its_code(shard: Shard, clock: Clock, code: Code) -> None:
    async with on_stage(shard, clock) as stage:
        UNSHAKEN[code](stage)
        await trio.testing.wait_all_tasks_blocked()
        closed_with(stage, code)


@pytest.mark.parametrize("code", SHAKEN)
async def test_a_session_ends_with_its_code(shard: Shard, clock: Clock, code: Code) -> None:
    async with ready(shard, clock) as stage:
        SHAKEN[code](stage)
        await trio.testing.wait_all_tasks_blocked()
        closed_with(stage, code)


@pytest.mark.parametrize("code", SILENT)
async def test_silence_ends_with_its_code(
    shard: Shard, clock: Clock, mock_clock: trio.testing.MockClock, code: Code
) -> None:
    async with (
        on_stage(shard, clock) if code is Code.HANDSHAKE_TIMEOUT else ready(shard, clock) as stage
    ):
        stage.actor.check_deadline()
        mock_clock.jump(SILENT[code])
        stage.actor.check_deadline()
        closed_with(stage, code)


async def test_a_defect_ends_with_its_code(
    shard: Shard, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("planted")

    monkeypatch.setattr(shard.book, "apply", fail)
    with suppress(ExceptionGroup):
        async with ready(shard, clock) as stage:
            sending(peer.submit())(stage)
            await trio.testing.wait_all_tasks_blocked()
            closed_with(stage, Code.INTERNAL_ERROR)
    assert isinstance(shard.failure, ValueError)
