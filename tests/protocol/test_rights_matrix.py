"""Every message, intent and question, tried by every role on a session."""

from __future__ import annotations

from typing import Final

import pytest
from msgspec import Struct

from engine.keys import Role
from engine.transaction import Group, Part, Tap
from protocol.errors import Code, ProtocolViolation
from protocol.messages import Heartbeat, Register
from protocol.rights import RIGHTS, Right, Row, may
from tests.protocol.matrix import KINDS, ROLES, Sample, label, samples
from tests.protocol.peer import NOW_MS, TERMINAL, pack, ready_session, submit, unpack

SAMPLES: Final = [*samples(TERMINAL)]
TAP: Final[type[Struct]] = Tap
HEARTBEAT: Final[type[Struct]] = Heartbeat
REGISTER: Final[type[Struct]] = Register
SIMPLE: Final = {Right.YES, Right.NO, Right.INNER, Right.REDACTED}


def refused(role: Role, sample: Sample) -> bool:
    """Send a sample, and tell whether the role was the reason not to take it."""
    session = ready_session(role)
    try:
        session.receive(sample.payload(), NOW_MS)
    except ProtocolViolation as violation:
        return violation.code is Code.NOT_ALLOWED
    return any("not_allowed" in str(unpack(payload)) for payload in session.outbox)


def test_everything_that_can_be_sent_has_a_row_and_nothing_else() -> None:
    assert set(RIGHTS) == set(KINDS)
    assert Row._fields == ROLES


def test_everything_that_has_a_row_is_tried_and_each_condition_both_ways() -> None:
    for kind, row in RIGHTS.items():
        tried = [sample for sample in SAMPLES if type(sample.what) is kind]
        assert bool(tried) is (Right.INNER not in row), f"{kind} has no sample, or needs none"
        for right in {*row} - SIMPLE:
            assert {right in sample.meets for sample in tried} == {True, False}, (kind, right)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: repr(sample.what))
@pytest.mark.parametrize("role", ROLES)
def test_a_session_refuses_what_the_table_says_and_nothing_else(role: Role, sample: Sample) -> None:
    right: Right = getattr(RIGHTS[type(sample.what)], role)
    assert refused(role, sample) is not sample.expected(right)


def test_what_has_no_row_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(RIGHTS, TAP)
    assert all(refused(role, Sample(Tap("C", 1, "mrtj", "in"))) for role in ROLES)


def test_a_condition_that_does_not_fit_its_kind_is_never_met(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(RIGHTS, TAP, Row(*[Right.OWN] * 4))
    assert not may("service", TERMINAL, Tap("C", 1, "mrtj", "in"))


def test_a_message_that_a_role_may_not_send_ends_the_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(RIGHTS, HEARTBEAT, Row(Right.YES, Right.YES, Right.YES, Right.NO))
    ready_session("operator").receive(pack("heartbeat", 1), NOW_MS)
    with pytest.raises(ProtocolViolation) as caught:
        ready_session("observer").receive(pack("heartbeat", 1), NOW_MS)
    violation = caught.value
    assert (violation.code, violation.field) == (Code.NOT_ALLOWED, "heartbeat")
    assert violation.text == "for the role observer"


def test_an_observer_submits_nothing() -> None:
    with pytest.raises(ProtocolViolation) as caught:
        ready_session("observer").receive(submit(), NOW_MS)
    assert caught.value.field == "submit.transactions[0].intent"


@pytest.mark.parametrize("role", [role for role in ROLES if role != "terminal"])
def test_a_group_brings_nobody_what_may_not_be_submitted_alone(role: Role) -> None:
    parts = [sample.what for sample in SAMPLES if isinstance(sample.what, Part)]
    for part in parts:
        if may(role, TERMINAL, Group((part,))):
            assert may(role, TERMINAL, part)


def test_no_two_rows_have_one_name() -> None:
    assert len({label(kind) for kind in KINDS}) == len(KINDS)


def test_a_session_asks_for_the_right_to_what_an_order_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # By now who may order may order everything: the table may come to say otherwise.
    sample = next(sample for sample in SAMPLES if type(sample.what) is Register)
    assert not refused("operator", sample)
    monkeypatch.setitem(RIGHTS, REGISTER, Row(*[Right.NO] * 4))
    assert refused("operator", sample)
