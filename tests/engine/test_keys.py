"""Keys for which nobody needs a private key are known; real ones are none of them."""

from __future__ import annotations

import random
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engine.keys import is_of_small_order

P: Final = 2**255 - 19
D: Final = -121665 * pow(121666, -1, P) % P
"""The curve -x^2 + y^2 = 1 + d x^2 y^2 (RFC 8032, 5.1)."""

SMALL: Final = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


def y_of_eight_times(y: int) -> int:
    """Return y of the point added to itself until there are eight of it."""
    for _ in range(3):
        # x^2 alone is needed: the y of a point's double has no x in it.
        square = y * y % P
        x_square = (square - 1) * pow(D * square + 1, -1, P) % P
        y = (square + x_square) * pow(1 - D * x_square * square, -1, P) % P
    return y


@pytest.mark.parametrize("sign", [0x00, 0x80])
@pytest.mark.parametrize("encoded", SMALL)
def test_a_point_of_small_order_is_no_key(encoded: str, sign: int) -> None:
    key = bytes.fromhex(encoded)
    assert y_of_eight_times(int.from_bytes(key, "little")) == 1, "eight of it are nothing"
    assert is_of_small_order(key[:-1] + bytes([key[-1] | sign]))


def test_real_keys_are_not_of_small_order() -> None:
    rng = random.Random(8032)
    for _ in range(100):
        key = Ed25519PrivateKey.from_private_bytes(rng.randbytes(32)).public_key()
        encoded = key.public_bytes_raw()
        assert not is_of_small_order(encoded)
        assert y_of_eight_times(int.from_bytes(encoded, "little") % 2**255) != 1
