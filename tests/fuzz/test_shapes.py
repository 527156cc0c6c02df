"""Messages made from their types are messages, and spoilt ones are told apart."""

from __future__ import annotations

import random
from typing import Annotated, Literal, get_args

import msgspec
import pytest
from msgspec import Meta, Struct, inspect

from protocol.codec import decode, encode
from protocol.errors import Code, ProtocolViolation
from protocol.messages import FromNode, FromTerminal
from tests.fuzz.shapes import Maker, maker_of, makers_of, packed, spoilt

FROM_TERMINAL = makers_of(get_args(FromTerminal))
FROM_NODE = makers_of(get_args(FromNode))


@pytest.mark.parametrize("name", FROM_TERMINAL)
def test_what_the_types_allow_is_decoded(name: str) -> None:
    rng = random.Random(name)
    decoder = msgspec.msgpack.Decoder(FromTerminal)
    for _ in range(200):
        message = decode(packed(FROM_TERMINAL[name](rng)), bytes_max=10_000_000)
        assert message.__struct_config__.tag == name
        again = msgspec.msgpack.encode(message)
        assert decoder.decode(again) == message


@pytest.mark.parametrize("name", FROM_NODE)
def test_what_a_node_says_is_drawn_as_well(name: str) -> None:
    rng = random.Random(name)
    decoder = msgspec.msgpack.Decoder(FromNode)
    for _ in range(100):
        message = decoder.decode(packed(FROM_NODE[name](rng)))
        assert decoder.decode(encode(message)) == message


@pytest.mark.parametrize("name", FROM_TERMINAL)
def test_most_spoilt_messages_are_refused_with_the_field_at_fault(name: str) -> None:
    rng = random.Random(name)
    codes, named = [], 0
    for _ in range(300):
        try:
            decode(packed(spoilt(rng, FROM_TERMINAL[name](rng))), bytes_max=10_000_000)
        except ProtocolViolation as violation:
            codes.append(violation.code)
            named += violation.code is Code.FIELD_INVALID and violation.field.startswith(name)
    assert len(codes) > 150
    assert named == codes.count(Code.FIELD_INVALID)
    assert set(codes) <= {Code.FIELD_INVALID, Code.MESSAGE_UNKNOWN, Code.PAYLOAD_INVALID}


def test_every_branch_of_every_message_is_drawn() -> None:
    """No intent and no question is left out, and neither are defaults and long lists."""
    rng = random.Random(1)
    drawn = str([FROM_TERMINAL[name](rng) for name in FROM_TERMINAL for _ in range(1_000)])
    for union in ("Intent", "Question"):
        for struct in get_args(getattr(__import__("protocol.rights", fromlist=[union]), union)):
            assert f"['{struct.__struct_config__.tag}'" in drawn


class Odd(Struct, array_like=True):
    """Types that no message has yet."""

    above: Annotated[int, Meta(gt=3, lt=6)]
    free: int
    listed: list[Literal["a", "b"]]
    pair: tuple[bool, str]


def test_bounds_of_all_kinds_are_kept() -> None:
    make: Maker = maker_of(inspect.type_info(Odd))
    decoder = msgspec.msgpack.Decoder(Odd)
    rng = random.Random(2)
    above = {decoder.decode(packed(make(rng))).above for _ in range(100)}
    assert above == {4, 5}


def test_a_type_that_nobody_has_thought_of_fails() -> None:
    with pytest.raises(TypeError, match="how is"):
        maker_of(inspect.type_info(dict[str, int]))
