"""Keys of terminals: the roles that they give, and public keys that prove nothing.

The latter are the points of small order of the curve of Ed25519. Their multiples are so few that
whoever names one of them as a key can sign by trying, without a private key. A key made as RFC 8032
says is never among them.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

Role: TypeAlias = Literal["terminal", "service", "operator", "observer"]
"""What a key may do; what that is stands in protocol/rights.py.

A terminal is a gate, a validator, a till. A service is a backend: a bank's link, SMPT, a merchant
acquirer. An operator is a person who runs the system, or an officer. An observer only looks: an
auditor, a dashboard.
"""

KEY_BYTES: Final = 32
"""An Ed25519 public key (RFC 8032, 5.1.5)."""

_SIGN: Final = 0x80
"""The highest bit of an encoded point: the sign of x; the others are y (RFC 8032, 5.1.2)."""

_SMALL_ORDER: Final = frozenset(
    bytes.fromhex(point)
    for point in (
        # y = 0, order 4, and y = 1, the neutral element
        "00" * 32,
        "01" + "00" * 31,
        # the two y of order 8
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        # y = p - 1, order 2
        "ec" + "ff" * 30 + "7f",
        # p and p + 1: zero and one again, written as no encoder does
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)


def is_of_small_order(public_key: bytes) -> bool:
    """Tell whether a signature by this Ed25519 public key proves nothing.

    Source: RFC 8032, 5.1 (the curve has cofactor 8, so there are eight such points; the list holds
    each encoding of their y that a lenient decoder takes); the check is that of RFC 7748, 6.1, for
    the same points of Curve25519.
    """
    y = public_key[:-1] + bytes([public_key[-1] & ~_SIGN])
    return y in _SMALL_ORDER
