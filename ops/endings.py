"""How a long command ends early: by Ctrl-C, or by a signal that means the same."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import IO, Any, Final, TypeVar, TypeVarTuple

import click
import trio

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

INTERRUPTED_STATUS: Final = 128 + signal.SIGINT
"""What shells take for the end by Ctrl-C."""
LIKE_CTRL_C: Final = (signal.SIGTERM, signal.SIGHUP)


class Interrupted(click.ClickException):
    """The command was told to end, and has cleaned up."""

    exit_code = INTERRUPTED_STATUS

    def __init__(self) -> None:
        super().__init__("interrupted")

    def show(self, file: IO[Any] | None = None) -> None:
        """Say so, as click does."""
        click.echo("Aborted!", file=file, err=file is None)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the body as Ctrl-C does, so that it cleans up behind itself.

    Raises:
      Interrupted: it was ended so.
    """
    # Whoever started us with a signal ignored (nohup) wants it so. But a shell ignores SIGINT for
    # all that it starts in the background, and the others have to end them through it.
    before = {number: signal.getsignal(number) for number in LIKE_CTRL_C}
    taken = [number for number, handler in before.items() if handler != signal.SIG_IGN]
    for number in taken:
        signal.signal(number, _press_ctrl_c)
    interrupt_before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise Interrupted from interrupt
    except BaseExceptionGroup as group:
        if group.subgroup(KeyboardInterrupt) is None:
            raise
        raise Interrupted from group
    finally:
        signal.signal(signal.SIGINT, interrupt_before)
        for number in taken:
            signal.signal(number, before[number])


def run_interruptible(work: Callable[[*Arguments], Awaitable[T]], *arguments: *Arguments) -> T:
    """Run a task to its end, or to Ctrl-C: inside of `interruptible`.

    Raises:
      KeyboardInterrupt: once all that was begun has been let go of.
    """
    # It is felt where the first task waits. In the middle of a task's beginning or end, which are
    # trio's own lines, it would leave children that nobody ends.
    return trio.run(work, *arguments, restrict_keyboard_interrupt_to_checkpoints=True)


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors in a group of groups, or the one that is none."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from leaves(each)
    else:
        yield error


def _press_ctrl_c(_number: int, _frame: FrameType | None) -> None:
    # Not by raising here: trio has a handler of its own for SIGINT, which knows where it may.
    signal.raise_signal(signal.SIGINT)
