"""A session: handshake, credits, questions, deadlines, and how it ends."""

from __future__ import annotations

import pytest

from engine.errors import Reason
from engine.transaction import Entry, Tap
from protocol import limits
from protocol.errors import Code, ProtocolViolation
from protocol.messages import (
    Balance,
    Failed,
    Heartbeat,
    Outcome,
    Query,
    Statement,
    StatementLine,
    Submit,
)
from protocol.session import Phase, ServerSession
from tests.protocol.peer import (
    NONCE,
    NOW_MS,
    OPENED_S,
    PUBLIC,
    TAP,
    TERMINAL,
    StoredKey,
    hello,
    new_session,
    pack,
    proof,
    ready_session,
    submit,
    unpack,
)


def said(session: ServerSession) -> list[list[object]]:
    """Return what the session wants to send, and take it away."""
    messages = [unpack(payload) for payload in session.outbox]
    session.outbox.clear()
    return messages


def broken(session: ServerSession, payload: bytes, now_ms: int = NOW_MS) -> ProtocolViolation:
    """Send what breaks a rule; check that the session ends as promised."""
    with pytest.raises(ProtocolViolation) as caught:
        session.receive(payload, now_ms)
    violation = caught.value
    assert session.phase is Phase.CLOSED
    assert said(session)[-1] == ["error", violation.code, violation.field, violation.text]
    return violation


def entry(text: str = "") -> Entry:
    tap = Tap("c", 1, "o", "in", text, text, text)
    return Entry("t", 1, 1, tap, 1, Reason.NONE, text, text, 0, (), ((1, text, -1),) * 3, -1)


# --- handshake --------------------------------------------------------------------------------


def test_the_handshake_ends_with_the_limits_of_the_session() -> None:
    session = new_session(StoredKey("service"), credits_max=700)
    assert session.receive(pack("hello", [9, 1], TERMINAL, PUBLIC, "reader 2"), NOW_MS) is None
    assert said(session) == [["challenge", 1, NONCE, NOW_MS]]
    assert session.receive(proof(), NOW_MS + 1) is None
    capabilities = ["submit", "query", "dry_run", "lists", "commands", "orders", "feed", "chips"]
    assert said(session) == [["ready", NOW_MS + 1, 41, 700, 20, 262_144, 500, capabilities]]
    assert session.phase is Phase.READY
    assert (session.terminal, session.role, session.software) == (TERMINAL, "service", "reader 2")


def test_who_is_not_known_yet_may_not_send_much() -> None:
    session = new_session(StoredKey())
    names = ["\U0001f68c" * 64] * 32
    longest = pack("hello", [2**64 - 1] * 15 + [1], "T" * 64, PUBLIC, "\U0001f68c" * 64, names)
    session.receive(longest, NOW_MS)
    assert len(longest) < limits.HANDSHAKE_BYTES_MAX
    violation = broken(session, submit(500))
    assert violation.code is Code.MESSAGE_TOO_BIG


def test_a_version_not_spoken_is_refused() -> None:
    violation = broken(new_session(), pack("hello", [2, 3], TERMINAL, PUBLIC))
    assert (violation.code, violation.field) == (Code.VERSION_UNSUPPORTED, "hello.versions")


@pytest.mark.parametrize("name", ["GATE 01", "GATE/01", "*", "GATE\x0001", "GERBANG\u00e9"])
def test_a_terminal_has_a_name_that_can_be_stored(name: str) -> None:
    violation = broken(new_session(), hello(name))
    assert (violation.code, violation.field) == (Code.FIELD_INVALID, "hello.terminal")


@pytest.mark.parametrize(
    "payload",
    [proof(bytes(32)), proof(terminal="GATE-02"), pack("prove", bytes(64))],
    ids=["other nonce", "other terminal", "zeros"],
)
def test_a_proof_of_something_else_is_refused_before_the_key_is_looked_up(payload: bytes) -> None:
    session = new_session(StoredKey())
    session.receive(hello(), NOW_MS)
    assert broken(session, payload).code is Code.PROOF_INVALID


@pytest.mark.parametrize("key", [bytes(32), b"\x01" + bytes(31), b"\x01" + bytes(30) + b"\x80"])
def test_a_key_of_small_order_proves_nothing(key: bytes) -> None:
    # R is the neutral element and S is zero: right for one text in eight, whoever signs.
    forged = pack("prove", b"\x01" + bytes(63))
    for number in range(40):
        session = ServerSession(
            number.to_bytes(32), OPENED_S, lambda _terminal, _key: StoredKey(), lambda _: 0
        )
        session.receive(pack("hello", [1], TERMINAL, key), NOW_MS)
        violation = broken(session, forged)
        assert (violation.code, violation.field) == (Code.PROOF_INVALID, "hello.public_key")


def test_a_key_that_is_no_point_of_the_curve_proves_nothing() -> None:
    session = new_session()
    session.receive(pack("hello", [1], TERMINAL, b"\xff" * 32), NOW_MS)
    assert broken(session, pack("prove", bytes(64))).code is Code.PROOF_INVALID


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (None, Code.KEY_UNKNOWN),
        (StoredKey(revoked_ms=NOW_MS - 1), Code.KEY_REVOKED),
        (StoredKey(revoked_ms=NOW_MS - 1, expires_ms=NOW_MS - 9), Code.KEY_REVOKED),
        (StoredKey(expires_ms=NOW_MS), Code.KEY_EXPIRED),
    ],
)
def test_a_key_not_enrolled_revoked_or_expired_is_refused(
    key: StoredKey | None, code: Code
) -> None:
    session = new_session(key)
    session.receive(hello(), NOW_MS)
    assert broken(session, proof()).code is code


def certified(names: set[str] | None, key: StoredKey | None) -> ServerSession:
    """Return a session behind a certificate of these names, in which a terminal has said hello."""
    session = ServerSession(
        NONCE,
        OPENED_S,
        lambda *_: key,
        lambda _: 0,
        certified_names=lambda: None if names is None else frozenset(names),
    )
    session.receive(hello(), NOW_MS)
    return session


@pytest.mark.parametrize("names", [None, {TERMINAL}, {"node.example", TERMINAL}])
def test_a_certificate_has_to_name_the_terminal_where_one_was_demanded(
    names: set[str] | None,
) -> None:
    session = certified(names, StoredKey())
    session.receive(proof(), NOW_MS)
    assert session.phase is Phase.READY


@pytest.mark.parametrize("names", [set[str](), {"GATE-02"}, {"*"}, {TERMINAL.lower()}])
def test_a_certificate_of_another_name_is_told_to_who_proved_a_key_and_nothing_else_is(
    names: set[str],
) -> None:
    violation = broken(certified(names, None), proof())
    assert (violation.code, violation.field) == (Code.CERTIFICATE_MISMATCH, "hello.terminal")
    assert broken(certified(names, None), proof(bytes(32))).code is Code.PROOF_INVALID


@pytest.mark.parametrize(
    ("before", "payload", "name"),
    [
        ([], proof(), "prove"),
        ([], submit(), "submit"),
        ([], pack("query", 1, ["balance", 1, "c"]), "query"),
        ([hello()], pack("heartbeat", NOW_MS), "heartbeat"),
        ([hello()], hello(), "hello"),
        ([hello(), proof()], hello(), "hello"),
        ([hello(), proof()], proof(), "prove"),
    ],
)
def test_a_message_out_of_turn_is_refused(before: list[bytes], payload: bytes, name: str) -> None:
    session = new_session(StoredKey())
    for earlier in before:
        session.receive(earlier, NOW_MS)
    violation = broken(session, payload)
    assert (violation.code, violation.field) == (Code.MESSAGE_UNEXPECTED, name)


# --- transactions -----------------------------------------------------------------------------


def test_credits_are_spent_by_submit_and_come_back_with_outcomes() -> None:
    session = ready_session(credits_max=10)
    message = session.receive(submit(6), NOW_MS)
    assert isinstance(message, Submit)
    assert session.credits == 4
    outcomes = [Outcome(number, "posted") for number in (1, 2, 3)]
    answer = unpack(session.answer(outcomes))
    assert (answer[0], answer[2]) == ("outcome", 3)
    assert session.credits == 7


def test_more_transactions_than_credits_break_the_rules_and_none_is_taken() -> None:
    session = ready_session(credits_max=10)
    session.receive(submit(10), NOW_MS)
    violation = broken(session, submit(1, first=11))
    assert (violation.code, violation.field) == (Code.CREDITS_EXCEEDED, "submit.transactions")
    assert session.credits == 0


def test_answering_more_than_was_sent_is_a_defect() -> None:
    with pytest.raises(AssertionError, match="more was answered"):
        ready_session().answer([Outcome(1, "posted")])


def test_an_intent_that_the_role_may_not_send_takes_the_whole_frame_with_it() -> None:
    for intent in (["close", "c"], ["reversal", "ANOTHER", 1]):
        payload = pack("submit", [[1, 1, TAP], [2, 1, intent]])
        session = ready_session("terminal")
        violation = broken(session, payload)
        assert violation.code is Code.NOT_ALLOWED
        assert violation.field == "submit.transactions[1].intent"
        assert session.credits == limits.CREDITS
        assert isinstance(ready_session("service").receive(payload, NOW_MS), Submit)


def test_what_a_terminal_did_itself_it_may_take_back() -> None:
    session = ready_session("terminal")
    payload = pack("submit", [[2, 1, ["reversal", session.terminal, 1]]])
    assert isinstance(session.receive(payload, NOW_MS), Submit)


# --- questions --------------------------------------------------------------------------------


def test_a_question_is_handed_on_and_its_answer_carries_its_id() -> None:
    session = ready_session()
    query = session.receive(pack("query", 7, ["balance", 1, "c"]), NOW_MS)
    assert isinstance(query, Query)
    payload = session.answer_query(query.id, Balance(16_500, 3, NOW_MS))
    assert unpack(payload) == ["answer", 7, ["balance", 16_500, 3, NOW_MS]]
    assert isinstance(session.receive(pack("query", 7, ["balance", 1, "c"]), NOW_MS), Query)


@pytest.mark.parametrize(
    ("question", "code", "field"),
    [
        (["balance", 3, "transjakarta"], "not_allowed", "query.question"),
        (["balance", 1, "c", 5, 5], "question_invalid", "query.question.at_ms"),
        (["statement", 1, "c", 5, 20, 5], "question_invalid", "query.question.at_ms"),
    ],
)
def test_a_question_without_an_answer_is_answered_at_once(
    question: list[object], code: str, field: str
) -> None:
    session = ready_session(queries_open_max=1)
    for number in range(3):
        assert session.receive(pack("query", number, question), NOW_MS) is None
        ((name, query_id, failed),) = said(session)
        assert (name, query_id) == ("answer", number)
        assert isinstance(failed, list)
        assert failed[:3] == ["failed", code, field]


@pytest.mark.parametrize(
    "question",
    [
        *(["balance", 1, "c", 5], ["balance", 1, "c", None, 5]),
        *(["statement", 1, "c", 5], ["statement", 1, "c", None, 20, 5]),
    ],
)
def test_the_past_is_asked_for_at_a_position_or_a_time(question: list[object]) -> None:
    assert isinstance(ready_session().receive(pack("query", 1, question), NOW_MS), Query)


def test_an_id_is_not_used_twice_at_once() -> None:
    session = ready_session()
    session.receive(pack("query", 7, ["balance", 1, "c"]), NOW_MS)
    violation = broken(session, pack("query", 7, ["balance", 1, "d"]))
    assert (violation.code, violation.field) == (Code.FIELD_INVALID, "query.id")


def test_open_questions_are_bounded() -> None:
    session = ready_session(queries_open_max=2)
    for number in (1, 2):
        session.receive(pack("query", number, ["balance", 1, "c"]), NOW_MS)
    assert broken(session, pack("query", 3, ["balance", 1, "c"])).code is Code.QUERIES_EXCEEDED


def test_open_orders_are_bounded() -> None:
    session = ready_session()
    for part in range(limits.ORDERS_OPEN_MAX):
        session.receive(pack("journal_part", "id", part, []), NOW_MS)
    too_much = broken(session, pack("journal_part", "id", limits.ORDERS_OPEN_MAX, []))
    assert (too_much.code, too_much.field) == (Code.ORDERS_EXCEEDED, "journal_part")


def test_a_statement_longer_than_a_frame_is_cut_and_leads_to_the_rest() -> None:
    session = ready_session()
    session.receive(pack("query", 1, ["statement", 1, "c", None, 100]), NOW_MS)
    long = entry("x" * 900)
    lines = tuple(StatementLine(1000 - number, -1, long) for number in range(100))
    payload = session.answer_query(1, Statement(lines, 123))
    assert limits.FRAME_BYTES_MAX // 4 < len(payload) <= limits.FRAME_BYTES_MAX
    answer = unpack(payload)[2]
    assert isinstance(answer, list)
    kept, next_position = answer[1:]
    assert 0 < len(kept) < 100
    assert next_position == kept[-1][0]


def test_a_statement_that_fits_is_sent_whole() -> None:
    session = ready_session()
    session.receive(pack("query", 1, ["statement", 1, "c"]), NOW_MS)
    answer = unpack(session.answer_query(1, Statement((StatementLine(5, -1, entry()),), -1)))[2]
    assert isinstance(answer, list)
    assert answer[2] == -1


def test_a_failed_question_gives_its_place_back() -> None:
    session = ready_session(queries_open_max=1)
    for number in range(3):
        session.receive(pack("query", number, ["balance", 1, "c"]), NOW_MS)
        session.answer_query(number, Failed("busy", "", "", 200))
    assert session.phase is Phase.READY


# --- heartbeat, rate, deadlines ---------------------------------------------------------------


def test_a_heartbeat_is_answered_with_both_clocks_and_remembered() -> None:
    session = ready_session()
    assert session.receive(pack("heartbeat", 12, 300), NOW_MS + 5) == Heartbeat(12, 300)
    assert said(session) == [["pulse", 12, NOW_MS + 5]]
    assert session.last_heartbeat == Heartbeat(12, 300)


def test_messages_of_one_second_are_bounded_and_the_next_second_begins_anew() -> None:
    session = new_session(StoredKey(), frames_per_second_max=3)
    session.receive(hello(), NOW_MS)
    session.receive(proof(), NOW_MS + 998)
    session.receive(pack("heartbeat", 1), NOW_MS + 999)
    for late_ms in (1000, 1001, 1999):
        session.receive(pack("heartbeat", 1), NOW_MS + late_ms)
    assert broken(session, pack("heartbeat", 1), NOW_MS + 1999).code is Code.RATE_EXCEEDED


def test_a_handshake_that_takes_too_long_ends_the_session() -> None:
    session = new_session(StoredKey())
    session.receive(hello(), NOW_MS)
    session.check_deadline(OPENED_S + 9.9)
    with pytest.raises(ProtocolViolation) as caught:
        session.check_deadline(OPENED_S + 10)
    assert caught.value.code is Code.HANDSHAKE_TIMEOUT
    assert said(session)[-1] == ["error", "handshake_timeout", "", ""]


def test_silence_ends_a_ready_session_and_any_message_puts_that_off() -> None:
    session = ready_session()
    session.check_deadline(OPENED_S + 1)
    session.receive(submit(), NOW_MS)
    session.check_deadline(OPENED_S + 60)
    assert session.deadline_s == OPENED_S + 120
    session.check_deadline(OPENED_S + 119)
    with pytest.raises(ProtocolViolation) as caught:
        session.check_deadline(OPENED_S + 120)
    assert caught.value.code is Code.IDLE
    assert session.phase is Phase.CLOSED


@pytest.mark.parametrize("step_ms", [-3_600_000, 3_600_000])
def test_a_clock_that_is_set_ends_no_session(step_ms: int) -> None:
    session = ready_session()
    session.check_deadline(OPENED_S + 1)
    session.receive(pack("heartbeat", 1), NOW_MS + step_ms)
    assert said(session) == [["pulse", 1, NOW_MS + step_ms]], "it is told as it is"
    session.check_deadline(OPENED_S + 2)
    assert session.phase is Phase.READY


def test_a_key_is_good_until_it_expires() -> None:
    session = new_session(StoredKey(expires_ms=NOW_MS + 1))
    session.receive(hello(), NOW_MS)
    session.receive(proof(), NOW_MS)
    assert (session.phase, session.key_expires_ms) == (Phase.READY, NOW_MS + 1)


def test_a_clock_that_was_set_back_brings_no_key_back_to_life() -> None:
    key = StoredKey(expires_ms=NOW_MS)
    session = ServerSession(NONCE, OPENED_S, lambda *_: key, lambda _: 0, latest_ms=NOW_MS)
    session.receive(hello(), NOW_MS - 3_600_000)
    assert broken(session, proof(), NOW_MS - 3_600_000).code is Code.KEY_EXPIRED


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (None, Code.KEY_UNKNOWN),
        (StoredKey(revoked_ms=NOW_MS), Code.KEY_REVOKED),
        (StoredKey(expires_ms=NOW_MS), Code.KEY_EXPIRED),
    ],
)
def test_a_key_that_is_taken_away_ends_the_session(key: StoredKey | None, code: Code) -> None:
    session = new_session(StoredKey())
    session.receive(hello(), NOW_MS)
    assert session.key is None
    session.check_key(None, NOW_MS)
    session.receive(proof(), NOW_MS)
    assert session.key == (TERMINAL, PUBLIC)
    session.check_key(StoredKey(expires_ms=NOW_MS + 1), NOW_MS)
    assert (session.phase, session.key_expires_ms) == (Phase.READY, NOW_MS + 1)
    said(session)
    with pytest.raises(ProtocolViolation) as caught:
        session.check_key(key, NOW_MS)
    assert caught.value.code is code
    assert said(session) == [["error", code, "hello.public_key", ""]]
    assert session.key is None
    session.check_key(key, NOW_MS)
    assert session.receive(submit(), NOW_MS) is None


def test_a_session_has_the_role_that_its_key_has_now() -> None:
    session = ready_session("service")
    session.check_key(StoredKey("observer"), NOW_MS)
    assert broken(session, submit()).code is Code.NOT_ALLOWED


# --- the end ----------------------------------------------------------------------------------


def test_after_its_end_a_session_takes_nothing_and_says_nothing() -> None:
    session = ready_session()
    session.close(ProtocolViolation(Code.NODE_STOPPING))
    assert said(session) == [["error", "node_stopping", "", ""]]
    assert session.receive(submit(), NOW_MS) is None
    session.close(ProtocolViolation(Code.IDLE))
    session.check_deadline(OPENED_S + 10**9)
    assert session.outbox == []
    assert session.credits == limits.CREDITS


def test_what_was_taken_before_the_end_can_still_be_answered() -> None:
    session = ready_session()
    session.receive(submit(2), NOW_MS)
    broken(session, b"")
    session.answer([Outcome(1, "posted"), Outcome(2, "posted")])
    assert session.credits == limits.CREDITS
