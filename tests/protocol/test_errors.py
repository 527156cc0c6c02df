"""Codes and the violation that carries them."""

from __future__ import annotations

import pytest

from protocol.errors import CLOSE_CODES, Code, ProtocolError, ProtocolViolation
from protocol.limits import ERROR_TEXT_LENGTH_MAX


def test_every_code_has_a_close_code_that_may_be_sent() -> None:
    assert set(CLOSE_CODES) == set(Code)
    # 1000 and 1001 mean that all went well; 1004 to 1006, 1010 and 1015 are never sent by a server.
    allowed = {1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013} | set(range(4000, 5000))
    assert set(CLOSE_CODES.values()) <= allowed


def test_own_close_codes_tell_one_code_each() -> None:
    own = [number for number in CLOSE_CODES.values() if number >= 4000]
    assert len(own) == len(set(own))


def test_a_violation_says_code_field_and_text_in_one_line() -> None:
    violation = ProtocolViolation(Code.FIELD_INVALID, "submit.transactions", "too many")
    assert str(violation) == "field_invalid submit.transactions too many"
    assert str(ProtocolViolation(Code.IDLE)) == "idle"
    assert violation.close_code == 1007


def test_the_text_of_a_violation_is_bounded() -> None:
    violation = ProtocolViolation(Code.FIELD_INVALID, "hello", "x" * 1_000_000)
    assert len(violation.text) == ERROR_TEXT_LENGTH_MAX


def test_a_violation_is_caught_by_the_root_of_the_package() -> None:
    with pytest.raises(ProtocolError):
        raise ProtocolViolation(Code.IDLE)
