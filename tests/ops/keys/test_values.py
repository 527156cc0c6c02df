"""Keys, as people write them."""

from __future__ import annotations

import pytest

from ops.keys.values import public_key


def test_a_key_is_read_from_hex() -> None:
    assert public_key("11" * 32) == b"\x11" * 32


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "expected 32 bytes in hex"),
        ("11" * 31, "expected 32 bytes in hex"),
        ("no hex", "expected 32 bytes in hex"),
        ("00" * 32, "small order"),
    ],
)
def test_a_key_that_is_none_says_why(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        public_key(text)
