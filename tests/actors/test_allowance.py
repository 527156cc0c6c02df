"""An allowance lasts for its period, and begins anew with the next."""

from __future__ import annotations

from actors.allowance import Allowance


def test_what_is_spent_comes_back_with_the_next_period_and_is_not_saved_up() -> None:
    allowance = Allowance(10, 0.5)
    assert not allowance.is_spent(100.0)
    allowance.spend(9)
    assert not allowance.is_spent(100.4)
    allowance.spend(9)
    assert allowance.is_spent(100.4)
    assert not allowance.is_spent(100.5)
    allowance.spend(10)
    assert allowance.is_spent(100.9)
    assert not allowance.is_spent(200.0)
    allowance.spend(10)
    assert allowance.is_spent(200.0)
