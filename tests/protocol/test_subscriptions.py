"""Which subscriptions a session opens, which it refuses, and how they end."""

from __future__ import annotations

import pytest

from engine.keys import Role
from protocol.errors import Code, ProtocolViolation
from protocol.limits import SUBSCRIPTIONS_OPEN_MAX
from protocol.messages import FeedEnd, Filter, Subscribe, Unsubscribe
from protocol.session import Phase, ServerSession
from tests.protocol.peer import NOW_MS, pack, ready_session, unpack


def said(session: ServerSession) -> list[list[object]]:
    messages = [unpack(payload) for payload in session.outbox]
    session.outbox.clear()
    return messages


@pytest.mark.parametrize("role", ["service", "observer"])
def test_who_may_see_the_journal_may_follow_it(role: Role) -> None:
    session = ready_session(role)
    wanted = session.receive(pack("subscribe", 7, 12, [["tap"], [], ["dki"]]), NOW_MS)
    assert wanted == Subscribe(7, 12, Filter(kinds=("tap",), banks=("dki",)))
    assert session.receive(pack("subscribe", 8, 0), NOW_MS) == Subscribe(8, 0, Filter())
    assert session.outbox == []


def test_a_terminal_may_not_and_its_session_ends() -> None:
    session = ready_session()
    with pytest.raises(ProtocolViolation) as caught:
        session.receive(pack("subscribe", 7, 0), NOW_MS)
    assert (caught.value.code, caught.value.field) == (Code.NOT_ALLOWED, "subscribe")
    assert session.phase is Phase.CLOSED


def test_past_their_bound_subscriptions_are_refused_until_one_ends() -> None:
    session = ready_session("service")
    for number in range(SUBSCRIPTIONS_OPEN_MAX):
        assert session.receive(pack("subscribe", number, 0), NOW_MS) is not None
    assert session.receive(pack("subscribe", 99, 0), NOW_MS) is None
    ((*refused, _, retry_after_ms),) = said(session)
    assert (refused, retry_after_ms) == (["feed_end", 99, "busy", ""], 10_000)
    assert session.end_feed(FeedEnd(2)) == pack("feed_end", 2, "", "", "", 0)
    assert session.receive(pack("subscribe", 99, 0), NOW_MS) == Subscribe(99, 0)


def test_an_id_is_free_again_once_its_subscription_has_ended() -> None:
    session = ready_session("service")
    session.receive(pack("subscribe", 7, 0), NOW_MS)
    assert session.receive(pack("unsubscribe", 7), NOW_MS) == Unsubscribe(7)
    session.end_feed(FeedEnd(7))
    assert session.receive(pack("unsubscribe", 7), NOW_MS) is None, "its end is on its way"
    assert session.receive(pack("subscribe", 7, 5), NOW_MS) == Subscribe(7, 5)


def test_an_id_that_is_open_cannot_be_used_again() -> None:
    session = ready_session("service")
    session.receive(pack("subscribe", 7, 0), NOW_MS)
    with pytest.raises(ProtocolViolation) as caught:
        session.receive(pack("subscribe", 7, 0), NOW_MS)
    assert (caught.value.code, caught.value.field) == (Code.FIELD_INVALID, "subscribe.id")


def test_a_query_and_a_subscription_may_have_the_same_id() -> None:
    session = ready_session("service")
    assert session.receive(pack("query", 7, ["balance", 1, "C"]), NOW_MS) is not None
    assert session.receive(pack("subscribe", 7, 0), NOW_MS) is not None


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (["subscribe", -1, 0], "subscribe.id"),
        (["subscribe", 1, 2**53], "subscribe.position"),
        (["subscribe", 1, 0, [["ride"]]], "subscribe.filter.kinds[0]"),
        (["subscribe", 1, 0, [[], ["x"] * 33]], "subscribe.filter.operators"),
        (["subscribe", 1, 0, [[], [], [""]]], "subscribe.filter.banks[0]"),
        (["subscribe", 1, 0, [[], [], [], ["p" * 65]]], "subscribe.filter.programmes[0]"),
        (["subscribe", 1, 0, [[], [], [], [], []]], "subscribe.filter"),
        (["unsubscribe", 2**32], "unsubscribe.id"),
    ],
)
def test_what_is_out_of_its_bounds_ends_the_connection(message: list[object], field: str) -> None:
    session = ready_session("service")
    with pytest.raises(ProtocolViolation) as caught:
        session.receive(pack(*message), NOW_MS)
    assert (caught.value.code, caught.value.field) == (Code.FIELD_INVALID, field)


@pytest.mark.parametrize("name", ["subscribe", "unsubscribe"])
def test_before_the_handshake_nothing_is_followed(name: str) -> None:
    session = ready_session("service")
    session.phase = Phase.CHALLENGED
    with pytest.raises(ProtocolViolation) as caught:
        session.receive(pack(name, 1, 0) if name == "subscribe" else pack(name, 1), NOW_MS)
    assert (caught.value.code, caught.value.field) == (Code.MESSAGE_UNEXPECTED, name)
