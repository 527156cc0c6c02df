"""The picture of a rehearsal; the command's tests draw whole ones."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ops.rehearsal.chart import _rupiah


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0", "0"), ("-999999", "-999,999"), ("2500000", "2.5 M"), ("-4E+9", "-4,000 M")],
)
def test_an_axis_tells_rupiah_or_millions_of_them(amount: str, text: str) -> None:
    assert _rupiah(Decimal(amount), 0, 1) == text
