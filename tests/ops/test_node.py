"""What a node tells in its log of those that fail."""

from __future__ import annotations

import logging

import pytest

from actors.errors import ShardBroken
from actors.runtime import BudgetSpent, Event, Report
from ops import node
from ops.node import _report
from storage.errors import StorageFailed

SECRET = "6013500100000001"


@pytest.mark.parametrize(
    ("terminal", "role"),
    [
        *(("operator-ani", "operator"), ("observer-1", "observer"), ("terminal-7", "terminal")),
        *(("service-smpt", "service"), ("GATE-1", "service"), ("operator", "service")),
        *(("operators-1", "service"), ("OPERATOR-1", "service"), ("an-observer-1", "service")),
    ],
)
def test_a_key_of_first_use_has_the_role_that_its_terminals_name_begins_with(
    terminal: str, role: str
) -> None:
    assert node.role_by_name(terminal) == role


def test_another_clock_goes_on_as_that_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node, "now_ms", lambda: 1_000_000)
    clock_ms = node.clock_since(400)
    assert clock_ms() == 400
    monkeypatch.setattr(node, "now_ms", lambda: 1_000_025)
    assert clock_ms() == 425


def caught(failure: Exception, cause: Exception | None = None) -> Exception:
    """Return a failure that was raised."""
    try:
        raise failure from cause
    except type(failure) as raised:
        return raised


def logged(caplog: pytest.LogCaptureFixture, event: Event, failure: Exception | None) -> str:
    with caplog.at_level(logging.INFO, "jakarta_one"):
        _report(Report(1.0, event, "listener", "terminal-7", f"in words: {failure}", failure))
    return caplog.text


def test_a_defect_is_told_with_the_lines_it_came_by_and_without_what_was_handled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    failure = caught(ValueError(SECRET), caught(KeyError(SECRET)))
    told = logged(caplog, Event.CRASHED, failure)
    assert "crashed: terminal-7 of listener: ValueError" in told
    assert told.count("raise failure from cause") == 2
    assert "because of KeyError" in told
    assert SECRET not in told


def test_each_failure_of_a_group_is_told(caplog: pytest.LogCaptureFixture) -> None:
    parts = [caught(ValueError(SECRET)), caught(KeyError(SECRET))]
    told = logged(caplog, Event.CRASHED, ExceptionGroup("both", parts))
    assert "ValueError\n" in told
    assert "KeyError\n" in told


def test_causes_without_end_are_cut_off() -> None:
    failure = caught(ValueError("0"))
    for number in range(100):
        failure = caught(ValueError(str(number)), failure)
    assert node.where(failure).count("because of") == 9


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (StorageFailed("the flush failed"), "in words: the flush failed"),
        (ShardBroken("while it decided"), "in words: while it decided"),
        (BudgetSpent("shard", "committer", ()), "shard gives up on committer"),
        (None, "in words: None"),
    ],
)
def test_what_is_expected_or_told_by_others_is_one_line(
    caplog: pytest.LogCaptureFixture, failure: Exception | None, words: str
) -> None:
    told = logged(caplog, Event.ESCALATED, failure and caught(failure))
    assert words in told
    assert "where it failed" not in told
