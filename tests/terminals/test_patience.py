"""Pauses grow to a bound and begin anew after progress; patience ends."""

from __future__ import annotations

from terminals.patience import Patience


def patience(chance: float = 1.0) -> Patience:
    return Patience(1.0, 5.0, 100.0, random=lambda: chance, now_s=50.0)


def test_pauses_double_up_to_their_bound_and_begin_anew_after_progress() -> None:
    tried = patience()
    assert [tried.next_pause_s() for _ in range(5)] == [1, 2, 4, 5, 5]
    tried.progress(60.0)
    assert tried.next_pause_s() == 1


def test_half_of_a_pause_is_chance() -> None:
    assert patience(0.0).next_pause_s() == 0.5
    assert patience(0.5).next_pause_s() == 0.75


def test_a_bound_below_the_first_pause_holds_for_it_too() -> None:
    assert Patience(9.0, 2.0, 1.0, random=lambda: 1.0, now_s=0.0).next_pause_s() == 2


def test_it_is_over_so_long_after_the_last_progress() -> None:
    tried = patience()
    assert not tried.is_over(149.9)
    assert tried.is_over(150.0)
    tried.progress(140.0)
    assert not tried.is_over(239.9)
    assert tried.is_over(240.0)
