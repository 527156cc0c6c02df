"""A PC/SC service in memory: readers come and go, cards answer, hold back, or are not there.

It keeps to what the real one does, oddities included: a cancellation that comes too early is lost,
and a context outlives its service without being of any use.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

from terminals.errors import CardGone, CardMute, ReaderFailed
from terminals.pcsc.service import Leaving, Slot

WAIT_S_MAX = 10.0
ATR = bytes.fromhex("3B8180018080")
Answer = Callable[[bytes], bytes]


def done(_command: bytes) -> bytes:
    """Answer that all is well."""
    return b"\x90\x00"


class FakeService:
    """A service and its readers, changed from outside.

    Attributes:
      open_contexts: that were established and not released.
      left: how each card was left.
    """

    def __init__(self, *readers: str) -> None:
        self.changed = threading.Condition()
        self.slots: dict[str, Slot] = {reader: Slot(1) for reader in readers}
        self.cards: dict[str, Answer] = {}
        self.running = 1
        self.frozen = False
        self.open_contexts = 0
        self.left: list[Leaving] = []

    def establish(self) -> FakeContext:
        """Begin a conversation."""
        with self.changed:
            if not self.running:
                raise ReaderFailed("no service")
            self.open_contexts += 1
        return FakeContext(self)

    def plug(self, reader: str) -> None:
        """Add a reader."""
        self._change(lambda: self.slots.update({reader: Slot(1)}))

    def unplug(self, reader: str) -> None:
        """Take a reader away."""
        self._change(lambda: self.slots.pop(reader))

    def insert(self, reader: str, answer: Answer = done, *, mute: bool = False) -> None:
        """Put a card on a reader."""
        self.cards[reader] = answer
        self._slot(reader, present=True, mute=mute, atr=b"" if mute else ATR)

    def remove(self, reader: str) -> None:
        """Take the card off a reader."""
        self._slot(reader, present=False, mute=False, atr=b"")

    def lose_sight(self, reader: str) -> None:
        """Let a reader be listed, but not available."""
        slot = self.slots[reader]
        self._change(
            lambda: self.slots.update({reader: replace(slot, raw=slot.raw + 1, available=False)})
        )

    def stop(self) -> None:
        """End the service."""
        self._change(lambda: setattr(self, "running", 0))

    def start(self) -> None:
        """Start a new service, to which old contexts are nothing."""
        self._change(lambda: setattr(self, "running", 2))

    def _slot(self, reader: str, *, present: bool, mute: bool, atr: bytes) -> None:
        slot = self.slots[reader]
        now = Slot(slot.raw + 1, present=present, mute=mute, moves=slot.moves + 1, atr=atr)
        self._change(lambda: self.slots.update({reader: now}))

    def _change(self, change: Callable[[], object]) -> None:
        with self.changed:
            change()
            self.changed.notify_all()


class FakeContext:
    """A conversation with the service."""

    def __init__(self, service: FakeService) -> None:
        self._service = service
        self._of = service.running
        self._waiting = False
        self._cancelled = False

    def readers(self) -> tuple[str, ...]:
        """Return the names of all readers."""
        with self._service.changed:
            self._ensure()
            return tuple(self._service.slots)

    def wait(self, known: Mapping[str, Slot | None]) -> dict[str, Slot]:
        """Wait until something is other than known."""
        service = self._service
        with service.changed:
            before = set(service.slots)
            self._waiting = True
            try:
                while not (
                    (found := self._found(known)) or before != set(service.slots) or self._cancelled
                ):
                    assert service.changed.wait(WAIT_S_MAX), "a watch waits for ever"
                return found
            finally:
                self._waiting = self._cancelled = False

    def _found(self, known: Mapping[str, Slot | None]) -> dict[str, Slot]:
        self._ensure()
        slots = self._service.slots.items()
        return {name: slot for name, slot in slots if name in known and slot != known[name]}

    def cancel(self) -> None:
        """Let `wait` return, if it waits."""
        with self._service.changed:
            if self._waiting and not self._service.frozen:
                self._cancelled = True
                self._service.changed.notify_all()

    def connect(self, reader: str) -> FakeConnection:
        """Begin to speak to a card."""
        self._ensure()
        slot = self._service.slots.get(reader)
        if slot is None:
            raise ReaderFailed("no such reader")
        if slot.mute:
            raise CardMute("mute")
        if not slot.present:
            raise CardGone("no card")
        return FakeConnection(self._service, self._service.cards[reader])

    def release(self) -> None:
        """End the conversation."""
        with self._service.changed:
            self._service.open_contexts -= 1

    def _ensure(self) -> None:
        if self._of != self._service.running:
            raise ReaderFailed("the service is gone")


class FakeConnection:
    """A card that nobody else speaks to."""

    def __init__(self, service: FakeService, answer: Answer) -> None:
        self._service = service
        self._answer = answer

    def transmit(self, command: bytes) -> bytes:
        """Send a command."""
        return self._answer(command)

    def close(self, leaving: Leaving) -> None:
        """Let go of the card."""
        self._service.left.append(leaving)
