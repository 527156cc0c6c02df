"""Errors that come out of a nursery alone, and those that do not."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from terminals.nursery import flat_nursery


async def together(*errors: tuple[float, Exception]) -> None:
    """Wait for ever in a nursery, in which errors come up after some time in any case."""

    async def fail(after_s: float, error: Exception) -> None:
        try:
            await trio.sleep(after_s)
        finally:
            raise error

    async with flat_nursery() as nursery:
        for error in errors:
            nursery.start_soon(fail, *error)
        await trio.sleep_forever()


async def test_an_error_that_comes_alone_comes_as_it_is_with_its_cause(
    autojump_clock: MockClock,
) -> None:
    error = KeyError("mine")
    error.__cause__ = ValueError("cause")
    with pytest.raises(KeyError, match="mine") as caught:
        await together((1, error))
    assert isinstance(caught.value.__cause__, ValueError)


async def test_errors_that_come_together_come_in_a_group(autojump_clock: MockClock) -> None:
    with pytest.RaisesGroup(KeyError, ValueError):
        await together((1, KeyError("one")), (2, ValueError("two")))


async def test_an_error_goes_before_a_cancellation(autojump_clock: MockClock) -> None:
    with trio.move_on_after(1) as scope, pytest.raises(KeyError, match="mine"):
        await together((5, KeyError("mine")))
    assert scope.cancel_called


async def test_a_cancellation_alone_is_one(autojump_clock: MockClock) -> None:
    with trio.move_on_after(1) as scope:
        await together()
    assert scope.cancelled_caught
