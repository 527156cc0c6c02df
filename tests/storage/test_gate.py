"""Many pass together, or one alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Thread

import pytest

from storage.gate import Gate


def test_many_are_inside_together() -> None:
    gate = Gate()
    together = Barrier(3, timeout=10)

    def visit() -> int:
        with gate:
            return together.wait()

    with ThreadPoolExecutor(3) as pool:
        visits = [pool.submit(visit) for _ in range(3)]
        assert sorted(visit.result() for visit in visits) == [0, 1, 2]


def test_one_alone_waits_for_those_inside_and_keeps_later_ones_out() -> None:
    gate = Gate()
    order: list[str] = []

    def alone() -> None:
        with gate.alone():
            order.append("alone")

    def later() -> None:
        with gate:
            order.append("later")

    threads = [Thread(target=alone), Thread(target=later)]
    with gate:
        for thread in threads:
            thread.start()
            thread.join(timeout=0.1)
            assert thread.is_alive()
        order.append("inside")
    for thread in threads:
        thread.join(timeout=10)
    assert order == ["inside", "alone", "later"]


def test_an_error_inside_opens_the_gate_again() -> None:
    gate = Gate()
    with pytest.raises(ZeroDivisionError), gate:
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), gate.alone():
        raise ZeroDivisionError
    with gate.alone():
        pass
    with gate:
        pass
