"""The commands that a terminal has taken, and will not forget: each is carried out once.

    taken ──> begun ──> done | failed

A command is written down before it is reported delivered, and again before anything of it is done.
One that was begun when the terminal broke down is not begun again, for what is done twice may do
harm that nobody sees: a lane opens that somebody has closed meanwhile, or a terminal that breaks
down over a command does so for ever. It is reported failed, so that its officer can look and order
it anew. A restart is what was wanted where one was ordered, so that is done; and sending a journal
again does no harm, so that is begun again.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from typing import Final, cast

import msgpack

from terminals import wire
from terminals.errors import KeeperFailed, NodeMisbehaved
from terminals.keeper import Keeper
from terminals.messages import Command, CommandBody, RestartTerminal, SendJournal

COMMANDS_MAX: Final = 2_048
"""Commands remembered: twice those that a node lets stand open before one terminal."""

FORGET_MS: Final = 24 * 3600 * 1000
"""How long one is remembered after its time is over: the node tells of it no more, and its clock
and the one here differ by less."""

CUT_OFF: Final = "the terminal broke down over it: it may have been carried out, or in part"

_PREFIX: Final = "command-"
_SEAL_BYTES: Final = 32


class Stage(StrEnum):
    """How far a command has come here."""

    TAKEN = "taken"
    BEGUN = "begun"
    DONE = "done"
    FAILED = "failed"

    @property
    def reported(self) -> str:
        """What the node calls it."""
        return "delivered" if self in OPEN_STAGES else str(self)


OPEN_STAGES: Final = frozenset({Stage.TAKEN, Stage.BEGUN})


@dataclass(frozen=True, slots=True)
class Remembered:
    """A command.

    Attributes:
      number: in the order in which they were taken.
      text: why it failed.
    """

    number: int
    id: str
    body: CommandBody
    expires_ms: int
    stage: Stage = Stage.TAKEN
    text: str = ""


class CommandBook:
    """What a terminal remembers of commands.

    `load`, `take`, `begin` and `finish` block, and one thread at a time calls them; `find` may be
    called meanwhile.

    Args:
      keeper: where they are kept; it may be shared.
    """

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._known: dict[str, Remembered] = {}
        self._next = 0

    def __len__(self) -> int:
        """How many commands are remembered."""
        return len(self._known)

    def find(self, command_id: str) -> Remembered | None:
        """Return a command that was taken, or None."""
        return self._known.get(command_id)

    def load(self) -> list[Remembered]:
        """Take what was kept before; return what is still to be begun, in the order it came.

        Raises:
          KeeperFailed: what was kept cannot be read.
        """
        for name in self._keeper.names():
            if name.startswith(_PREFIX) and (found := _read(self._keeper.read(name))):
                self._next = max(self._next, found.number + 1)
                self._known[found.id] = _after_a_start(found)
        return [one for one in self._known.values() if one.stage is Stage.TAKEN]

    def take(self, command: Command, now_ms: int) -> Remembered | None:
        """Remember a new command, unless there is no room.

        Durability: on return it is on disk.

        Raises:
          KeeperFailed: it is not, and not taken.
        """
        assert command.id not in self._known
        self._forget(now_ms)
        if len(self._known) >= COMMANDS_MAX:
            return None
        taken = Remembered(self._next, *command)
        self._write(taken)
        self._next += 1
        self._known[taken.id] = taken
        return taken

    def begin(self, command: Remembered) -> None:
        """Note that a command is about to be carried out.

        Durability: on return it is on disk.

        Raises:
          KeeperFailed: it is not, so it must not be begun.
        """
        begun = replace(command, stage=Stage.BEGUN)
        self._write(begun)
        self._known[begun.id] = begun

    def finish(self, command: Remembered, reason: str) -> None:
        """Note how a command ended: with the reason why it failed, or an empty text.

        Durability: on return it is on disk.

        Raises:
          KeeperFailed: it is not, so a terminal that breaks down now will not know it.
        """
        ended = replace(command, stage=Stage.FAILED if reason else Stage.DONE, text=reason)
        self._known[ended.id] = ended
        self._write(ended)

    def _forget(self, now_ms: int) -> None:
        """Forget what nobody tells of any more, and make room where there is none."""
        closed = [one for one in self._known.values() if one.stage not in OPEN_STAGES]
        past = [one for one in self._known.values() if one.expires_ms + FORGET_MS < now_ms]
        if len(self._known) - len(past) >= COMMANDS_MAX:
            # The node has heard of the end of the oldest long ago.
            past += closed[:1]
        for one in past:
            self._known.pop(one.id, None)
            # If it fails, the next start remembers it for some more time.
            with suppress(KeeperFailed):
                self._keeper.remove(_name(one.number))

    def _write(self, command: Remembered) -> None:
        self._keeper.write(_name(command.number), [_packed(command)])


def _after_a_start(command: Remembered) -> Remembered:
    """Return what a command is after the terminal broke down, or was started again."""
    if command.stage is not Stage.BEGUN:
        return command
    match command.body:
        case RestartTerminal():
            return replace(command, stage=Stage.DONE)
        case SendJournal():
            return replace(command, stage=Stage.TAKEN)
        case _:
            return replace(command, stage=Stage.FAILED, text=CUT_OFF)


def _name(number: int) -> str:
    return f"{_PREFIX}{number:010}"


def _packed(command: Remembered) -> bytes:
    fields: Iterable[object] = (
        command.number,
        command.id,
        wire.packed_body(command.body),
        command.expires_ms,
        str(command.stage),
        command.text,
    )
    packed = cast("bytes", msgpack.packb(list(fields)))
    return sha256(packed).digest() + packed


def _read(data: bytes) -> Remembered | None:
    """Return a command that was kept, or None where its record is damaged."""
    packed = data[_SEAL_BYTES:]
    if data[:_SEAL_BYTES] != sha256(packed).digest():
        return None
    number, command_id, body, expires_ms, stage, text = msgpack.unpackb(packed)
    try:
        return Remembered(
            number, command_id, wire.command_body(body), expires_ms, Stage(stage), text
        )
    except NodeMisbehaved:
        return None
