"""What the message types promise beyond their fields."""

from __future__ import annotations

import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.accounts import AccountKind
from protocol.messages import BalanceOf, Query, proof_text


@given(
    st.tuples(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32), st.text()),
    st.tuples(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32), st.text()),
)
def test_two_handshakes_never_sign_the_same_text(
    one: tuple[bytes, bytes, str], other: tuple[bytes, bytes, str]
) -> None:
    assert (proof_text(*one) == proof_text(*other)) == (one == other)


def test_the_proof_is_bound_to_this_protocol() -> None:
    text = proof_text(b"n" * 32, b"k" * 32, "GATE-01")
    assert text == struct.pack("15s32s32s7s", b"jakarta-one.v1\0", b"n" * 32, b"k" * 32, b"GATE-01")


@pytest.mark.parametrize("kind", AccountKind)
def test_accounts_of_all_kinds_can_be_asked_for(kind: AccountKind) -> None:
    asked = Query(1, BalanceOf(kind.value, "any"))
    assert msgspec.convert(msgspec.to_builtins(asked), Query) == asked
